"""A web server on this machine that keeps the requests it gets, and answers as the test says."""

import http.server
import threading
import urllib.parse

from support.wait import until


class WebTarget:
    """Use as a context manager. `answers` are (status, headers, body) for the next requests; then 200."""

    def __init__(self):
        self.requests, self.answers, self.lock = [], [], threading.Lock()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                url = urllib.parse.urlsplit(self.path)
                with target.lock:
                    target.requests.append({
                        "method": self.command, "path": url.path, "query": dict(urllib.parse.parse_qsl(url.query)),
                        "headers": {name.lower(): value for name, value in self.headers.items()}, "body": body.decode(),
                    })
                    status, headers, body = target.answers.pop(0) if target.answers else (200, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def take(self, count=1):
        """The requests so far, once there are as many; more are an error. They are then forgotten."""
        until(lambda: len(self.requests) >= count, 20, f"{count} requests")
        with self.lock:
            taken, self.requests[:] = list(self.requests), []
        assert len(taken) == count, taken
        return taken
