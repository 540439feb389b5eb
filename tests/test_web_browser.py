"""A real browser in front of function URLs: what it shows, sends back, allows and refuses."""

import itertools
import json

import pytest

from support import packages, web
from support.browser import Browser
from support.doors import function_url, function_url_by_path
from support.server import Function
from support.tls_server import TlsServer
from support.wait import until

NUMBERS = itertools.count(1)
# Answers with what it was sent. What it says of other origins does not count where its URL has a say.
OTHER = packages.python("""
import json
def handler(event, context):
    seen = {name: event["headers"].get(name) for name in ("origin", "x-custom", "content-type")}
    seen |= {"method": event["requestContext"]["http"]["method"], "cookies": event.get("cookies"), "body": event.get("body")}
    headers = {"X-Answered": "yes", "X-Hidden": "yes", "Content-Type": "application/json"}
    headers["Access-Control-Allow-Origin"] = "https://nobody.example.com"
    return {"statusCode": 200, "headers": headers, "cookies": ["visited=yes; HttpOnly"], "body": json.dumps(seen)}
""")


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture
def page(browser):
    page = browser.page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def deployed(server):
    """deployed(door, runtime, zip, handler, …) → a door to a new function."""
    functions = []

    def make(open_door, runtime, zip_bytes, handler, **members):
        function = Function(server, f"browsed-{next(NUMBERS)}", runtime, zip_bytes, handler, MemorySize=512, Timeout=30)
        functions.append(function)
        door = open_door(server, function.ready(), **members)
        door.function = function
        return door

    yield make
    for function in functions:
        function.delete()


@pytest.fixture(scope="module")
def streamed(deployed):
    return deployed(function_url, "nodejs22.x", web.node(), "site.streaming", streams=True)


@pytest.fixture(scope="module", params=["whole", "streamed", "by-path"])
def site(request, deployed):
    if request.param == "streamed":
        return request.getfixturevalue("streamed")
    open_door = {"whole": function_url, "by-path": function_url_by_path}[request.param]
    return deployed(open_door, "nodejs22.x", web.node(), "site.handler")


@pytest.fixture
def tell(streamed):
    """Lets the streamed site go on."""
    function = streamed.function
    arn = function.created["FunctionArn"]
    yield lambda: function.client.tag_resource(Resource=arn, Tags={"told": "go on"})
    function.client.untag_resource(Resource=arn, TagKeys=["told"])


def test_a_page_shows_with_its_parts(page, site):
    page.open(site.url + "/")
    assert page.run("[document.title, document.body.dataset.script, document.contentType, document.characterSet]") == [
        "Größe", "ran", "text/html", "UTF-8"]
    assert page.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert page.run("[image.complete, image.naturalWidth, image.naturalHeight]") == [True, 3, 3]
    drawn = page.run("(() => { const c = document.createElement('canvas').getContext('2d'); c.drawImage(image, 0, 0);"
                     " return [...c.getImageData(1, 1, 1, 1).data]; })()")
    assert drawn == [255, 0, 0, 255]
    assert page.logged() == []


def test_cookies_come_back_after_a_redirect(page, site):
    page.open(site.url + "/enter")
    assert page.run("location.href") == site.url + "/inside?from=enter"
    assert json.loads(page.run("document.body.innerText")) == {"session": "secret one", "theme": "dark", "from": "enter"}
    assert page.run("document.cookie") == "theme=dark", "the page may not read the other one"
    page.open(site.url + "/inside")
    assert json.loads(page.run("document.body.innerText")) == {"session": "secret one", "theme": "dark"}


def test_a_form_is_sent_with_a_file(page, site):
    page.open(site.url + "/")
    page.run("""{
        const form = document.forms[0], files = new DataTransfer();
        files.items.add(new File([new Uint8Array(1000).fill(200)], 'a.bin'));
        form.word.value = 'ä & ö'; form.file.files = files.files;
        form.querySelector('button').click();
    }""")
    page.until("location.pathname.endsWith('/inside') && document.readyState === 'complete'")
    assert json.loads(page.run("document.body.innerText")) == {"word": "ä & ö", "file": "a.bin,1000"}


# One function at its own origin, asked by pages of another.

ASK = """(async (url, options) => {
  const answer = await fetch(url, options);
  return [answer.status, answer.headers.get('x-answered'), answer.headers.get('x-hidden'), await answer.json()];
})"""


def ask(page, url, **options):
    return page.run(f"{ASK}({json.dumps(url)}, {json.dumps(options)})")


def refused(page, url, **options):
    """The browser's words, when it lets the page have no answer."""
    before = len(page.logged())
    assert page.run(f"{ASK}({json.dumps(url)}, {json.dumps(options)}).catch((error) => error.message)") == "Failed to fetch"
    return page.until_logged(before)


def runs(door, at_least=0):
    """How often the function has run, as its log says, in which it may appear a moment later."""

    def in_the_log():
        try:
            return sum(message.startswith("START ") for message in door.function.log_messages())
        except door.function.logs.exceptions.ResourceNotFoundException:
            return 0

    until(lambda: in_the_log() >= at_least, 10, f"{at_least} runs in the log")
    return in_the_log()


@pytest.fixture(scope="module")
def own(deployed):
    """The door of the pages."""
    return deployed(function_url, "nodejs22.x", web.node(), "site.handler")


def test_another_origin_is_asked_with_credentials(page, own, deployed):
    other = deployed(function_url, "python3.12", OTHER, "app.handler", cors={
        "AllowOrigins": [own.origin], "AllowMethods": ["PUT"], "AllowHeaders": ["x-custom", "content-type"],
        "ExposeHeaders": ["x-answered"], "AllowCredentials": True, "MaxAge": 60,
    })
    page.open(own.url + "/inside")
    request = {"method": "PUT", "credentials": "include", "body": "{}",
               "headers": {"X-Custom": "one", "Content-Type": "application/json"}}
    status, answered, hidden, seen = ask(page, other.url + "/", **request)
    assert (status, answered, hidden) == (200, "yes", None)
    assert seen == {"origin": own.origin, "x-custom": "one", "content-type": "application/json", "method": "PUT",
                    "cookies": None, "body": "{}"}
    assert ask(page, other.url + "/", **request)[3]["cookies"] == ["visited=yes"]
    assert runs(other, 2) == 2, "no preflight runs the function"

    for wrong, why in (
        ({"method": "DELETE"}, "Method DELETE is not allowed by Access-Control-Allow-Methods"),
        ({"headers": {"X-Other": "one"}}, "Request header field x-other is not allowed by Access-Control-Allow-Headers"),
    ):
        assert why in refused(page, other.url + "/", **{**request, **wrong})
    assert runs(other, 2) == 2


def test_an_origin_that_is_not_allowed_is_refused(page, server, own, deployed):
    other = deployed(function_url, "python3.12", OTHER, "app.handler",
                     cors={"AllowOrigins": ["https://app.example.com"], "AllowMethods": ["*"], "AllowHeaders": ["*"]})
    page.open(own.url + "/inside")
    assert "blocked by CORS policy" in refused(page, other.url + "/", method="PUT", headers={"X-Custom": "one"})
    assert runs(other) == 0, "the browser asked first"
    assert "No 'Access-Control-Allow-Origin' header" in refused(page, other.url + "/")
    assert runs(other, 1) == 1, "what needs no preflight is run, and its answer withheld"


def test_all_origins_are_allowed_without_credentials(page, own, deployed):
    other = deployed(function_url, "python3.12", OTHER, "app.handler",
                     cors={"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"], "ExposeHeaders": ["*"]})
    page.open(own.url + "/inside")
    status, answered, hidden, seen = ask(page, other.url + "/", method="PATCH", headers={"X-Custom": "one"}, body="text")
    assert (status, answered, hidden, seen["method"], seen["body"]) == (200, "yes", "yes", "PATCH", "text")
    assert "must not be the wildcard '*'" in refused(page, other.url + "/", credentials="include")


def test_without_a_configuration_the_function_says_who_may_ask(page, own, deployed):
    source = """
def handler(event, context):
    method = event["requestContext"]["http"]["method"]
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "x-custom", "X-Answered": method}
    return {"statusCode": 200, "headers": headers, "body": "[]"}
"""
    other = deployed(function_url, "python3.12", packages.python(source), "app.handler")
    page.open(own.url + "/inside")
    assert ask(page, other.url + "/", headers={"X-Custom": "one"}) == [200, None, None, []]
    assert runs(other, 2) == 2, "once for the preflight"
    assert "x-other is not allowed" in refused(page, other.url + "/", headers={"X-Other": "one"})


# Answers that come in pieces.

def test_the_first_part_of_a_page_shows_before_the_rest_is_made(page, streamed, tell):
    page.go(streamed.url + "/slow")
    page.until("document.querySelector('#first')?.getBoundingClientRect().height > 0")
    page.until("performance.getEntriesByName('first-contentful-paint').length")
    assert page.run("[document.readyState, document.querySelector('#last')]") == ["loading", None]
    tell()
    page.until("document.readyState === 'complete'")
    assert page.run("[...document.querySelectorAll('p')].map((p) => p.innerText)") == ["first", "last"]


def test_an_event_source_gets_events_as_they_are_made(page, streamed, tell):
    page.open(streamed.url + "/inside")
    page.run("""{
        window.seen = [];
        window.source = new EventSource('events');
        source.onmessage = ({ data, lastEventId }) => seen.push([lastEventId, data]);
        source.addEventListener('named', ({ data, lastEventId }) => seen.push([lastEventId, data, 'named']));
    }""")
    page.until("seen.length")
    assert page.run("[seen, source.readyState]") == [[["1", "first"]], 1], "the function still runs"
    tell()
    page.until("seen.length >= 3")
    page.run("source.close()")
    assert page.run("seen.slice(0, 3)") == [
        ["1", "first"], ["2", "two\nlines", "named"], ["3", "after the connection ended"],
    ]


# The same over TLS, where browsers speak HTTP/2.

def test_browsers_speak_http_2_to_a_server_with_a_certificate(browser):
    page = browser.page(trusts_all=True)
    with TlsServer() as server:
        function = Function(server, "site", "nodejs22.x", web.node(), "site.streaming", MemorySize=512, Timeout=30).ready()
        site = function_url(server, function, streams=True)
        assert site.origin.startswith("https://")
        page.open(site.url + "/")
        spoken = page.run("performance.getEntries().filter((e) => e.nextHopProtocol).map((e) => e.nextHopProtocol)")
        assert len(spoken) >= 4 and set(spoken) == {"h2"}
        assert page.run("[image.naturalWidth, document.body.dataset.script, isSecureContext]") == [3, "ran", True]
        page.open(site.url + "/enter")
        assert json.loads(page.run("document.body.innerText")) == {"session": "secret one", "theme": "dark", "from": "enter"}
        # A browser sends each cookie by itself, and keeps more than a hundred for a site.
        page.run("for (let number = 0; number < 120; number += 1) document.cookie = `cookie-${number}=1`")
        kept = page.run("fetch('inside').then((answer) => answer.text())")
        assert kept.count('cookie-') == 120 and '"theme":"dark"' in kept

        page.go(site.url + "/slow")
        page.until("document.querySelector('#first')")
        assert page.run("[document.readyState, document.querySelector('#last')]") == ["loading", None]
        function.client.tag_resource(Resource=function.created["FunctionArn"], Tags={"told": "go on"})
        page.until("document.readyState === 'complete' && document.querySelector('#last')")
    page.close()
