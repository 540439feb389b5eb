"""With signatures verified: who may call a function URL."""

import http.client
import json
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from test_authorisation import ACCOUNT, OTHER, OTHER_KEY, make_function, make_user, secured, statement  # noqa: F401

FORBIDDEN = "Forbidden. For troubleshooting Function URL authorization issues, see: "


@pytest.fixture
def make_url(secured, make_function):
    """make_url(auth) → a function with such a URL, and the URL's authority."""
    client = secured.with_key("lambda")

    def make(auth):
        name, _ = make_function()
        created = client.create_function_url_config(FunctionName=name, AuthType=auth)
        return name, urllib.parse.urlsplit(created["FunctionUrl"]).netloc

    return make


def call(server, host, key=None, service="lambda"):
    headers = {"Host": host}
    if key:
        request = AWSRequest("GET", f"http://{host}/")
        credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key.get("SessionToken"))
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
        headers |= dict(request.headers.items())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/", headers=headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body


def permit(client, name, statement_id, **members):
    client.add_permission(FunctionName=name, StatementId=statement_id, **members)


def test_a_public_url_needs_both_permissions(secured, make_url):
    client = secured.with_key("lambda")
    name, host = make_url("NONE")
    status, body = call(secured, host)
    assert status == 403 and body["Message"].startswith(FORBIDDEN)
    permit(client, name, "url", Principal="*", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    assert call(secured, host)[0] == 403, "only one of the two"
    permit(client, name, "invoke", Principal="*", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    status, event = call(secured, host)
    assert status == 200 and event["requestContext"]["accountId"] == "anonymous"
    client.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert call(secured, host)[0] == 403, "what was permitted was a public URL"


def test_a_url_for_signatures_knows_who_calls(secured, make_url, make_user):
    name, host = make_url("AWS_IAM")
    assert call(secured, host)[0] == 403
    both = statement(action=["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"])
    arn, key = make_user(both)
    status, event = call(secured, host, key)
    assert status == 200
    caller = event["requestContext"]["authorizer"]["iam"]
    assert caller["userArn"] == arn and caller["accessKey"] == key["AccessKeyId"] and caller["accountId"] == ACCOUNT
    assert event["requestContext"]["accountId"] == ACCOUNT
    _, half = make_user(statement(action="lambda:InvokeFunctionUrl"))
    assert call(secured, host, half)[0] == 403
    wrong = {**key, "SecretAccessKey": "not the secret"}
    assert call(secured, host, wrong)[0] == 403
    assert call(secured, host, key, service="execute-api")[0] == 403


def test_another_account_needs_the_functions_policy(secured, make_url):
    client = secured.with_key("lambda")
    name, host = make_url("AWS_IAM")
    assert call(secured, host, OTHER_KEY)[0] == 403
    permit(client, name, "url", Principal=OTHER, Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM")
    permit(client, name, "invoke", Principal=OTHER, Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    assert call(secured, host, OTHER_KEY)[0] == 200
