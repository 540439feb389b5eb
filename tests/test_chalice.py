"""AWS Chalice makes an application, deploys it, changes it and takes it away again."""

import json
import os
import subprocess
import sys

from support.rest_apis import RestApi
from support.server import Server

APP = '''
from chalice import AuthResponse, Chalice

app = Chalice(app_name="orders")
app.api.binary_types.append("application/x-own")


@app.authorizer(ttl_seconds=30)
def guard(request):
    allowed = ["/private"] if request.token == "open" else []
    return AuthResponse(routes=allowed, principal_id="somebody", context={"level": "7"})


@app.route("/")
def index():
    return {"version": VERSION}


@app.route("/orders/{number}", methods=["GET", "POST"], cors=True)
def orders(number):
    request = app.current_request
    return {"number": number, "method": request.method, "body": request.json_body, "query": dict(request.query_params or {})}


@app.route("/private", authorizer=guard)
def private():
    return app.current_request.context["authorizer"]


@app.route("/fails")
def fails():
    raise ValueError("as planned")
'''


class Chalice:
    def __init__(self, folder, server):
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "HOME": str(folder),
        }

    def run(self, *arguments, folder=None):
        command = [sys.executable, "-c", "from chalice.cli import main; main()", *arguments]
        result = subprocess.run(
            command, cwd=folder or self.folder, env=self.environment, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, f"chalice {arguments}:\n{result.stdout}\n{result.stderr}"
        return result.stdout


def state_of(server):
    return {
        "apis": server.client("apigateway").get_rest_apis()["items"],
        "functions": server.client("lambda").list_functions()["Functions"],
        "roles": [role["RoleName"] for role in server.client("iam").list_roles()["Roles"]],
    }


def test_new_project_deploy_change_delete(tmp_path):
    with Server() as server:
        before = state_of(server)
        chalice = Chalice(tmp_path, server)
        chalice.run("new-project", "orders")
        project = tmp_path / "orders"
        (project / "app.py").write_text(APP.replace("VERSION", "1"))
        # The address that it prints is at AWS; what matters of it is the id.
        printed = chalice.run("deploy", folder=project)
        deployed = json.loads((project / ".chalice/deployed/dev.json").read_text())["resources"]
        api_id = next(one["rest_api_id"] for one in deployed if one["resource_type"] == "rest_api")
        assert f"https://{api_id}.execute-api." in printed

        api = RestApi(server, api_id)

        def ask(path, **members):
            return api.ask(path, stage="api", **members)

        assert ask("/").json == {"version": 1}
        posted = ask("/orders/7?a=b", method="POST", body=b'{"x": 1}', headers={"Content-Type": "application/json"})
        assert posted.json == {"number": "7", "method": "POST", "body": {"x": 1}, "query": {"a": "b"}}
        preflight = ask("/orders/7", method="OPTIONS")
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, "*")
        assert ask("/fails").json["Code"] == "InternalServerError" and ask("/fails").status == 500
        assert (ask("/nowhere").status, ask("/private").status) == (403, 401)
        assert ask("/private", headers={"Authorization": "closed"}).status == 403
        let_in = ask("/private", headers={"Authorization": "open"}).json
        assert (let_in["principalId"], let_in["level"]) == ("somebody", "7")

        (project / "app.py").write_text(APP.replace("VERSION", "2").replace("/fails", "/breaks"))
        chalice.run("deploy", folder=project)
        assert ask("/").json == {"version": 2}
        assert (ask("/fails").status, ask("/breaks").status) == (403, 500)
        assert len(server.client("apigateway").get_rest_apis()["items"]) == 1

        chalice.run("delete", folder=project)
        assert state_of(server) == before
        assert ask("/").status in (403, 404)
