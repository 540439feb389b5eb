"""Clients that send asynchronous invokes as fast as they can and remember what they were told."""

import http.client
import itertools
import threading

from support.wait import pause

BROKEN = (OSError, http.client.HTTPException)


class Senders:
    """Threads that send the events of some numbers to a function, each once, over connections that they keep.

    A server that is away is waited for; the event that was on its way then has no answer and is not sent again.
    """

    def __init__(self, server, function, numbers, threads=8, payload=str):
        self.server, self.function, self.payload = server, function, payload
        self.numbers = iter(numbers)
        self.lock = threading.Lock()
        self.is_stopping = False
        self.accepted = {}
        """{number: request id}"""
        self.unanswered = set()
        self.refused = {}
        """{number: (status, body)} of everything but 202."""
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        """Sends nothing more."""
        self.is_stopping = True

    def join(self, timeout_s=30):
        for thread in self.threads:
            thread.join(timeout_s)
            assert not thread.is_alive(), "a client still waits for an answer"

    def are_done(self):
        return not any(thread.is_alive() for thread in self.threads)

    def run(self):
        connection = None
        while not self.is_stopping:
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                return
            connection = connection or self.connect()
            if connection is None:
                return
            try:
                status, request_id, body = send(connection, self.function, self.payload(number))
            except BROKEN:
                self.unanswered.add(number)
                connection = None
                continue
            if status == 202:
                self.accepted[number] = request_id
            else:
                self.refused[number] = (status, body)

    def connect(self):
        """A connection, when the server is there; none when sending is over before."""
        while not self.is_stopping:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            try:
                connection.connect()
                return connection
            except OSError:
                pause(0.02)
        return None


def send(connection, function, payload):
    """(status, request id, body) of one asynchronous invoke."""
    path = f"/2015-03-31/functions/{function}/invocations"
    connection.request("POST", path, payload, {"X-Amz-Invocation-Type": "Event"})
    answer = connection.getresponse()
    return answer.status, answer.headers["x-amzn-requestid"], answer.read()


def send_all(server, function, numbers, **options):
    """Sends the events of these numbers, all of which must be accepted; {number: request id}."""
    numbers = list(numbers)
    senders = Senders(server, function, numbers, **options).start()
    senders.join(300)
    assert not senders.refused and not senders.unanswered, list(itertools.islice(senders.refused.items(), 3))
    assert len(senders.accepted) == len(numbers)
    return senders.accepted


__all__ = ["Senders", "send", "send_all"]
