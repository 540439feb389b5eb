"""The Java transport and the spare, run from a pack without any sandbox, against a scripted Runtime API.

TINDRA_JAVA_MANIFEST is the manifest of the pack (`java17.json` in the directory of packs).
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python/tests"))
from fake_runtime_api import ACCEPTED, FakeRuntimeApi, chunked, event  # noqa: E402

MANIFEST = pathlib.Path(os.environ["TINDRA_JAVA_MANIFEST"])
PACK = json.loads(MANIFEST.read_text())
ROOT = MANIFEST.parent / PACK["directory"]
REFUSED = b'HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\n{}'


class Java:
    """A process of the pack's, in a root of links with a /var/task of its own."""

    def __init__(self, main, environment, **options):
        self.directory = tempfile.TemporaryDirectory(prefix="tindra-java-")
        self.root = pathlib.Path(self.directory.name)
        (self.root / "var/task").mkdir(parents=True)
        for name in ("lang", "runtime"):
            (self.root / "var" / name).symlink_to(ROOT / "var" / name)
        command = [word.replace("=/var/", f"={self.root}/var/") for word in PACK["command"][1:-1]]
        self.process = subprocess.Popen(
            [str(ROOT / "var/lang/bin/java"), f"-Dtindra.root={self.root}", "-Xmx128m", *command, main],
            cwd=self.root / "var/task", env={"PATH": "/bin", "LANG": "C.UTF-8", **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def end(self):
        """Its exit code and what it wrote to its standard error."""
        _, errors = self.process.communicate(timeout=30)
        self.directory.cleanup()
        return self.process.returncode, errors.decode()


def started(api, handler="tindra.Sample$Stream::handleRequest"):
    return Java("tindra.Start", variables(api, handler))


def variables(api, handler):
    return {"AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}


class Transport(unittest.TestCase):
    def answers(self, *answers):
        """Gives the answers, then ends the connection, upon which the client asks once more and gives up."""
        api = FakeRuntimeApi([*answers, FakeRuntimeApi.CLOSE, FakeRuntimeApi.CLOSE])
        java = started(api)
        api.join()
        code, errors = java.end()
        self.assertEqual(code, 1)
        return api, errors

    def test_events_and_results_go_over_one_connection(self):
        large = b'"%s"' % (b"x" * 3_000_000)
        api, errors = self.answers(event(b'{"a": 1}'), ACCEPTED, event("\"ü\"".encode()), ACCEPTED, event(large), ACCEPTED)
        posts = [body for line, _, body in api.requests if line.startswith("POST")]
        self.assertEqual(posts, [b'{"a": 1}', "\"ü\"".encode(), large])
        self.assertEqual(api.requests[1][0], "POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1")
        self.assertRegex(api.requests[0][1]["user-agent"], r"^aws-lambda-java/.*-2\.9\.0$")
        self.assertIn("Failed to get next invocation.", errors)
        self.assertEqual(api.connections, 2)

    def test_chunked_events_are_joined(self):
        api, _ = self.answers(chunked(b'{"a', b'": ', b"1}" + b" " * 40_000, trailer=b"X-Trailer: 1\r\n"), ACCEPTED)
        self.assertEqual(json.loads(api.requests[1][2]), {"a": 1})

    def test_an_idle_connection_that_was_closed_is_replaced(self):
        api = FakeRuntimeApi([event(b"1"), ACCEPTED, FakeRuntimeApi.CLOSE, event(b"2"), ACCEPTED, FakeRuntimeApi.CLOSE, FakeRuntimeApi.CLOSE])
        java = started(api)
        api.join()
        java.end()
        self.assertEqual([body for line, _, body in api.requests if line.startswith("POST")], [b"1", b"2"])

    def test_a_head_with_continue_and_close(self):
        continued = b"HTTP/1.1 100 Continue\r\n\r\n" + event(b"[]", b"Connection: close\r\n")
        api = FakeRuntimeApi([continued, FakeRuntimeApi.CLOSE, ACCEPTED, FakeRuntimeApi.CLOSE, FakeRuntimeApi.CLOSE])
        java = started(api)
        api.join()
        java.end()
        self.assertEqual([body for line, _, body in api.requests if line.startswith("POST")], [b"[]"])

    def test_a_refused_result_ends_the_client(self):
        api = FakeRuntimeApi([event(b"1"), REFUSED, event(b"2")])
        java = started(api)
        code, errors = java.end()
        api.join()
        self.assertEqual(code, 1)
        self.assertIn("Failed to post invocation response. Response code: '413'.", errors)


class Spare(unittest.TestCase):
    def setUp(self):
        self.control, theirs = socket.socketpair()
        self.control.settimeout(30)
        number = os.dup(theirs.fileno())
        theirs.close()
        self.java = Java("tindra.Spare", {"TINDRA_SPARE": "1", "OLD": "gone"}, pass_fds=[4],
                         preexec_fn=lambda: os.dup2(number, 4, inheritable=True))
        os.close(number)
        self.assertEqual(self.control.recv(1), b"R")

    def tearDown(self):
        self.java.process.kill()
        self.java.end()
        self.control.close()

    def connections(self):
        """Its TCP sockets. One pair of Unix sockets is Java's own, which it lays over the number of a socket that it closes."""
        folder = pathlib.Path(f"/proc/{self.java.process.pid}")
        own = {os.readlink(entry) for entry in (folder / "fd").iterdir()}
        lines = [line.split() for name in ("tcp", "tcp6") for line in (folder / "net" / name).read_text().splitlines()[1:]]
        return [line for line in lines if f"socket:[{line[9]}]" in own]

    def threads(self):
        names = [path.read_text().strip() for path in pathlib.Path(f"/proc/{self.java.process.pid}/task").glob("*/comm")]
        return sorted(name for name in names if name == "warmth")

    def bind(self, entries):
        message = b"".join(f"{name}={value}".encode() + b"\0" for name, value in entries.items())
        data = len(message).to_bytes(4, "little") + message
        # In pieces, as a stream may deliver them.
        for piece in (data[:2], data[2:9], data[9:]):
            self.control.sendall(piece)

    def test_it_has_neither_connections_nor_threads_of_its_own(self):
        self.assertEqual((self.connections(), self.threads()), ([], []))

    def test_it_exits_when_nobody_needs_it(self):
        self.control.shutdown(socket.SHUT_WR)
        self.assertEqual(self.java.process.wait(timeout=30), 0)

    def test_it_goes_on_as_the_function(self):
        task = self.java.root / "var/task"
        task.rename(task.parent / "before")
        task.mkdir()
        api = FakeRuntimeApi([event(b'{"name": "x"}'), ACCEPTED, event(b'{"name": "y"}'), ACCEPTED])
        entries = {**variables(api, "tindra.Sample"), "MINE": "a=ü", "EMPTY": ""}
        start = time.perf_counter()
        self.bind(entries)
        self.assertEqual(self.control.recv(1), b"")
        api.join()
        first, second = [json.loads(body) for line, _, body in api.requests if line.startswith("POST")]
        self.assertEqual((first["event"], second["event"]), ({"name": "x"}, {"name": "y"}))
        self.assertEqual(first["environment"], entries)
        self.assertEqual(os.readlink(f"/proc/{self.java.process.pid}/cwd"), str(task))
        print(f"two events within {1000 * (time.perf_counter() - start):.1f} ms of the bind", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
