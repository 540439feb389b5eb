"""Web libraries of Node.js inside functions: Express behind two adapters, and Hono behind its own, whole and streamed."""

import base64
import gzip
import hashlib
import itertools
import json

import pytest

from support import web
from support.doors import function_url, function_url_by_path
from support.server import Function

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
DOORS = {"url": function_url, "url-by-path": function_url_by_path}
FOREIGN = "https://foreign.example.com"


class Running:
    """An application behind a door."""

    NUMBERS = itertools.count(1)

    def __init__(self, server, open_door, handler, runtime="nodejs22.x", **members):
        self.function = Function(server, f"web-{next(self.NUMBERS)}", runtime, web.node(), handler, MemorySize=1024, Timeout=30)
        self.door = open_door(server, self.function.ready(), **members)
        self.arn = self.function.created["FunctionArn"]

    def tell(self):
        self.function.client.tag_resource(Resource=self.arn, Tags={"told": "go on"})

    def forget(self):
        self.function.client.untag_resource(Resource=self.arn, TagKeys=["told"])


@pytest.fixture(scope="module", params=DOORS)
def open_door(request):
    return DOORS[request.param]


@pytest.fixture(scope="module", params=["express.handler", "express.other"])
def express(request, server, open_door):
    """Its first adapter gives a handler with a callback, which Node.js before 24 still takes."""
    running = Running(server, open_door, request.param, runtime="nodejs20.x")
    yield running.door
    running.function.delete()


@pytest.fixture(scope="module", params=["hono.handler", "hono.streaming"])
def hono(request, server, open_door):
    """The application as it answers whole and as it answers in pieces: the answers are the same."""
    running = Running(server, open_door, request.param, streams=request.param == "hono.streaming")
    yield running.door
    running.function.delete()


@pytest.fixture(scope="module")
def streaming(server):
    running = Running(server, function_url, "hono.streaming", runtime="nodejs20.x", streams=True)
    yield running
    running.function.delete()


@pytest.fixture
def untold(streaming):
    """The streaming application, which waits between pieces until it is told."""
    yield streaming
    streaming.forget()


def test_express_reads_paths_and_queries(express):
    reply = express.ask("/hello/you%20there/of/caf%C3%A9")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert reply.value == {"name": "you there", "place": "café"}
    assert express.ask("/query?a=1&b=%C3%A9+%26&a=3").value == {"a": ["1", "3"], "b": "é &"}


def test_express_reads_bodies(express):
    reply = express.ask("/orders", "POST", value={"items": ["ä", None]})
    assert (reply.status, reply.headers["location"], reply.value) == (201, "/orders/7", {"order": {"items": ["ä", None]}})
    assert express.ask("/orders", "POST", {"Content-Type": "application/json"}, b"{").status == 400
    assert express.ask("/form", "POST", form=[("name", "Ä & Ö"), ("many", "1"), ("many", "2")]).value == {
        "name": "Ä & Ö", "many": ["1", "2"]}
    for kind, body in (("application/octet-stream", bytes(range(256)) * 9), ("text/plain", "ä€😀".encode() * 9)):
        reply = express.ask("/bytes", "PUT", {"Content-Type": kind}, body)
        assert reply.value == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_express_sees_the_client_through_the_proxy(express):
    reply = express.ask("/headers?x=%20", headers={"X-Custom": "one, two", "Authorization": "Bearer abc"})
    assert reply.headers["x-answered"].replace(" ", "") == "yes,here", "it is two headers in one"
    seen = reply.value
    assert (seen["ip"], seen["protocol"], seen["method"]) == ("127.0.0.1", "http", "GET")
    assert seen["hostname"] == express.host.split(":")[0]
    assert seen["originalUrl"] in ("/headers?x=%20", "/headers?x=+")
    assert (seen["headers"]["x-custom"], seen["headers"]["authorization"]) == ("one, two", "Bearer abc")


def test_express_sets_cookies_and_reads_them(express):
    first = express.ask("/cookies")
    plain, signed = first.headers.get_all("set-cookie")
    assert plain == "session=a%3Db; Path=/; HttpOnly; SameSite=Lax" and signed.startswith("count=s%3A1.")
    pairs = "; ".join(cookie.split(";")[0] for cookie in (plain, signed))
    assert express.ask("/cookies", headers={"Cookie": pairs}).value == [{"session": "a=b"}, {"count": "1"}]


def test_express_answers_with_bytes(express):
    reply = express.ask("/image")
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "image/gif", PIXEL)
    assert express.ask("/bytes/5900000").body == b"x" * 5_900_000
    reply = express.ask("/compressed", headers={"Accept-Encoding": "gzip"})
    assert (reply.headers["content-encoding"], len(reply.body) < 500) == ("gzip", True)
    assert json.loads(gzip.decompress(reply.body)) == ["again"] * 1000


def test_express_validates_caches(express):
    """The entity tag of an answer brings 304 without a body."""
    tag = express.ask("/image").headers["etag"]
    reply = express.ask("/image", headers={"If-None-Match": tag})
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag)
    head = express.ask("/image", "HEAD")
    assert (head.status, head.body, head.headers["content-type"]) == (200, b"", "image/gif")


def test_express_answers_errors_itself(express):
    assert express.ask("/nowhere").status == express.ask("/orders", "PUT").status == 404
    assert express.ask("/caught").seen() == (418, "text/plain; charset=utf-8", "no tea")
    failed = express.ask("/fails")
    assert failed.status == 500 and failed.headers["content-type"] == "text/html; charset=utf-8"
    assert (express.ask("/nothing", "DELETE").status, express.ask("/nothing", "DELETE").body) == (204, b"")
    reply = express.ask("/moved")
    assert (reply.status, reply.headers["location"]) == (303, "/hello/again/of/home?a=1")
    assert sorted(express.ask("/orders", "OPTIONS").headers["allow"].replace(" ", "").split(",")) == ["POST"]


def test_hono_reads_requests(hono):
    assert hono.ask("/hello/you%20there/of/caf%C3%A9").value == {"name": "you there", "place": "café"}
    assert hono.ask("/query?a=1&b=%C3%A9+%26&a=3").value == {"a": ["1", "3"], "b": ["é &"]}
    reply = hono.ask("/orders", "POST", value={"items": ["ä", None]})
    assert (reply.status, reply.headers["location"], reply.value) == (201, "/orders/7", {"order": {"items": ["ä", None]}})
    assert hono.ask("/form", "POST", form=[("name", "Ä & Ö"), ("many", "1"), ("many", "2")]).value == {
        "name": "Ä & Ö", "many": ["1", "2"]}
    reply = hono.ask("/headers?x=1", headers={"X-Custom": "one"})
    assert reply.headers["x-answered"] == "yes, here" and reply.value["x-custom"] == "one"
    assert reply.value["url"] == f"https://{hono.domain}/headers?x=1", "the library takes every door for TLS"


def test_hono_takes_uploads(hono):
    content = bytes(range(256)) * 40
    body = (b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nh\xc3\xa4\r\n'
            b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: image/png\r\n\r\n'
            + content + b"\r\n--edge--\r\n")
    reply = hono.ask("/upload", "POST", {"Content-Type": "multipart/form-data; boundary=edge"}, body)
    assert reply.value == {"name": "a.bin", "type": "image/png", "note": "hä", "sha256": hashlib.sha256(content).hexdigest()}


def test_hono_sets_cookies_and_reads_them(hono):
    reply = hono.ask("/cookies", headers={"Cookie": "session=a%3Db; old=1"})
    assert reply.value == {"session": "a=b", "old": "1"}
    assert reply.headers.get_all("set-cookie") == [
        "session=a%3Db; Path=/; HttpOnly; SameSite=Lax", "theme=dark; Max-Age=60; Path=/", "old=; Max-Age=0; Path=/",
    ]


def test_hono_answers_with_bytes(hono):
    reply = hono.ask("/image")
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "image/gif", PIXEL)
    reply = hono.ask("/compressed", headers={"Accept-Encoding": "gzip"})
    assert (reply.headers["content-encoding"], len(reply.body) < 500) == ("gzip", True)
    assert json.loads(gzip.decompress(reply.body)) == ["again"] * 1000


def test_hono_answers_other_origins(hono):
    allowed = "https://app.example.com"
    preflight = hono.ask("/shared/word", "OPTIONS", {
        "Origin": allowed, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-custom"})
    assert (preflight.status, preflight.headers["access-control-allow-headers"]) == (204, "x-custom")
    assert (preflight.headers["access-control-max-age"], preflight.headers["access-control-allow-origin"]) == ("300", allowed)
    reply = hono.ask("/shared/word", headers={"Origin": allowed})
    assert (reply.text, reply.headers["access-control-allow-credentials"]) == ("shared", "true")
    assert hono.ask("/shared/word", headers={"Origin": FOREIGN}).headers["access-control-allow-origin"] != FOREIGN


def test_hono_asks_for_a_password(hono):
    """The header that asks comes under another name, as it does from every function URL."""
    refused = hono.ask("/private/word")
    assert refused.status == 401 and refused.headers["x-amzn-remapped-www-authenticate"] == 'Basic realm="Secure Area"'
    known = base64.b64encode(b"you:secret").decode()
    assert hono.ask("/private/word", headers={"Authorization": f"Basic {known}"}).text == "private"


def test_hono_answers_errors_itself(hono):
    assert hono.ask("/nowhere").status == hono.ask("/orders").status == 404
    assert (hono.ask("/bad").status, hono.ask("/bad").text) == (418, "no tea")
    assert (hono.ask("/fails").status, hono.ask("/fails").text) == (500, "Internal Server Error")
    nothing = hono.ask("/nothing", "DELETE")
    assert (nothing.status, nothing.body) == (204, b"")
    assert (hono.ask("/moved").status, hono.ask("/moved").headers["location"]) == (302, "/hello/again/of/home")


def test_a_page_comes_in_pieces(untold):
    response = untold.door.open("/pieces")
    assert (response.status, response.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert response.readline() == b"first\n", "and the function has not been told to go on"
    untold.tell()
    assert response.read() == b"last"


def test_events_come_one_by_one(untold):
    response = untold.door.open("/events", headers={"Accept": "text/event-stream"})
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream")
    first = [response.readline() for _ in range(5)]
    assert b"".join(first) == b"event: count\ndata: one\ndata: and more\nid: 1\n\n"
    untold.tell()
    assert response.read() == b'data: {"count":2}\nid: 2\n\n'


def test_streams_may_be_larger_than_whole_answers(streaming):
    reply = streaming.door.ask("/many/160")
    assert (reply.status, len(reply.body)) == (200, 160 * 65536) and reply.body == b"0123456789abcdef" * (160 * 4096)


def test_a_whole_answer_holds_all_pieces(server):
    """The same application where the URL wants the answer whole."""
    running = Running(server, function_url_by_path, "hono.handler", runtime="nodejs20.x")
    try:
        running.tell()
        assert running.door.ask("/pieces").text == "first\nlast"
    finally:
        running.function.delete()
