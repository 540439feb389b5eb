"""Aliases lead to versions, by weight when there are two."""

import collections
import concurrent.futures
import json
import uuid

import pytest

from support import packages
from support.errors import error_of

SOURCE = "WHAT = {what!r}\ndef handler(event, context):\n    return [WHAT, context.invoked_function_arn]\n"


@pytest.fixture
def function(deploy):
    """A function with two versions."""
    function = deploy("python3.12", packages.python(SOURCE.format(what="one")), Publish=True)
    function.client.update_function_code(
        FunctionName=function.name, ZipFile=packages.python(SOURCE.format(what="two")), Publish=True
    )
    function.updated()
    function.published("2")
    return function


def arn(function, qualifier):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}:{qualifier}"


def without_metadata(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_an_alias_leads_to_its_version(function):
    created = function.client.create_alias(
        FunctionName=function.name, Name="live", FunctionVersion="1", Description="what people use"
    )
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    revision = created.pop("RevisionId")
    assert uuid.UUID(revision)
    assert without_metadata(created) == {
        "AliasArn": arn(function, "live"),
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "what people use",
    }
    read = function.client.get_alias(FunctionName=function.name, Name="live")
    assert without_metadata(read) == {**without_metadata(created), "RevisionId": revision}

    answer = function.client.invoke(FunctionName=function.name, Qualifier="live")
    assert answer["ExecutedVersion"] == "1"
    assert json.loads(answer["Payload"].read()) == ["one", arn(function, "live")]
    shown = function.client.get_function(FunctionName=function.name, Qualifier="live")["Configuration"]
    assert (shown["Version"], shown["FunctionArn"]) == ("1", arn(function, "live"))

    updated = function.client.update_alias(FunctionName=f"{function.name}", Name="live", FunctionVersion="2")
    assert updated["FunctionVersion"] == "2" and updated["Description"] == "what people use"
    assert updated["RevisionId"] != revision
    answer = function.client.invoke(FunctionName=arn(function, "live"))
    assert (answer["ExecutedVersion"], json.loads(answer["Payload"].read())[0]) == ("2", "two")

    function.client.delete_alias(FunctionName=function.name, Name="live")
    deleted = function.client.delete_alias(FunctionName=function.name, Name="live")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(function.client.invoke, FunctionName=function.name, Qualifier="live") == (
        "ResourceNotFoundException",
        f"Function not found: {arn(function, 'live')}",
        404,
    )


def test_weights_share_the_invokes(function):
    function.client.create_alias(
        FunctionName=function.name,
        Name="canary",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}},
    )
    read = function.client.get_alias(FunctionName=function.name, Name="canary")
    assert read["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.3}}
    count = collections.Counter()
    for _ in range(400):
        answer = function.client.invoke(FunctionName=function.name, Qualifier="canary")
        what = json.loads(answer["Payload"].read())[0]
        assert answer["ExecutedVersion"] == {"one": "1", "two": "2"}[what]
        count[what] += 1
    # Six standard deviations: wrong once in half a thousand million runs.
    assert abs(count["two"] - 120) < 6 * (400 * 0.3 * 0.7) ** 0.5, count

    for weight, version in ((1.0, "2"), (0.0, "1")):
        function.client.update_alias(
            FunctionName=function.name, Name="canary", RoutingConfig={"AdditionalVersionWeights": {"2": weight}}
        )
        answers = {function.client.invoke(FunctionName=arn(function, "canary"))["ExecutedVersion"] for _ in range(20)}
        assert answers == {version}
    updated = function.client.update_alias(
        FunctionName=function.name, Name="canary", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert "RoutingConfig" not in updated


def test_what_an_alias_may_not_be(function):
    create, update = function.client.create_alias, function.client.update_alias
    name = function.name
    create(FunctionName=name, Name="live", FunctionVersion="1")

    def routed(weights, version="1"):
        return {
            "FunctionName": name,
            "Name": "other",
            "FunctionVersion": version,
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }

    invalid = "InvalidParameterValueException"
    assert error_of(create, FunctionName=name, Name="live", FunctionVersion="2") == (
        "ResourceConflictException",
        f"Alias already exists: {arn(function, 'live')}",
        409,
    )
    assert error_of(create, FunctionName=name, Name="other", FunctionVersion="9") == (
        "ResourceNotFoundException",
        f"Function not found: {arn(function, '9')}",
        404,
    )
    assert error_of(create, **routed({"9": 0.5}))[:2] == (
        "ResourceNotFoundException",
        f"Function not found: {arn(function, '9')}",
    )
    assert error_of(create, **routed({"1": 0.5}))[:2] == (
        invalid,
        "Invalid function version 1. Function version 1 is already included in routing configuration.",
    )
    assert error_of(create, **routed({"1": 0.5, "2": 0.5}, "$LATEST"))[:2] == (
        invalid,
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    )
    assert error_of(create, **routed({"2": 0.5}, "$LATEST"))[:2] == (
        invalid,
        "$LATEST is not supported for an alias pointing to more than 1 version",
    )
    assert error_of(create, **routed({"2": 1.5}))[0] == "ValidationException"
    assert error_of(create, **routed({"$LATEST": 0.5}))[0] == "ValidationException"
    for bad in ("12", "with space", "a" * 129, "dot.dot"):
        error = error_of(create, FunctionName=name, Name=bad, FunctionVersion="1")
        assert error[0] == "ValidationException" and "at 'name' failed to satisfy constraint" in error[1], bad
    create(FunctionName=name, Name="a" * 128, FunctionVersion="$LATEST", Description="d" * 256)
    error = error_of(create, FunctionName=name, Name="b", FunctionVersion="1", Description="d" * 257)
    assert error[0] == "ValidationException"
    assert error_of(update, FunctionName=name, Name="missing", FunctionVersion="1")[:2] == (
        "ResourceNotFoundException",
        f"Alias not found: {arn(function, 'missing')}",
    )
    assert error_of(function.client.get_alias, FunctionName=name, Name="missing")[:2] == (
        "ResourceNotFoundException",
        f"Cannot find alias arn: {arn(function, 'missing')}",
    )
    error = error_of(update, FunctionName=name, Name="live", RevisionId="stale", Description="x")
    assert (error[0], error[2]) == ("PreconditionFailedException", 412)
    assert error_of(create, FunctionName="missing", Name="live", FunctionVersion="1")[0] == "ResourceNotFoundException"


def test_aliases_are_listed_in_pages(function):
    names = sorted(f"alias-{number:02}" for number in range(23))
    for at, name in enumerate(names):
        function.client.create_alias(FunctionName=function.name, Name=name, FunctionVersion=str(at % 2 + 1))
    paginator = function.client.get_paginator("list_aliases")
    for page_size in (1, 7, 50):
        pages = paginator.paginate(FunctionName=function.name, PaginationConfig={"PageSize": page_size})
        assert [alias["Name"] for page in pages for alias in page["Aliases"]] == names
    pages = paginator.paginate(FunctionName=function.name, FunctionVersion="2", PaginationConfig={"PageSize": 4})
    assert [alias["Name"] for page in pages for alias in page["Aliases"]] == names[1::2]


def test_aliases_go_with_their_function(function, deploy):
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    function.delete()
    again = deploy("python3.12", packages.python(SOURCE.format(what="anew")), name=function.name)
    assert again.client.list_aliases(FunctionName=again.name)["Aliases"] == []
    assert error_of(again.client.invoke, FunctionName=again.name, Qualifier="live")[0] == "ResourceNotFoundException"


def test_a_weighted_alias_divides_parallel_invokes_as_it_says(server, deploy):
    source = "def handler(event, context):\n    return context.function_version\n"
    function = deploy("python3.12", packages.python(source), Publish=True)
    client, name, count, weight = function.client, function.name, 600, 0.3
    client.update_function_configuration(FunctionName=name, Description="another version")
    function.updated()
    assert function.publish() == "2"
    client.create_alias(
        FunctionName=name, Name="canary", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": weight}}
    )

    def version(_):
        answer = client.invoke(FunctionName=name, Qualifier="canary")
        said = json.loads(answer["Payload"].read())
        assert answer["ExecutedVersion"] == said
        return said

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        versions = collections.Counter(pool.map(version, range(count)))
    assert set(versions) == {"1", "2"} and sum(versions.values()) == count
    # Five standard deviations: one run in two million is further off.
    deviation = (count * weight * (1 - weight)) ** 0.5
    assert abs(versions["2"] - count * weight) < 5 * deviation, versions
