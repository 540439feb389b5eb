"""Tests of the transport. Run: `python3 -m unittest discover runtimes/python/tests`."""

import importlib
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from fake_runtime_api import ACCEPTED, FakeRuntimeApi, chunked, event  # noqa: E402


def transport(answers):
    api = FakeRuntimeApi(answers)
    os.environ["AWS_LAMBDA_RUNTIME_API"] = api.address
    module = importlib.import_module("runtime_client")
    if getattr(module, "_client", None) is not None:
        module._client._close()
    module.initialize_client("test/1")
    return module, api


class Common(unittest.TestCase):
    """What the official module does too."""

    def test_event_with_length(self):
        client, api = transport([event(b'{"a":1}', b"lambda-runtime-aws-tenant-id: t\r\n")])
        body, headers = client.next()
        api.join()
        self.assertEqual(body, b'{"a":1}')
        self.assertEqual(headers["Lambda-Runtime-Aws-Request-Id"], "r1")
        self.assertEqual(headers["Lambda-Runtime-Deadline-Ms"], 1234)
        self.assertEqual(headers["Lambda-Runtime-Aws-Tenant-Id"], "t")
        self.assertIsNone(headers["Lambda-Runtime-Client-Context"])
        self.assertEqual(headers["Content-Type"], "application/json")

    def test_event_in_chunks(self):
        parts = [b'{"a":"', b"x" * 100_000, b'"}']
        client, api = transport([chunked(*parts, trailer=b"X-Trailer: 1\r\n"), event()])
        self.assertEqual(client.next()[0], b"".join(parts))
        self.assertEqual(client.next()[0], b"{}")
        api.join()

    def test_result_and_error(self):
        client, api = transport([event(), ACCEPTED, event(), ACCEPTED, event()])
        client.next()
        client.post_invocation_result("r1", b'"\xc3\xa4"', "application/json", None)
        client.next()
        client.post_error("r2", '{"errorType":"E"}', '{"exceptions":[]}', None)
        client.next()
        api.join()
        line, headers, body = api.requests[1]
        self.assertEqual(line, "POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1")
        self.assertEqual((headers["content-type"], body), ("application/json", b'"\xc3\xa4"'))
        line, headers, body = api.requests[3]
        self.assertEqual(line, "POST /2018-06-01/runtime/invocation/r2/error HTTP/1.1")
        self.assertEqual(headers["lambda-runtime-function-xray-error-cause"], '{"exceptions":[]}')
        self.assertEqual(body, b'{"errorType":"E"}')
        self.assertEqual(headers["user-agent"], "test/1")

    def test_six_megabytes_both_ways(self):
        large = b'"' + b"x" * 6_291_454 + b'"'
        client, api = transport([event(large), ACCEPTED, event()])
        body, _ = client.next()
        self.assertEqual(body, large)
        client.post_invocation_result("r1", body, "application/json", None)
        client.next()
        api.join()
        self.assertEqual(api.requests[1][2], large)

    def test_server_closes_between_events(self):
        client, api = transport([event(), FakeRuntimeApi.CLOSE, event(b'{"n":2}')])
        client.next()
        self.assertEqual(client.next()[0], b'{"n":2}')
        api.join()


class Ours(unittest.TestCase):
    """What only our transport promises."""

    def test_refused_result_is_an_error(self):
        refused = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n"
        client, api = transport([event(), refused, event()])
        client.next()
        with self.assertRaisesRegex(RuntimeError, "Failed to post invocation response"):
            client.post_invocation_result("r1", b"{}", "application/json", None)
            client.next()
        api.join()

    def test_one_connection_for_everything(self):
        client, api = transport([event(), ACCEPTED] * 50 + [event()])
        for number in range(50):
            client.next()
            client.post_invocation_result("r%d" % number, b"{}", "application/json", None)
        client.next()
        api.join()
        self.assertEqual(api.connections, 1)

    def test_closing_answer_leads_to_a_new_connection(self):
        client, api = transport([event(b"{}", b"Connection: close\r\n"), FakeRuntimeApi.CLOSE, event()])
        client.next()
        client.next()
        api.join()
        self.assertEqual(api.connections, 2)

    def test_body_cut_short_is_an_error(self):
        client, api = transport([event(b"{}" * 100)[:-7], FakeRuntimeApi.CLOSE])
        with self.assertRaisesRegex(RuntimeError, "too early"):
            client.next()
        api.join()

    def test_restore_is_waited_for_on_a_connection_that_is_closed(self):
        restored = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        client, api = transport([restored, FakeRuntimeApi.CLOSE, event()])
        client.restore_next()
        self.assertIsNone(client._client._socket)
        client.next()
        api.join()
        self.assertEqual(api.requests[0][0], "GET /2018-06-01/runtime/restore/next HTTP/1.1")
        self.assertEqual(api.connections, 2)

    def test_refused_restore_is_an_error(self):
        refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        client, api = transport([refused])
        with self.assertRaisesRegex(RuntimeError, "Failed to get restore/next"):
            client.restore_next()
        client._client._close()
        api.join()

    def test_no_heavy_modules(self):
        import subprocess

        code = "import sys; sys.path.insert(0, %r); import runtime_client; print(sorted(sys.modules))" % os.path.join(
            os.path.dirname(os.path.abspath(__file__)), ".."
        )
        modules = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
        for heavy in ("http.client", "'ssl'", "email", "urllib"):
            self.assertNotIn(heavy, modules)


if __name__ == "__main__":
    unittest.main()
