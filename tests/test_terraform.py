"""Terraform's AWS provider applies, sees nothing left to do, updates, and leaves nothing behind."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from support import packages
from support.rest_apis import RestApi
from support.server import Server

pytestmark = pytest.mark.beside

CONFIGURATIONS = pathlib.Path(__file__).parent / "terraform"
# Where the machines of the project keep the provider; elsewhere Terraform fetches it.
MIRROR = pathlib.Path(os.environ.get("TINDRA_TEST_TERRAFORM_PLUGINS", "/opt/tf-plugins"))

HELLO = """
import os
import greeting
def handler(event, context):
    return [greeting.WORD, os.environ['MESSAGE'], context.function_version]
"""


class Terraform:
    def __init__(self, folder, server):
        self.folder = folder
        rc = folder / "terraform.rc"
        if MIRROR.is_dir():
            rc.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{MIRROR}"\n  }}\n}}\n')
        else:
            rc.write_text("")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))},
            "TF_CLI_CONFIG_FILE": str(rc),
            "TF_VAR_endpoint": server.url,
            "CHECKPOINT_DISABLE": "1",
        }

    def run(self, *arguments, codes=(0,), **variables):
        environment = {**self.environment, **{f"TF_VAR_{name}": value for name, value in variables.items()}}
        result = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600,
        )
        assert result.returncode in codes, f"terraform {arguments}:\n{result.stdout[-8000:]}\n{result.stderr[-8000:]}"
        return result

    def assert_nothing_to_do(self, **variables):
        plan = self.run("plan", "-detailed-exitcode", "-input=false", codes=(0, 2), **variables)
        assert plan.returncode == 0, f"the plan is not empty:\n{plan.stdout[-8000:]}"

    def output(self, name):
        return json.loads(self.run("output", "-json", name).stdout)


def state_of(server):
    """How much there is of everything that the configuration makes."""
    functions, iam = server.client("lambda"), server.client("iam")
    return {
        "functions": functions.list_functions()["Functions"],
        "layers": functions.list_layers()["Layers"],
        "mappings": functions.list_event_source_mappings()["EventSourceMappings"],
        "roles": [role for role in iam.list_roles()["Roles"] if role["RoleName"] == "hello-function"],
    }


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "hello.zip").write_bytes(packages.python(HELLO))
    (tmp_path / "layer.zip").write_bytes(packages.package({"python/greeting.py": "WORD = 'hello'\n"}))
    shutil.copy(CONFIGURATIONS / "main.tf", tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        client = server.client("lambda")
        server.client("sqs").create_queue(QueueName="orders")  # the source of a mapping, which must be there

        def invoke(name="hello"):
            answer = client.invoke(FunctionName=name, Qualifier="live")
            return json.loads(answer["Payload"].read())

        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        assert invoke() == invoke("quick") == ["hello", "one", "1"]
        assert terraform.output("version") == "1"
        terraform.assert_nothing_to_do()

        terraform.run("apply", "-auto-approve", "-input=false", message="two")
        assert invoke() == invoke("quick") == ["hello", "two", "2"]
        terraform.assert_nothing_to_do(message="two")

        terraform.run("destroy", "-auto-approve", "-input=false", message="two")
        assert state_of(server) == {"functions": [], "layers": [], "mappings": [], "roles": []}


PETS = """
import json
def handler(event, context):
    if event.get("type") == "TOKEN":
        effect = "Allow" if event["authorizationToken"] == "yes" else "Deny"
        return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]}}
    return {"statusCode": 200, "body": json.dumps([event["pathParameters"], event["stageVariables"]])}
"""


def test_a_rest_api(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "pets.zip").write_bytes(packages.python(PETS))
    shutil.copy(CONFIGURATIONS / "rest_api.tf", tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        api = RestApi(server, terraform.output("api"))
        key = {"x-api-key": terraform.output("key")}
        assert api.ask("/pets/7", headers=key).json == [{"id": "7"}, {"color": "red"}]
        refused = api.ask("/pets/7")
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (403, "*")
        assert api.ask("/pets", method="OPTIONS").headers["access-control-allow-origin"] == "*"
        assert api.ask("/pets").status == 401
        assert api.ask("/pets", headers={"Authorization": "yes"}).status == 200
        assert api.ask("/pets", headers={"Authorization": "no"}).status == 403
        terraform.assert_nothing_to_do()

        terraform.run("apply", "-auto-approve", "-input=false", color="blue")
        assert api.ask("/pets/7", headers=key).json == [{"id": "7"}, {"color": "blue"}]
        terraform.assert_nothing_to_do(color="blue")

        terraform.run("destroy", "-auto-approve", "-input=false", color="blue")
        gateway = server.client("apigateway")
        left = [gateway.get_rest_apis()["items"], gateway.get_api_keys()["items"], gateway.get_usage_plans()["items"]]
        assert left == [[], [], []]
