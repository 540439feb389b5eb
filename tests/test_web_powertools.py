"""Powertools' event handler, which many Python functions answer HTTP with, behind each door that it has a class for."""

import base64
import gzip
import hashlib
import json

import pytest

from support import web
from support.doors import (
    function_url, function_url_by_path, http_api, http_api_1, listener_rule, load_balancer, rest_api,
)
from support.server import Function, Server

ALLOWED = "https://app.example.com"
FAILED = (502, b"Internal Server Error")
MEBIBYTES_MAX = {"alb": 1}  # 6 elsewhere

# What leads to the function, the library's class that reads what comes that way, and what clients get when the function fails.
FRONTS = {
    "url": (function_url, "LambdaFunctionUrlResolver", FAILED),
    "url-by-path": (function_url_by_path, "LambdaFunctionUrlResolver", FAILED),
    "http-api": (http_api, "APIGatewayHttpResolver", (500, {"message": "Internal Server Error"})),
    "http-api-1": (http_api_1, "APIGatewayRestResolver", (500, {"message": "Internal Server Error"})),
    "rest-api": (rest_api, "APIGatewayRestResolver", (502, {"message": "Internal server error"})),
    "alb": (load_balancer, "ALBResolver", (502, None)),
}


@pytest.fixture(scope="module")
def balanced():
    """A server with a load balancer's rule."""
    with Server(config=listener_rule("powertools-alb")) as running:
        yield running


@pytest.fixture(scope="module", params=FRONTS)
def app(request):
    open_door, resolver, failed = FRONTS[request.param]
    server = request.getfixturevalue("balanced" if request.param == "alb" else "server")
    name = f"powertools-{request.param}"
    function = Function(server, name, "python3.12", web.python(), "app.handler", MemorySize=1024, Timeout=30,
                        Environment={"Variables": {"RESOLVER": resolver, "POWERTOOLS_SERVICE_NAME": name}})
    door = open_door(server, function.ready())
    door.failed, door.mebibytes_max = failed, MEBIBYTES_MAX.get(request.param, 6)
    door.keeps_text = request.param != "rest-api"  # which takes all bodies for binary ones here
    yield door
    door.close()
    function.delete()


def assert_failed(app, reply):
    status, said = app.failed
    assert reply.status == status
    assert said is None or said == (reply.value if isinstance(said, dict) else reply.body)


def test_paths_have_parameters(app):
    assert app.ask("/hello/you/of/here").seen() == (200, "application/json", '{"name":"you","place":"here"}')
    assert app.ask("/hello/a.b-c~d_e/of/1,2;3").value == {"name": "a.b-c~d_e", "place": "1,2;3"}


def test_queries_keep_every_value(app):
    assert app.ask("/query?a=1&b=2&a=3").value == {"a": ["1", "3"], "b": ["2"]}
    assert app.ask("/query?word=%C3%A9%20%26%20%2B&empty=").value == {"word": ["é & +"], "empty": [""]}
    assert app.ask("/query").value in ({}, None)


def test_bodies_are_json(app):
    reply = app.ask("/orders", "POST", value={"items": ["ä", 2, None], "deep": {"a": [[]]}})
    assert (reply.status, reply.headers["location"]) == (201, "/orders/7")
    assert reply.value == {"order": {"items": ["ä", 2, None], "deep": {"a": [[]]}}}
    assert_failed(app, app.ask("/orders", "POST", {"Content-Type": "application/json"}, b"{"))


def test_cookies_go_both_ways(app):
    reply = app.ask("/cookies", headers={"Cookie": "session=a=b; theme=light; odd=\"x y\""})
    assert reply.text == 'session=a=b|theme=light|odd="x y"'
    assert reply.headers.get_all("set-cookie") == [
        "session=a=b; Path=/; HttpOnly; SameSite=Lax", "theme=dark; Max-Age=60; Secure",
    ]


def test_headers_go_both_ways(app):
    reply = app.ask("/headers", headers={"X-Custom": "one, two", "Authorization": "Bearer abc", "Accept-Language": "de;q=0.5"})
    seen = reply.value
    assert {name: seen[name] for name in ("x-custom", "authorization", "accept-language", "host", "user-agent")} == {
        "x-custom": "one, two", "authorization": "Bearer abc", "accept-language": "de;q=0.5",
        "host": app.host, "user-agent": "tests",
    }
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http"
    assert seen["x-amzn-trace-id"].startswith("Root=1-")
    assert reply.headers["x-answered"] == "yes, here"


def test_the_library_answers_other_origins(app):
    preflight = app.ask("/orders", "OPTIONS", {"Origin": ALLOWED, "Access-Control-Request-Method": "POST"})
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-methods"].split(",") == sorted(
        ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"])
    assert "X-Custom" in preflight.headers["access-control-allow-headers"].split(",")
    assert preflight.headers["access-control-max-age"] == "300"
    for origin in (ALLOWED, "https://other.example.com"):
        reply = app.ask("/hello/you/of/here", headers={"Origin": origin})
        assert reply.headers.get_all("access-control-allow-origin") == [origin]
        assert reply.headers["access-control-allow-credentials"] == "true"
        assert reply.headers["access-control-expose-headers"] == "X-Answered"
    foreign = app.ask("/hello/you/of/here", headers={"Origin": "https://foreign.example.com"})
    assert foreign.status == 200 and foreign.headers["access-control-allow-origin"] is None


def test_what_is_not_there(app):
    assert app.ask("/nowhere").seen() == (404, "application/json", '{"statusCode":404,"message":"Not found"}')
    assert app.ask("/orders").status == app.ask("/hello/you/of/here", "POST", value=1).status == 404
    assert app.ask("/nothing", "DELETE").status == 204


def test_errors_are_answers(app):
    assert app.ask("/bad").seen() == (400, "application/json", '{"statusCode":400,"message":"no such thing"}')
    assert app.ask("/caught").seen() == (418, "text/plain", "no 7")
    assert_failed(app, app.ask("/fails"))
    assert app.ask("/hello/still/of/here").status == 200


def test_answers_may_be_binary(app):
    reply = app.ask("/image", headers={"Accept": "image/*"})
    assert (reply.status, reply.headers["content-type"]) == (200, "image/gif")
    assert base64.b64encode(reply.body) == b"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    assert reply.headers["content-length"] == "42"


def test_forms_are_posted(app):
    form = [("name", "Ä & Ö"), ("name", "again"), ("empty", "")]
    reply = app.ask("/form", "POST", form=form)
    assert reply.value == {"form": "name=%C3%84+%26+%C3%96&name=again&empty=", "type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "image/png"])
def test_bodies_come_as_they_were_sent(app, kind):
    """Also text that is no UTF-8, whatever its type says."""
    body = bytes(range(256)) * 3
    taken = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert app.ask("/bytes", "PUT", {"Content-Type": kind}, body).value == taken
    assert app.ask("/bytes", "PATCH", {"Content-Type": kind}, body).value == taken


def test_bodies_may_be_large(app):
    """Almost as large as the whole event and the whole answer may be."""
    most = app.mebibytes_max * 983_000
    text = b"0123456789abcdef" * ((most if app.keeps_text else most * 3 // 4) // 16)
    for kind, body in (("text/plain", text), ("image/png", b"\0\1\2\xfd\xfe\xff" * (most * 3 // 4 // 6))):
        reply = app.ask("/bytes", "PUT", {"Content-Type": kind}, body)
        assert reply.value == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert app.ask(f"/bytes/{most}").body == b"x" * most
    too_large = app.mebibytes_max * 1_050_000
    assert app.ask("/bytes", "PUT", {"Content-Type": "text/plain"}, b"0" * too_large).status in (413, 500, 502)
    assert_failed(app, app.ask(f"/bytes/{too_large}"))


def test_answers_may_be_compressed(app):
    plain = app.ask("/compressed")
    assert plain.headers["content-encoding"] is None and plain.headers["cache-control"] == "max-age=60"
    reply = app.ask("/compressed", headers={"Accept-Encoding": "gzip, deflate"})
    assert reply.headers["content-encoding"] == "gzip" and len(reply.body) < 500 < len(plain.body)
    assert json.loads(gzip.decompress(reply.body)) == plain.value == {"words": ["again"] * 1000}


def test_clients_are_sent_elsewhere(app):
    reply = app.ask("/moved")
    assert (reply.status, reply.headers["location"]) == (302, "/hello/again/of/home")
