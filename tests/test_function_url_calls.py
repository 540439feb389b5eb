"""Calls of function URLs: what the function gets, what its answer becomes, and what the platform answers itself."""

import base64
import http.client
import json
import socket
import urllib.parse

import pytest

from support import packages
from support.wait import until

# Answers with its event, or with what the event's body says.
APP = packages.python("""
import json

def handler(event, context):
    if event.get('rawPath') == '/answer':
        return json.loads(event['body'])
    if event.get('rawPath') == '/raise':
        raise ValueError('no answer')
    return event
""")

STREAM = packages.node("""
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const query = event.queryStringParameters ?? {};
  if (query.plain) stream.setContentType('text/x-plain');
  else {
    stream = awslambda.HttpResponseStream.from(stream, {
      statusCode: 201, headers: { 'x-made-by': 'stream', 'content-type': 'text/html' }, cookies: ['a=1; Path=/', 'b=2'],
    });
  }
  stream.write('first ');
  await pause(Number(query.pause_ms ?? 0));
  if (query.fail) throw new Error('too late');
  stream.write('last');
  stream.end();
});
""")


class Url:
    """A function URL, called as its clients do: by its host name on the server's port."""

    def __init__(self, server, function, **members):
        self.server = server
        self.client = function.client
        self.name = function.name
        created = self.client.create_function_url_config(FunctionName=self.name, **{"AuthType": "NONE", **members})
        self.host = urllib.parse.urlsplit(created["FunctionUrl"]).netloc
        self.id = self.host.split(".")[0]

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)

    def call(self, path="/", method="GET", body=None, headers=()):
        """(status, headers as pairs, body)"""
        connection = self.connect()
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", self.host), *headers]:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        read = response.read()
        connection.close()
        return response.status, response.getheaders(), read

    def event(self, *arguments, **members):
        status, _, body = self.call(*arguments, **members)
        assert status == 200, body
        return json.loads(body)

    def answer(self, output):
        """What comes of a function's output."""
        return self.call("/answer", "POST", json.dumps(output).encode(), [("Content-Type", "application/json")])


@pytest.fixture
def url(server, deploy):
    return Url(server, deploy("python3.12", APP, Publish=True))


def header(headers, name):
    return [value for each, value in headers if each.lower() == name]


def test_the_event_is_that_of_payload_format_2(url):
    event = url.event(
        "/a%20b/c?x=1&x=2&y=%C3%A9", "POST", "{\"é\": 1}".encode(),
        [("Content-Type", "application/json"), ("Cookie", "s=1; t=2"), ("X-Many", "a"), ("X-Many", "b"), ("User-Agent", "me/1")],
    )
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/a%20b/c" and event["rawQueryString"] == "x=1&x=2&y=%C3%A9"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert event["cookies"] == ["s=1", "t=2"]
    assert event["headers"]["x-many"] == "a,b" and event["headers"]["host"] == url.host
    assert event["headers"]["x-forwarded-proto"] == "http" and event["headers"]["x-forwarded-port"] == str(url.server.port)
    assert event["body"] == "{\"é\": 1}" and event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me/1",
    }
    assert context["accountId"] == "anonymous" and context["apiId"] == url.id and context["stage"] == "$default"
    assert context["domainName"] == url.host.split(":")[0] and context["domainPrefix"] == url.id
    assert "pathParameters" not in event


def test_binary_bodies_come_in_base64(url):
    body = bytes(range(256))
    event = url.event("/", "PUT", body, [("Content-Type", "image/png")])
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == body


@pytest.mark.parametrize("output, expected", [
    ("hello", (200, "application/json", b'"hello"')),
    ({"a": 1}, (200, "application/json", b'{"a": 1}')),
    (None, (200, "application/json", b"null")),
    ({"statusCode": 404, "body": "gone", "headers": {"Content-Type": "text/plain"}}, (404, "text/plain", b"gone")),
    ({"statusCode": 200, "body": "iVA=", "isBase64Encoded": True, "headers": {"content-type": "image/png"}},
     (200, "image/png", b"\x89P")),
])
def test_outputs_become_answers(url, output, expected):
    status, headers, body = url.answer(output)
    if expected[2] == b'{"a": 1}':
        body = json.dumps(json.loads(body)).encode()
    assert (status, header(headers, "content-type")[0].split(";")[0], body) == expected


def test_cookies_are_set_one_by_one(url):
    _, headers, _ = url.answer({"statusCode": 302, "cookies": ["a=1; HttpOnly", "b=2"], "headers": {"Location": "/x"}})
    assert header(headers, "set-cookie") == ["a=1; HttpOnly", "b=2"] and header(headers, "location") == ["/x"]


@pytest.mark.parametrize("output", [
    {"statusCode": "many"}, {"statusCode": 99}, {"statusCode": 200, "headers": {"X-A": "b\r\nX-Injected: 1"}},
    {"statusCode": 200, "headers": {"X A": "b"}}, {"statusCode": 200, "body": "!", "isBase64Encoded": True},
    {"statusCode": 200, "cookies": ["a=1\nb"]},
])
def test_answers_that_are_none_become_502(url, output):
    status, headers, body = url.answer(output)
    assert (status, body) == (502, b"Internal Server Error")
    assert not header(headers, "x-injected")


def test_a_function_cannot_unframe_its_answer(url):
    status, headers, body = url.answer({"statusCode": 200, "body": "abc", "headers": {
        "Content-Length": "1", "Transfer-Encoding": "chunked", "Connection": "upgrade", "X-Kept": "1",
    }})
    assert (status, body, header(headers, "x-kept")) == (200, b"abc", ["1"])
    assert header(headers, "content-length") == ["3"] and not header(headers, "transfer-encoding")


def test_errors_of_the_function_say_nothing(url):
    assert url.call("/raise")[::2] == (502, b"Internal Server Error")


def test_what_does_not_exist_is_forbidden(url):
    url.host = url.host.replace(url.id, "0" * 32)
    status, headers, body = url.call()
    assert (status, json.loads(body)) == (403, {"Message": None})
    assert header(headers, "x-amzn-errortype") == ["AccessDeniedException"]


def test_a_deleted_url_is_gone_at_once(url):
    assert url.call()[0] == 200
    url.client.delete_function_url_config(FunctionName=url.name)
    assert url.call()[0] == 403


def test_paths_lead_to_a_url_where_names_do_not(server, url):
    answer = json.load(server.http(f"/_aws/lambda-url/{url.id}/a/b?c=d"))
    assert answer["rawPath"] == "/a/b" and answer["rawQueryString"] == "c=d"
    assert answer["requestContext"]["domainName"] == url.host.split(":")[0]


def test_an_alias_has_a_url_of_its_own(server, url):
    url.client.create_alias(FunctionName=url.name, Name="live", FunctionVersion="1")
    created = url.client.create_function_url_config(FunctionName=url.name, AuthType="NONE", Qualifier="live")
    url.client.update_function_configuration(FunctionName=url.name, Handler="app.gone")
    url.client.get_waiter("function_updated_v2").wait(FunctionName=url.name)
    assert url.call()[0] == 502
    url.host = urllib.parse.urlsplit(created["FunctionUrl"]).netloc
    assert url.call()[0] == 200


def test_too_much_is_413_and_throttling_429(url):
    assert url.call("/", "POST", b"x" * 6_291_457)[0] == 413
    assert url.call("/", "POST", b"\xff" * 5_000_000)[0] == 413, "in base64 the event is too large"
    assert url.answer({"statusCode": 200, "body": "x" * 4_000_000})[2] == b"x" * 4_000_000
    url.client.put_function_concurrency(FunctionName=url.name, ReservedConcurrentExecutions=0)
    until(lambda: url.call()[0] != 200, 10, "the limit to act")
    status, headers, _ = url.call()
    assert (status, header(headers, "x-amzn-errortype")) == (429, ["TooManyRequestsException"])


def test_signatures_are_wanted_where_they_are_configured(server, deploy):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = Url(server, deploy("python3.12", APP), AuthType="AWS_IAM")
    assert url.call()[0] == 403
    request = AWSRequest("GET", f"http://{url.host}/")
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    event = url.event(headers=[(name, value) for name, value in request.headers.items() if name.lower() != "host"])
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == "000000000000"


CORS = {
    "AllowOrigins": ["https://*.example.com", "http://localhost:3000"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-asked"],
    "ExposeHeaders": ["x-shown"], "AllowCredentials": True, "MaxAge": 60,
}


def test_cors_is_the_platforms(server, deploy):
    url = Url(server, deploy("python3.12", APP), Cors=CORS)
    preflight = [("Origin", "https://a.example.com"), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-asked")]
    status, headers, body = url.call("/", "OPTIONS", headers=preflight)
    assert status in (200, 204) and body == b""
    assert header(headers, "access-control-allow-origin") == ["https://a.example.com"]
    assert header(headers, "access-control-allow-credentials") == ["true"] and header(headers, "access-control-max-age") == ["60"]
    assert "PUT" in header(headers, "access-control-allow-methods")[0]
    _, headers, _ = url.call("/", headers=[("Origin", "http://localhost:3000")])
    assert header(headers, "access-control-allow-origin") == ["http://localhost:3000"]
    assert header(headers, "access-control-expose-headers") == ["x-shown"]
    _, headers, _ = url.call("/", headers=[("Origin", "https://elsewhere.net")])
    assert not header(headers, "access-control-allow-origin")
    _, headers, _ = url.call("/answer", "POST", b'{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}',
                             [("Origin", "http://localhost:3000"), ("Content-Type", "application/json")])
    assert header(headers, "access-control-allow-origin") == ["http://localhost:3000"], "the configuration overrides the function"


@pytest.fixture
def stream_url(server, deploy):
    return Url(server, deploy("nodejs22.x", STREAM, "index.handler", Timeout=20, MemorySize=256), InvokeMode="RESPONSE_STREAM")


def test_a_stream_has_a_head_and_comes_as_it_is_made(stream_url):
    stream_url.call()
    connection = stream_url.connect()
    connection.request("GET", "/?pause_ms=1500", headers={"Host": stream_url.host})
    response = connection.getresponse()
    assert response.status == 201 and response.getheader("x-made-by") == "stream" and response.getheader("content-type") == "text/html"
    assert header(response.getheaders(), "set-cookie") == ["a=1; Path=/", "b=2"]
    assert response.read1(100) == b"first "
    assert any(each.get("function") == stream_url.name and each["state"] == "busy"
               for each in json.load(stream_url.server.http("/_tindra/environments"))["environments"])
    assert response.read() == b"last"
    status, headers, body = stream_url.call("/?plain=1")
    assert (status, header(headers, "content-type"), body) == (200, ["text/x-plain"], b"first last")


def test_a_stream_that_breaks_is_no_whole_answer(stream_url):
    with pytest.raises(http.client.IncompleteRead):
        stream_url.call("/?fail=1&pause_ms=50")


def test_a_stream_goes_on_where_its_reader_went(stream_url):
    connection = socket.create_connection(("127.0.0.1", stream_url.server.port))
    connection.sendall(f"GET /?pause_ms=500 HTTP/1.1\r\nHost: {stream_url.host}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 201"
    connection.close()
    logs = stream_url.server.client("logs")

    def reported():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{stream_url.name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return [each for each in events if each["message"].startswith("REPORT") and "rror" not in each["message"]]

    until(reported, 20, "the function to run to its end")
