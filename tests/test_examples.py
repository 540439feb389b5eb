"""The examples, with their real third-party packages, as people would deploy them."""

import base64
import subprocess

import pytest

from support import packages
from support.doors import function_url
from support.pictures import png
from support.server import ROOT

EXAMPLES = ROOT / "examples"


def built(name, *arguments):
    folder = EXAMPLES / name / "build"
    if not folder.is_dir() or not any(folder.iterdir()):
        subprocess.run([str(EXAMPLES / name / "build.sh"), *arguments], check=True, timeout=900)
    return packages.package_folder(folder)


def test_thumbnailer_with_pillow(deploy):
    function = deploy("python3.12", built("thumbnailer", "3.12"), "app.handler", MemorySize=512, Timeout=30)
    answer = function.invoke({"image": base64.b64encode(png(640, 320)).decode(), "size_px": 100}).ok()
    assert (answer["width_px"], answer["height_px"]) == (100, 50)
    assert base64.b64decode(answer["image"]).startswith(b"\xff\xd8\xff")
    bad = function.invoke({"image": base64.b64encode(b"not an image").decode()})
    assert bad.value["errorType"] == "UnidentifiedImageError"


def test_qr_code_with_an_npm_package(deploy):
    function = deploy("nodejs20.x", built("qr-code"), "index.handler", MemorySize=512, Timeout=30)
    answer = function.invoke({"text": "hello"}).ok()
    assert answer["size"] == 21 and answer["svg"].startswith("<svg")
    assert len(base64.b64decode(answer["modules"])) == 21 * 21
    assert function.invoke({}).value["errorType"] == "TypeError"


def test_rust_function_on_the_lambda_runtime_crate(deploy):
    function = deploy("provided.al2023", built("rust-greeter"), "bootstrap", MemorySize=128)
    answer = function.invoke({"name": "Ferris"})
    assert answer.ok() == {"greeting": "Hello, Ferris!", "request_id": answer.request_id}
    failed = function.invoke({"name": "nobody"})
    assert failed.error == "Unhandled" and failed.value["errorMessage"] == "nobody to greet"


@pytest.mark.parametrize("name, runtime, handler", [("hello", "python3.12", "app.handler"), ("hello-node", "nodejs20.x", "index.handler")])
def test_hello(deploy, name, runtime, handler):
    function = deploy(runtime, packages.package_folder(EXAMPLES / name), handler)
    assert function.invoke({"name": "you"}).ok()["greeting"] == "Hello, you!"




def test_an_api_on_powertools(server, deploy):
    function = deploy("python3.12", built("powertools-api", "3.12"), "app.handler", MemorySize=512, Timeout=30)
    url = function_url(server, function)
    assert url.ask("/scales").value == ["celsius", "fahrenheit", "kelvin"]
    assert url.ask("/celsius/20.5/in/fahrenheit").value == {"scale": "fahrenheit", "degrees": 68.9}
    assert [url.ask(f"/celsius/{path}").status for path in ("20/in/pounds", "warm/in/kelvin")] == [404, 400]


@pytest.mark.parametrize("runtime", ["nodejs20.x", "nodejs22.x"])
def test_an_express_application(server, deploy, runtime):
    function = deploy(runtime, built("express"), "index.handler", MemorySize=512, Timeout=30)
    url = function_url(server, function)
    made = url.ask("/notes", "POST", value={"text": "hello"})
    assert (made.status, made.headers["location"], made.value) == (201, "/notes/1", {"id": 1})
    assert url.ask("/notes/1").value == {"text": "hello"} and url.ask("/notes").value == [{"text": "hello"}]
    assert url.ask("/notes", "POST", value={}).status == 400 and url.ask("/notes/2").status == 404


def test_a_page_that_counts(server, deploy):
    function = deploy("nodejs22.x", built("hono-stream"), "index.handler", MemorySize=512, Timeout=30)
    url = function_url(server, function, streams=True)
    assert url.ask("/").headers["content-type"] == "text/html; charset=UTF-8"
    events = url.open("/events?to=2&pause_ms=10")
    assert events.headers["content-type"] == "text/event-stream"
    assert events.read() == b"data: 1\n\ndata: 2\n\nevent: end\ndata: \n\n"
