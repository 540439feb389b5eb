"""HTTP/2, and what hostile clients do with it: floods are cut off, nobody else waits, memory stays where it was."""

import contextlib
import json
import subprocess
import time

import pytest

from support import packages
from support.frames import CANCEL, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PREFACE, PROTOCOL_ERROR, Frames, frame
from support.raw import Connection, resident_kb
from support.server import Server
from support.witness import served_meanwhile

INVOKE = {"path": "/2015-03-31/functions/nobody/invocations", "method": "POST"}
REFUSED_STREAM = 0x7
HEADERS_MAX = 100
STREAMS_MAX = 250
GROWTH_MAX_KB = 60_000
HEAD_PATIENCE_S = 10
# Whoever is cut off sees GOAWAY, unless the connection is gone before it is read.
CUT_OFF = (ENHANCE_YOUR_CALM, "closed")


@pytest.fixture(scope="module")
def server():
    """A server whose memory is this file's own."""
    with Server(arguments=["--spares-max", "0"]) as running:
        yield running


@pytest.fixture(autouse=True)
def unharmed(server):
    """After each test the server answers, and has not grown."""
    with Frames(server) as client:
        client.ask(1)
        assert client.status(1) == 200
    before = resident_kb(server.process.pid)
    yield
    with Frames(server) as client:
        client.ask(1)
        assert client.status(1) == 200
    assert resident_kb(server.process.pid) - before < GROWTH_MAX_KB


def curl(server, *arguments):
    command = ["curl", "--silent", "--show-error", "--http2-prior-knowledge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_curl_speaks_it_with_prior_knowledge(server):
    shown = curl(server, "--write-out", " %{http_code} %{http_version} %header{date}", f"{server.url}/_tindra/clock")
    assert '"system"' in shown and " 200 2 " in shown and shown.endswith("GMT")
    without = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_version}", "--http2", server.url]
    assert subprocess.run(without, capture_output=True, text=True, timeout=30).stdout == "1.1", "no upgrade from HTTP/1.1"


def test_an_invoke_and_a_large_event_and_answer(server, deploy_on):
    deploy_on(server, "python3.12", packages.python("def handler(event, context):\n    return event"), "app.handler", name="echo")
    event = json.dumps("a" * 6_000_000)
    url = f"{server.url}/2015-03-31/functions/echo/invocations"
    result = subprocess.run(
        ["curl", "--silent", "--http2-prior-knowledge", "--data-binary", "@-", url],
        input=event, capture_output=True, text=True, timeout=60,
    )
    assert result.stdout == event


NODE_CLIENT = """
const client = require("http2").connect(process.argv[1]);
const ask = (path) => new Promise((done, failed) => {
  const request = client.request({ ":path": path });
  let status;
  request.on("response", (head) => (status = head[":status"])).on("error", failed).on("end", () => done(status)).resume();
});
client.on("error", (error) => { console.error(error); process.exit(1); });
Promise.all(Array.from({ length: 500 }, (_, number) => ask(number % 2 ? "/_tindra/health" : "/_tindra/nothing")))
  .then((all) => { console.log(JSON.stringify(all)); client.close(); });
"""


def test_node_asks_five_hundred_things_at_once(server):
    result = subprocess.run(["node", "-e", NODE_CLIENT, server.url], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [404, 200] * 250


def test_the_authority_is_the_host(server):
    with Frames(server) as client:
        client.ask(1, authority=f"{'a' * 32}.lambda-url.us-east-1.localhost", path="/")
        named = client.status(1)
        client.ask(3, path="/")
        assert named != client.status(3), "a function's URL is told from the API"
        client.ask(5, headers=[("host", "localhost")])
        assert client.status(5) == 200
        client.ask(7, headers=[("host", "elsewhere")])
        assert client.status(7) == 400
        nameless = client.encoder.encode([(":method", "GET"), (":scheme", "http"), (":path", "/_tindra/health")])
        client.put(frame.HeadersFrame(9, nameless, flags=["END_HEADERS", "END_STREAM"]))
        assert client.status(9) == 400


@pytest.mark.parametrize(
    "headers",
    [("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "h2c"), ("X-Large", "a"), ("x-a", "b\r\nc: d"), ("x-a", "b\0")],
)
def test_what_has_no_place_in_http2_is_refused(server, headers):
    with Frames(server) as client:
        client.ask(1, headers=[headers])
        refused = client.status(1)
        assert refused is None or refused.error_code == PROTOCOL_ERROR


@pytest.mark.parametrize("length", ["5", "1", "-1", "two"])
def test_a_length_that_is_wrong_ends_the_request(server, length):
    with Frames(server) as client:
        client.put(*client.request(1, **INVOKE, headers=[("content-length", length)], body=b"{}"))
        refused = client.status(1)
        assert refused == 400 or refused.error_code == PROTOCOL_ERROR


@pytest.mark.parametrize("gap", [1, 100])
def test_rapid_reset(server, gap):
    """Ten thousand requests that are taken back, each at once or in hundreds."""
    with Frames(server) as client, served_meanwhile(server):
        for first in range(1, 20_001, 2 * gap):
            streams = range(first, first + 2 * gap, 2)
            requests = [client.request(stream, **INVOKE, body=b"")[0] for stream in streams]
            if not client.put(*requests, *(frame.RstStreamFrame(stream, error_code=CANCEL) for stream in streams)):
                break
        assert client.goodbye() in CUT_OFF


def test_requests_that_are_taken_back_once_they_run(server):
    """Slowly enough that each has begun: no bound on requests that wait is met, only that on requests taken back."""
    with Frames(server) as client, served_meanwhile(server):
        for stream in range(1, 20_001, 2):
            alive = client.put(*client.request(stream, **INVOKE, body=b""), frame.PingFrame(0, stream.to_bytes(8, "big")))
            if not alive or client.until(frame.PingFrame, frame.GoAwayFrame) is None:
                break
            if not client.put(frame.RstStreamFrame(stream, error_code=CANCEL)):
                break
        assert client.goodbye() in CUT_OFF
        assert stream > 200, "who takes back a hundred is no attacker"


@pytest.mark.parametrize("size", [0, 16_000])
def test_continuation_flood(server, size):
    with Frames(server) as client, served_meanwhile(server):
        block = client.encoder.encode([("x-a", "b" * size)], huffman=False)[:size]
        client.put(frame.HeadersFrame(1, client.encoder.encode([(":method", "GET")]), flags=["END_STREAM"]))
        for _ in range(100_000):
            if not client.put(frame.ContinuationFrame(1, block)):
                break
        else:
            pytest.fail("a hundred thousand frames of one head were taken")
        assert client.goodbye() in (*CUT_OFF, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "flood", [frame.PingFrame(0, b"12345678"), frame.SettingsFrame(0), frame.PriorityFrame(1)], ids=["ping", "settings", "priority"]
)
def test_frames_without_requests_are_cut_off(server, flood):
    with Frames(server) as client, served_meanwhile(server):
        for _ in range(2_000):
            if not client.put(*[flood] * 100):
                break
        else:
            pytest.fail("two hundred thousand frames were taken")


def test_window_updates_without_end_hurt_nobody(server):
    with Frames(server) as client, served_meanwhile(server):
        for _ in range(1_000):
            client.put(*[frame.WindowUpdateFrame(0, window_increment=1)] * 100)


def test_header_bomb(server):
    """A few kilobytes that unpack to thirty megabytes."""
    with Frames(server) as client, served_meanwhile(server):
        client.ask(1, headers=[("x-bomb", "a" * 3_000)])
        assert client.status(1) == 200
        head = client.encoder.encode([(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")])
        packed = client.encoder.encode([("x-bomb", "a" * 3_000)]) * 10_000
        assert len(packed) < 16_000
        client.put(frame.HeadersFrame(3, head + packed, flags=["END_HEADERS", "END_STREAM"]))
        assert client.goodbye() in CUT_OFF


def test_heads_that_are_too_large_get_431(server):
    with Frames(server) as client:
        client.ask(1, headers=[(f"x-{number}", "a") for number in range(HEADERS_MAX + 1)])
        assert client.status(1) == 431
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", f"/{'a' * 70_000}")]
        block = client.encoder.encode(head, huffman=False)
        pieces = [block[first : first + 16_000] for first in range(0, len(block), 16_000)]
        client.put(
            frame.HeadersFrame(3, pieces[0], flags=["END_STREAM"]),
            *(frame.ContinuationFrame(3, piece) for piece in pieces[1:-1]),
            frame.ContinuationFrame(3, pieces[-1], flags=["END_HEADERS"]),
        )
        assert client.status(3) == 431
        client.ask(5)
        assert client.status(5) == 200, "the connection goes on"


def test_more_requests_than_allowed_are_refused_one_by_one(server):
    with Frames(server) as client:
        streams = range(1, 2 * (STREAMS_MAX + 2), 2)
        client.put(*(client.request(stream, **INVOKE, body=b"")[0] for stream in streams))
        assert client.status(streams[-1]).error_code == REFUSED_STREAM


def test_frames_that_are_too_large_and_wrong_beginnings_end_the_connection(server):
    with Frames(server) as client:
        client.send((16_385).to_bytes(3, "big") + b"\0\0\0\0\0\1" + b"a" * 16_385)
        assert client.goodbye() == FRAME_SIZE_ERROR
    for rest in [b"what is this, that it should be frames?" * 10, b"\0\0\1\0\0\0\0\0\0a", b"\0\0\1\0\1\0\0\0\2a"]:
        with Connection(server) as connection:
            connection.send(PREFACE + rest)
            assert b"\x07" in connection.read_all(), "GOAWAY"


def test_half_heads_are_cut_off_while_others_are_served(server):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Frames(server, bound_s=3 * HEAD_PATIENCE_S)) for _ in range(200)]
        with served_meanwhile(server):
            began = time.monotonic()
            for number, client in enumerate(clients):
                head = client.encoder.encode([(":method", "GET"), (":scheme", "http")])
                half = frame.HeadersFrame(1, head, flags=["END_STREAM"]).serialize()
                # Half a head, half a frame, half the head of a frame.
                client.send([half, half[:-2], half[:5]][number % 3])
            for client in clients:
                while client.next() is not None:
                    pass
            assert HEAD_PATIENCE_S - 1 < time.monotonic() - began < 2 * HEAD_PATIENCE_S


def test_who_gives_no_room_for_answers_holds_no_environment(server, deploy_on):
    source = "def handler(event, context):\n    return 'a' * 5_000_000\n"
    function = deploy_on(server, "python3.12", packages.python(source), "app.handler", name="large")
    function.client.put_function_concurrency(FunctionName="large", ReservedConcurrentExecutions=1)
    with Frames(server, settings={frame.SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as client:
        for stream in [1, 3, 5]:
            client.put(*client.request(stream, "/2015-03-31/functions/large/invocations", "POST", body=b"{}"))
            assert client.status(stream) == 200
        assert len(function.invoke({}).ok()) == 5_000_000
