"""Who may call an HTTP API: JWT authorizers, Lambda authorizers, and the policies of functions."""

import json
import time

import pytest

from support import packages
from support.errors import error_of
from support.http_apis import HttpApi, arn_of
from support.issuer import EllipticKey, Issuer, RsaKey
from support.server import Function, Server

ECHO = packages.python("def handler(event, context):\n    return event\n")
# Answers as its stage variable says, and counts its runs.
AUTHORIZER = packages.python("""
import json
runs = 0
def handler(event, context):
    global runs
    runs += 1
    how = event["stageVariables"]["how"] if event.get("stageVariables") else "policy"
    token = (event.get("identitySource") or ["none"])
    token = token if isinstance(token, str) else token[0]
    grant = {"runs": runs, "token": token, "event": json.dumps(event)}
    if how == "raise" or token == "raise":
        raise ValueError("no")
    if how == "simple":
        return {"isAuthorized": token != "bad", "context": grant}
    if how == "nonsense":
        return {"hello": "world"}
    arn = event.get("routeArn") or event["methodArn"]
    wanted = arn if token != "elsewhere" else arn.replace("/GET/", "/GET/elsewhere/")
    statement = {"Action": "execute-api:Invoke", "Effect": "Deny" if token == "bad" else "Allow", "Resource": wanted}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, "context": grant}
""")
ROLE = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def reaching():
    """A server on which functions, and so authorizers, may connect to this machine."""
    with Server(config='egress_allow = ["127.0.0.1/32"]\n') as running:
        yield running


@pytest.fixture(scope="module")
def echo(reaching):
    return Function(reaching, "echo", "python3.12", ECHO, "app.handler").ready()


@pytest.fixture
def api(reaching, echo):
    api = HttpApi(reaching)
    api.echo = api.integrate(echo)
    yield api
    api.delete()


@pytest.fixture(scope="module")
def keys():
    return RsaKey("one"), EllipticKey("two"), RsaKey("three")


def jwt_authorizer(api, issuer, **members):
    return api.create_authorizer(**{
        "AuthorizerType": "JWT", "Name": "tokens", "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": issuer, "Audience": ["shop", "other"]}, **members,
    })["AuthorizerId"]


def refused(answer, status, why):
    message = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}[status]
    assert (answer.status, answer.value) == (status, {"message": message})
    assert why in answer.headers.get("www-authenticate", ""), answer.headers


def test_good_tokens_pass_and_functions_see_their_claims(api, keys):
    api.stage()
    with Issuer(*keys[:2]) as issuer:
        authorizer = jwt_authorizer(api, issuer.url)
        api.route("GET /", api.echo, AuthorizationType="JWT", AuthorizerId=authorizer)
        for token in (issuer.token(), "Bearer " + issuer.token(), "bearer " + issuer.token(key=keys[1])):
            answer = api.ask("/", Authorization=token)
            assert answer.status == 200, answer.body
        claims = answer.value["requestContext"]["authorizer"]["jwt"]
        assert claims["claims"]["sub"] == "somebody" and claims["claims"]["iss"] == issuer.url
        token = issuer.token(groups=["a", "b"], level=3, admin=True, client_id="x")
        claims = api.ask("/", Authorization=token).value["requestContext"]["authorizer"]["jwt"]["claims"]
        assert (claims["groups"], claims["level"], claims["admin"]) == ("[a b]", "3", "true")
        # The issuer was asked once.
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_bad_tokens_are_told_why(api, keys):
    api.stage()
    now = int(time.time())
    with Issuer(keys[0]) as issuer:
        authorizer = jwt_authorizer(api, issuer.url)
        api.route("GET /", api.echo, AuthorizationType="JWT", AuthorizerId=authorizer)
        refused(api.ask("/"), 401, "Bearer")
        for token, why in [
            ("nonsense", "malformed"),
            ("a.b.c", "malformed"),
            (issuer.token() + "x", "malformed"),
            (issuer.token(header={"kid": None}), "does not name a key"),
            (issuer.token(key=keys[2]), "unknown key"),
            (issuer.token(key=keys[2], header={"kid": "one"}), "invalid signature"),
            (issuer.token(header={"alg": "none"}), "invalid signature"),
            (issuer.token(header={"alg": "HS256"}), "invalid signature"),
            (issuer.token(header={"alg": "ES256"}), "invalid signature"),
            (issuer.token(iss="http://elsewhere"), "valid issuer"),
            (issuer.token(aud="nobody"), "the token does not have a valid audience"),
            (issuer.token(aud="nobody", client_id="shop"), "valid audience"),
            (issuer.token(aud=None), "valid audience"),
            (issuer.token(exp=now - 5), "expired"),
            (issuer.token(exp=None), "expiry"),
            (issuer.token(nbf=now + 100), "not valid yet"),
            (issuer.token(iat=now + 100), "future"),
        ]:
            refused(api.ask("/", Authorization=token), 401, why)
        for token in (issuer.token(aud=["nobody", "other"]), issuer.token(aud=None, client_id="shop")):
            assert api.ask("/", Authorization=token).status == 200


def test_scopes_are_wanted_where_the_route_names_them(api, keys):
    api.stage()
    with Issuer(keys[0]) as issuer:
        authorizer = jwt_authorizer(api, issuer.url, IdentitySource=["$request.querystring.token"])
        members = {"AuthorizationType": "JWT", "AuthorizerId": authorizer, "AuthorizationScopes": ["read", "write"]}
        route = api.route("GET /", api.echo, **members)
        assert api.get_route(RouteId=route)["AuthorizationScopes"] == ["read", "write"]
        answer = api.ask("/?token=" + issuer.token(scope="write more"))
        assert answer.value["requestContext"]["authorizer"]["jwt"]["scopes"] == ["write"]
        assert api.ask("/?token=" + issuer.token(scp=["read"])).status == 200
        refused(api.ask("/?token=" + issuer.token(scope="more")), 403, "insufficient_scope")
        refused(api.ask("/?token=" + issuer.token()), 403, 'scope="read write"')


def test_an_issuer_that_fails_is_no_way_in(api, keys, server):
    api.stage()
    with Issuer(keys[0]) as issuer:
        issuer.is_failing = True
        authorizer = jwt_authorizer(api, issuer.url)
        api.route("GET /", api.echo, AuthorizationType="JWT", AuthorizerId=authorizer)
        refused(api.ask("/", Authorization=issuer.token()), 500, "")
        issuer.is_failing = False
        # Another authorizer of the same issuer asks for itself.
        api.update_authorizer(AuthorizerId=authorizer, Name="again")
        assert api.ask("/", Authorization=issuer.token()).status == 200
        # An unknown key does not make those that are known forgotten, whatever the issuer says then.
        issuer.is_failing = True
        assert api.ask("/", Authorization=issuer.token(key=keys[2])).status in (401, 500)
        assert api.ask("/", Authorization=issuer.token()).status == 200
        # Where functions may not connect to, authorizers may not either.
        issuer.is_failing = False
        elsewhere = HttpApi(server)
        function = Function(server, "unreached", "python3.12", ECHO, "app.handler").ready()
        try:
            elsewhere.stage()
            members = {"AuthorizationType": "JWT", "AuthorizerId": jwt_authorizer(elsewhere, issuer.url)}
            elsewhere.route("GET /", elsewhere.integrate(function), **members)
            asked = len(issuer.asked)
            refused(elsewhere.ask("/", Authorization=issuer.token()), 500, "")
            assert len(issuer.asked) == asked
        finally:
            elsewhere.delete()
            function.delete()


def test_authorizers_are_kept_and_checked(api, echo):
    jwt = jwt_authorizer(api, "https://issuer.example")
    read = api.get_authorizer(AuthorizerId=jwt)
    assert read["JwtConfiguration"] == {"Issuer": "https://issuer.example", "Audience": ["shop", "other"]}
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn_of(echo)}/invocations"
    asking = {"AuthorizerType": "REQUEST", "Name": "asking", "AuthorizerUri": uri, "IdentitySource": [],
              "AuthorizerPayloadFormatVersion": "2.0"}
    custom = api.create_authorizer(**asking, EnableSimpleResponses=True)
    assert (custom["AuthorizerResultTtlInSeconds"], custom["EnableSimpleResponses"]) == (0, True)
    assert {item["Name"] for item in api.get_authorizers()["Items"]} == {"tokens", "asking"}
    for members in [
        {**asking, "Name": "x", "AuthorizerPayloadFormatVersion": "1.0", "EnableSimpleResponses": True},
        {**asking, "Name": "x", "AuthorizerResultTtlInSeconds": 5},
        {**asking, "Name": "x", "IdentitySource": ["route.request.header.a"]},
        {**asking, "Name": "x", "IdentityValidationExpression": ".*"},
        {**asking, "Name": "x", "AuthorizerUri": "https://example.com"},
        {"AuthorizerType": "JWT", "Name": "x", "IdentitySource": ["$context.path"],
         "JwtConfiguration": {"Issuer": "https://x.example", "Audience": ["a"]}},
        {"AuthorizerType": "JWT", "Name": "x", "IdentitySource": ["$request.header.a"]},
        {"AuthorizerType": "JWT", "Name": "x", "IdentitySource": ["$request.header.a"],
         "JwtConfiguration": {"Issuer": "https://x.example"}},
    ]:
        assert error_of(api.create_authorizer, **members)[0] == "BadRequestException", members
    assert error_of(api.create_authorizer, **asking)[0] == "ConflictException"
    key = {"RouteKey": "GET /"}
    assert error_of(api.create_route, **key, AuthorizationType="CUSTOM", AuthorizerId=jwt)[0] == "BadRequestException"
    assert error_of(api.create_route, **key, AuthorizationType="JWT", AuthorizerId="nobody")[0] == "NotFoundException"
    route = api.create_route(**key, AuthorizationType="JWT", AuthorizerId=jwt)["RouteId"]
    assert error_of(api.delete_authorizer, AuthorizerId=jwt)[0] == "ConflictException"
    opened = api.update_route(RouteId=route, AuthorizationType="NONE")
    assert "AuthorizerId" not in opened
    api.delete_authorizer(AuthorizerId=jwt)
    assert error_of(api.get_authorizer, AuthorizerId=jwt)[0] == "NotFoundException"


@pytest.fixture(scope="module")
def decider(reaching):
    return Function(reaching, "decider", "python3.12", AUTHORIZER, "app.handler").ready()


def lambda_authorizer(api, function, version="2.0", ttl=0, simple=False, sources=("$request.header.x-token",)):
    return api.create_authorizer(
        AuthorizerType="REQUEST", Name=f"asking {version} {ttl} {simple}", IdentitySource=list(sources),
        AuthorizerUri=arn_of(function), AuthorizerPayloadFormatVersion=version, AuthorizerResultTtlInSeconds=ttl,
        **({"EnableSimpleResponses": True} if simple else {}),
    )["AuthorizerId"]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_policy_says_who_may_pass(api, decider, version):
    api.stage()
    authorizer = lambda_authorizer(api, decider, version)
    api.route("GET /pets/{id}", api.echo, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    refused(api.ask("/pets/1"), 401, "")
    answer = api.ask("/pets/1", X_Token="good")
    grant = answer.value["requestContext"]["authorizer"]["lambda"]
    assert grant["token"] == "good"
    asked = json.loads(grant["event"])
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/$default/GET/pets/1"
    assert (asked["version"], asked["type"]) == (version, "REQUEST")
    assert asked["methodArn" if version == "1.0" else "routeArn"] == arn
    assert asked["pathParameters"] == {"id": "1"}
    refused(api.ask("/pets/1", X_Token="bad"), 403, "")
    refused(api.ask("/pets/1", X_Token="elsewhere"), 403, "")
    refused(api.ask("/pets/1", X_Token="raise"), 500, "")


def test_simple_answers_say_yes_or_no(api, decider):
    authorizer = lambda_authorizer(api, decider, simple=True)
    api.route("GET /", api.echo, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    for how in ("simple", "nonsense"):
        api.stage(how, StageVariables={"how": how})
    answer = api.ask("/simple/", X_Token="good")
    assert answer.value["requestContext"]["authorizer"]["lambda"]["token"] == "good"
    refused(api.ask("/simple/", X_Token="bad"), 403, "")
    refused(api.ask("/nonsense/", X_Token="good"), 500, "")


def test_answers_are_remembered_by_their_identity_sources(api, decider):
    stage = {"StageName": "$default"}
    api.stage(StageVariables={"how": "simple"})
    sources = ("$request.header.x-token", "$request.querystring.q")
    authorizer = lambda_authorizer(api, decider, ttl=3600, simple=True, sources=sources)
    for key in ("GET /a", "GET /b"):
        api.route(key, api.echo, AuthorizationType="CUSTOM", AuthorizerId=authorizer)

    def runs(path="/a?q=1", token="good"):
        return api.ask(path, X_Token=token).value["requestContext"]["authorizer"]["lambda"]["runs"]

    first = runs()
    assert runs() == runs("/b?q=1") == first
    assert runs("/a?q=2") == first + 1 and runs(token="other") == first + 2
    assert runs() == first
    refused(api.ask("/a", X_Token="good"), 401, "")
    # A change that does not concern the authorizer leaves its answers; one that does, or a reset, does not.
    api.update_api(Description="changed")
    assert runs() == first
    api.reset_authorizers_cache(**stage)
    assert runs() == first + 3
    api.update_authorizer(AuthorizerId=authorizer, AuthorizerResultTtlInSeconds=0)
    assert runs() == first + 4 and runs() == first + 5


def test_functions_let_an_api_in_by_their_policies():
    with Server(arguments=["--auth", "sigv4"]) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        keys = {"account": values["aws_access_key_id"], "aws_secret_access_key": values["aws_secret_access_key"]}
        clients = {name: server.client(name, **keys) for name in ("lambda", "apigatewayv2", "iam")}
        function = Function(server, "closed", "python3.12", ECHO, "app.handler", client=clients["lambda"]).ready()
        api = HttpApi(server, client=clients["apigatewayv2"])
        integration = api.integrate(function)
        api.route("GET /pets/{id}", integration)
        api.stage("dev")
        refused(api.ask("/dev/pets/1"), 500, "")
        source = f"arn:aws:execute-api:us-east-1:000000000000:{api.id}"

        def permit(statement, pattern):
            function.client.add_permission(
                FunctionName=function.name, StatementId=statement, Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com", SourceArn=f"{source}{pattern}")

        permit("elsewhere", "/prod/*")
        refused(api.ask("/dev/pets/1"), 500, "")
        permit("here", "/*/GET/pets/{id}")
        assert api.ask("/dev/pets/1").status == 200
        function.client.remove_permission(FunctionName=function.name, StatementId="here")
        refused(api.ask("/dev/pets/1"), 500, "")

        # A role of the integration's own needs no statement in the function's policy, but may have no other's trust.
        iam = clients["iam"]
        role = iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
        api.update_integration(IntegrationId=integration, CredentialsArn=role)
        refused(api.ask("/dev/pets/1"), 500, "")
        allow = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn_of(function)}]}
        iam.put_role_policy(RoleName="gateway", PolicyName="invoke", PolicyDocument=json.dumps(allow))
        assert api.ask("/dev/pets/1").status == 200
        other = json.loads(json.dumps(ROLE).replace("apigateway", "events"))
        iam.update_assume_role_policy(RoleName="gateway", PolicyDocument=json.dumps(other))
        refused(api.ask("/dev/pets/1"), 500, "")

        # And the operations are allowed as actions on paths.
        user = iam.create_user(UserName="reader")["User"]["UserName"]
        made = iam.create_access_key(UserName=user)["AccessKey"]
        document = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "apigateway:GET", "Resource": f"arn:aws:apigateway:us-east-1::/apis/{api.id}*"}]}
        iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=json.dumps(document))
        reader = server.client(
            "apigatewayv2", account=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
        assert reader.get_api(ApiId=api.id)["ApiId"] == api.id
        assert len(reader.get_routes(ApiId=api.id)["Items"]) == 1
        for call, members in [(reader.get_apis, {}), (reader.delete_api, {"ApiId": api.id})]:
            assert error_of(call, **members)[0] == "AccessDeniedException"

