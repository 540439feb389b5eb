"""API Gateway's REST APIs: built by boto3, deployed, and asked over HTTP."""

import base64
import gzip
import itertools
import json
import time

import pytest

from support import packages
from support.errors import error_of
from support.rest_apis import RestApi, ask, invoke_uri
from support.server import Server
from support.wait import until

NUMBERS = itertools.count(1)

# Answers with what it got, or as the request says.
PROXY = '''
import json, time
def handler(event, context):
    wish = json.loads(event["body"] or "{}") if event["httpMethod"] == "POST" else {}
    if "raise" in wish:
        raise Exception(wish["raise"])
    if "sleep" in wish:
        time.sleep(wish["sleep"])
    if "answer" in wish:
        return wish["answer"]
    return {"statusCode": 200, "headers": {"x-own": "1"}, "body": json.dumps(event)}
'''

# Lets everybody in whose token is not "deny", and counts how often it was asked.
AUTHORIZER = '''
import json
asked = 0
def handler(event, context):
    global asked
    asked += 1
    token = event.get("authorizationToken") or event["headers"].get("token")
    if token == "error":
        raise Exception("Unauthorized")
    if token == "broken":
        return {"principalId": "p"}
    effect = {"deny": "Deny"}.get(token, "Allow")
    resource = "arn:aws:execute-api:us-east-1:000000000000:other/*" if token == "elsewhere" else "*"
    return {
        "principalId": "p-" + token,
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}]},
        "context": {"asked": asked, "kind": event["type"]},
        "usageIdentifierKey": event["headers"].get("key") if "headers" in event else None,
    }
'''


@pytest.fixture(scope="module")
def gateway(server):
    return server.client("apigateway")


@pytest.fixture
def proxy(python_function):
    return python_function(PROXY)


@pytest.fixture
def api(server):
    with RestApi.create(server, name=f"api-{next(NUMBERS)}") as made:
        yield made


def event_of(reply):
    assert reply.status == 200, reply.body
    return reply.json


# The control plane.


def test_an_api_has_what_it_was_made_with(gateway):
    made = gateway.create_rest_api(
        name="pets", description="all of them", version="v1", binaryMediaTypes=["image/png"], apiKeySource="AUTHORIZER",
        minimumCompressionSize=100, endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "b"})
    try:
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert len(made["id"]) == 10 and made["id"].isalnum() and made["id"] == made["id"].lower()
        assert made["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "ipv4"}
        assert made["createdDate"].timestamp() == pytest.approx(time.time(), abs=60)
        read = gateway.get_rest_api(restApiId=made["id"])
        made.pop("ResponseMetadata"), read.pop("ResponseMetadata")
        assert read == made
        assert made["id"] in [item["id"] for item in gateway.get_rest_apis()["items"]]
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{made['id']}"
        gateway.tag_resource(resourceArn=arn, tags={"c": "d"})
        gateway.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert gateway.get_tags(resourceArn=arn)["tags"] == {"c": "d"}
    finally:
        assert gateway.delete_rest_api(restApiId=made["id"])["ResponseMetadata"]["HTTPStatusCode"] == 202
    missing = ("NotFoundException", f"Invalid API identifier specified 000000000000:{made['id']}", 404)
    assert error_of(gateway.get_rest_api, restApiId=made["id"]) == missing
    assert error_of(gateway.delete_rest_api, restApiId=made["id"]) == missing


def test_patches_change_an_api(api):
    def patch(*operations):
        return api.client.update_rest_api(restApiId=api.id, patchOperations=list(operations))

    patch({"op": "add", "path": "/binaryMediaTypes/image~1png"}, {"op": "add", "path": "/binaryMediaTypes/image~1jpeg"})
    changed = patch({"op": "replace", "path": "/binaryMediaTypes/image~1png", "value": "image/gif"},
                    {"op": "replace", "path": "/name", "value": "other"})
    assert changed["binaryMediaTypes"] == ["image/jpeg", "image/gif"] and changed["name"] == "other"
    assert patch({"op": "replace", "path": "/minimumCompressionSize", "value": "0"})["minimumCompressionSize"] == 0
    assert "minimumCompressionSize" not in patch({"op": "replace", "path": "/minimumCompressionSize", "value": ""})
    for operation, message in [
        ({"op": "replace", "path": "/minimumCompressionSize", "value": "-1"},
         "Invalid minimum compression size, must be between 0 and 10485760"),
        ({"op": "add", "path": "/minimumCompressionSize", "value": "1"},
         "Invalid patch operation specified. Must be one of: [replace]"),
        ({"op": "add", "path": "/binaryMediaTypes", "value": "a/b"}, "Invalid patch path /binaryMediaTypes"),
    ]:
        refused = error_of(api.client.update_rest_api, restApiId=api.id, patchOperations=[operation])
        assert refused == ("BadRequestException", message, 400)


def test_resources_are_a_tree(api):
    client, root = api.client, api.root

    def create(parent, part):
        return client.create_resource(restApiId=api.id, parentId=parent, pathPart=part)

    pets = create(root, "pets")
    assert (pets["path"], pets["pathPart"], pets["parentId"], len(pets["id"])) == ("/pets", "pets", root, 6)
    one = create(pets["id"], "{id}")
    greedy = create(root, "{proxy+}")
    listed = client.get_resources(restApiId=api.id)["items"]
    assert [item["path"] for item in listed] == ["/", "/pets", "/pets/{id}", "/{proxy+}"]
    first = client.get_resources(restApiId=api.id, limit=2)
    second = client.get_resources(restApiId=api.id, limit=2, position=first["position"])
    assert [item["path"] for item in first["items"] + second["items"]] == [item["path"] for item in listed]

    for parent, part, code, message in [
        (root, "pets", "ConflictException", "Another resource with the same parent already has this name: pets"),
        (root, "{other}", "BadRequestException",
         "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed"),
        (greedy["id"], "x", "BadRequestException",
         "Cannot create a child of a resource with a greedy path variable: {proxy+}"),
        ("nosuch", "x", "NotFoundException", "Invalid Resource identifier specified"),
    ]:
        assert error_of(create, parent=parent, part=part)[:2] == (code, message)
    client.update_resource(restApiId=api.id, resourceId=pets["id"], patchOperations=[
        {"op": "replace", "path": "/pathPart", "value": "dogs"}])
    assert client.get_resource(restApiId=api.id, resourceId=one["id"])["path"] == "/dogs/{id}"
    cyclic = [{"op": "replace", "path": "/parentId", "value": one["id"]}]
    assert error_of(client.update_resource, restApiId=api.id, resourceId=pets["id"], patchOperations=cyclic) == (
        "BadRequestException", "Resources cannot be cyclical.", 400)
    client.delete_resource(restApiId=api.id, resourceId=pets["id"])
    assert [item["path"] for item in client.get_resources(restApiId=api.id)["items"]] == ["/", "/{proxy+}"]


def test_methods_and_integrations_are_told_as_they_were_put(api):
    place = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "POST"}
    client = api.client
    assert error_of(client.get_method, **place)[1] == "Invalid Method identifier specified"
    method = client.put_method(**place, authorizationType="NONE", requestParameters={"method.request.querystring.q": True})
    assert method["apiKeyRequired"] is False and method["authorizationType"] == "NONE"
    assert error_of(client.put_method, **place, authorizationType="NONE")[0] == "ConflictException"
    assert error_of(client.get_integration, **place)[1] == "Invalid Integration identifier specified"
    integration = client.put_integration(
        **place, type="AWS_PROXY", integrationHttpMethod="POST", uri=invoke_uri("f"), timeoutInMillis=5000)
    assert integration["ResponseMetadata"]["HTTPStatusCode"] == 201
    integration.pop("ResponseMetadata")
    assert integration == {
        "type": "AWS_PROXY", "httpMethod": "POST", "uri": invoke_uri("f"), "timeoutInMillis": 5000,
        "passthroughBehavior": "WHEN_NO_MATCH", "cacheNamespace": api.root, "cacheKeyParameters": []}
    client.put_method_response(**place, statusCode="200", responseModels={"application/json": "Empty"})
    client.put_integration_response(**place, statusCode="200", selectionPattern="")
    read = client.get_method(**place)
    assert read["methodIntegration"]["integrationResponses"] == {"200": {"statusCode": "200", "selectionPattern": ""}}
    assert read["methodResponses"] == {"200": {"statusCode": "200", "responseModels": {"application/json": "Empty"}}}
    whole = client.get_resources(restApiId=api.id, embed=["methods"])["items"][0]["resourceMethods"]["POST"]
    read.pop("ResponseMetadata")
    assert whole == read
    assert client.get_resources(restApiId=api.id)["items"][0]["resourceMethods"] == {"POST": {}}
    changed = client.update_integration(**place, patchOperations=[
        {"op": "replace", "path": "/timeoutInMillis", "value": "100"}])
    assert changed["timeoutInMillis"] == 100
    client.delete_integration(**place)
    client.delete_method(**place)
    assert error_of(client.delete_method, **place)[1] == "Invalid Method identifier specified"


@pytest.mark.parametrize("members, says", [
    ({"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://example.com"}, "HTTP_PROXY"),
    ({"type": "AWS", "integrationHttpMethod": "POST", "uri": invoke_uri("f")}, "AWS"),
    ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": invoke_uri("f"), "connectionType": "VPC_LINK"}, "VPC"),
    ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": invoke_uri("f"), "credentials": "arn:aws:iam::1:role/r"},
     "credentials"),
    ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": invoke_uri("f"), "timeoutInMillis": 30_000}, "29000"),
    ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/0/q"}, "Lambda"),
    ({"type": "MOCK", "requestTemplates": {"application/json": "#set($a = 1)"}}, "expressions"),
])
def test_what_is_not_done_here_is_refused(api, members, says):
    place = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "POST"}
    api.client.put_method(**place, authorizationType="NONE")
    code, message, status = error_of(api.client.put_integration, **place, **members)
    assert (code, status) == ("BadRequestException", 400) and says in message, message
    assert error_of(api.client.get_integration, **place)[0] == "NotFoundException"


def test_a_deployment_is_needed_by_its_stages(api):
    client = api.client
    assert error_of(client.create_deployment, restApiId=api.id)[1] == "The REST API doesn't contain any methods"
    place = api.method("/", "f")
    client.delete_integration(**place)
    assert error_of(client.create_deployment, restApiId=api.id)[1] == "No integration defined for method"
    client.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=invoke_uri("f"))
    deployment = api.deploy(stageDescription="first", variables={"a": "b"}, description="d")
    stage = client.get_stage(restApiId=api.id, stageName="prod")
    assert (stage["deploymentId"], stage["variables"], stage["description"]) == (deployment, {"a": "b"}, "first")
    assert error_of(client.delete_deployment, restApiId=api.id, deploymentId=deployment) == (
        "BadRequestException", "Active stages pointing to this deployment must be moved or deleted", 400)
    summary = client.get_deployment(restApiId=api.id, deploymentId=deployment, embed=["apisummary"])["apiSummary"]
    assert summary == {"/": {"ANY": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    assert error_of(client.create_stage, restApiId=api.id, stageName="prod", deploymentId=deployment)[0] == (
        "ConflictException")
    changed = client.update_stage(restApiId=api.id, stageName="prod", patchOperations=[
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "7"},
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "3.5"},
        {"op": "remove", "path": "/variables/a"}])
    assert changed["methodSettings"]["*/*"]["throttlingBurstLimit"] == 7 and "variables" not in changed
    for path, value in [("/tracingEnabled", "true"), ("/*/*/caching/enabled", "true"), ("/*/*/logging/loglevel", "INFO"),
                        ("/cacheClusterEnabled", "true")]:
        patch = [{"op": "replace", "path": path, "value": value}]
        assert error_of(client.update_stage, restApiId=api.id, stageName="prod", patchOperations=patch)[2] == 400, path
    client.delete_stage(restApiId=api.id, stageName="prod")
    client.delete_deployment(restApiId=api.id, deploymentId=deployment)
    assert client.get_deployments(restApiId=api.id)["items"] == []


# Requests.


def test_a_function_gets_the_request_and_answers_it(server, api, proxy):
    api.method("/pets/{id}", proxy.name)
    api.deploy(variables={"color": "red"})
    reply = api.ask("/pets/a%20b?x=1&x=2&y=%26", headers={"X-Custom": "v", "User-Agent": "tests"})
    event = event_of(reply)
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/a%20b", "GET")
    assert event["pathParameters"] == {"id": "a b"} and event["stageVariables"] == {"color": "red"}
    assert event["queryStringParameters"] == {"x": "2", "y": "&"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["&"]}
    assert event["headers"]["X-Forwarded-Proto"] == "http" and event["body"] is None
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["accountId"]) == (api.id, "prod", "000000000000")
    assert context["path"] == "/prod/pets/a%20b" and context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestId"] == reply.headers["x-amzn-requestid"]
    assert context["extendedRequestId"] == reply.headers["x-amz-apigw-id"]
    assert reply.headers["x-own"] == "1" and reply.headers["x-amzn-trace-id"]

    for path in (f"/restapis/{api.id}/prod/_user_request_/pets/a", f"/_aws/execute-api/{api.id}/prod/pets/a"):
        event = event_of(ask(server.url + path + "?q=1"))
        assert event["path"] == "/pets/a" and event["queryStringParameters"] == {"q": "1"}, path
        assert event["requestContext"]["domainName"] == f"{api.id}.execute-api.us-east-1.localhost"


def test_what_is_not_deployed_is_refused_in_the_words_of_aws(server, api, proxy):
    api.method("/pets", proxy.name, http_method="GET")
    api.deploy()
    reply = api.ask("/other")
    assert (reply.status, reply.json) == (403, {"message": "Missing Authentication Token"})
    assert reply.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert api.ask("/pets", method="POST", body=b"{}").status == 403
    assert (api.ask("/pets", stage="test").status, api.ask("/pets", stage="test").json) == (403, {"message": "Forbidden"})
    nowhere = ask(f"{server.url}/_aws/execute-api/abcdefghij/prod/x")
    assert nowhere.status in (403, 404)


def test_a_stage_serves_what_was_deployed_until_the_next_deployment(api, proxy):
    api.method("/one", proxy.name)
    first = api.deploy()
    api.method("/two", proxy.name)
    assert api.ask("/two").status == 403
    second = api.deploy()
    assert api.ask("/two").status == 200
    api.client.update_stage(restApiId=api.id, stageName="prod", patchOperations=[
        {"op": "replace", "path": "/deploymentId", "value": first}])
    assert api.ask("/two").status == 403 and api.ask("/one").status == 200
    assert first != second
    api.client.delete_stage(restApiId=api.id, stageName="prod")
    assert api.ask("/one").status == 403


def test_the_most_particular_resource_answers(api, proxy):
    for path in ("/", "/{proxy+}", "/pets", "/pets/{id}", "/pets/new"):
        api.method(path, proxy.name)
    api.deploy()
    for path, resource in [("/", "/"), ("", "/"), ("/pets", "/pets"), ("/pets/", "/pets"), ("/pets/new", "/pets/new"),
                           ("/pets/1", "/pets/{id}"), ("/pets/1/x", "/{proxy+}"), ("/a/b", "/{proxy+}")]:
        assert event_of(api.ask(path))["resource"] == resource, path


def test_failures_are_told_apart(api, proxy):
    api.method("/", proxy.name)
    api.method("/slow", proxy.name, timeout_ms=300)
    api.method("/nobody", "nosuchfunction")
    api.deploy()

    def post(path, wish):
        return api.ask(path, method="POST", body=json.dumps(wish).encode())

    for wish in ({"raise": "no"}, {"answer": "text"}, {"answer": {"body": "no status"}},
                 {"answer": {"statusCode": 200, "unknown": 1}}, {"answer": {"statusCode": "x"}}):
        reply = post("/", wish)
        assert (reply.status, reply.json) == (502, {"message": "Internal server error"}), wish
        assert reply.headers["x-amzn-errortype"] == "InternalServerErrorException"
    reply = post("/slow", {"sleep": 5})
    assert (reply.status, reply.json) == (504, {"message": "Endpoint request timed out"})
    assert (post("/nobody", {}).status, post("/nobody", {}).json) == (500, {"message": "Internal server error"})
    reply = post("/", {"answer": {"statusCode": 201, "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]}, "body": "made"}})
    assert (reply.status, reply.headers.get_all("set-cookie"), reply.body) == (201, ["a=1", "b=2"], b"made")


def test_binary_bodies_go_in_and_out_as_they_are(api, proxy):
    api.client.update_rest_api(restApiId=api.id, patchOperations=[
        {"op": "add", "path": "/binaryMediaTypes/image~1png"}])
    api.method("/", proxy.name)
    api.deploy()
    event = event_of(api.ask("/", method="PUT", body=b"\x00\xff", headers={"Content-Type": "image/png"}))
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == b"\x00\xff"
    answer = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x01\xfe").decode(),
              "headers": {"content-type": "image/png"}}
    wish = json.dumps({"answer": answer}).encode()
    assert api.ask("/", method="POST", body=wish, headers={"Accept": "image/png"}).body == b"\x01\xfe"


def test_large_answers_are_packed_where_the_api_says_so(api, proxy):
    api.client.update_rest_api(restApiId=api.id, patchOperations=[
        {"op": "replace", "path": "/minimumCompressionSize", "value": "1000"}])
    api.method("/", proxy.name)
    api.deploy()

    def post(size, **headers):
        wish = json.dumps({"answer": {"statusCode": 200, "body": "a" * size}}).encode()
        return api.ask("/", method="POST", body=wish, headers=headers)

    packed = post(5000, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == b"a" * 5000
    assert post(5000).body == b"a" * 5000 and post(100, **{"Accept-Encoding": "gzip"}).body == b"a" * 100
    body = gzip.compress(json.dumps({"answer": {"statusCode": 200, "body": "small"}}).encode())
    assert api.ask("/", method="POST", body=body, headers={"Content-Encoding": "gzip"}).body == b"small"


def test_stage_variables_choose_the_alias(api, python_function):
    function = python_function('''
def handler(event, context):
    return {"statusCode": 200, "body": context.invoked_function_arn.split(":")[-1]}
''')
    function.publish()
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}:${{stageVariables.alias}}"
    api.method("/", uri=invoke_uri(arn))
    api.deploy(variables={"alias": "live"})
    assert api.ask("/").body == b"live"
    api.client.update_stage(restApiId=api.id, stageName="prod", patchOperations=[
        {"op": "replace", "path": "/variables/alias", "value": "1"}])
    assert api.ask("/").body == b"1"


def test_a_mock_answers_preflights(api):
    place = {"restApiId": api.id, "resourceId": api.resource("/pets"), "httpMethod": "OPTIONS"}
    client, origin = api.client, "method.response.header.Access-Control-Allow-Origin"
    client.put_method(**place, authorizationType="NONE")
    client.put_integration(**place, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    response = {**place, "statusCode": "200"}
    assert error_of(client.put_integration_response, **response, responseParameters={origin: "'*'"})[2] == 400
    client.put_method_response(**response, responseParameters={origin: False})
    client.put_integration_response(**response, responseParameters={origin: "'*'"}, responseTemplates={
        "application/json": '{"ok": true}'})
    client.put_method_response(**place, statusCode="404")
    client.put_integration_response(**place, statusCode="404", selectionPattern="4\\d\\d")
    api.deploy()
    reply = api.ask("/pets", method="OPTIONS")
    assert (reply.status, reply.headers["access-control-allow-origin"], reply.json) == (200, "*", {"ok": True})
    client.update_integration(**place, patchOperations=[
        {"op": "replace", "path": "/requestTemplates/application~1json", "value": "{statusCode:404}"}])
    api.deploy()
    assert api.ask("/pets", method="OPTIONS").status == 404


def test_required_parameters_are_checked_where_a_validator_says_so(api, proxy):
    validator = api.client.create_request_validator(
        restApiId=api.id, name="parameters", validateRequestParameters=True)["id"]
    api.method("/", proxy.name, http_method="GET", requestValidatorId=validator, requestParameters={
        "method.request.querystring.q": True, "method.request.header.h": True, "method.request.querystring.o": False})
    api.deploy()
    reply = api.ask("/?q=1")
    assert (reply.status, reply.json) == (400, {"message": "Missing required request parameters: [h]"})
    assert api.ask("/?q=1", headers={"h": "x"}).status == 200


# Who may ask.


def with_authorizer(api, proxy, function, **members):
    authorizer = api.client.create_authorizer(restApiId=api.id, name="auth", authorizerUri=invoke_uri(function.name), **{
        "type": "TOKEN", "identitySource": "method.request.header.Authorization", **members})
    api.method("/", proxy.name, authorizationType="CUSTOM", authorizerId=authorizer["id"])
    api.deploy()
    return authorizer["id"]


def test_a_token_is_decided_on_by_a_function_and_the_decision_is_kept(api, proxy, python_function):
    authorizer = with_authorizer(api, proxy, python_function(AUTHORIZER), identityValidationExpression="[a-z]+")

    def ask_with(token):
        return api.ask("/", headers={"Authorization": token} if token else {})

    for token in (None, "UPPER"):
        reply = ask_with(token)
        assert (reply.status, reply.json) == (401, {"message": "Unauthorized"})
        assert reply.headers["x-amzn-errortype"] == "UnauthorizedException"
    granted = event_of(ask_with("alice"))["requestContext"]["authorizer"]
    assert granted["principalId"] == "p-alice" and granted["kind"] == "TOKEN"
    assert event_of(ask_with("alice"))["requestContext"]["authorizer"] == granted
    denied = ask_with("deny")
    assert denied.status == 403
    assert denied.json["Message"].startswith("User is not authorized to access this resource with an explicit deny")
    assert ask_with("elsewhere").json == {"Message": "User is not authorized to access this resource"}
    assert (ask_with("error").status, ask_with("error").json) == (401, {"message": "Unauthorized"})
    assert (ask_with("broken").status, ask_with("broken").json) == (500, {"message": None})

    before = int(granted["asked"])
    api.client.flush_stage_authorizers_cache(restApiId=api.id, stageName="prod")
    assert int(event_of(ask_with("alice"))["requestContext"]["authorizer"]["asked"]) > before
    api.client.update_authorizer(restApiId=api.id, authorizerId=authorizer, patchOperations=[
        {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}])
    api.deploy()
    counts = [int(event_of(ask_with("alice"))["requestContext"]["authorizer"]["asked"]) for _ in range(2)]
    assert counts[1] == counts[0] + 1


def test_a_request_is_decided_on_by_all_that_identifies_it(api, proxy, python_function):
    with_authorizer(api, proxy, python_function(AUTHORIZER), type="REQUEST",
                    identitySource="method.request.header.token, method.request.querystring.who")
    assert api.ask("/", headers={"token": "a"}).status == 401

    def asked(token, who):
        return event_of(api.ask(f"/?who={who}", headers={"token": token}))["requestContext"]["authorizer"]["asked"]

    first = asked("a", "1")
    assert asked("a", "1") == first and asked("a", "2") != first


def test_authorizers_that_cannot_be_are_refused(api):
    def create(**members):
        return error_of(api.client.create_authorizer, restApiId=api.id, name="a", **members)

    for members in (
        {"type": "COGNITO_USER_POOLS", "providerARNs": ["arn:aws:cognito-idp:us-east-1:1:userpool/p"]},
        {"type": "TOKEN", "authorizerUri": "http://example.com", "identitySource": "method.request.header.a"},
        {"type": "TOKEN", "authorizerUri": invoke_uri("f"), "identitySource": "method.request.querystring.a"},
        {"type": "TOKEN", "authorizerUri": invoke_uri("f")},
        {"type": "REQUEST", "authorizerUri": invoke_uri("f"), "authorizerResultTtlInSeconds": 10},
        {"type": "TOKEN", "authorizerUri": invoke_uri("f"), "identitySource": "method.request.header.a",
         "authorizerResultTtlInSeconds": 3601},
    ):
        code, _, status = create(**members)
        assert (code, status) == ("BadRequestException", 400), members
    place = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET"}
    for kind in ("AWS_IAM", "COGNITO_USER_POOLS", "CUSTOM", "NOTHING"):
        assert error_of(api.client.put_method, **place, authorizationType=kind)[2] == 400, kind


# API keys and usage plans.


class Plan:
    """A usage plan of a stage with a key in it."""

    def __init__(self, api, stage="prod", **members):
        self.client = api.client
        self.stage = f"{api.id}:{stage}"
        key = self.client.create_api_key(name="k", enabled=True)
        self.key, self.value = key["id"], key["value"]
        self.id = self.client.create_usage_plan(
            name="p", apiStages=[{"apiId": api.id, "stage": stage}], **members)["id"]
        self.client.create_usage_plan_key(usagePlanId=self.id, keyId=self.key, keyType="API_KEY")

    def usage(self):
        today = time.strftime("%Y-%m-%d", time.gmtime())
        items = self.client.get_usage(usagePlanId=self.id, startDate=today, endDate=today)["items"]
        return items[self.key][0]

    def delete(self):
        self.client.update_usage_plan(usagePlanId=self.id, patchOperations=[
            {"op": "remove", "path": "/apiStages", "value": self.stage}])
        self.client.delete_usage_plan(usagePlanId=self.id)
        self.client.delete_api_key(apiKey=self.key)


def test_a_key_opens_what_its_plan_names(api, proxy):
    api.method("/", proxy.name, apiKeyRequired=True)
    api.deploy()
    plan = Plan(api)
    try:
        for headers in ({}, {"x-api-key": "a" * 30}):
            reply = api.ask("/", headers=headers)
            assert (reply.status, reply.json) == (403, {"message": "Forbidden"})
            assert reply.headers["x-amzn-errortype"] == "ForbiddenException"
        event = event_of(api.ask("/", headers={"x-api-key": plan.value}))
        assert event["requestContext"]["identity"]["apiKeyId"] == plan.key
        assert event["requestContext"]["identity"]["apiKey"] == plan.value
        api.deploy(stage="other")
        assert api.ask("/", stage="other", headers={"x-api-key": plan.value}).status == 403
        api.client.update_api_key(apiKey=plan.key, patchOperations=[
            {"op": "replace", "path": "/enabled", "value": "false"}])
        assert api.ask("/", headers={"x-api-key": plan.value}).status == 403
        keys = api.client.get_usage_plan_keys(usagePlanId=plan.id)["items"]
        assert [(key["id"], key["type"]) for key in keys] == [(plan.key, "API_KEY")]
        assert [one["id"] for one in api.client.get_usage_plans(keyId=plan.key)["items"]] == [plan.id]
        api.client.delete_usage_plan_key(usagePlanId=plan.id, keyId=plan.key)
        assert "value" not in api.client.get_api_key(apiKey=plan.key)
        assert api.client.get_api_key(apiKey=plan.key, includeValue=True)["value"] == plan.value
    finally:
        plan.delete()


def test_a_quota_is_counted_told_and_ends(api, proxy):
    api.method("/", proxy.name, apiKeyRequired=True)
    api.deploy()
    plan = Plan(api, quota={"limit": 3, "period": "DAY"})
    try:
        statuses = [api.ask("/", headers={"x-api-key": plan.value}).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        over = api.ask("/", headers={"x-api-key": plan.value})
        assert over.json == {"message": "Limit Exceeded"}
        assert over.headers["x-amzn-errortype"] == "LimitExceededException"
        until(lambda: plan.usage() == [3, 0], 10, "three requests to be told of")
        plan.client.update_usage(usagePlanId=plan.id, keyId=plan.key, patchOperations=[
            {"op": "replace", "path": "/remaining", "value": "1"}])
        until(lambda: api.ask("/", headers={"x-api-key": plan.value}).status == 200, 10, "the request that was given")
        assert api.ask("/", headers={"x-api-key": plan.value}).status == 429
    finally:
        plan.delete()


def test_a_plan_and_a_stage_say_how_fast(api, proxy):
    api.method("/", proxy.name, apiKeyRequired=True)
    api.method("/open", proxy.name)
    api.deploy()
    plan = Plan(api, throttle={"burstLimit": 2, "rateLimit": 0.01})
    try:
        replies = [api.ask("/", headers={"x-api-key": plan.value}) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[2].json == {"message": "Too Many Requests"}
        assert replies[2].headers["x-amzn-errortype"] == "TooManyRequestsException"
        api.client.update_stage(restApiId=api.id, stageName="prod", patchOperations=[
            {"op": "replace", "path": "/open/ANY/throttling/burstLimit", "value": "1"},
            {"op": "replace", "path": "/open/ANY/throttling/rateLimit", "value": "0.01"}])
        assert [api.ask("/open").status for _ in range(2)] == [200, 429]
    finally:
        plan.delete()


def test_an_authorizer_may_tell_the_key(server, proxy, python_function):
    with RestApi.create(server, apiKeySource="AUTHORIZER") as api:
        authorizer = api.client.create_authorizer(
            restApiId=api.id, name="auth", type="REQUEST", authorizerUri=invoke_uri(python_function(AUTHORIZER).name),
            identitySource="method.request.header.token", authorizerResultTtlInSeconds=0)["id"]
        api.method("/", proxy.name, authorizationType="CUSTOM", authorizerId=authorizer, apiKeyRequired=True)
        api.deploy()
        plan = Plan(api)
        assert api.ask("/", headers={"token": "a", "key": plan.value}).status == 200
        assert api.ask("/", headers={"token": "a", "x-api-key": plan.value}).status == 403
        plan.delete()


def test_keys_have_values_of_their_own(gateway):
    value = "abcdefghijklmnopqrstuvwxyz0123"
    made = gateway.create_api_key(name="named", value=value, enabled=True, description="d")
    try:
        assert made["value"] == value and made["enabled"] is True
        assert error_of(gateway.create_api_key, name="again", value=value)[0] == "ConflictException"
        assert error_of(gateway.create_api_key, name="short", value="abc")[1] == (
            "API Key value should be at least 20 characters")
        assert [key["name"] for key in gateway.get_api_keys(nameQuery="nam")["items"]] == ["named"]
        assert gateway.get_api_keys(nameQuery="nam", includeValues=True)["items"][0]["value"] == value
    finally:
        gateway.delete_api_key(apiKey=made["id"])
    assert error_of(gateway.get_api_key, apiKey=made["id"])[1] == "Invalid API Key identifier specified"


def test_counts_and_stages_survive_a_restart(tmp_path, deploy_on):
    with Server(data=tmp_path) as server:
        function = deploy_on(server, "python3.12", packages.python(PROXY))
        api = RestApi.create(server)
        api.method("/", function.name, apiKeyRequired=True)
        api.deploy()
        plan = Plan(api, quota={"limit": 3, "period": "MONTH"})
        assert [api.ask("/", headers={"x-api-key": plan.value}).status for _ in range(2)] == [200, 200]
        server.stop()
        server.start()
        statuses = [api.ask("/", headers={"x-api-key": plan.value}).status for _ in range(2)]
        assert statuses == [200, 429]


# Gateway responses.


def test_refusals_look_as_the_api_wants(api, proxy):
    api.method("/", proxy.name)
    client = api.client
    client.put_gateway_response(
        restApiId=api.id, responseType="DEFAULT_4XX",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"})
    client.put_gateway_response(
        restApiId=api.id, responseType="INTEGRATION_FAILURE", statusCode="500",
        responseTemplates={"text/plain": "sorry"})
    assert error_of(client.put_gateway_response, restApiId=api.id, responseType="THROTTLED",
                    responseTemplates={"application/json": '{"a": "$context.requestId"}'})[2] == 400
    api.deploy()
    reply = api.ask("/nowhere")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (403, "*")
    assert reply.json == {"message": "Missing Authentication Token"}
    reply = api.ask("/", method="POST", body=b'{"raise": "x"}')
    assert (reply.status, reply.body, reply.headers["content-type"]) == (500, b"sorry", "text/plain")
    assert len(client.get_gateway_responses(restApiId=api.id, limit=500)["items"]) == 21
    assert client.get_gateway_response(restApiId=api.id, responseType="THROTTLED")["defaultResponse"] is True


# Documents.


def swagger(function, paths=None, **members):
    answered = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": invoke_uri(function)}}
    paths = paths or {"/pets": {"get": {**answered}}, "/pets/{id}": {"x-amazon-apigateway-any-method": {**answered}}}
    return {"swagger": "2.0", "info": {"title": "imported", "version": "1.0"}, "basePath": "/base/v1", "paths": paths,
            **members}


def test_a_document_becomes_an_api(server, proxy):
    with RestApi.imported(server, swagger(proxy.name), parameters={"endpointConfigurationTypes": "REGIONAL"}) as api:
        read = api.client.get_rest_api(restApiId=api.id)
        assert (read["name"], read["version"], read["endpointConfiguration"]["types"]) == ("imported", "1.0", ["REGIONAL"])
        api.deploy()
        assert event_of(api.ask("/pets/7", method="DELETE"))["resource"] == "/pets/{id}"
        ids = {item["path"]: item["id"] for item in api.client.get_resources(restApiId=api.id)["items"]}
        assert set(ids) == {"/", "/pets", "/pets/{id}"}

        more = swagger(proxy.name, {"/dogs": swagger(proxy.name)["paths"]["/pets"]})
        api.client.put_rest_api(restApiId=api.id, mode="merge", body=json.dumps(more))
        merged = {item["path"]: item["id"] for item in api.client.get_resources(restApiId=api.id)["items"]}
        assert set(merged) == {"/", "/pets", "/pets/{id}", "/dogs"} and {**merged, **ids} == merged
        api.client.put_rest_api(restApiId=api.id, mode="overwrite", body=json.dumps(more))
        overwritten = {item["path"]: item["id"] for item in api.client.get_resources(restApiId=api.id)["items"]}
        assert set(overwritten) == {"/", "/dogs"}
        assert api.ask("/pets/7").status == 200, "the stage serves what was deployed"
        api.deploy()
        assert (api.ask("/pets/7").status, api.ask("/dogs").status) == (403, 200)

    for how, path in [("ignore", "/pets"), ("prepend", "/base/v1/pets"), ("split", "/v1/pets")]:
        with RestApi.imported(server, swagger(proxy.name), parameters={"basepath": how}) as api:
            api.deploy()
            assert api.ask(path).status == 200, how


OPENAPI = """
openapi: 3.0.1
info: {title: yaml, version: "2"}
components:
  securitySchemes:
    key: {type: apiKey, name: x-api-key, in: header}
    auth:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
      x-amazon-apigateway-authorizer:
        type: token
        authorizerUri: AUTHORIZER
        authorizerResultTtlInSeconds: 0
  x-amazon-apigateway-integrations:
    proxy: {type: aws_proxy, httpMethod: POST, uri: FUNCTION}
paths:
  /guarded:
    get:
      security: [{auth: []}]
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/proxy'}
  /keyed:
    get:
      security: [{key: []}]
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/proxy'}
  /open:
    get:
      responses:
        200: {description: OK}
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/proxy'}
"""


def test_yaml_with_authorizers_and_keys(server, proxy, python_function):
    document = OPENAPI.replace("AUTHORIZER", invoke_uri(python_function(AUTHORIZER).name))
    with RestApi.imported(server, document.replace("FUNCTION", invoke_uri(proxy.name))) as api:
        authorizer = api.client.get_authorizers(restApiId=api.id)["items"][0]
        assert (authorizer["name"], authorizer["type"]) == ("auth", "TOKEN")
        assert authorizer["identitySource"] == "method.request.header.Authorization"
        api.deploy()
        assert (api.ask("/open").status, api.ask("/guarded").status, api.ask("/keyed").status) == (200, 401, 403)
        assert api.ask("/guarded", headers={"Authorization": "alice"}).status == 200


def test_a_document_that_cannot_be_is_refused_whole(server, gateway):
    names = {item["name"] for item in gateway.get_rest_apis(limit=500)["items"]}
    bad = swagger("f", {
        "/a": {"get": {"x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET", "uri": "http://x"}}},
        "/b": {"get": {"x-amazon-apigateway-integration": {
            "type": "mock", "requestTemplates": {"application/json": "$input.body"}}}}})
    code, message, status = error_of(gateway.import_rest_api, body=json.dumps(bad))
    assert (code, status) == ("BadRequestException", 400)
    assert "Unable to put integration on 'GET' for resource at path '/a'" in message and "path '/b'" in message
    unknown = swagger("f", **{"x-amazon-apigateway-documentation": {"documentationParts": []}})
    assert error_of(gateway.import_rest_api, body=json.dumps(unknown), failOnWarnings=True)[2] == 400
    for body in ("{", "swagger: '1.2'\n", "a: &a [*a]\n", json.dumps({"swagger": "2.0"})):
        assert error_of(gateway.import_rest_api, body=body)[0] == "BadRequestException", body
    assert {item["name"] for item in gateway.get_rest_apis(limit=500)["items"]} == names
    api_id = gateway.import_rest_api(body=json.dumps(unknown))["id"]
    gateway.delete_rest_api(restApiId=api_id)
