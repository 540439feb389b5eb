"""Environments that run several invokes at once: functions with a capacity provider."""

import concurrent.futures
import json

import pytest

from support import java, packages
from support.errors import error_of, refused
from support.metrics import environments
from support.wait import until

AT_ONCE = 4

# Each handler makes a file in /tmp, waits until as many as its event says are there, and tells which process it is: invokes that
# wait for each other end only when they run at the same time in the same environment.
NODE = """
import fs from 'node:fs';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const handler = async (event, context) => {
  if (event.die) process.kill(process.pid, 'SIGKILL');
  if (event.hang) await pause(event.hang);
  console.log(`here is ${event.name}`);
  fs.writeFileSync(`/tmp/${event.name}`, '');
  while (fs.readdirSync('/tmp').filter((name) => name.startsWith(event.name.split('-')[0])).length < event.together) await pause(5);
  return { parent: process.pid, atOnce: process.env.AWS_LAMBDA_MAX_CONCURRENCY, kind: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
    stream: context.logStreamName, left: context.getRemainingTimeInMillis() > 0 };
};
"""
PYTHON = """
import os
from time import sleep
def handler(event, context):
    open("/tmp/" + event["name"], "w").close()
    while len([name for name in os.listdir("/tmp") if name.startswith(event["name"].split("-")[0])]) < event["together"]:
        sleep(0.005)
    return {"parent": os.getppid(), "atOnce": os.environ["AWS_LAMBDA_MAX_CONCURRENCY"],
            "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "stream": context.log_stream_name,
            "left": context.get_remaining_time_in_millis() > 0}
"""
JAVA = """package demo;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;
public class Handler implements RequestHandler<Map<String, Object>, Object> {
    public Object handleRequest(Map<String, Object> event, Context context) {
        String name = (String) event.get("name");
        try {
            new File("/tmp/" + name).createNewFile();
            while (new File("/tmp").list((folder, other) -> other.startsWith(name.split("-")[0])).length < (Integer) event.get("together"))
                Thread.sleep(5);
        } catch (Exception error) {
            throw new RuntimeException(error);
        }
        return Map.of("parent", ProcessHandle.current().pid(), "atOnce", System.getenv("AWS_LAMBDA_MAX_CONCURRENCY"),
            "kind", System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"), "stream", context.getLogStreamName(),
            "left", context.getRemainingTimeInMillis() > 0);
    }
}
"""
SHELL = """#!/bin/bash
# A custom runtime with as many workers as its platform says, each of which asks for events by itself.
work() {
  while true; do
    head=$(mktemp -p /var/tmp 2>/dev/null || mktemp)
    event=$(curl -sS -D "$head" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' "$head" | tr -d '[:space:]' | cut -d: -f2)
    rm "$head"
    name=$(echo "$event" | grep -o '"name": *"[^"]*"' | cut -d'"' -f4)
    together=$(echo "$event" | grep -o '"together": *[0-9]*' | grep -o '[0-9]*$')
    touch "/tmp/$name"
    while [ "$(ls /tmp | grep -c "^${name%%-*}-")" -lt "$together" ]; do sleep 0.02; done
    curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" \\
      -d "{\\"parent\\": $$, \\"atOnce\\": \\"$AWS_LAMBDA_MAX_CONCURRENCY\\", \\"kind\\": \\"$AWS_LAMBDA_INITIALIZATION_TYPE\\", \\"stream\\": \\"$AWS_LAMBDA_LOG_STREAM_NAME\\", \\"left\\": true}" > /dev/null
  done
}
for worker in $(seq "$AWS_LAMBDA_MAX_CONCURRENCY"); do work & done
wait
"""


@pytest.fixture(scope="module")
def provider(server):
    client = server.client("lambda")
    created = client.create_capacity_provider(
        CapacityProviderName="several",
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": "arn:aws:iam::000000000000:role/operator"})
    return created["CapacityProvider"]["CapacityProviderArn"]


def on(provider, at_once=AT_ONCE, **members):
    config = {"CapacityProviderArn": provider, "PerExecutionEnvironmentMaxConcurrency": at_once, **members}
    return {"LambdaManagedInstancesCapacityProviderConfig": config}


@pytest.fixture
def several(deploy, provider):
    """several(runtime, zip, handler, …) → a function whose environments run four invokes at once."""

    def make(runtime, zip_bytes, handler, **members):
        return deploy(runtime, zip_bytes, handler, **{
            "MemorySize": 2048, "Timeout": 60, "CapacityProviderConfig": on(provider), **members})

    return make


@pytest.fixture
def node(several):
    return lambda **members: several("nodejs22.x", packages.node(NODE), "index.handler", **members)


def together(function, group, count, of=AT_ONCE, **members):
    """Invokes at the same time, of which as many as `of` says wait for each other."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        events = [{"name": f"{group}-{number}", "together": of, **members} for number in range(count)]
        return [answer.ok() for answer in pool.map(function.invoke, events)]


def of_function(server, function):
    return [entry for entry in environments(server) if entry.get("function") == function.name]


@pytest.mark.parametrize("runtime", ["nodejs22.x", "python3.13", "java25", "provided.al2023"])
def test_invokes_run_beside_each_other_in_one_environment(server, several, runtime):
    if runtime.startswith("java") and runtime not in java.runtimes():
        pytest.skip(f"LOUDLY SKIPPED: no JDK for {runtime} on this machine")
    code, handler = {
        "nodejs22.x": lambda: (packages.node(NODE), "index.handler"),
        "python3.13": lambda: (packages.python(PYTHON), "app.handler"),
        "java25": lambda: (java.package("java25", {"Handler.java": JAVA}), "demo.Handler"),
        "provided.al2023": lambda: (packages.bootstrap(SHELL), "any"),
    }[runtime]()
    function = several(runtime, code, handler)
    first = together(function, "a", AT_ONCE)
    assert len({(answer["parent"], answer["stream"]) for answer in first}) == 1, first
    assert {(answer["atOnce"], answer["kind"], answer["left"]) for answer in first} == {("4", "lambda-managed-instances", True)}
    assert together(function, "b", AT_ONCE) == first, "the environment is warm"
    listed = of_function(server, function)
    assert len(listed) == 1 and listed[0]["invokes"] == 2 * AT_ONCE, listed


def test_more_invokes_than_seats_have_more_environments(server, node):
    function = node()
    answers = together(function, "a", 3 * AT_ONCE, of=1)
    assert len({answer["stream"] for answer in answers}) <= 3
    # Eight that take so long that all are under way before one has ended fill two environments to the last seat.
    answers = together(function, "b", 2 * AT_ONCE, hang=2_000)
    assert sorted([answer["stream"] for answer in answers].count(stream) for stream in {a["stream"] for a in answers}) == [4, 4]
    until(lambda: {entry["state"] for entry in of_function(server, function)} <= {"idle", "frozen"}, 10, "all to come to rest")


def test_an_invoke_whose_time_is_up_is_answered_and_works_on(node):
    function = node(Timeout=2)
    before = function.invoke({"name": "warm", "together": 1}).ok()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        late = pool.submit(function.invoke, {"name": "late", "together": 1, "hang": 6_000})
        beside = pool.submit(function.invoke, {"name": "beside", "together": 1})
        assert beside.result().ok()["parent"] == before["parent"]
        error = late.result()
    assert error.value["errorType"] == "Sandbox.Timedout" and "timed out after 2.00 seconds" in error.value["errorMessage"]
    after = function.invoke({"name": "after", "together": 1}).ok()
    assert (after["parent"], after["stream"]) == (before["parent"], before["stream"]), "the process was left alone"
    until(lambda: any("here is late" in line for line in function.log_messages()), 20, "the late invoke's own end")


def test_a_process_that_dies_takes_its_invokes_along_and_another_environment_follows(server, node):
    function = node()
    before = function.invoke({"name": "warm", "together": 1}).ok()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(function.invoke, {"name": "never-1", "together": 2})
        until(lambda: of_function(server, function)[0]["state"] == "busy", 10, "the first one to run")
        dying = pool.submit(function.invoke, {"name": "x", "together": 1, "die": True})
        errors = [waiting.result(), dying.result()]
    assert {error.value["errorType"] for error in errors} == {"Runtime.ExitError"}, [error.value for error in errors]
    after = function.invoke({"name": "after", "together": 1}).ok()
    assert after["stream"] != before["stream"]
    until(lambda: len(of_function(server, function)) == 1, 10, "the dead one to go")


def test_reports_are_json_and_tell_of_each_invoke(node):
    function = node()
    answers = [function.invoke({"name": f"r-{number}", "together": 1}, LogType="Tail") for number in range(2)]

    def lines():
        return [json.loads(line) for line in function.log_messages() if line.startswith("{")]

    def reports():
        return [line["record"] for line in lines() if line.get("type") == "platform.report"]

    until(lambda: len(reports()) == 2, 10, "the reports")
    assert {record["requestId"] for record in reports()} == {answer.request_id for answer in answers}
    assert all(record["status"] == "success" and list(record["metrics"]) == ["durationMs"] for record in reports())
    kinds = [line["type"] for line in lines() if "type" in line]
    assert kinds[:2] == ["platform.initStart", "platform.initReport"] and "platform.runtimeDone" not in kinds
    assert any(line.get("requestId") == answers[1].request_id and line.get("message") == "here is r-1" for line in lines())


def test_what_has_a_capacity_provider_is_shown_checked_and_listed(server, several, provider, client):
    function = several("provided.al2023", packages.bootstrap(SHELL), "any")
    shown = client.get_function_configuration(FunctionName=function.name)
    assert shown["CapacityProviderConfig"] == on(provider)
    assert shown["LoggingConfig"]["LogFormat"] == "JSON"
    version = function.publish()
    listed = client.list_function_versions_by_capacity_provider(CapacityProviderName="several")["FunctionVersions"]
    assert {"FunctionArn": f"{shown['FunctionArn']}:{version}", "State": "Active"} in listed
    code, message, _ = error_of(client.delete_capacity_provider, CapacityProviderName="several")
    assert code == "ResourceConflictException" and "is used by arn:aws:lambda:" in message
    assert refused(
        client.put_provisioned_concurrency_config, FunctionName=function.name, Qualifier=version, ProvisionedConcurrentExecutions=1,
    ) == "Provisioned Concurrency is not supported for functions with a capacity provider."
    missing = provider.replace("several", "nothing")
    for call in (
        lambda: several("provided.al2023", packages.bootstrap(SHELL), "any", CapacityProviderConfig=on(missing)),
        lambda: client.update_function_configuration(FunctionName=function.name, CapacityProviderConfig=on(missing)),
    ):
        assert error_of(call) == ("ResourceNotFoundException", f"Capacity provider not found: {missing}", 404)
    message = refused(lambda: several("nodejs20.x", packages.node(NODE), "index.handler"))
    assert message.startswith("Runtime nodejs20.x cannot be used")
    client.update_function_configuration(FunctionName=function.name, CapacityProviderConfig=on(provider, at_once=2))
    function.updated()
    answers = together(function, "u", 2, of=2)
    assert {answer["atOnce"] for answer in answers} == {"2"}
