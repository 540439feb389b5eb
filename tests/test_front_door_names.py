"""Names of the operator's own: custom domains, and the rules of a load balancer's listener."""

import base64
import http.client
import json
import subprocess

import pytest

from support import packages
from support.server import BINARY, Server
from test_function_url_calls import header

CONFIG = """
[[domains]]
name = "fn.example.com"
function = "named"

[[domains]]
name = "live.example.com"
function = "named"
alias = "live"

[[domains]]
name = "nothing.example.com"
function = "absent"

[[listener_rules]]
priority = 20
hosts = ["*.balanced.test"]
function = "target"
multi_value_headers = true

[[listener_rules]]
priority = 10
hosts = ["app.balanced.test"]
paths = ["/api/*"]
methods = ["GET", "POST"]
query = ["v=1*"]
function = "target"
target_group = "the-group"
"""

TARGET = packages.python("""
import json

def handler(event, context):
    if event['path'].endswith('/answer'):
        return json.loads(event['body'])
    if event['path'].endswith('/raise'):
        raise ValueError('no answer')
    return {'statusCode': 200, 'body': json.dumps(event), 'headers': {'Content-Type': 'application/json'},
            'multiValueHeaders': {'Content-Type': ['application/json'], 'Set-Cookie': ['a=1', 'b=2']}}
""")
URL = packages.python("def handler(event, context):\n    return [context.invoked_function_arn, event['requestContext']['domainName']]\n")


@pytest.fixture(scope="module")
def named():
    with Server(config=CONFIG) as server:
        client = server.client("lambda")
        for name, code in (("named", URL), ("target", TARGET)):
            client.create_function(
                FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler",
                Code={"ZipFile": code}, Publish=True,
            )
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
        client.create_alias(FunctionName="named", Name="live", FunctionVersion="1")
        client.create_function_url_config(FunctionName="named", AuthType="NONE")
        client.create_function_url_config(FunctionName="named", AuthType="NONE", Qualifier="live")
        yield server


def call(server, host, path="/", method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, {"Host": host, **(headers or {})})
    response = connection.getresponse()
    read = response.read()
    connection.close()
    return response.status, response.getheaders(), read


def test_domains_lead_to_urls(named):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:named"
    assert json.loads(call(named, "fn.example.com")[2]) == [arn, "fn.example.com"]
    assert json.loads(call(named, "LIVE.example.com:80")[2]) == [f"{arn}:live", "live.example.com"]
    assert call(named, "nothing.example.com")[0] == 403
    assert call(named, "other.example.com")[0] == 404, "other names are the API's"


def test_a_targets_event_is_that_of_a_load_balancer(named):
    status, headers, body = call(
        named, "app.balanced.test", "/api/x?v=12&w=a%20b", "POST", b"text", {"Content-Type": "text/plain", "X-Some": "1"})
    event = json.loads(body)
    assert status == 200 and header(headers, "content-type") == ["application/json"]
    arn = event["requestContext"]["elb"]["targetGroupArn"]
    assert arn.startswith("arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/the-group/")
    assert event["httpMethod"] == "POST" and event["path"] == "/api/x"
    assert event["queryStringParameters"] == {"v": "12", "w": "a%20b"} and event["headers"]["x-some"] == "1"
    assert (event["body"], event["isBase64Encoded"]) == ("text", False)
    assert "multiValueHeaders" not in event


def test_rules_are_tried_by_priority_and_all_their_conditions_count(named):
    for path, method in (("/api/x?v=2", "GET"), ("/api/x?v=1", "PUT"), ("/other?v=1", "GET")):
        status, headers, body = call(named, "app.balanced.test", path, method)
        event = json.loads(body)
        assert "targetgroup/target/" in event["requestContext"]["elb"]["targetGroupArn"]
        assert event["multiValueHeaders"]["host"] == ["app.balanced.test"] and "headers" not in event
        assert header(headers, "set-cookie") == ["a=1", "b=2"]


def test_binary_answers_and_statuses(named):
    picture = {"statusCode": 201, "statusDescription": "201 Created", "isBase64Encoded": True, "body": base64.b64encode(b"\x89PNG").decode(),
               "multiValueHeaders": {"Content-Type": ["image/png"]}}
    status, headers, body = call(named, "x.balanced.test", "/answer", "POST", json.dumps(picture), {"Content-Type": "application/json"})
    assert (status, body, header(headers, "content-type")) == (201, b"\x89PNG", ["image/png"])


def test_what_goes_wrong_behind_a_load_balancer(named):
    post = {"Content-Type": "application/json"}
    assert call(named, "x.balanced.test", "/raise")[0] == 502
    for answer in ('"text"', '{"statusCode": "x"}', '{"body": "no status"}', '{"statusCode": 200, "multiValueHeaders": {"a": ["b\\r\\nc: d"]}}'):
        status, headers, body = call(named, "x.balanced.test", "/answer", "POST", answer, post)
        assert (status, header(headers, "content-type")) == (502, ["text/html"]) and b"502 Bad Gateway" in body
    assert call(named, "x.balanced.test", "/", "POST", b"x" * 1_048_577)[0] == 413
    large = json.dumps({"statusCode": 200, "pad": ""}).encode()
    assert call(named, "x.balanced.test", "/answer", "POST", large, post)[0] == 200


@pytest.mark.parametrize("rule, said", [
    ('hosts = ["*"]\nfunction = "f"\npriority = 1', 'has the host "*"'),
    ('hosts = ["localhost"]\nfunction = "f"\npriority = 1', "name hosts that the API is not called by"),
    ('hosts = []\nfunction = "f"\npriority = 1', "names no host"),
    ('hosts = ["a.test"]\nfunction = "f:1"\npriority = 1', 'has function = "f:1"'),
])
def test_rules_that_cannot_be_are_refused(tmp_path, rule, said):
    config = tmp_path / "tindra-server.toml"
    config.write_text(f"[[listener_rules]]\n{rule}\n")
    command = [BINARY, "serve", "--data", str(tmp_path / "data"), "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0 and said in ended.stderr
