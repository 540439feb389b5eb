"""Powertools' event handler, which many Python functions answer HTTP with, behind each door that it has a class for."""

import base64
import gzip
import hashlib
import json

import pytest

from support import web
from support.doors import function_url, function_url_by_path
from support.server import Function

# What leads to the function, and the library's class that reads what comes that way.
FRONTS = {
    "url": (function_url, "LambdaFunctionUrlResolver"),
    "url-by-path": (function_url_by_path, "LambdaFunctionUrlResolver"),
    "url-as-http-api": (function_url, "APIGatewayHttpResolver"),
}
ALLOWED = "https://app.example.com"


@pytest.fixture(scope="module", params=FRONTS)
def app(request, server):
    open_door, resolver = FRONTS[request.param]
    name = f"powertools-{request.param}"
    function = Function(server, name, "python3.12", web.python(), "app.handler", MemorySize=1024, Timeout=30,
                        Environment={"Variables": {"RESOLVER": resolver, "POWERTOOLS_SERVICE_NAME": name}})
    yield open_door(server, function.ready())
    function.delete()


def test_paths_have_parameters(app):
    assert app.ask("/hello/you/of/here").seen() == (200, "application/json", '{"name":"you","place":"here"}')
    assert app.ask("/hello/a.b-c~d_e/of/1,2;3").value == {"name": "a.b-c~d_e", "place": "1,2;3"}


def test_queries_keep_every_value(app):
    assert app.ask("/query?a=1&b=2&a=3").value == {"a": ["1", "3"], "b": ["2"]}
    assert app.ask("/query?word=%C3%A9+%26+%2B&empty=").value == {"word": ["é & +"], "empty": [""]}
    assert app.ask("/query").value in ({}, None)


def test_bodies_are_json(app):
    reply = app.ask("/orders", "POST", value={"items": ["ä", 2, None], "deep": {"a": [[]]}})
    assert (reply.status, reply.headers["location"]) == (201, "/orders/7")
    assert reply.value == {"order": {"items": ["ä", 2, None], "deep": {"a": [[]]}}}
    failed = app.ask("/orders", "POST", {"Content-Type": "application/json"}, b"{")
    assert (failed.status, failed.text) == (502, "Internal Server Error"), "it is the handler that raises"


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
    failed = app.ask("/fails")
    assert (failed.status, failed.text) == (502, "Internal Server Error")
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
    """Almost 6 MiB each way, as the whole event and the whole answer."""
    text = b"0123456789abcdef" * (5_900_000 // 16)
    reply = app.ask("/bytes", "PUT", {"Content-Type": "text/plain"}, text)
    assert reply.value == {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    binary = base64.b64decode(b"AAEC/f7/" * 700_000)
    reply = app.ask("/bytes", "PUT", {"Content-Type": "application/octet-stream"}, binary)
    assert reply.value == {"bytes": len(binary), "sha256": hashlib.sha256(binary).hexdigest()}
    assert app.ask("/bytes/5900000").body == b"x" * 5_900_000
    assert app.ask("/bytes", "PUT", {"Content-Type": "text/plain"}, b"0" * 6_300_000).status == 413
    assert app.ask("/bytes/6300000").status == 502


def test_answers_may_be_compressed(app):
    plain = app.ask("/compressed")
    assert plain.headers["content-encoding"] is None and plain.headers["cache-control"] == "max-age=60"
    reply = app.ask("/compressed", headers={"Accept-Encoding": "gzip, deflate"})
    assert reply.headers["content-encoding"] == "gzip" and len(reply.body) < 500 < len(plain.body)
    assert json.loads(gzip.decompress(reply.body)) == plain.value == {"words": ["again"] * 1000}


def test_clients_are_sent_elsewhere(app):
    reply = app.ask("/moved")
    assert (reply.status, reply.headers["location"]) == (302, "/hello/again/of/home")
