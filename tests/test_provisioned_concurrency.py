"""Provisioned concurrency: environments are there before anybody invokes."""

import concurrent.futures
import json

import pytest

from support import packages
from support.errors import error_of
from support.server import Function, Server
from support.wait import until

SOURCE = """
import os, uuid
from time import sleep
TYPE = os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']
ID = str(uuid.uuid4())
def handler(event, context):
    if event.get('exit'):
        os._exit(1)
    sleep(event.get('seconds', 0))
    return [TYPE, ID]
"""


@pytest.fixture
def function(deploy):
    return deploy("python3.12", packages.python(SOURCE), Publish=True)


def put(function, qualifier, count):
    return function.client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def get(function, qualifier):
    return function.client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier=qualifier)


def wait_for(function, qualifier, status="READY"):
    return until(lambda: (read := get(function, qualifier))["Status"] == status and read, timeout_s=30)


def invoke(client, name, qualifier, **event):
    answer = client.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read())


def test_environments_are_ready_before_the_first_invoke(server, function):
    answer = put(function, "1", 3)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["Status"] == "IN_PROGRESS" and answer["RequestedProvisionedConcurrentExecutions"] == 3
    ready = wait_for(function, "1")
    assert ready["AllocatedProvisionedConcurrentExecutions"] == 3
    assert ready["AvailableProvisionedConcurrentExecutions"] == 3 and ready["LastModified"]

    def init_reports():
        try:
            return [line for line in function.log_messages() if line.startswith("INIT_REPORT")]
        except function.logs.exceptions.ResourceNotFoundException:
            return []

    until(lambda: len(init_reports()) == 3, what="three reports of an init phase")
    assert all("Phase: init" in line and "Status" not in line for line in init_reports())

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(invoke, server.client("lambda"), function.name, "1", seconds=1.0) for _ in range(4)
        ]
        answers = [future.result() for future in futures]
    # Three were ready; the fourth spills over to one that is started on demand.
    assert sorted(kind for kind, _ in answers) == ["on-demand"] + ["provisioned-concurrency"] * 3
    assert len({identity for _, identity in answers}) == 4
    assert invoke(function.client, function.name, "1")[0] == "provisioned-concurrency"
    lines = lambda: [line for line in function.log_messages() if line.startswith("REPORT")]
    until(lambda: len(lines()) == 5, what="the five reports")
    reports = lines()
    assert sum("Init Duration" in line for line in reports) == 1

    listed = function.client.list_provisioned_concurrency_configs(FunctionName=function.name)
    (item,) = listed["ProvisionedConcurrencyConfigs"]
    assert item["FunctionArn"].endswith(f":{function.name}:1") and item["Status"] == "READY"
    function.client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier="1")
    assert error_of(get, function=function, qualifier="1") == (
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        404,
    )


def test_a_lost_environment_is_replaced(function):
    put(function, "1", 1)
    wait_for(function, "1")
    kind, first = invoke(function.client, function.name, "1")
    assert kind == "provisioned-concurrency"
    assert "errorType" in invoke(function.client, function.name, "1", exit=True)

    def back():
        kind, identity = invoke(function.client, function.name, "1")
        return kind == "provisioned-concurrency" and identity != first

    until(back, timeout_s=20)


def test_an_alias_takes_its_environments_along(function):
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    put(function, "live", 2)
    wait_for(function, "live")
    assert error_of(put, function=function, qualifier="1", count=1)[0] == "ResourceConflictException"
    function.client.update_function_configuration(
        FunctionName=function.name, Environment={"Variables": {"NEW": "1"}}
    )
    function.updated()
    function.client.publish_version(FunctionName=function.name)
    function.client.update_alias(FunctionName=function.name, Name="live", FunctionVersion="2")
    until(lambda: invoke(function.client, function.name, "2")[0] == "provisioned-concurrency", timeout_s=20)
    until(lambda: invoke(function.client, function.name, "1")[0] == "on-demand", timeout_s=20)


def test_what_cannot_be_provisioned(deploy, function):
    message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    assert error_of(put, function=function, qualifier="$LATEST", count=1)[:2] == (
        "InvalidParameterValueException",
        message,
    )
    assert error_of(put, function=function, qualifier="7", count=1)[0] == "ResourceNotFoundException"
    assert error_of(put, function=function, qualifier="live", count=1)[0] == "ResourceNotFoundException"
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=2)
    error = error_of(put, function=function, qualifier="1", count=3)
    assert error[0] == "InvalidParameterValueException" and "reservedConcurrentExecution" in error[1]
    put(function, "1", 2)
    error = error_of(
        function.client.put_function_concurrency, FunctionName=function.name, ReservedConcurrentExecutions=1
    )
    assert error[0] == "InvalidParameterValueException" and "[2]" in error[1]


def test_a_function_that_fails_in_init_fails_the_allocation(deploy):
    function = deploy("python3.12", packages.python("raise RuntimeError('no')\n"), Publish=True)
    put(function, "1", 1)
    failed = wait_for(function, "1", "FAILED")
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert failed["AllocatedProvisionedConcurrentExecutions"] == 0


def test_it_is_made_anew_after_a_restart(tmp_path):
    with Server(data=tmp_path) as server:
        function = Function(server, "kept", "python3.12", packages.python(SOURCE), "app.handler", Publish=True).ready()
        put(function, "1", 2)
        wait_for(function, "1")
    with Server(data=tmp_path) as server:
        client = server.client("lambda")
        until(lambda: invoke(client, "kept", "1")[0] == "provisioned-concurrency", timeout_s=30)
