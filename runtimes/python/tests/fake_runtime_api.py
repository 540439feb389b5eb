"""A Runtime API on loopback for one client, with the answers scripted by the test."""

import socket
import threading


class FakeRuntimeApi:
    """Serves `answers` (bytes, or CLOSE) in order and records the requests: (first line, headers, body)."""

    CLOSE = object()

    def __init__(self, answers, port=0):
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.requests = []
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def join(self):
        """Waits until every answer is given."""
        self._thread.join(20)
        assert not self._thread.is_alive(), "answers left: %r" % self._answers
        self._listener.close()

    def _serve(self):
        while self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection, connection.makefile("rb") as stream:
                self._converse(connection, stream)

    def _converse(self, connection, stream):
        while self._answers:
            if self._answers[0] is self.CLOSE:
                self._answers.pop(0)
                return
            line = stream.readline()
            if not line:
                return
            headers = {}
            while True:
                header = stream.readline()
                if header in (b"\r\n", b""):
                    break
                name, _, value = header.partition(b":")
                headers[name.strip().lower().decode()] = value.strip().decode()
            body = stream.read(int(headers.get("content-length", 0)))
            self.requests.append((line.decode().strip(), headers, body))
            connection.sendall(self._answers.pop(0))


def event(body=b"{}", headers=b"", status=b"200 OK"):
    """An answer to /next with a length."""
    return (
        b"HTTP/1.1 " + status + b"\r\nLAMBDA-RUNTIME-AWS-REQUEST-ID: r1\r\nlambda-runtime-trace-id: Root=1\r\n"
        b"Lambda-Runtime-Invoked-Function-Arn: arn\r\nlambda-runtime-deadline-ms: 1234\r\n"
        b"Content-Type: application/json\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def chunked(*chunks, trailer=b""):
    """An answer to /next in chunks."""
    head = event(b"", b"Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"


ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
