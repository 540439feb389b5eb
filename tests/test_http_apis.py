"""API Gateway's HTTP APIs: what the API keeps, and what requests get."""

import json
import re

import pytest

from support import packages
from support.errors import error_of
from support.http_apis import HttpApi, arn_of, ask
from support.wait import until

ECHO = """
def handler(event, context):
    return event
"""
FULL = """
import base64, json
from time import sleep
def handler(event, context):
    body = event.get("body") or "{}"
    asked = json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)
    if asked == "raise":
        raise ValueError("no")
    if asked == "sleep":
        sleep(2)
    return asked
"""
WHO = """
import os
def handler(event, context):
    return {"statusCode": 200, "body": context.invoked_function_arn.split(":function:")[1]}
"""


@pytest.fixture(scope="module")
def module_functions(server):
    """Functions that this file's tests share."""
    from support.server import Function

    made = {}
    for name, source in {"echo": ECHO, "full": FULL, "who": WHO}.items():
        made[name] = Function(server, f"http-api-{name}", "python3.12", packages.python(source), "app.handler")
    for function in made.values():
        function.ready()
    yield made
    for function in made.values():
        function.delete()


@pytest.fixture
def echo(module_functions):
    return module_functions["echo"]


@pytest.fixture
def full(module_functions):
    return module_functions["full"]


@pytest.fixture
def make(server):
    """make(members of CreateApi …) → an HttpApi."""
    made = []

    def make(**members):
        made.append(HttpApi(server, **members))
        return made[-1]

    yield make
    for api in made:
        try:
            api.delete()
        except api.client.exceptions.NotFoundException:
            pass  # the test deleted it itself


@pytest.fixture
def gateway(server):
    return server.client("apigatewayv2")


# What the API keeps.


def test_an_api_is_made_read_changed_and_deleted(server, make, gateway):
    api = make(Name="pets", Description="of a shop", Version="1", Tags={"team": "a"})
    created = api.created
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch("[a-z0-9]{10}", api.id)
    assert created["ApiEndpoint"] == f"http://{api.id}.execute-api.us-east-1.localhost:{server.port}"
    assert created["ApiKeySelectionExpression"] == "$request.header.x-api-key"
    assert created["RouteSelectionExpression"] == "$request.method $request.path"
    assert created["CreatedDate"].year >= 2026 and created["DisableExecuteApiEndpoint"] is False
    read = api.get_api()
    for member in ("Name", "Description", "Version", "Tags", "ApiEndpoint", "CreatedDate", "ProtocolType"):
        assert read[member] == created[member], member
    updated = api.update_api(Name="cats", Description="")
    assert (updated["Name"], updated["Description"], updated["Version"]) == ("cats", "", "1")
    assert api.id in [item["ApiId"] for item in gateway.get_apis()["Items"]]
    assert server.client("apigatewayv2", region="eu-west-1").get_apis()["Items"] == []
    api.delete()
    words = ("NotFoundException", f"Invalid API identifier specified 000000000000:{api.id}", 404)
    assert error_of(api.get_api) == words
    assert error_of(api.create_route, RouteKey="GET /") == words


def test_another_account_has_no_part_in_an_api(server, make):
    api = make()
    other = server.client("apigatewayv2", account="123456789012")
    assert error_of(other.get_api, ApiId=api.id)[0] == "NotFoundException"
    assert error_of(other.delete_api, ApiId=api.id)[0] == "NotFoundException"
    assert other.get_apis()["Items"] == []


def test_lists_come_in_pages(make, gateway):
    ids = {make(Name=f"api-{number}").id for number in range(3)}
    first = gateway.get_apis(MaxResults="2")
    assert len(first["Items"]) == 2
    listed = [item["ApiId"] for page in gateway.get_paginator("get_apis").paginate(PaginationConfig={"PageSize": 2})
              for item in page["Items"]]
    assert ids <= set(listed) and len(listed) == len(set(listed))
    assert error_of(gateway.get_apis, MaxResults="many")[0] == "BadRequestException"
    assert error_of(gateway.get_apis, NextToken="?")[0] == "BadRequestException"


def test_what_cannot_act_is_refused_by_name(server, make, echo):
    api = make()
    lax = server.client("apigatewayv2", parameter_validation=False)
    uri = arn_of(echo)
    proxy = {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri, "PayloadFormatVersion": "2.0"}
    for operation, members, words in [
        (lax.create_api, {}, "'name'"),
        (lax.create_api, {"Name": "x", "ProtocolType": "SOAP"}, "enum value set"),
        (lax.create_api, {"Name": "x", "ProtocolType": "WEBSOCKET"}, "WEBSOCKET"),
        (lax.create_api, {"Name": "x", "ProtocolType": "HTTP", "IpAddressType": "dualstack"}, "IpAddressType"),
        (lax.create_api, {"Name": "x", "ProtocolType": "HTTP", "DisableSchemaValidation": True}, "DisableSchema"),
        (api.create_integration, {**proxy, "PayloadFormatVersion": "3.0"}, "PayloadFormatVersion"),
        (api.create_integration, {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri}, "PayloadFormatVersion"),
        (api.create_integration, {**proxy, "IntegrationType": "MOCK"}, "MOCK"),
        (api.create_integration, {**proxy, "IntegrationSubtype": "SQS-SendMessage"}, "IntegrationSubtype"),
        (api.create_integration, {**proxy, "RequestParameters": {"append:header.a": "b"}}, "RequestParameters"),
        (api.create_integration, {**proxy, "ConnectionType": "VPC_LINK", "ConnectionId": "x"}, "ConnectionId"),
        (api.create_integration, {**proxy, "IntegrationUri": "hello"}, "Invalid Lambda function ARN"),
        (api.create_integration, {**proxy, "IntegrationUri": uri.replace("us-east-1", "eu-west-1")}, "eu-west-1"),
        (api.create_integration, {**proxy, "CredentialsArn": "arn:aws:iam::*:user/*"}, "CredentialsArn"),
        (api.create_route, {"RouteKey": "GET pets"}, "not formatted properly"),
        (api.create_route, {"RouteKey": "GET /", "ApiKeyRequired": True}, "ApiKeyRequired"),
        (api.create_route, {"RouteKey": "GET /", "AuthorizationType": "AWS_IAM"}, "AWS_IAM"),
        (api.create_route, {"RouteKey": "GET /", "AuthorizationType": "JWT"}, "AuthorizerId"),
        (api.create_route, {"RouteKey": "GET /", "Target": "nowhere"}, "integrations/"),
        (api.create_stage, {"StageName": "a b"}, "stage name"),
        (api.create_stage, {"StageName": "a", "StageVariables": {"a-b": "1"}}, "a-b"),
        (api.create_stage, {"StageName": "a", "AccessLogSettings": {"Format": "x"}}, "AccessLogSettings"),
        (api.create_stage, {"StageName": "a", "DefaultRouteSettings": {"DataTraceEnabled": True}}, "DataTrace"),
        (api.create_deployment, {}, "At least one route"),
        (api.update_api, {"Target": uri}, "quick create"),
        (api.create_model, {"Name": "m", "Schema": "{}"}, "CreateModel"),
        (api.export_api, {"OutputType": "JSON", "Specification": "OAS30"}, "ExportApi"),
        (lax.create_vpc_link, {"Name": "x", "SubnetIds": []}, "CreateVpcLink"),
    ]:
        code, message, status = error_of(operation, **members)
        assert (code, status) == ("BadRequestException", 400) and words in message, (members, message)


def test_routes_and_integrations_refer_to_one_another(make, echo):
    api = make()
    integration = api.integrate(echo, Description="d", TimeoutInMillis=50)
    read = api.get_integration(IntegrationId=integration)
    assert (read["IntegrationUri"], read["IntegrationMethod"], read["TimeoutInMillis"]) == (arn_of(echo), "POST", 50)
    assert (read["ConnectionType"], read["PayloadFormatVersion"], read["Description"]) == ("INTERNET", "2.0", "d")
    route = api.route("GET /pets/{id}", integration, OperationName="getPet")
    read = api.get_route(RouteId=route)
    assert (read["RouteKey"], read["Target"]) == ("GET /pets/{id}", f"integrations/{integration}")
    assert (read["AuthorizationType"], read["ApiKeyRequired"], read["OperationName"]) == ("NONE", False, "getPet")
    assert error_of(api.create_route, RouteKey="GET /pets/{id}") == (
        "ConflictException", "Route with key GET /pets/{id} already exists for this API", 409)
    assert error_of(api.create_route, RouteKey="GET /pets/{pet}")[0] == "ConflictException"
    assert error_of(api.create_route, RouteKey="GET /", Target="integrations/nothing")[0] == "NotFoundException"
    assert error_of(api.delete_integration, IntegrationId=integration)[0] == "ConflictException"
    assert api.update_route(RouteId=route, RouteKey="ANY /pets")["RouteKey"] == "ANY /pets"
    assert api.update_integration(IntegrationId=integration, TimeoutInMillis=60)["TimeoutInMillis"] == 60
    assert [item["RouteId"] for item in api.get_routes()["Items"]] == [route]
    assert [item["IntegrationId"] for item in api.get_integrations()["Items"]] == [integration]
    api.delete_route(RouteId=route)
    api.delete_integration(IntegrationId=integration)
    assert error_of(api.get_route, RouteId=route)[0] == "NotFoundException"
    assert error_of(api.delete_integration, IntegrationId=integration)[0] == "NotFoundException"


def test_tags_are_those_of_apis_and_stages(make, gateway):
    api = make(Tags={"a": "1"})
    api.stage("dev", Tags={"s": "1"})
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}"
    gateway.tag_resource(ResourceArn=arn, Tags={"b": "2"})
    assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"a": "1", "b": "2"} == api.get_api()["Tags"]
    gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert api.get_api()["Tags"] == {"b": "2"}
    gateway.tag_resource(ResourceArn=f"{arn}/stages/dev", Tags={"t": "2"})
    assert api.get_stage(StageName="dev")["Tags"] == {"s": "1", "t": "2"}
    for wrong in ("nonsense", arn.replace("us-east-1", "eu-west-1"), arn.replace("/apis/", "/things/")):
        assert error_of(gateway.get_tags, ResourceArn=wrong)[0] == "BadRequestException"
    assert error_of(gateway.tag_resource, ResourceArn=arn, Tags={"aws:x": "1"})[0] == "BadRequestException"


def test_quotas_hold(make, echo):
    api = make()
    for number in range(10):
        api.create_stage(StageName=f"s{number}")
    assert error_of(api.create_stage, StageName="more")[0] == "ConflictException"
    for number in range(300):
        api.create_route(RouteKey=f"GET /r{number}")
    code, message, status = error_of(api.create_route, RouteKey="GET /more")
    assert (code, status) == ("ConflictException", 409) and message.startswith("Maximum number of Routes")


# What requests get.


def test_quick_create_serves_at_once(make, module_functions, echo, full):
    api = make(Target=arn_of(echo))
    answer = api.ask("/any/where?x=1")
    assert answer.status == 200 and answer.value["rawPath"] == "/any/where"
    assert answer.value["requestContext"]["routeKey"] == "$default" == answer.value["requestContext"]["stage"]
    assert answer.headers["apigw-requestid"]
    [route], [integration] = api.get_routes()["Items"], api.get_integrations()["Items"]
    assert route["ApiGatewayManaged"] and integration["ApiGatewayManaged"]
    stage = api.get_stage(StageName="$default")
    assert stage["ApiGatewayManaged"] and stage["AutoDeploy"]
    assert error_of(api.delete_integration, IntegrationId=integration["IntegrationId"])[0] == "BadRequestException"
    assert error_of(api.update_stage, StageName="$default", Description="x")[0] == "BadRequestException"
    api.update_api(Target=arn_of(module_functions["who"]), RouteKey="GET /who")
    assert api.ask("/who").body == b"http-api-who"
    assert api.ask("/any").status == 404


def test_routes_take_their_turn(make, echo):
    api = make()
    api.stage()
    integration = api.integrate(echo)
    keys = ["GET /pets/dog", "GET /pets/{id}", "ANY /pets/{id}", "GET /{proxy+}", "$default", "POST /pets"]
    for key in keys:
        api.route(key, integration)
    for method, path, key, parameters in [
        ("GET", "/pets/dog", "GET /pets/dog", None),
        ("GET", "/pets/cat", "GET /pets/{id}", {"id": "cat"}),
        ("PUT", "/pets/a%20b", "ANY /pets/{id}", {"id": "a b"}),
        ("GET", "/pets/cat/toys", "GET /{proxy+}", {"proxy": "pets/cat/toys"}),
        ("PUT", "/pets/cat/toys", "$default", None),
        ("POST", "/pets", "POST /pets", None),
    ]:
        event = api.ask(path, method).value
        assert (event["routeKey"], event.get("pathParameters")) == (key, parameters), (method, path)
    [default] = [route["RouteId"] for route in api.get_routes()["Items"] if route["RouteKey"] == "$default"]
    api.delete_route(RouteId=default)
    answer = api.ask("/pets/cat/toys", "PUT")
    assert (answer.status, answer.value) == (404, {"message": "Not Found"})
    assert answer.headers["content-type"] == "application/json"


def test_payload_2_has_what_clients_sent(server, make, echo):
    api = make()
    api.stage("dev", StageVariables={"colour": "red"})
    api.route("POST /things/{id}", api.integrate(echo))
    answer = api.ask("/dev/things/7?a=1&a=2&b=%20", "POST", b"hello", Cookie="c=1; d=2", X_One="1",
                     Content_Type="text/plain", X_Amzn_Trace_Id="Root=1-5e9f0c65-1de4d666d4dd26aced652b6c")
    event = answer.value
    assert (event["version"], event["routeKey"]) == ("2.0", "POST /things/{id}")
    assert (event["rawPath"], event["rawQueryString"]) == ("/dev/things/7", "a=1&a=2&b=%20")
    assert (event["cookies"], event["pathParameters"]) == (["c=1", "d=2"], {"id": "7"})
    assert (event["queryStringParameters"], event["stageVariables"]) == ({"a": "1,2", "b": " "}, {"colour": "red"})
    assert (event["body"], event["isBase64Encoded"], event["headers"]["x-one"]) == ("hello", False, "1")
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == ("000000000000", api.id, "dev")
    assert context["domainName"] == f"{api.id}.execute-api.us-east-1.localhost"
    assert context["domainPrefix"] == api.id and context["requestId"] == answer.headers["apigw-requestid"]
    assert context["http"]["sourceIp"] == "127.0.0.1" and context["http"]["path"] == "/dev/things/7"
    assert event["headers"]["x-forwarded-port"] == str(server.port)


def test_payload_1_has_what_clients_sent(make, full):
    api = make()
    api.stage("dev", StageVariables={"colour": "red"})
    source = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
    from support.server import Function

    function = Function(api.server, "http-api-v1", "python3.12", packages.python(source), "app.handler").ready()
    try:
        api.route("POST /things/{id}", api.integrate(function, "1.0"))
        event = api.ask("/dev/things/7?a=1&a=2", "POST", b"\xff", Content_Type="application/octet-stream").value
    finally:
        function.delete()
    assert (event["version"], event["resource"], event["httpMethod"]) == ("1.0", "/things/{id}", "POST")
    assert event["path"] == "/dev/things/7" and event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"colour": "red"})
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["resourcePath"] == "/things/{id}"


def test_what_functions_answer_is_what_clients_get(make, full):
    api = make()
    api.stage()
    integration = api.integrate(full)
    api.route("POST /", integration)
    api.route("POST /one", api.integrate(full, "1.0"))

    def post(answer, path="/"):
        return api.ask(path, "POST", json.dumps(answer).encode(), Content_Type="application/json")

    told = post({"statusCode": 201, "headers": {"X-One": "1"}, "cookies": ["a=1", "b=2"], "body": "hi"})
    assert (told.status, told.headers["x-one"], told.cookies, told.body) == (201, "1", ["a=1", "b=2"], b"hi")
    inferred = post({"a": 1})
    assert (inferred.status, inferred.value) == (200, {"a": 1})
    assert inferred.headers["content-type"] == "application/json"
    binary = post({"statusCode": 200, "body": "/w==", "isBase64Encoded": True})
    assert binary.body == b"\xff"
    old = post({"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "x"}, "/one")
    assert old.cookies == ["a=1", "b=2"]
    for broken, path in [("raise", "/"), ({"a": 1}, "/one"), ({"statusCode": "x"}, "/")]:
        failed = post(broken, path)
        assert (failed.status, failed.value) == (500, {"message": "Internal Server Error"}), broken


def test_a_slow_function_is_not_waited_for(make, full):
    api = make()
    api.stage()
    api.route("POST /", api.integrate(full, TimeoutInMillis=200))
    answer = api.ask("/", "POST", b'"sleep"')
    assert (answer.status, answer.value) == (503, {"message": "Service Unavailable"})


def test_too_large_a_request_is_refused(make, echo):
    api = make()
    api.stage()
    api.route("POST /", api.integrate(echo))
    for size in (6 << 20, (10 << 20) + 1):
        answer = api.ask("/", "POST", b"x" * size, Content_Type="text/plain")
        assert (answer.status, answer.value) == (413, {"message": "Request Entity Too Large"}), size


def test_a_stage_serves_what_was_deployed(make, echo, module_functions):
    api = make()
    echoing, telling = api.integrate(echo), api.integrate(module_functions["who"])
    route = api.route("GET /", echoing)
    api.stage("auto")
    api.stage("manual", AutoDeploy=False)
    assert api.ask("/auto/").status == 200
    assert api.ask("/manual/").status == 404
    first = api.create_deployment(StageName="manual", Description="first")
    assert (first["DeploymentStatus"], first["AutoDeployed"]) == ("DEPLOYED", False)
    assert api.ask("/manual/").value["requestContext"]["stage"] == "manual"

    before = api.get_stage(StageName="auto")
    api.update_route(RouteId=route, Target=f"integrations/{telling}")
    after = api.get_stage(StageName="auto")
    assert after["DeploymentId"] != before["DeploymentId"]
    assert after["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{after['DeploymentId']}'"
    assert api.get_deployment(DeploymentId=after["DeploymentId"])["AutoDeployed"] is True
    assert error_of(api.get_deployment, DeploymentId=before["DeploymentId"])[0] == "NotFoundException"
    assert api.ask("/auto/").body == b"http-api-who"
    assert api.ask("/manual/").value["requestContext"]["stage"] == "manual"

    second = api.create_deployment(StageName="manual")
    assert api.ask("/manual/").body == b"http-api-who"
    assert error_of(api.delete_deployment, DeploymentId=second["DeploymentId"])[0] == "BadRequestException"
    api.update_stage(StageName="manual", DeploymentId=first["DeploymentId"])
    assert api.ask("/manual/").value["requestContext"]["stage"] == "manual"
    api.delete_deployment(DeploymentId=second["DeploymentId"])
    assert error_of(api.create_deployment, StageName="auto")[0] == "BadRequestException"

    # A stage that no longer deploys by itself keeps what it serves.
    api.update_stage(StageName="auto", AutoDeploy=False)
    api.update_route(RouteId=route, Target=f"integrations/{echoing}")
    assert api.ask("/auto/").body == b"http-api-who"
    api.update_stage(StageName="auto", AutoDeploy=True)
    assert api.ask("/auto/").value["requestContext"]["stage"] == "auto"
    api.delete_stage(StageName="auto")
    assert api.ask("/auto/").status == 404


def test_stage_variables_choose_the_function(make, deploy):
    function = deploy("python3.12", packages.python(WHO), Publish=True)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    function.published("1")
    api = make()
    path = arn_of(function).replace(function.name, "${stageVariables.name}:${stageVariables.alias}")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{path}/invocations"
    api.route("GET /", api.integrate(None, uri=uri))
    api.stage("dev", StageVariables={"name": function.name, "alias": "live"})
    api.stage("test", StageVariables={"name": function.name, "alias": "1"})
    api.stage("bare")
    assert api.ask("/dev").body.decode() == f"{function.name}:live"
    assert api.ask("/test/").body.decode() == f"{function.name}:1"
    assert (api.ask("/bare/").status, api.ask("/bare/").value) == (500, {"message": "Internal Server Error"})
    api.update_stage(StageName="dev", StageVariables={"alias": "1"})
    assert api.get_stage(StageName="dev")["StageVariables"] == {"name": function.name, "alias": "1"}
    assert api.ask("/dev").body.decode() == f"{function.name}:1"
    api.update_stage(StageName="dev", StageVariables={"alias": ""})
    assert api.get_stage(StageName="dev")["StageVariables"] == {"name": function.name}


def test_pages_of_other_sites_are_let_in_by_cors(make, echo):
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-one"],
            "ExposeHeaders": ["x-two"], "AllowCredentials": True, "MaxAge": 60}
    api = make(Target=arn_of(echo), CorsConfiguration=cors)
    assert api.get_api()["CorsConfiguration"] == cors
    asked = {"Origin": "https://a.example", "Access_Control_Request_Method": "PUT"}
    preflight = api.ask("/x", "OPTIONS", **asked)
    assert preflight.status == 204 and preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-methods"] == "GET,PUT"
    assert preflight.headers["access-control-max-age"] == "60"
    other = api.ask("/x", "OPTIONS", **{**asked, "Origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers
    answer = api.ask("/x", Origin="https://a.example")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-expose-headers"] == "x-two"
    api.delete_cors_configuration()
    assert "CorsConfiguration" not in api.get_api()
    assert api.ask("/x", "OPTIONS", **asked).value["routeKey"] == "$default"
    for wrong in ({"AllowOrigins": ["nowhere"]}, {"AllowMethods": ["FETCH"]},
                  {"AllowOrigins": ["*"], "AllowCredentials": True}):
        assert error_of(api.update_api, CorsConfiguration=wrong)[0] == "BadRequestException", wrong


def test_throttled_requests_are_told_so(server, make, module_functions):
    api = make()
    integration = api.integrate(module_functions["who"])
    api.route("GET /slow", integration)
    api.route("GET /free", integration)
    slow = {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001}
    api.stage(RouteSettings={"GET /slow": slow}, DefaultRouteSettings={"DetailedMetricsEnabled": True})
    statuses = [api.ask("/slow").status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert api.ask("/slow").value == {"message": "Too Many Requests"}
    assert api.ask("/free").status == 200
    # What has been used stays used when something else changes.
    api.update_api(Description="changed")
    assert api.ask("/slow").status == 429
    stage = api.get_stage(StageName="$default")
    assert stage["RouteSettings"] == {"GET /slow": {"DetailedMetricsEnabled": False, **slow}}
    assert error_of(api.update_stage, StageName="$default", RouteSettings={"GET /no": slow}) == (
        "NotFoundException", "Unable to find Route by key GET /no within the provided RouteSettings", 404)
    api.delete_route_settings(StageName="$default", RouteKey="GET /slow")
    assert api.ask("/slow").status == 200
    assert error_of(api.delete_route_settings, StageName="$default", RouteKey="GET /slow")[0] == "NotFoundException"
    figures = server.http("/metrics").read().decode()
    counted = [line for line in figures.splitlines() if line.startswith("tindra_http_api_requests_total") and api.id in line]
    assert any('route="GET /free"' in line and 'status="200"' in line for line in counted), counted
    api.update_stage(StageName="$default", DefaultRouteSettings={"ThrottlingBurstLimit": 0, "ThrottlingRateLimit": 0})
    assert api.ask("/free").status == 429


def test_apis_are_reached_by_path_where_names_do_not_lead_here(server, make, echo):
    api = make()
    api.route("$default", api.integrate(echo))
    api.stage()
    api.stage("dev")
    for path, raw, stage in [("/dev/a%20b?x=1", "/dev/a b", "dev"), ("/$default/a", "/a", "$default"),
                             ("/a", "/a", "$default"), ("", "/", "$default")]:
        event = ask(server, f"127.0.0.1:{server.port}", f"/_aws/execute-api/{api.id}{path}").value
        assert (event["rawPath"], event["requestContext"]["stage"]) == (raw, stage)
        assert event["requestContext"]["domainName"] == f"{api.id}.execute-api.us-east-1.localhost"
    for host, path in [("nothing00.execute-api.us-east-1.localhost", "/"), ("localhost", "/_aws/execute-api/nothing/x"),
                       (f"{api.id}.execute-api.eu-west-1.localhost", "/")]:
        answer = ask(server, host, path)
        assert (answer.status, answer.value) == (403, {"message": "Forbidden"})
    api.update_api(DisableExecuteApiEndpoint=True)
    assert (api.ask("/").status, api.ask("/").value) == (404, {"message": "Not Found"})


def test_custom_domain_names_lead_to_stages(server, make, gateway, echo, module_functions):
    echoing, telling = make(), make()
    for api, function in [(echoing, echo), (telling, module_functions["who"])]:
        api.route("$default", api.integrate(function))
        api.stage("live")
    configuration = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1", "EndpointType": "REGIONAL",
                     "SecurityPolicy": "TLS_1_2"}
    domain = {"DomainName": "api.shop.example"}
    created = gateway.create_domain_name(**domain, DomainNameConfigurations=[configuration], Tags={"a": "1"})
    shown = created["DomainNameConfigurations"][0]
    assert shown["DomainNameStatus"] == "AVAILABLE" and shown["CertificateArn"] == configuration["CertificateArn"]
    try:
        assert error_of(gateway.create_domain_name, **domain, DomainNameConfigurations=[configuration])[0] == "ConflictException"
        assert ask(server, "api.shop.example", "/x").status == 403
        root = gateway.create_api_mapping(**domain, ApiId=echoing.id, Stage="live")
        deep = gateway.create_api_mapping(**domain, ApiId=telling.id, Stage="live", ApiMappingKey="who/am")
        assert error_of(gateway.create_api_mapping, **domain, ApiId=echoing.id, Stage="live")[0] == "ConflictException"
        assert error_of(gateway.create_api_mapping, **domain, ApiId=echoing.id, Stage="no", ApiMappingKey="x")[0] == "BadRequestException"
        event = ask(server, "API.shop.example:8080", "/x").value
        assert (event["rawPath"], event["requestContext"]["domainName"]) == ("/x", "api.shop.example")
        assert ask(server, "api.shop.example", "/who/am/i").body == b"http-api-who"
        assert ask(server, "api.shop.example", "/who/amx").value["routeKey"] == "$default"
        assert len(gateway.get_api_mappings(**domain)["Items"]) == 2
        assert error_of(telling.delete_api)[0] == error_of(telling.delete_stage, StageName="live")[0] == "ConflictException"
        gateway.update_api_mapping(**domain, ApiMappingId=deep["ApiMappingId"], ApiId=telling.id, ApiMappingKey="me")
        assert gateway.get_api_mapping(**domain, ApiMappingId=deep["ApiMappingId"])["ApiMappingKey"] == "me"
        assert ask(server, "api.shop.example", "/me").body == b"http-api-who"
        telling.update_api(DisableExecuteApiEndpoint=True)
        assert ask(server, "api.shop.example", "/me").status == 200
        for mapping in (root, deep):
            gateway.delete_api_mapping(**domain, ApiMappingId=mapping["ApiMappingId"])
        assert [item["DomainName"] for item in gateway.get_domain_names()["Items"]] == ["api.shop.example"]
    finally:
        gateway.delete_domain_name(**domain)
    assert error_of(gateway.get_domain_name, **domain)[0] == "NotFoundException"


def test_a_document_is_imported_and_served(gateway, make, echo, module_functions):
    def document(function):
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": arn_of(function), "payloadFormatVersion": "2.0"}
        return json.dumps({
            "openapi": "3.0.1", "info": {"title": "imported", "version": "1"},
            "paths": {"/pets/{id}": {"get": {"x-amazon-apigateway-integration": integration}}},
            "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
        })

    made = gateway.import_api(Body=document(echo))
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201 and made["Name"] == "imported"
    gateway.delete_api(ApiId=made["ApiId"])
    # Terraform makes an API of a `body` in this way.
    api = make()
    api.stage()
    assert api.reimport_api(Body=document(echo))["CorsConfiguration"] == {"AllowOrigins": ["*"]}
    assert api.ask("/pets/7").value["pathParameters"] == {"id": "7"}
    api.reimport_api(Body=document(module_functions["who"]))
    assert api.ask("/pets/7", Origin="https://a.example").headers["access-control-allow-origin"] == "*"
    assert api.ask("/pets/7").body == b"http-api-who"
    code, message, _ = error_of(api.reimport_api, Body="openapi: 3.0.1")
    assert code == "BadRequestException" and "JSON" in message


def test_apis_survive_a_restart():
    from support.server import Function, Server

    with Server() as server:
        function = Function(server, "who", "python3.12", packages.python(WHO), "app.handler").ready()
        api = HttpApi(server)
        api.route("GET /", api.integrate(function))
        api.stage("manual", AutoDeploy=False)
        api.create_deployment(StageName="manual")
        server.kill()
        server.start()
        api = api.get_api()
        host = f"{api['ApiId']}.execute-api.us-east-1.localhost"
        until(lambda: ask(server, host, "/manual/").status == 200, 30)
        assert ask(server, host, "/manual/").body == b"who"
