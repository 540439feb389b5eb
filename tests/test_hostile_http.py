"""Hostile HTTP/1.1: nothing is smuggled, nobody holds the server up, memory stays where it was."""

import contextlib
import time

import pytest

from support import packages
from support.raw import Connection, exchange, resident_kb
from support.server import Server
from support.wait import until
from support.witness import served_meanwhile

HOST = "Host: localhost\r\n"
INVOKE = "POST /2015-03-31/functions/nobody/invocations HTTP/1.1\r\n" + HOST
HEALTH = "GET /_tindra/health HTTP/1.1\r\n" + HOST
# What an attacker hides behind the first request. Its answer, 405, comes from nothing else here.
SMUGGLED = "PUT /_tindra/health HTTP/1.1\r\n" + HOST + "\r\n"
# A longer head is refused; the answer to one that long must not need more.
HEAD_BYTES_MAX = 65_536
GROWTH_MAX_KB = 60_000
HEAD_PATIENCE_S = 10


@pytest.fixture(scope="module")
def server():
    """A server whose memory is this file's own."""
    with Server(arguments=["--spares-max", "0"]) as running:
        yield running


@pytest.fixture(autouse=True)
def unharmed(server):
    """After each test the server answers, and has not grown."""
    assert server.http("/_tindra/health").status == 200
    before = resident_kb(server.process.pid)
    yield
    assert server.http("/_tindra/health").status == 200
    assert resident_kb(server.process.pid) - before < GROWTH_MAX_KB


def chunked(body, headers="Transfer-Encoding: chunked\r\n"):
    return INVOKE + headers + "\r\n" + body + SMUGGLED


def sized(headers, body="{}"):
    return INVOKE + headers + "\r\n" + body + SMUGGLED


END = "0\r\n\r\n"
AMBIGUOUS = {
    "coding that is not the last": chunked(END, "Transfer-Encoding: chunked, identity\r\n"),
    "coding that is not there": chunked(END, "Transfer-Encoding: identity\r\nContent-Length: 5\r\n"),
    "coding of a coding": chunked(END, "Transfer-Encoding: gzip, chunked\r\n"),
    "coding behind a vertical tab": chunked(END, "Transfer-Encoding: \x0bchunked\r\n"),
    "coding that is almost one": chunked(END, "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n"),
    "two codings": chunked(END, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    "two codings, chunked last": chunked(END, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    "coding in HTTP/1.0": chunked(END).replace("HTTP/1.1", "HTTP/1.0", 1),
    "space before the colon of a coding": chunked(END, "Transfer-Encoding : chunked\r\n"),
    "folded coding": chunked(END, "Transfer-Encoding:\r\n chunked\r\n"),
    "two lengths": sized("Content-Length: 2\r\nContent-Length: 5\r\n", "{}xxx"),
    "list of lengths": sized("Content-Length: 2, 5\r\n", "{}xxx"),
    "length with a sign": sized("Content-Length: +2\r\n"),
    "negative length": sized("Content-Length: -1\r\n"),
    "hexadecimal length": sized("Content-Length: 0x2\r\n"),
    "length beyond 64 bits": sized("Content-Length: 99999999999999999999\r\n"),
    "space before the colon": sized("Content-Length : 2\r\n"),
    "folded header": sized("X-A: b\r\n c\r\nContent-Length: 2\r\n"),
    "bare carriage return": sized("X-A: b\rX-B: c\r\nContent-Length: 2\r\n"),
    "negative chunk": chunked("-1\r\n{}\r\n" + END),
    "chunk beyond 64 bits": chunked("10000000000000002\r\n{}\r\n" + END),
    "chunk with a prefix": chunked("0x2\r\n{}\r\n" + END),
    "chunk longer than it says": chunked("2\r\n{}xx" + END),
    "chunks ended by bare line feeds": chunked("2\n{}\n0\n\n"),
    "line feed in a chunk's extension": chunked("2;\nxx\r\n{}\r\n" + END),
    "endless extension": chunked("2;" + "a" * 1_000_000 + "\r\n{}\r\n" + END),
    "many extensions": chunked(("1;" + "a" * 1_000 + "\r\n1\r\n") * 2_000 + END),
    "many trailers": chunked("0\r\n" + "X-A: b\r\n" * 100_000 + "\r\n"),
    "two hosts": INVOKE + HOST + "Content-Length: 2\r\n\r\n{}" + SMUGGLED,
    "no host": INVOKE.replace(HOST, "") + "Content-Length: 2\r\n\r\n{}" + SMUGGLED,
    "host that is none": INVOKE.replace("localhost", "a@b") + "Content-Length: 2\r\n\r\n{}" + SMUGGLED,
    "two hosts in target and header": HEALTH.replace(" /", " http://elsewhere/") + "\r\n" + SMUGGLED,
    "zero byte in a header": HEALTH + "X-A: a\0b\r\n\r\n" + SMUGGLED,
    "zero byte in a name": HEALTH + "X\0A: ab\r\n\r\n" + SMUGGLED,
    "zero byte in the target": HEALTH.replace("health", "he\0lth") + "\r\n" + SMUGGLED,
    "zero byte in the method": HEALTH.replace("GET", "G\0T") + "\r\n" + SMUGGLED,
    "no target": "GET\r\n\r\n" + SMUGGLED,
    "two spaces": HEALTH.replace("GET ", "GET  ") + "\r\n" + SMUGGLED,
    "HTTP/1.2": HEALTH.replace("1.1", "1.2") + "\r\n" + SMUGGLED,
    "HTTP/3.0": HEALTH.replace("1.1", "3.0") + "\r\n" + SMUGGLED,
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello\r\n\r\n" + SMUGGLED,
    "half a preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(server, name):
    assert exchange(server, AMBIGUOUS[name].encode("latin-1")) == [400]


@pytest.mark.parametrize(
    "headers",
    ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"],
)
def test_nothing_is_answered_behind_a_body_with_a_length_and_a_coding(server, headers):
    statuses = exchange(server, chunked(END, headers))
    assert statuses == [404], "the function is not there, and what follows is not looked at"


def test_the_same_length_twice_and_bare_line_feeds_leave_no_doubt(server):
    for request in [sized("Content-Length: 2\r\nContent-Length: 2\r\n"), sized("Content-Length: 2\r\n").replace("\r\n", "\n")]:
        with Connection(server) as connection:
            connection.send(request)
            assert [connection.answer()[0], connection.answer()[0]] == [404, 405], "both are requests of their own"


def test_answers_come_in_the_order_of_the_requests(server):
    paths = ["/_tindra/health", "/_tindra/nothing", "/_tindra/clock", "/_tindra/reset", "/metrics"] * 20
    with Connection(server) as connection:
        connection.send("".join(f"GET {path} HTTP/1.1\r\n{HOST}\r\n" for path in paths))
        assert [connection.answer()[0] for _ in paths] == [200, 404, 200, 405, 200] * 20


@pytest.mark.parametrize(
    "request_",
    [
        f"GET /{'a' * 1_000_000} HTTP/1.1\r\n{HOST}\r\n",
        f"{HEALTH}X-A: {'a' * 1_000_000}\r\n\r\n",
        HEALTH + "".join(f"X-{number}: a\r\n" for number in range(101)) + "\r\n",
        HEALTH + "X-A: b\r\n" * 100_000 + "\r\n",
    ],
    ids=["target", "header", "101 headers", "100,000 headers"],
)
def test_a_head_that_is_too_large_gets_431(server, request_):
    assert exchange(server, request_ + SMUGGLED) == [431]


def test_a_head_just_below_the_limit_is_served(server):
    target = "/_tindra/health?" + "a" * (HEAD_BYTES_MAX - 4_096)
    assert exchange(server, f"GET {target} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n") == [200]


def test_hundreds_of_half_heads_are_cut_off_while_others_are_served(server):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Connection(server, bound_s=3 * HEAD_PATIENCE_S)) for _ in range(400)]
        with served_meanwhile(server):
            began = time.monotonic()
            for connection in slow:
                connection.send("GET /_tindra/health HTTP/1.1\r\nHost: loc")
            # One more byte now and then is no excuse.
            drip = slow[0]
            until(lambda: not drip.send("a"), 2 * HEAD_PATIENCE_S, "the dripping client to be cut off", interval_s=0.5)
            assert all(connection.is_closed() for connection in slow[1:])
            assert HEAD_PATIENCE_S - 1 < time.monotonic() - began < 2 * HEAD_PATIENCE_S


def test_a_body_that_never_comes_holds_nobody_up(server):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Connection(server)) for _ in range(200)]
        with served_meanwhile(server):
            for connection in slow:
                assert connection.send(INVOKE + "Content-Length: 6000000\r\n\r\n{")
            for _ in range(50):
                assert exchange(server, HEALTH + "Connection: close\r\n\r\n") == [200]


def test_who_does_not_read_holds_no_environment(server, deploy_on):
    source = "def handler(event, context):\n    return 'a' * 5_000_000\n"
    function = deploy_on(server, "python3.12", packages.python(source), "app.handler", name="large")
    function.client.put_function_concurrency(FunctionName="large", ReservedConcurrentExecutions=1)
    request = INVOKE.replace("nobody", "large") + "Content-Length: 2\r\n\r\n{}"
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(Connection(server))
            connection.send(request)
            # The head shows that the function is done; the rest is left lying.
            until(lambda: connection.read_some().startswith(b"HTTP/1.1 200"), 30, "the head of the answer")
        assert len(function.invoke({}).ok()) == 5_000_000
