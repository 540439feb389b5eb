"""What one types in a shell: the AWS CLI makes a function URL, curl finds it by its name and asks."""

import gzip
import hashlib
import json
import subprocess

import pytest

from support import packages, web
from support.doors import function_url
from support.server import Function

ECHO = packages.python("def handler(event, context):\n    return event\n")


def shell(command, **variables):
    """Runs a command in a shell as its user would; gives what it printed."""
    done = subprocess.run(["bash", "-c", f"set -euo pipefail; {command}"], capture_output=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def site(server):
    """The address of an application on Hono."""
    function = Function(server, "site-for-curl", "nodejs22.x", web.node(), "hono.handler", MemorySize=512).ready()
    yield function_url(server, function).url
    function.delete()


@pytest.fixture(scope="module")
def echo(server):
    """The address of a function that answers with its event, made with the AWS CLI; it wants signatures."""
    function = Function(server, "echo-for-curl", "python3.12", ECHO, "app.handler").ready()
    made = server.aws("lambda", "create-function-url-config", "--function-name", function.name, "--auth-type", "AWS_IAM",
                      "--query", "FunctionUrl", "--output", "text")
    yield made.stdout.strip()
    function.delete()


def test_pages_are_asked_for(site):
    assert json.loads(shell(f"curl -sS {site}/hello/you/of/here")) == {"name": "you", "place": "here"}
    asked = shell(f"curl -sSG {site}/query --data-urlencode 'word=é & +' -d many=1 -d many=2")
    assert json.loads(asked) == {"word": ["é & +"], "many": ["1", "2"]}
    assert shell(f"curl -sS -o /dev/null -w '%{{http_code}} %{{content_type}}' {site}/nowhere") == b"404 text/plain; charset=UTF-8"
    head = shell(f"curl -sSI {site}/image").decode().lower().splitlines()
    assert head[0].startswith("http/1.1 200") and "content-type: image/gif" in head
    assert shell(f"curl -sS -u you:secret {site}/private/word") == b"private"


def test_things_are_sent(site, tmp_path):
    assert json.loads(shell(f"""curl -sS {site}/orders -H 'Content-Type: application/json' -d '{{"a": "ä"}}'""")) == {"order": {"a": "ä"}}
    assert json.loads(shell(f"curl -sS {site}/form -d word=one -d many=1 -d many=2")) == {"word": "one", "many": ["1", "2"]}
    content = bytes(range(256)) * 8192  # so large that curl first asks whether it may come
    (tmp_path / "a.png").write_bytes(content)
    sent = json.loads(shell(f"curl -sS {site}/upload -F note=hä -F file=@{tmp_path}/a.png"))
    assert sent == {"name": "a.png", "type": "image/png", "note": "hä", "sha256": hashlib.sha256(content).hexdigest()}


def test_cookies_are_kept_and_redirects_followed(site, tmp_path):
    jar = f"-b {tmp_path}/jar -c {tmp_path}/jar"
    assert json.loads(shell(f"curl -sS {jar} {site}/cookies")) == {}
    assert json.loads(shell(f"curl -sS {jar} {site}/cookies")) == {"session": "a=b", "theme": "dark"}
    assert json.loads(shell(f"curl -sSL {site}/moved")) == {"name": "again", "place": "home"}


def test_answers_are_unpacked(site):
    assert json.loads(shell(f"curl -sS --compressed {site}/compressed")) == ["again"] * 1000
    raw = shell(f"curl -sS -H 'Accept-Encoding: gzip' {site}/compressed")
    assert json.loads(gzip.decompress(raw)) == ["again"] * 1000


def test_requests_are_signed(echo):
    refused = shell(f"curl -sS -w ' %{{http_code}}' {echo}").decode()
    assert refused.endswith(" 403") and json.loads(refused[:-4])["Message"].startswith("Forbidden.")
    signed = "curl -sS --aws-sigv4 aws:amz:us-east-1:lambda --user AKIAIOSFODNN7EXAMPLE:secret"
    event = json.loads(shell(f"""{signed} '{echo}a/b?x=1' -H 'Content-Type: application/json' -d '{{"a": 1}}'"""))
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/a/b", "x=1", '{"a": 1}')
    assert event["requestContext"]["authorizer"]["iam"]["accessKey"] == "AKIAIOSFODNN7EXAMPLE"


def test_a_stream_is_read_as_it_comes(server):
    """Without a buffer of curl's own, the first line is here before the function is told to go on."""
    function = Function(server, "stream-for-curl", "nodejs22.x", web.node(), "hono.streaming", MemorySize=512, Timeout=30).ready()
    try:
        url = function_url(server, function, streams=True).url
        with subprocess.Popen(["curl", "-sSN", "--max-time", "30", f"{url}/pieces"], stdout=subprocess.PIPE) as curl:
            assert curl.stdout.readline() == b"first\n"
            function.client.tag_resource(Resource=function.created["FunctionArn"], Tags={"told": "go on"})
            assert curl.stdout.read() == b"last"
        assert curl.returncode == 0
    finally:
        function.delete()
