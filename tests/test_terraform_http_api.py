"""Terraform's AWS provider makes an HTTP API, sees nothing left to do, updates it, and leaves nothing behind."""

import pathlib
import shutil

import pytest

from support import packages
from support.http_apis import ask
from support.server import Server
from test_terraform import Terraform

pytestmark = pytest.mark.beside

CONFIGURATION = pathlib.Path(__file__).parent / "terraform/http_api.tf"
ECHO = packages.python("def handler(event, context):\n    return event\n")


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "echo.zip").write_bytes(ECHO)
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        client = server.client("apigatewayv2")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()
        api, quick = terraform.output("api"), terraform.output("quick")
        host = f"{api}.execute-api.us-east-1.localhost"
        event = ask(server, host, "/live/items/7").value
        assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"colour": "red"})
        assert ask(server, host, "/kept/items/7").status == 200
        assert ask(server, host, "/live/items", "POST").status == 401
        assert ask(server, host, "/live/other").status == 401
        assert ask(server, "api.shop.test", "/v1/items/7").value["rawPath"] == "/v1/items/7"
        assert ask(server, f"{quick}.execute-api.us-east-1.localhost", "/").status == 200

        terraform.run("apply", "-auto-approve", "-input=false", timeout="6000")
        terraform.assert_nothing_to_do(timeout="6000")
        [integration] = client.get_integrations(ApiId=api)["Items"]
        assert integration["TimeoutInMillis"] == 6000

        terraform.run("destroy", "-auto-approve", "-input=false", timeout="6000")
        assert client.get_apis()["Items"] == [] and client.get_domain_names()["Items"] == []
