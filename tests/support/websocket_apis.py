"""A WebSocket API on a server, and clients that connect to it."""

import json
import socket

import websockets.sync.client

from support.server import Function


class WebSocketApi:
    """An API with routes to functions, deployed at the stage `dev`."""

    def __init__(self, server, routes, client=None, stage=None, expression="$request.body.action"):
        """`routes` is {key: function, or members of CreateRoute with the function as `function`}."""
        self.server = server
        self.client = client or server.client("apigatewayv2")
        self.created = self.client.create_api(
            Name="sockets", ProtocolType="WEBSOCKET", RouteSelectionExpression=expression)
        self.id = self.created["ApiId"]
        self.host = self.created["ApiEndpoint"].split("://")[1]
        self.routes = {key: self.add(key, target) for key, target in routes.items()}
        self.client.create_stage(ApiId=self.id, StageName="dev", **(stage or {}))
        self.deploy()

    def add(self, key, target):
        """Makes a route; a true `two_way` has it answer its client."""
        members = dict(target) if isinstance(target, dict) else {"function": target}
        two_way = members.pop("two_way", False)
        integration = self.client.create_integration(
            ApiId=self.id, IntegrationType="AWS_PROXY", IntegrationMethod="POST",
            IntegrationUri=arn_of(members.pop("function")), **members.pop("integration", {}))
        if two_way:
            members["RouteResponseSelectionExpression"] = "$default"
        route = self.client.create_route(
            ApiId=self.id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}", **members)
        if two_way:
            self.client.create_route_response(
                ApiId=self.id, RouteId=route["RouteId"], RouteResponseKey="$default")
        return route["RouteId"]

    def deploy(self):
        deployment = self.client.create_deployment(ApiId=self.id)["DeploymentId"]
        self.client.update_stage(ApiId=self.id, StageName="dev", DeploymentId=deployment)

    def connect(self, path="/dev", **members):
        """A connected client."""
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        members = {"compression": None, "max_size": None, "ping_interval": None, **members}
        return websockets.sync.client.connect(f"ws://{self.host}{path}", sock=plain, proxy=None, **members)

    def management(self, **members):
        """What posts to connections, at the address of the API's stage by its path."""
        return management(self.server, f"{self.server.url}/_aws/execute-api/{self.id}/dev", **members)

    def delete(self):
        self.client.delete_api(ApiId=self.id)


def management(server, endpoint, key=None):
    import boto3
    import botocore.config

    key = key or {"AccessKeyId": "test", "SecretAccessKey": "test"}
    return boto3.client(
        "apigatewaymanagementapi", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
        config=botocore.config.Config(retries={"total_max_attempts": 1}))


def say(connection, **message):
    connection.send(json.dumps(message))


def hear(connection, timeout=20):
    return json.loads(connection.recv(timeout=timeout))


def arn_of(function):
    return function.created["FunctionArn"] if isinstance(function, Function) else function
