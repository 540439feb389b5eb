"""SnapStart: which functions can have it, how their versions are published, and what does not go together with it."""

import json

import pytest

from support import packages
from support.errors import error_of, refused

WITH = {"ApplyOn": "PublishedVersions"}
OFF = {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
ON = {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}

SOURCE = """
import os
def handler(event, context):
    return os.environ['AWS_LAMBDA_FUNCTION_VERSION']
"""


@pytest.fixture
def function(deploy):
    return deploy("python3.12", packages.python(SOURCE), SnapStart=WITH)


def publish(function, **members):
    """The answer, and the version once it is active."""
    published = function.client.publish_version(FunctionName=function.name, **members)
    number = function.published(published["Version"])
    return published, function.client.get_function_configuration(FunctionName=function.name, Qualifier=number)


def update(function, **members):
    answer = function.client.update_function_configuration(FunctionName=function.name, **members)
    function.updated()
    return answer


def invoke(function, qualifier):
    answer = function.client.invoke(FunctionName=function.name, Qualifier=qualifier, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def test_it_is_on_for_published_versions_and_off_for_the_unpublished_one(function):
    assert function.created["SnapStart"] == OFF
    published, version = publish(function)
    assert (published["Version"], published["State"], published["StateReasonCode"]) == ("1", "Pending", "Creating")
    assert published["SnapStart"] == version["SnapStart"] == ON
    assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in version
    assert invoke(function, "1") == "1"
    assert invoke(function, "$LATEST") == "$LATEST"
    listed = function.client.list_versions_by_function(FunctionName=function.name)["Versions"]
    assert [(each["Version"], each["SnapStart"]) for each in listed] == [("$LATEST", OFF), ("1", ON)]
    again, _ = publish(function)
    assert (again["Version"], again["State"]) == ("1", "Active")


def test_publishing_with_the_creation(deploy):
    function = deploy("python3.13", packages.python(SOURCE), SnapStart=WITH, Publish=True)
    assert (function.created["Version"], function.created["State"]) == ("1", "Pending")
    function.published("1")
    assert invoke(function, "1") == "1"


def test_it_is_switched_on_and_off_for_the_versions_to_come(deploy):
    function = deploy("python3.12", packages.python(SOURCE))
    assert publish(function)[0]["State"] == "Active"
    assert update(function, SnapStart=WITH)["SnapStart"] == OFF
    assert publish(function)[1]["SnapStart"] == ON
    assert update(function, Description="as it was")["SnapStart"] == OFF
    assert update(function, SnapStart={"ApplyOn": "None"})["SnapStart"]["ApplyOn"] == "None"
    published, _ = publish(function)
    assert (published["Version"], published["State"], published["SnapStart"]["OptimizationStatus"]) == (
        "3",
        "Active",
        "Off",
    )
    kept = function.client.get_function_configuration(FunctionName=function.name, Qualifier="2")
    assert kept["SnapStart"] == ON


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs22.x", "provided.al2023", "java21"])
def test_a_runtime_without_it_is_refused(server, runtime):
    message = refused(
        server.client("lambda").create_function,
        FunctionName="never",
        Runtime=runtime,
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/worker",
        Code={"ZipFile": packages.python(SOURCE)},
        SnapStart=WITH,
    )
    assert message.startswith(f"{runtime} is not supported for SnapStart enabled functions.")


def test_what_it_does_not_go_together_with_is_refused_later_too(function):
    for members, what in [
        ({"Runtime": "python3.11"}, "python3.11"),
        ({"EphemeralStorage": {"Size": 1024}}, "EphemeralStorage of more than 512 MB"),
    ]:
        message = refused(function.client.update_function_configuration, FunctionName=function.name, **members)
        assert message == f"{what} is not supported for SnapStart enabled functions."
    update(function, SnapStart={"ApplyOn": "None"}, EphemeralStorage={"Size": 1024})


def test_provisioned_concurrency_excludes_it(function):
    publish(function)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    for qualifier in ("1", "live"):
        message = refused(
            function.client.put_provisioned_concurrency_config,
            FunctionName=function.name,
            Qualifier=qualifier,
            ProvisionedConcurrentExecutions=1,
        )
        assert message == "Provisioned Concurrency is not supported for SnapStart enabled functions."


def test_other_values_are_refused_by_the_model(function):
    code, message, _ = error_of(
        function.client.update_function_configuration, FunctionName=function.name, SnapStart={"ApplyOn": "Always"}
    )
    assert code == "ValidationException" and "snapStart.applyOn" in message, message
