"""API Gateway's WebSocket APIs: what the API keeps, connections and their messages, and functions that post back."""

import asyncio
import contextlib
import json
import socket
import struct
import time

import pytest
import websockets
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support import packages
from support.errors import error_of
from support.metrics import metric
from support.server import Function, Server
from support.wait import until
from support.websocket_apis import WebSocketApi, hear, management, say
from test_authorisation import ACCOUNT, OTHER_KEY, document, make_user, secured, statement  # noqa: F401

# Writes down every event that is no answer itself, and answers a message with it.
APP = """
import json
from time import sleep
import boto3

def handler(event, context):
    context_of = event["requestContext"]
    print("EVENT " + json.dumps(event))
    query = event.get("queryStringParameters") or {}
    if context_of["eventType"] == "CONNECT":
        if query.get("raise"):
            raise ValueError("no connection")
        if query.get("null"):
            return None
        answer = {"statusCode": int(query.get("status", 200))}
        if query.get("protocol"):
            answer["headers"] = {"Sec-WebSocket-Protocol": query["protocol"]}
        return answer
    if context_of["eventType"] == "DISCONNECT":
        return {}
    message = json.loads(event["body"]) if event["body"].startswith("{") else {}
    if message.get("raise"):
        raise ValueError("no message")
    sleep(message.get("sleep", 0))
    if message.get("post"):
        endpoint = message["post"].format(**context_of)
        client = boto3.client("apigatewaymanagementapi", **({"endpoint_url": endpoint} if endpoint != "env" else {}))
        client.post_to_connection(ConnectionId=context_of["connectionId"], Data=json.dumps({"posted": message}))
    return {"statusCode": 200, "body": message.get("answer", json.dumps(event))}
"""
AUTHORIZER = """
def handler(event, context):
    token = event["queryStringParameters"].get("token")
    if token == "raise":
        raise ValueError("no answer")
    effect = "Allow" if token == "good" else "Deny"
    return {
        "principalId": "somebody", "context": {"colour": "green", "number": 7},
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}]},
    }
"""


@pytest.fixture(scope="module")
def functions(server):
    made = {
        "app": Function(server, "sockets-app", "python3.12", packages.python(APP), "app.handler", MemorySize=512),
        "authorizer": Function(server, "sockets-authorizer", "python3.12", packages.python(AUTHORIZER), "app.handler"),
    }
    for function in made.values():
        function.ready()
    yield made
    for function in made.values():
        function.delete()


@pytest.fixture
def app(functions):
    return functions["app"]


@pytest.fixture
def make(server):
    made = []

    def make(routes, **members):
        made.append(WebSocketApi(server, routes, **members))
        return made[-1]

    yield make
    for api in made:
        api.delete()


@pytest.fixture
def api(make, app):
    """Every message is answered with its event."""
    return make({"$connect": app, "$disconnect": app, "$default": {"function": app, "two_way": True}})


def events(function, kind, connection_id):
    """The events of a kind and a connection that a function has written down."""
    lines = [line for line in function.log_messages() if line.startswith("EVENT ")]
    found = [json.loads(line.removeprefix("EVENT ")) for line in lines]
    return [event for event in found
            if event["requestContext"]["eventType"] == kind
            and event["requestContext"]["connectionId"] == connection_id]


def ended(function, connection_id):
    """The $disconnect event's status code and reason."""
    found = until(lambda: events(function, "DISCONNECT", connection_id), 30, "the disconnect event")
    context = found[0]["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


def closed(connection):
    """The code that the server closes a connection with."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            connection.recv(timeout=30)
    return caught.value.rcvd.code if caught.value.rcvd else None


# The control plane.


def test_an_api_is_kept(server, app, api):
    gateway = api.client
    assert api.created["ApiEndpoint"] == f"ws://{api.id}.execute-api.us-east-1.localhost:{server.port}"
    found = gateway.get_api(ApiId=api.id)
    assert found["ProtocolType"] == "WEBSOCKET" and found["RouteSelectionExpression"] == "$request.body.action"
    assert gateway.update_api(ApiId=api.id, RouteSelectionExpression="$request.body.a.b", Description="x")[
        "RouteSelectionExpression"] == "$request.body.a.b"
    routes = {route["RouteKey"]: route for route in gateway.get_routes(ApiId=api.id)["Items"]}
    assert set(routes) == {"$connect", "$disconnect", "$default"}
    assert routes["$default"]["RouteResponseSelectionExpression"] == "$default"
    responses = gateway.get_route_responses(ApiId=api.id, RouteId=api.routes["$default"])["Items"]
    assert [response["RouteResponseKey"] for response in responses] == ["$default"]
    gateway.delete_route_response(
        ApiId=api.id, RouteId=api.routes["$default"], RouteResponseId=responses[0]["RouteResponseId"])
    assert gateway.get_route_responses(ApiId=api.id, RouteId=api.routes["$default"])["Items"] == []
    integration = gateway.get_integrations(ApiId=api.id)["Items"][0]
    assert integration["TimeoutInMillis"] == 29_000 and integration["PayloadFormatVersion"] == "1.0"


def test_what_cannot_act_is_refused(server, app, api):
    gateway = api.client

    def refused(call, words, **members):
        code, message, _ = error_of(call, **members)
        assert code == "BadRequestException" and words in message, message

    new = {"Name": "x", "ProtocolType": "WEBSOCKET"}
    refused(gateway.create_api, "RouteSelectionExpression is required", **new)
    refused(gateway.create_api, "Invalid expression", **new, RouteSelectionExpression="$request.header.x")
    good = {**new, "RouteSelectionExpression": "$request.body.action"}
    refused(gateway.create_api, "CorsConfiguration", **good, CorsConfiguration={"AllowOrigins": ["*"]})
    refused(gateway.create_api, "Target", **good, Target=app.created["FunctionArn"])
    for kind in ["MOCK", "AWS", "HTTP_PROXY"]:
        refused(gateway.create_integration, f"IntegrationType {kind}", ApiId=api.id, IntegrationType=kind)
    function = {"ApiId": api.id, "IntegrationType": "AWS_PROXY", "IntegrationUri": app.created["FunctionArn"]}
    refused(gateway.create_integration, "between 50 ms and 29000 ms", **function, TimeoutInMillis=29_001)
    refused(gateway.create_integration, "PayloadFormatVersion", **function, PayloadFormatVersion="2.0")
    refused(gateway.create_integration, "RequestTemplates", **function, RequestTemplates={"a": "b"})
    refused(gateway.create_route, "is invalid", ApiId=api.id, RouteKey="$other")
    refused(gateway.create_stage, "HTTP APIs", ApiId=api.id, StageName="$default")
    refused(gateway.create_route_response, "RouteResponseKey", ApiId=api.id, RouteId=api.routes["$connect"],
            RouteResponseKey="other")
    refused(gateway.create_integration_response, "not supported", ApiId=api.id, IntegrationId="x",
            IntegrationResponseKey="$default")
    authorizer = {"ApiId": api.id, "Name": "a", "AuthorizerType": "REQUEST",
                  "AuthorizerUri": app.created["FunctionArn"], "IdentitySource": ["route.request.querystring.token"]}
    refused(gateway.create_authorizer, "AuthorizerResultTtlInSeconds", **authorizer, AuthorizerResultTtlInSeconds=300)
    refused(gateway.create_authorizer, "identity source", **{**authorizer, "IdentitySource": ["$request.header.A"]})
    made = gateway.create_authorizer(**authorizer)["AuthorizerId"]
    refused(gateway.create_route, "restricted to the $connect route", ApiId=api.id, RouteKey="join",
            AuthorizationType="CUSTOM", AuthorizerId=made)
    gateway.create_route(ApiId=api.id, RouteKey="nowhere")
    refused(gateway.create_deployment, "nowhere", ApiId=api.id)


# Connections.


def test_the_function_sees_how_a_client_connects(server, app, api):
    with api.connect("/dev?room=1&room=2&who=me", additional_headers={"X-Own": "7"},
                     user_agent_header="tester/1") as connection:
        say(connection, action="hello", text="grüße")
        event = hear(connection)
        context = event["requestContext"]
        assert json.loads(event["body"]) == {"action": "hello", "text": "grüße"} and not event["isBase64Encoded"]
        assert context["routeKey"] == "$default" and context["eventType"] == "MESSAGE"
        assert context["messageDirection"] == "IN" and context["stage"] == "dev" and context["apiId"] == api.id
        assert context["domainName"] == api.host.split(":")[0]
        assert context["identity"] == {"userAgent": "tester/1", "sourceIp": "127.0.0.1"}
    connected = until(lambda: events(app, "CONNECT", context["connectionId"]), 20)[0]
    assert connected["queryStringParameters"] == {"room": "2", "who": "me"}
    assert connected["multiValueQueryStringParameters"]["room"] == ["1", "2"]
    assert {name.lower(): value for name, value in connected["headers"].items()}["x-own"] == "7"
    assert connected["requestContext"]["connectedAt"] == context["connectedAt"]
    assert ended(app, context["connectionId"]) == (1000, "")


def test_the_function_decides_who_may_connect(api):
    def status(query):
        with pytest.raises(InvalidStatus) as caught:
            api.connect(f"/dev?{query}")
        return caught.value.response.status_code

    assert status("status=403") == 403 and status("status=401") == 401
    assert status("raise=1") == 502 and status("null=1") == 502
    with api.connect("/dev?protocol=chat", subprotocols=["chat", "other"]) as connection:
        assert connection.subprotocol == "chat"
    with pytest.raises(InvalidStatus) as caught:
        api.connect("/nowhere")
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["message"] == "Forbidden"


def test_an_authorizer_lets_in(make, app, functions, server):
    api = make({"$default": {"function": app, "two_way": True}, "$connect": app})
    authorizer = api.client.create_authorizer(
        ApiId=api.id, Name="a", AuthorizerType="REQUEST", AuthorizerUri=functions["authorizer"].created["FunctionArn"],
        IdentitySource=["route.request.querystring.token"])["AuthorizerId"]
    api.client.update_route(
        ApiId=api.id, RouteId=api.routes["$connect"], AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    api.deploy()
    for query, expected in [("", 401), ("?token=bad", 403), ("?token=raise", 500)]:
        with pytest.raises(InvalidStatus) as caught:
            api.connect(f"/dev{query}")
        assert caught.value.response.status_code == expected, query
    with api.connect("/dev?token=good") as connection:
        say(connection)
        assert hear(connection)["requestContext"]["authorizer"] == {
            "principalId": "somebody", "colour": "green", "number": "7"}


def test_without_connect_everybody_may_and_by_path_too(server, make, app):
    api = make({"$default": {"function": app, "two_way": True}})
    plain = socket.create_connection(("127.0.0.1", server.port))
    url = f"ws://127.0.0.1:{server.port}/_aws/execute-api/{api.id}/dev?a=b"
    with websockets.sync.client.connect(url, sock=plain, proxy=None) as connection:
        say(connection)
        assert hear(connection)["requestContext"]["domainName"] == api.host.split(":")[0]


def test_a_plain_request_is_told_to_upgrade(server, api):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/dev", headers={"Host": api.host})
    answer = connection.getresponse()
    assert answer.status == 426 and answer.getheader("upgrade") == "websocket"
    answer.read()
    connection.request("GET", "/_tindra/health")
    assert connection.getresponse().status == 200, "the connection goes on"


# Messages.


def test_messages_go_by_their_route(make, app):
    two_way = {"function": app, "two_way": True}
    api = make({"join": two_way, "leave": two_way, "quiet": app})
    with api.connect() as connection:
        for action in ["join", "leave"]:
            say(connection, action=action)
            assert hear(connection)["requestContext"]["routeKey"] == action
        for message in ["no json", json.dumps({"action": "other"}), json.dumps({"action": "$connect"}), "[1]"]:
            connection.send(message)
            error = hear(connection)
            assert error["message"] == "Forbidden" and error["connectionId"] and error["requestId"], message
        say(connection, action="join", **{"raise": True})
        error = hear(connection)
        assert error["message"] == "Internal server error" and set(error) == {"message", "connectionId", "requestId"}
        # A route without a response tells nothing but its errors.
        say(connection, action="quiet", answer="never seen")
        say(connection, action="quiet", **{"raise": True})
        assert hear(connection)["message"] == "Internal server error"
        say(connection, action="join", answer="plain text")
        assert connection.recv(timeout=20) == "plain text"


def test_nested_expressions_and_time_limits(make, app):
    api = make({"x": {"function": app, "two_way": True, "integration": {"TimeoutInMillis": 500}}},
               expression="${request.body.a.b}")
    with api.connect() as connection:
        say(connection, a={"b": "x"}, sleep=3)
        assert hear(connection)["message"] == "Endpoint request timed out"


def test_a_slow_message_does_not_hold_up_the_next(api):
    with api.connect() as connection:
        say(connection, sleep=3, answer="slow")
        say(connection, answer="fast")
        assert [connection.recv(timeout=20) for _ in range(2)] == ["fast", "slow"]


def test_stage_variables_and_a_new_deployment_act_at_once(make, app):
    api = make({"$default": {"function": app, "two_way": True}}, stage={"StageVariables": {"colour": "blue"}})
    with api.connect() as connection:
        say(connection)
        assert hear(connection)["stageVariables"] == {"colour": "blue"}
        say(connection, action="new")
        assert hear(connection)["requestContext"]["routeKey"] == "$default"
        api.add("new", {"function": app, "two_way": True})
        api.deploy()
        say(connection, action="new")
        assert hear(connection)["requestContext"]["routeKey"] == "new"


# Limits, and clients that behave badly.


def test_messages_have_a_size(api):
    with api.connect() as connection:
        connection.send(["x" * (32 << 10)] * 4)
        assert len(hear(connection)["body"]) == 128 << 10
        # The end of the message may come after the server's goodbye.
        with contextlib.suppress(ConnectionClosed):
            connection.send(["x" * (32 << 10)] * 4 + ["x"])
        assert closed(connection) == 1009
    with api.connect() as connection:
        connection.send("x" * ((32 << 10) + 1))
        assert closed(connection) == 1009


def test_binary_is_refused_and_pings_are_answered(app, api):
    with api.connect() as connection:
        assert connection.ping().wait(20)
        say(connection)
        connection_id = hear(connection)["requestContext"]["connectionId"]
        connection.send(b"\x00\x01")
        assert closed(connection) == 1003
    assert ended(app, connection_id)[0] == 1003


def raw(api):
    """A connected socket without a library that minds the rules."""
    plain = socket.create_connection(("127.0.0.1", api.server.port), timeout=30)
    plain.sendall((f"GET /dev HTTP/1.1\r\nHost: {api.host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += plain.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
    return plain


def frame_of(plain):
    """(opcode, payload) of the next short frame."""
    first, length = plain.recv(2)
    return first & 0x0F, plain.recv(length)


@pytest.mark.parametrize("frame, code", [
    (b"\x81\x01x", 1002),  # not masked
    (b"\xf1\x81\0\0\0\0x", 1002),  # reserved bits
    (b"\x83\x81\0\0\0\0x", 1002),  # a reserved opcode
    (b"\x80\x81\0\0\0\0x", 1002),  # a continuation of nothing
    (b"\x81\x81\0\0\0\0\xff", 1007),  # no UTF-8
    (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),  # a ping that is too long
    (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),  # a frame of 2^63 bytes
])
def test_malformed_frames_end_the_connection(api, frame, code):
    with raw(api) as plain:
        plain.sendall(frame)
        opcode, payload = frame_of(plain)
        assert opcode == 8 and struct.unpack(">H", payload[:2])[0] == code
        assert plain.recv(1) == b""


def test_a_client_that_breaks_off_is_noticed(server, app, api):
    plain = raw(api)
    plain.sendall(b"\x81\x82\0\0\0\0{}")
    first, length = plain.recv(2)
    assert first == 0x81 and length == 126
    (length,) = struct.unpack(">H", plain.recv(2))
    body = b""
    while len(body) < length:
        body += plain.recv(length - len(body))
    connection_id = json.loads(body)["requestContext"]["connectionId"]
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()
    assert ended(app, connection_id)[0] == 1006


def test_a_client_that_does_not_read_is_given_up(server, app, api):
    with raw(api) as plain:
        plain.sendall(b"\x81\x82\0\0\0\0{}")
        (connection_id,) = until(lambda: {
            json.loads(line[6:])["requestContext"]["connectionId"] for line in app.log_messages()
            if line.startswith("EVENT ") and api.id in line}, 20)
        posts = api.management()
        message = b"x" * (128 << 10)

        def refused():
            try:
                posts.post_to_connection(ConnectionId=connection_id, Data=message)
            except posts.exceptions.LimitExceededException:
                return True

        until(refused, 30, "too much to wait for the client")

        def gone():
            try:
                posts.get_connection(ConnectionId=connection_id)
            except posts.exceptions.GoneException:
                return True

        until(gone, 60, "the connection to be given up")
    assert ended(app, connection_id)[0] == 1006


def test_five_hundred_connections_at_once(server, make, app):
    # Without $connect, so that it is the connections that are many and not the environments.
    api = make({"$default": {"function": app, "two_way": True}})
    url = f"ws://{api.host}/dev"

    async def talk():
        def connect():
            return websockets.asyncio.client.connect(
                url, host="127.0.0.1", port=server.port, proxy=None, compression=None, open_timeout=60)

        connections = await asyncio.gather(*(connect() for _ in range(500)))
        assert metric(server, "tindra_websocket_connections") >= 500
        speakers = connections[::50]
        for connection in speakers:
            await connection.send("{}")
        heard = [json.loads(await asyncio.wait_for(connection.recv(), 60)) for connection in speakers]
        ids = {event["requestContext"]["connectionId"] for event in heard}
        assert len(ids) == len(speakers)
        for connection_id, number in zip(ids, range(10)):
            api.management().post_to_connection(ConnectionId=connection_id, Data=f"post {number}")
        posts = {await asyncio.wait_for(connection.recv(), 30) for connection in speakers}
        assert posts == {f"post {number}" for number in range(10)}
        await asyncio.gather(*(connection.close() for connection in connections))

    asyncio.run(talk())
    until(lambda: metric(server, "tindra_websocket_connections") == 0, 30, "the connections to be forgotten")


# Posting back.


def test_connections_are_managed_from_outside(server, app, api):
    with api.connect(user_agent_header="tester/2") as connection:
        say(connection)
        connection_id = hear(connection)["requestContext"]["connectionId"]
        by_id = management(server, server.url)
        for posts in [api.management(), by_id, management(server, f"{server.url}/dev")]:
            posts.post_to_connection(ConnectionId=connection_id, Data="grüße".encode())
            assert connection.recv(timeout=20) == "grüße"
        by_id.post_to_connection(ConnectionId=connection_id, Data=b"\xff\xfe")
        assert connection.recv(timeout=20) == b"\xff\xfe"
        shown = by_id.get_connection(ConnectionId=connection_id)
        assert shown["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tester/2"}
        assert shown["ConnectedAt"] <= shown["LastActiveAt"]
        by_id.post_to_connection(ConnectionId=connection_id, Data=b"x" * (128 << 10))
        assert len(connection.recv(timeout=20)) == 128 << 10
        lax = management(server, server.url)
        lax.meta.config.parameter_validation = False
        with pytest.raises(lax.exceptions.PayloadTooLargeException):
            lax.post_to_connection(ConnectionId=connection_id, Data=b"x" * ((128 << 10) + 1))
        other = f"{server.url}/_aws/execute-api/{api.id}/other"
        for posts, unknown in [(by_id, "L0SM9cOFvHcCIhw="), (api.management(), "L0SM9cOFvHcCIhw=")]:
            with pytest.raises(posts.exceptions.GoneException):
                posts.post_to_connection(ConnectionId=unknown, Data=b"x")
        assert error_of(management(server, other).get_connection, ConnectionId=connection_id)[2] in (403, 410)
        by_id.post_to_connection(ConnectionId=connection_id, Data=b"last")
        by_id.delete_connection(ConnectionId=connection_id)
        assert connection.recv(timeout=20) == "last"
        assert closed(connection) == 1000
        with pytest.raises(by_id.exceptions.GoneException):
            by_id.get_connection(ConnectionId=connection_id)
    assert ended(app, connection_id)[0] == 1000


@pytest.mark.parametrize("endpoint", [
    "env",  # AWS_ENDPOINT_URL
    "http://{domainName}:4566/{stage}",
    "http://169.254.100.1:4566/_aws/execute-api/{apiId}/{stage}",
])
def test_a_function_posts_back_from_inside(api, endpoint):
    with api.connect() as connection:
        say(connection, post=endpoint, answer="done")
        heard = [connection.recv(timeout=30) for _ in range(2)]
        assert json.loads(heard[0])["posted"]["post"] == endpoint and heard[1] == "done"


def test_a_post_needs_permission(secured, make_user):
    """Signatures are verified, and policies say who may post to what."""
    gateway, functions = secured.with_key("apigatewayv2"), secured.with_key("lambda")
    role = f"arn:aws:iam::{ACCOUNT}:role/sockets"
    iam = secured.with_key("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]})
    iam.create_role(RoleName="sockets", AssumeRolePolicyDocument=trust)
    created = functions.create_function(
        FunctionName="sockets", Runtime="python3.12", Role=role, Handler="app.handler", Timeout=20, MemorySize=512,
        Code={"ZipFile": packages.python(APP)})
    functions.get_waiter("function_active_v2").wait(FunctionName="sockets")
    api = WebSocketApi(
        secured, {"$default": {"function": created["FunctionArn"], "two_way": True}}, client=gateway)
    functions.add_permission(
        FunctionName="sockets", StatementId="a", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/*/$default")
    with api.connect() as connection:
        say(connection)
        connection_id = hear(connection)["requestContext"]["connectionId"]
        say(connection, post="env")
        assert hear(connection)["message"] == "Internal server error", "its role may not"
        resource = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/dev/POST/@connections/*"
        iam.put_role_policy(RoleName="sockets", PolicyName="post", PolicyDocument=document(
            statement(action="execute-api:ManageConnections", resource=resource)))
        say(connection, post="env", answer="done")
        assert "posted" in hear(connection) and connection.recv(timeout=20) == "done"
        _, key = make_user(statement(action="execute-api:ManageConnections", resource=resource))
        posts = api.management(key=key)
        posts.post_to_connection(ConnectionId=connection_id, Data=b"by a user")
        assert connection.recv(timeout=20) == "by a user"
        for call in [posts.get_connection, posts.delete_connection]:
            with pytest.raises(posts.exceptions.ForbiddenException):
                call(ConnectionId=connection_id)
        wrong = api.management(key={**key, "SecretAccessKey": "not the secret"})
        assert error_of(wrong.post_to_connection, ConnectionId=connection_id, Data=b"x")
        other = api.management(key=OTHER_KEY)
        with pytest.raises(other.exceptions.ForbiddenException):
            other.post_to_connection(ConnectionId=connection_id, Data=b"x")


def test_a_server_that_stops_says_goodbye():
    with Server() as own:
        function = Function(own, "sockets-app", "python3.12", packages.python(APP), "app.handler").ready()
        api = WebSocketApi(own, {"$default": {"function": function, "two_way": True}, "$disconnect": function})
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(api.connect()) for _ in range(3)]
            say(connections[0])
            hear(connections[0])
            began = time.monotonic()
            own.stop()
            assert time.monotonic() - began < 15
            assert [closed(connection) for connection in connections] == [1001] * 3
