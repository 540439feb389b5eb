"""REST APIs as clients build them, and requests to their stages."""

import json
import urllib.error
import urllib.request


class Reply:
    """What a stage answered."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class RestApi:
    """A REST API of a server. Use as a context manager to have it deleted."""

    def __init__(self, server, api_id, client=None):
        self.server = server
        self.client = client or server.client("apigateway")
        self.id = api_id

    @classmethod
    def create(cls, server, client=None, **members):
        client = client or server.client("apigateway")
        return cls(server, client.create_rest_api(**{"name": "api", **members})["id"], client)

    @classmethod
    def imported(cls, server, document, client=None, **members):
        client = client or server.client("apigateway")
        body = document if isinstance(document, (str, bytes)) else json.dumps(document)
        return cls(server, client.import_rest_api(body=body, **members)["id"], client)

    @property
    def root(self):
        return self.client.get_rest_api(restApiId=self.id)["rootResourceId"]

    def resource(self, path):
        """The id of the resource of a path, made with what is above it."""
        known = {item["path"]: item["id"] for item in self.client.get_resources(restApiId=self.id, limit=500)["items"]}
        here, full = self.root, ""
        for part in filter(None, path.split("/")):
            full += "/" + part
            here = known.get(full) or self.client.create_resource(
                restApiId=self.id, parentId=here, pathPart=part)["id"]
        return here

    def method(self, path, function=None, http_method="ANY", uri=None, timeout_ms=None, **members):
        """A method that a function answers."""
        place = {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": http_method}
        self.client.put_method(**place, **{"authorizationType": "NONE", **members})
        more = {"timeoutInMillis": timeout_ms} if timeout_ms else {}
        self.client.put_integration(
            **place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri or invoke_uri(function), **more)
        return place

    def deploy(self, stage="prod", **members):
        return self.client.create_deployment(restApiId=self.id, stageName=stage, **members)["id"]

    def ask(self, path="/", stage="prod", **members):
        """By the host of the API."""
        headers = {"Host": f"{self.id}.execute-api.us-east-1.localhost:{self.server.port}", **members.pop("headers", {})}
        return ask(f"{self.server.url}/{stage}{path}", headers=headers, **members)

    def delete(self):
        self.client.delete_rest_api(restApiId=self.id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()


def invoke_uri(function):
    """The URI by which an integration names a function, an ARN or a name."""
    if not function.startswith("arn:"):
        function = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"


def ask(url, method="GET", headers=None, body=None, timeout_s=60):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return Reply(response)
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error)
