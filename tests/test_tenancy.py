"""Tenant isolation: one function, and for each of its tenants environments that no other tenant ever sees."""

import collections
import concurrent.futures
import json

import pytest

from support import packages
from support.errors import error_of, refused
from support.metrics import environments as listed
from support.server import Function, Server
from support.wait import until

PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}
MISSING = "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
UNEXPECTED = "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
# What one environment knows: who came, what it was told, and what it found.
MEMORY = """
import os, uuid
from time import sleep
ME, CAME = str(uuid.uuid4()), []
def handler(event, context):
    found = sorted(os.listdir("/tmp"))
    CAME.append(context.tenant_id)
    open(f"/tmp/{context.tenant_id}", "w").close()
    sleep((event or {}).get("seconds", 0))
    return {"me": ME, "came": CAME, "found": found, "log_stream": context.log_stream_name, "setting": os.environ.get("SETTING")}
"""
ECHO_PYTHON = "def handler(event, context):\n    return context.tenant_id\n"
ECHO_NODE = "export const handler = async (event, context) => ({ tenant: context.tenantId ?? null });\n"


@pytest.fixture(scope="module")
def watched():
    """A server of its own, so that nobody else's environments are counted."""
    with Server() as running:
        yield running


@pytest.fixture
def isolating(watched, deploy_on):
    """isolating(source, …) → an Active Python function that isolates its tenants."""
    return lambda source=MEMORY, **members: deploy_on(
        watched, "python3.12", packages.python(source), TenancyConfig=PER_TENANT, **members
    )


def environments(server, name):
    return [each for each in listed(server) if each.get("function") == name]


def of(server, name, tenant):
    """The tenant's one environment, once it is at rest: before that an invoke may be given a second one."""

    def found():
        now = [each for each in environments(server, name) if each["tenant"] == tenant]
        return now[0] if len(now) == 1 and now[0]["state"] in ("idle", "frozen") else None

    return until(found, 20, f"one idle environment of {tenant}")


def test_two_tenants_share_neither_memory_nor_files_nor_log_stream(watched, isolating):
    function = isolating()
    answers = collections.defaultdict(list)
    for tenant in ("blue", "green", "blue", "green", "blue"):
        answers[tenant].append(function.invoke({}, TenantId=tenant).ok())
        of(watched, function.name, tenant)
    for tenant, came in (("blue", 3), ("green", 2)):
        assert len({answer["me"] for answer in answers[tenant]}) == 1, "the same tenant's environment is used again"
        assert answers[tenant][-1]["came"] == [tenant] * came
        assert [answer["found"] for answer in answers[tenant]] == [[]] + [[tenant]] * (came - 1)
    blue, green = answers["blue"][0], answers["green"][0]
    assert blue["me"] != green["me"] and blue["log_stream"] != green["log_stream"]
    shown = {each["tenant"]: each["log_stream"] for each in environments(watched, function.name)}
    assert shown == {"blue": blue["log_stream"], "green": green["log_stream"]}


def test_many_tenants_at_once_meet_only_themselves(watched, isolating):
    function = isolating(MemorySize=128)
    tenants = [f"tenant-{number}@example.com" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [(tenant, pool.submit(function.invoke, {"seconds": 0.05}, TenantId=tenant)) for tenant in tenants * 6]
        answers = [(tenant, call.result().ok()) for tenant, call in calls]
    owners = collections.defaultdict(set)
    for tenant, answer in answers:
        assert set(answer["came"]) == {tenant} and set(answer["found"]) <= {tenant}, answer
        owners[answer["me"]].add(tenant)
    assert all(len(owner) == 1 for owner in owners.values())
    assert {tenant for owner in owners.values() for tenant in owner} == set(tenants)


@pytest.mark.parametrize("official", ["0", "1"])
def test_the_context_tells_the_tenant_in_python(watched, deploy_on, official):
    variables = {"Environment": {"Variables": {"TINDRA_OFFICIAL_TRANSPORT": official}}, "MemorySize": 512}
    code = packages.python(ECHO_PYTHON)
    function = deploy_on(watched, "python3.12", code, TenancyConfig=PER_TENANT, **variables)
    for tenant in ("a", "x._:/=+-@ y", "t" * 256):
        assert function.invoke({}, TenantId=tenant).ok() == tenant
    other = deploy_on(watched, "python3.12", code, **variables)
    assert other.invoke({}).ok() is None


def test_the_context_tells_the_tenant_in_node(watched, deploy_on):
    code = packages.node(ECHO_NODE)
    function = deploy_on(watched, "nodejs20.x", code, "index.handler", TenancyConfig=PER_TENANT)
    for tenant in ("a", "x._:/=+-@ y", "a"):
        assert function.invoke({}, TenantId=tenant).ok() == {"tenant": tenant}
    assert deploy_on(watched, "nodejs20.x", code, "index.handler").invoke({}).ok() == {"tenant": None}


def test_a_custom_runtime_is_told_in_a_header(watched, deploy_on):
    script = """#!/bin/bash
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3
while IFS= read -r line <&3; do
  line="${line%$'\\r'}"
  [ -n "$line" ] || break
  case "${line,,}" in
    lambda-runtime-aws-request-id:*) id="${line#*: }" ;;
    lambda-runtime-aws-tenant-id:*) tenant="${line#*: }" ;;
  esac
done
body="\\"$tenant\\""
exec 4<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \
  "$id" "${#body}" "$body" >&4
sleep infinity
"""
    code = packages.bootstrap(script)
    function = deploy_on(watched, "provided.al2023", code, "none", TenancyConfig=PER_TENANT, Timeout=5)
    assert function.invoke({}, TenantId="blue").ok() == "blue"


def test_it_is_said_of_the_function_and_its_versions_and_of_no_other(watched, isolating, deploy_on):
    function = isolating(Publish=True)
    client, other = function.client, deploy_on(watched, "python3.12", packages.python(ECHO_PYTHON))
    assert function.created["TenancyConfig"] == PER_TENANT
    assert client.get_function(FunctionName=function.name)["Configuration"]["TenancyConfig"] == PER_TENANT
    client.update_function_configuration(FunctionName=function.name, MemorySize=256)
    function.updated()
    for qualifier in ("$LATEST", "1", function.publish()):
        shown = client.get_function_configuration(FunctionName=function.name, Qualifier=qualifier)
        assert shown["TenancyConfig"] == PER_TENANT, qualifier
    versions = client.list_versions_by_function(FunctionName=function.name)["Versions"]
    assert [version["TenancyConfig"] for version in versions] == [PER_TENANT] * 3
    all_functions = {each["FunctionName"]: each.get("TenancyConfig") for each in client.list_functions()["Functions"]}
    assert (all_functions[function.name], all_functions[other.name]) == (PER_TENANT, None)
    # Each version has its own environments, of each tenant.
    latest, first = (function.invoke({}, TenantId="blue", Qualifier=each).ok() for each in ("$LATEST", "1"))
    assert latest["me"] != first["me"] and latest["came"] == first["came"] == ["blue"]


@pytest.mark.parametrize("invocation_type", ["RequestResponse", "DryRun", "Event"])
def test_a_tenant_is_named_where_it_has_to_be_and_nowhere_else(watched, isolating, deploy_on, invocation_type):
    function, other = isolating(ECHO_PYTHON), deploy_on(watched, "python3.12", packages.python(ECHO_PYTHON))
    how = {"InvocationType": invocation_type}
    assert refused(function.client.invoke, FunctionName=function.name, **how) == MISSING
    assert refused(function.client.invoke, FunctionName=other.name, TenantId="blue", **how) == UNEXPECTED
    assert environments(watched, function.name) == environments(watched, other.name) == []


def test_a_dry_run_and_a_stream_take_a_tenant(watched, isolating):
    function = isolating(ECHO_PYTHON)
    assert function.invoke({}, TenantId="blue", InvocationType="DryRun").status == 204
    stream = function.client.invoke_with_response_stream
    assert refused(stream, FunctionName=function.name, Payload=b"{}") == MISSING
    events = stream(FunctionName=function.name, Payload=b"{}", TenantId="blue")["EventStream"]
    chunks = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert json.loads(b"".join(chunks)) == "blue"


@pytest.mark.parametrize("tenant", ["a#b", "a,b", "t" * 257])
def test_a_tenant_id_has_its_form(watched, isolating, tenant):
    function = isolating(ECHO_PYTHON)
    code, message, status = error_of(
        watched.client("lambda", parameter_validation=False).invoke, FunctionName=function.name, TenantId=tenant
    )
    assert status == 400 and "tenantId" in message, (code, message)
    assert refused(function.client.invoke, FunctionName=function.name, TenantId="ä") == MISSING
    assert environments(watched, function.name) == []


def test_what_does_not_go_together_with_tenants_is_refused(watched, isolating):
    function = isolating(ECHO_PYTHON, Publish=True)
    client, ending = function.client, " is not supported for functions with tenant isolation mode."
    snapshots = {"ApplyOn": "PublishedVersions"}
    assert refused(client.update_function_configuration, FunctionName=function.name, SnapStart=snapshots) == "SnapStart" + ending
    assert refused(
        client.create_function, FunctionName="both", Runtime="python3.12", Role="arn:aws:iam::000000000000:role/r",
        Handler="app.handler", Code={"ZipFile": packages.python(ECHO_PYTHON)}, TenancyConfig=PER_TENANT, SnapStart=snapshots,
    ) == "SnapStart" + ending
    assert refused(
        client.put_provisioned_concurrency_config, FunctionName=function.name, Qualifier="1", ProvisionedConcurrentExecutions=1
    ) == "Provisioned Concurrency" + ending
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    for qualifier in ({}, {"Qualifier": "live"}):
        refusal = refused(client.create_function_url_config, FunctionName=function.name, AuthType="NONE", **qualifier)
        assert refusal == "FunctionUrl" + ending
    queue = "arn:aws:sqs:us-east-1:000000000000:orders"
    refusal = refused(client.create_event_source_mapping, FunctionName=function.name, EventSourceArn=queue)
    assert refusal == "Event source mapping" + ending
    code, message, _ = error_of(
        client.create_function, FunctionName="mode", Runtime="python3.12", Role="arn:aws:iam::000000000000:role/r",
        Handler="app.handler", Code={"ZipFile": b"x"}, TenancyConfig={"TenantIsolationMode": "SHARED"},
    )
    assert "PER_TENANT" in message, (code, message)


def test_json_lines_tell_the_tenant_and_text_lines_do_not(isolating):
    levels = {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"}
    tail = isolating(ECHO_PYTHON, LoggingConfig=levels).invoke({}, TenantId="blue", LogType="Tail").tail
    records = {line["type"]: line["record"] for line in map(json.loads, tail.splitlines())}
    for kind in ("platform.start", "platform.runtimeDone", "platform.report"):
        assert records[kind]["tenantId"] == "blue", records
    tail = isolating(ECHO_PYTHON).invoke({}, TenantId="blue", LogType="Tail").tail
    assert "START RequestId: " in tail and "blue" not in tail


def test_command_lines_name_tenants_and_show_them(watched, isolating, tmp_path):
    function = isolating(ECHO_PYTHON)
    out = tmp_path / "out.json"
    watched.aws("lambda", "invoke", "--function-name", function.name, "--tenant-id", "blue", str(out))
    assert out.read_text() == '"blue"'
    assert watched.tindra("invoke", function.name, "--tenant-id", "green").stdout.strip() == '"green"'
    failed = watched.tindra("invoke", function.name, check=False)
    assert failed.returncode != 0 and MISSING in failed.stderr
    lines = watched.tindra("environments", function.name).stdout.splitlines()
    column = lines[0].index("TENANT")
    assert sorted(line[column:].split()[0] for line in lines[1:]) == ["blue", "green"]


def test_an_update_replaces_and_a_deletion_ends_the_environments_of_all_tenants(watched, isolating):
    function = isolating(Environment={"Variables": {"SETTING": "old"}})
    tenants = ("blue", "green", "red")
    before = {tenant: function.invoke({}, TenantId=tenant).ok() for tenant in tenants}
    function.client.update_function_configuration(
        FunctionName=function.name, Environment={"Variables": {"SETTING": "new"}}
    )
    function.updated()
    until(lambda: environments(watched, function.name) == [], 20, "the old environments of all tenants to end")
    for tenant in tenants:
        after = function.invoke({}, TenantId=tenant).ok()
        assert (before[tenant]["setting"], after["setting"], after["came"]) == ("old", "new", [tenant])
    assert {each["tenant"] for each in environments(watched, function.name)} == set(tenants)
    function.delete()
    until(lambda: environments(watched, function.name) == [], 20, "the environments of all tenants to end")


def deploy(server, name):
    code = packages.python(MEMORY)
    return Function(server, name, "python3.12", code, "app.handler", TenancyConfig=PER_TENANT, Timeout=30).ready()


def test_tenants_have_at_most_two_and_a_half_environments_for_each_concurrent_invoke():
    with Server(config="account_concurrency = 2\nrequests_per_s_per_concurrency = 0\n") as server:
        one, other = deploy(server, "one"), deploy(server, "other")
        for number in range(5):
            (one if number % 2 else other).invoke({}, TenantId=f"tenant-{number}").ok()
        tenants = {each["tenant"] for each in listed(server) if each.get("function")}
        assert tenants == {f"tenant-{number}" for number in range(5)}, "idle ones stay"
        client = server.client("lambda")
        for number in range(5, 105):
            with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
                client.invoke(FunctionName="one", TenantId=f"tenant-{number}")
            response = caught.value.response
            assert response["Error"]["Message"].startswith("Rate exceeded: the tenants of this account and region have 5 ")
            assert response["Reason"] == "ConcurrentInvocationLimitExceeded"
            assert int(response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
        # Who has an environment is served, and nobody's was given up.
        of(server, "other", "tenant-0")
        assert other.invoke({}, TenantId="tenant-0").ok()["came"] == ["tenant-0"] * 2
        # Another region has environments of its own, and so has a function without tenants.
        elsewhere = Function(server, "one", "python3.12", packages.python(MEMORY), "app.handler",
                             client=server.client("lambda", region="eu-west-1"), TenancyConfig=PER_TENANT).ready()
        assert elsewhere.invoke({}, TenantId="tenant-5").ok()["came"] == ["tenant-5"]
        plain = Function(server, "plain", "python3.12", packages.python(MEMORY), "app.handler").ready()
        assert plain.invoke({}).ok()["came"] == [None]
        # What ends makes room.
        other.delete()
        until(lambda: environments(server, "other") == [], 20, "the environments to end")
        assert one.invoke({}, TenantId="tenant-5").ok()["came"] == ["tenant-5"]


def test_idle_environments_of_tenants_end_in_their_time_and_make_room():
    with Server(config="account_concurrency = 1\nkeep_warm_min_s = 1\nkeep_warm_max_s = 1\nidle_timeout_s = 1\n") as server:
        function = deploy(server, "brief")
        for number in range(6):
            answer = until(lambda: served(function, f"tenant-{number}"), 30, "room for another tenant")
            assert answer["came"] == [f"tenant-{number}"]
        until(lambda: environments(server, "brief") == [], 30, "all environments to end")


def served(function, tenant):
    try:
        return function.invoke({}, TenantId=tenant).ok()
    except function.client.exceptions.TooManyRequestsException:
        return None


def test_a_restart_keeps_the_isolation(tmp_path):
    server = Server(data=tmp_path)
    with server:
        first = deploy(server, "lasting").invoke({}, TenantId="blue").ok()
    with server:
        client = server.client("lambda")
        assert client.get_function_configuration(FunctionName="lasting")["TenancyConfig"] == PER_TENANT
        assert refused(client.invoke, FunctionName="lasting") == MISSING
        again = json.loads(client.invoke(FunctionName="lasting", TenantId="blue")["Payload"].read())
        assert again["came"] == ["blue"] and again["me"] != first["me"] and again["found"] == []
