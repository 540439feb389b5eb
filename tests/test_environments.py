"""What operators see of execution environments: the list, the command, and the figures of cold starts."""

import concurrent.futures
import json
import os
import re
import subprocess
import urllib.error

import pytest

from support import packages
from support.metrics import environments as listed, metric
from support.server import BINARY, Function, Server
from support.wait import until

HELLO = "def handler(event, context):\n    return event\n"
# Works for as long as the event says, or ends its process.
GATED = """
import os, time
def handler(event, context):
    if event.get("exit"):
        os._exit(3)
    deadline = time.monotonic() + event.get("busy_s", 0)
    while time.monotonic() < deadline:
        pass
    return os.getpid()
"""


@pytest.fixture(scope="module")
def watched():
    """A server of its own, so that nobody else's environments are counted."""
    with Server() as running:
        yield running


@pytest.fixture
def function(watched, deploy_on):
    """function(source, …) → an Active Python function, deleted with the test."""
    return lambda source=HELLO, **members: deploy_on(watched, "python3.12", packages.python(source), **members)


def environments(server, name):
    return [each for each in listed(server) if each.get("function") == name]


def spares(server):
    return [each for each in listed(server) if each["state"] == "waiting"]


def only(server, name, state):
    """The function's one environment, once it is in this state."""

    def found():
        now = environments(server, name)
        return now[0] if len(now) == 1 and now[0]["state"] == state else None

    return until(found, 20, f"{name} to be {state}: {environments(server, name)}")


def test_an_environment_is_listed_from_its_first_invoke_to_its_functions_end(watched, function):
    hello = function(MemorySize=256)
    assert environments(watched, hello.name) == []
    hello.invoke({}).ok()
    frozen = only(watched, hello.name, "frozen")
    assert (frozen["account"], frozen["region"], frozen["version"]) == ("000000000000", "us-east-1", "$LATEST")
    assert (frozen["runtime"], frozen["memory_mb"], frozen["initialization"]) == ("python3.12", 256, "on-demand")
    assert frozen["start"] in ("spare", "fork", "plain") and frozen["invokes"] == 1
    assert 500_000 < frozen["memory_bytes"] < 256 << 20
    assert frozen["age_ms"] >= frozen["idle_ms"] >= 0
    streams = hello.logs.describe_log_streams(logGroupName=f"/aws/lambda/{hello.name}")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [frozen["log_stream"]]

    # One after the other comes to rest: an invoke that comes too soon may be given a second environment.
    for _ in range(4):
        hello.invoke({}).ok()
        only(watched, hello.name, "frozen")
    again = only(watched, hello.name, "frozen")
    assert again["invokes"] == 5 and again["log_stream"] == frozen["log_stream"]
    assert again["age_ms"] > frozen["age_ms"]

    hello.delete()
    until(lambda: environments(watched, hello.name) == [], 20, "its environment to go")


def test_an_environment_is_busy_while_it_runs_an_invoke(watched, function):
    gated = function(GATED)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(gated.invoke, {"busy_s": 3})
        busy = only(watched, gated.name, "busy")
        assert busy["invokes"] == 1 and busy["idle_ms"] is None
        assert metric(watched, "tindra_environments", state="busy") >= 1
        running.result().ok()
    only(watched, gated.name, "frozen")
    until(lambda: metric(watched, "tindra_environments", state="busy") == 0, 20, "nothing to be busy")
    assert metric(watched, "tindra_environments", state="frozen") >= 1


def test_an_environment_is_idle_before_it_is_frozen(watched, function):
    hello = function()
    seen = set()

    def idle_was_seen():
        hello.invoke({}).ok()
        seen.update(each["state"] for each in environments(watched, hello.name))
        return "idle" in seen

    until(idle_was_seen, 20, f"an idle environment: {seen}")


def test_an_environment_initialises(watched, function):
    slow = function(packages.slow_to_start(5, HELLO))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(slow.invoke, {})
        until(lambda: only(watched, slow.name, "initialising")["memory_bytes"] > 0, 20, "a process in its init phase")
        assert only(watched, slow.name, "initialising")["invokes"] == 0
        running.result().ok()
    assert only(watched, slow.name, "frozen")["invokes"] == 1


def test_spares_are_listed(watched, function):
    function()
    until(lambda: [each for each in spares(watched) if each["runtime"] == "python3.12"], 60, "a spare")
    spare = [each for each in spares(watched) if each["runtime"] == "python3.12"][0]
    assert "function" not in spare and spare["idle_ms"] is None
    assert spare["memory_bytes"] > 0 and spare["age_ms"] >= 0


def test_the_start_is_told_where_there_are_no_spares():
    with Server(arguments=["--spares-max", "0"]) as server:
        function = Function(server, "hello", "python3.12", packages.python(HELLO), "app.handler").ready()
        function.invoke({}).ok()
        assert [(each["function"], each["start"]) for each in listed(server)] == [("hello", "plain")]
        assert metric(server, "tindra_cold_starts_total", start="plain", cause="on-demand", function="hello") == 1


def test_provisioned_concurrency_is_told_apart(watched, function):
    hello = function(Publish=True)
    hello.client.put_provisioned_concurrency_config(
        FunctionName=hello.name, Qualifier="1", ProvisionedConcurrentExecutions=2
    )

    def are_ready():
        now = environments(watched, hello.name)
        return len(now) == 2 and all(each["state"] in ("idle", "frozen") for each in now)

    until(are_ready, 30, "two environments")
    for each in environments(watched, hello.name):
        assert (each["version"], each["initialization"], each["invokes"]) == ("1", "provisioned-concurrency", 0)
    assert metric(watched, "tindra_cold_starts_total", cause="provisioned", function=hello.name) == 2
    assert metric(watched, "tindra_cold_starts_total", cause="on-demand", function=hello.name) == 0


def test_copies_of_a_snapshot_are_told_apart_from_what_they_are_copied_from(watched, function):
    hello = function(SnapStart={"ApplyOn": "PublishedVersions"})
    hello.publish()
    snapshot = only(watched, hello.name, "snapshot")
    assert (snapshot["version"], snapshot["initialization"], snapshot["invokes"]) == ("1", "snap-start", 0)

    hello.invoke({}, Qualifier="1").ok()
    by_state = {each["state"]: each for each in environments(watched, hello.name)}
    (copy,) = [each for state, each in by_state.items() if state != "snapshot"]
    assert (copy["start"], copy["initialization"], copy["invokes"]) == ("copy", "snap-start", 1)
    assert metric(watched, "tindra_cold_starts_total", start="copy", cause="on-demand", function=hello.name) == 1


def test_cold_starts_are_counted_by_cause_and_function(watched, function):
    gated, other = function(GATED), function()
    count = lambda **labels: metric(watched, "tindra_cold_starts_total", function=gated.name, **labels)
    first = gated.invoke({}).ok()
    only(watched, gated.name, "frozen")
    assert gated.invoke({}).ok() == first
    only(watched, gated.name, "frozen")
    assert (count(cause="on-demand"), count(cause="reset")) == (1, 0)

    assert gated.invoke({"exit": True}).error == "Unhandled"
    assert count() == 1
    only(watched, gated.name, "idle")
    gated.invoke({}).ok()
    assert (count(cause="on-demand"), count(cause="reset")) == (1, 1)
    assert only(watched, gated.name, "frozen")["invokes"] == 4
    assert metric(watched, "tindra_cold_starts_total", function=other.name) == 0


def test_init_durations_are_a_histogram_by_function(watched, function):
    slow = function(packages.slow_to_start(0.3, HELLO))
    slow.invoke({}).ok()
    name = "tindra_init_duration_seconds"
    at_most = lambda bound: metric(watched, f"{name}_bucket", function=slow.name, le=bound)
    assert (at_most("0.001"), at_most("0.25"), at_most("15"), at_most("+Inf")) == (0, 0, 1, 1)
    assert metric(watched, f"{name}_count", function=slow.name) == 1
    assert 0.3 <= metric(watched, f"{name}_sum", function=slow.name) < 15


def test_the_command_lists_them(watched, function):
    hello, other = function(), function()
    hello.invoke({}).ok(), other.invoke({}).ok()
    only(watched, hello.name, "frozen"), only(watched, other.name, "frozen")

    rows = [line.split() for line in watched.tindra("environments", hello.name).stdout.splitlines()]
    assert rows[0][:4] == ["FUNCTION", "VERSION", "STATE", "RUNTIME"]
    assert [row[:4] for row in rows[1:]] == [[hello.name, "$LATEST", "frozen", "python3.12"]]

    everything = watched.tindra("environments").stdout
    assert hello.name in everything and other.name in everything
    as_json = json.loads(watched.tindra("environments", "--json", hello.name).stdout)
    assert [(each["function"], each["invokes"]) for each in as_json] == [(hello.name, 1)]

    nothing = watched.tindra("environments", "no-such-function")
    assert nothing.stdout == "" and "no execution environments" in nothing.stderr


OTHER = {"access_key_id": "AKIATINDRAOTHER00001", "secret_access_key": "another-long-secret-of-somebody", "account": "111122223333"}


def test_with_signatures_only_an_accounts_own_key_sees_them():
    config = "[[access_keys]]\n" + "".join(f'{name} = "{value}"\n' for name, value in OTHER.items())
    with Server(config=config, arguments=["--auth", "sigv4"]) as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.http("/_tindra/environments")
        assert refused.value.code == 403 and "MissingAuthenticationToken" in str(refused.value.headers)
        assert server.tindra("environments", check=False).returncode != 0

        pairs = re.findall(r"(aws_\w+) *= *\"?([^\"\s]+)", (server.data / "credentials").read_text())
        operator = {name: value for name, value in pairs if name != "aws_session_token"}
        other = {"aws_access_key_id": OTHER["access_key_id"], "aws_secret_access_key": OTHER["secret_access_key"]}
        for name, keys in (("mine", operator), ("yours", other)):
            client = server.client("lambda", **keys)
            Function(server, name, "python3.12", packages.python(HELLO), "app.handler", client=client).ready().invoke({}).ok()
        until(lambda: any("function" not in each for each in seen_by(server, operator)), 60, "a spare")
        assert {each.get("function") for each in seen_by(server, operator)} == {"mine", "yours", None}
        assert {each.get("function") for each in seen_by(server, other)} == {"yours"}

        iam = server.client("iam", **operator)
        iam.create_user(UserName="ada")
        user = iam.create_access_key(UserName="ada")["AccessKey"]
        iam.attach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        refused = run_with(server, user["AccessKeyId"], user["SecretAccessKey"])
        assert refused.returncode != 0 and "AccessDenied" in refused.stderr


def seen_by(server, keys):
    shown = run_with(server, keys["aws_access_key_id"], keys["aws_secret_access_key"])
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def run_with(server, key, secret):
    keys = {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    command = [str(BINARY), "environments", "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **keys})
