"""An HTTP API under test, and requests to it that need no name resolution."""

import http.client
import json
import urllib.parse


class Reply:
    """An HTTP answer."""

    def __init__(self, answer, body):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.cookies = answer.headers.get_all("set-cookie") or []
        self.body = body

    @property
    def value(self):
        return json.loads(self.body)


def ask(server, host, path="/", method="GET", body=None, headers=None, timeout_s=60):
    """One request to the server under a host name."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        return Reply(answer, answer.read())
    finally:
        connection.close()


class HttpApi:
    """An HTTP API, deleted at the end of the test."""

    def __init__(self, server, client=None, **members):
        self.server = server
        self.client = client or server.client("apigatewayv2")
        members = {"Name": "api", "ProtocolType": "HTTP", **members}
        self.created = self.client.create_api(**members)
        self.id = self.created["ApiId"]
        self.host = urllib.parse.urlsplit(self.created["ApiEndpoint"]).netloc

    def __getattr__(self, operation):
        """An operation on this API."""
        call = getattr(self.client, operation)
        return lambda **members: call(ApiId=self.id, **members)

    def integrate(self, function, version="2.0", uri=None, **members):
        """The id of a new integration with a function."""
        uri = uri or arn_of(function)
        integration = self.create_integration(
            IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion=version, **members)
        return integration["IntegrationId"]

    def route(self, key, integration, **members):
        """The id of a new route."""
        return self.create_route(RouteKey=key, Target=f"integrations/{integration}", **members)["RouteId"]

    def stage(self, name="$default", **members):
        return self.create_stage(StageName=name, **{"AutoDeploy": True, **members})

    def ask(self, path="/", method="GET", body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.server, self.host, path, method, body, headers)

    def delete(self):
        self.delete_api()


def arn_of(function):
    return function.created["FunctionArn"].removesuffix(":1")
