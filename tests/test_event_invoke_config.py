"""Configurations of asynchronous invokes, and dead-letter queues of functions."""

import datetime

import pytest

from support import packages
from support.errors import error_of, refused
from support.server import Function

HELLO = packages.python("def handler(event, context):\n    return 1\n")
HERE = "us-east-1:000000000000"
ARN = f"arn:aws:lambda:{HERE}:function"
QUEUE = f"arn:aws:sqs:{HERE}:dead"
TOPIC = f"arn:aws:sns:{HERE}:news"
BUS = f"arn:aws:events:{HERE}:event-bus/main"
BUCKET = "arn:aws:s3:::failures"
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."
NO_FUNCTION = ("ResourceNotFoundException", "The function doesn't exist.", 404)


@pytest.fixture(scope="module")
def function(server):
    # The server, not the client, is to refuse what is out of range.
    unchecked = server.client("lambda", parameter_validation=False)
    function = Function(server, "queued", "python3.12", HELLO, "app.handler", client=unchecked).ready()
    other = Function(server, "receiver", "python3.12", HELLO, "app.handler").ready()
    version = function.client.publish_version(FunctionName="queued")["Version"]
    function.client.create_alias(FunctionName="queued", Name="live", FunctionVersion=version)
    yield function
    function.delete()
    other.delete()


@pytest.fixture
def client(function):
    yield function.client
    for config in listed(function.client):
        qualifier = config["FunctionArn"].rsplit(":", 1)[1]
        function.client.delete_function_event_invoke_config(FunctionName="queued", Qualifier=qualifier)


def listed(client, name="queued"):
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=name)
    return [config for page in pages for config in page["FunctionEventInvokeConfigs"]]


def put(client, **members):
    config = client.put_function_event_invoke_config(**{"FunctionName": "queued", **members})
    assert config.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    return config


def without_config(end):
    return ("ResourceNotFoundException", f"The function {ARN}:{end} doesn't have an EventInvokeConfig", 404)


def test_a_configuration_through_its_whole_life(client):
    config = put(client, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    modified = config.pop("LastModified")
    assert abs(datetime.datetime.now(datetime.timezone.utc) - modified) < datetime.timedelta(minutes=1)
    assert config == {
        "FunctionArn": f"{ARN}:queued:$LATEST", "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
    updated = client.update_function_event_invoke_config(FunctionName="queued", MaximumRetryAttempts=0)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60), "the rest stays"
    read = client.get_function_event_invoke_config(FunctionName="queued")
    assert read["LastModified"] == updated["LastModified"] >= modified
    replaced = put(client, MaximumRetryAttempts=2)
    assert replaced["MaximumRetryAttempts"] == 2 and "MaximumEventAgeInSeconds" not in replaced
    assert [config["FunctionArn"] for config in listed(client)] == [f"{ARN}:queued:$LATEST"]
    deleted = client.delete_function_event_invoke_config(FunctionName="queued")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert listed(client) == []
    for call in (client.get_function_event_invoke_config, client.delete_function_event_invoke_config):
        assert error_of(call, FunctionName="queued") == without_config("queued:$LATEST")


def test_each_version_and_alias_has_its_own(client):
    for members, end in (
        ({"FunctionName": "queued"}, "$LATEST"),
        ({"FunctionName": "queued", "Qualifier": "$LATEST"}, "$LATEST"),
        ({"FunctionName": "queued", "Qualifier": "1"}, "1"),
        ({"FunctionName": "queued:1"}, "1"),
        ({"FunctionName": "queued", "Qualifier": "live"}, "live"),
        ({"FunctionName": f"{ARN}:queued:live"}, "live"),
        ({"FunctionName": f"{ARN}:queued:live", "Qualifier": "live"}, "live"),
    ):
        assert put(client, MaximumRetryAttempts=1, **members)["FunctionArn"] == f"{ARN}:queued:{end}"
    assert [one["FunctionArn"].rsplit(":", 1)[1] for one in listed(client)] == ["$LATEST", "1", "live"]
    first = client.list_function_event_invoke_configs(FunctionName="queued", MaxItems=2)
    second = client.list_function_event_invoke_configs(FunctionName="queued", Marker=first["NextMarker"])
    assert len(first["FunctionEventInvokeConfigs"]) == 2 and len(second["FunctionEventInvokeConfigs"]) == 1
    assert "NextMarker" not in second
    for name, qualifier in (("queued:live", "1"), (f"{ARN}:queued:live", "$LATEST"), ("queued:$LATEST", "1")):
        message = refused(
            client.put_function_event_invoke_config, FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=1
        )
        assert message == MISMATCH


def test_what_is_not_there(client):
    for call in (client.put_function_event_invoke_config, client.update_function_event_invoke_config):
        for members in ({"FunctionName": "nothing"}, {"FunctionName": f"{ARN}:nothing"},
                        {"FunctionName": "queued", "Qualifier": "nobody"}, {"FunctionName": "queued", "Qualifier": "7"}):
            assert error_of(call, MaximumRetryAttempts=1, **members) == NO_FUNCTION
    assert error_of(client.list_function_event_invoke_configs, FunctionName="nothing") == NO_FUNCTION
    for call in (client.get_function_event_invoke_config, client.delete_function_event_invoke_config):
        assert error_of(call, FunctionName="nothing") == without_config("nothing:$LATEST")
        assert error_of(call, FunctionName="queued", Qualifier="nobody") == without_config("queued:nobody")
    update = client.update_function_event_invoke_config
    assert error_of(update, FunctionName="queued", MaximumRetryAttempts=1) == without_config("queued:$LATEST")
    live = error_of(update, FunctionName="queued", Qualifier="live", MaximumRetryAttempts=1)
    assert live == without_config("queued:live")


def test_something_must_be_said(client):
    for call in (client.put_function_event_invoke_config, client.update_function_event_invoke_config):
        message = refused(call, FunctionName="queued")
        assert message == "You must specify at least one of error handling or destination setting."


def test_figures_have_their_limits(client):
    for member, outside, inside in (
        ("MaximumRetryAttempts", (-1, 3), (0, 2)), ("MaximumEventAgeInSeconds", (59, 21_601), (60, 21_600)),
    ):
        for value in outside:
            code, message, status = error_of(
                client.put_function_event_invoke_config, FunctionName="queued", **{member: value}
            )
            assert (code, status) == ("ValidationException", 400)
            assert f"'{value}' at '{member[0].lower()}{member[1:]}'" in message
        for value in inside:
            assert put(client, **{member: value})[member] == value
    code, _, _ = error_of(client.list_function_event_invoke_configs, FunctionName="queued", MaxItems=51)
    assert code == "ValidationException"


def test_destinations(client):
    receiver = f"{ARN}:receiver"
    for destination in (QUEUE, TOPIC, BUS, receiver, f"{receiver}:$LATEST"):
        config = {"OnSuccess": {"Destination": destination}, "OnFailure": {"Destination": destination}}
        assert put(client, DestinationConfig=config)["DestinationConfig"] == config
    config = put(client, DestinationConfig={"OnFailure": {"Destination": BUCKET}})["DestinationConfig"]
    assert config == {"OnSuccess": {}, "OnFailure": {"Destination": BUCKET}}
    updated = client.update_function_event_invoke_config(FunctionName="queued", MaximumRetryAttempts=1)
    assert updated["DestinationConfig"] == config
    updated = client.update_function_event_invoke_config(
        FunctionName="queued", DestinationConfig={"OnFailure": {"Destination": ""}}
    )
    assert updated["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    for empty in ({"OnSuccess": {}}, {"OnFailure": {}}):
        assert put(client, DestinationConfig=empty)["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}


def test_destinations_that_are_none(client):
    def message(**config):
        return refused(client.put_function_event_invoke_config, FunctionName="queued", DestinationConfig=config)

    missing = f"{ARN}:nothing"
    assert message(OnSuccess={"Destination": missing}) == f"The destination ARN {missing} is invalid."
    itself = "You can't specify the function as a destination for itself."
    for end in ("", ":live", ":$LATEST"):
        assert message(OnFailure={"Destination": f"{ARN}:queued{end}"}) == itself
    other = f"arn:aws:iam:{HERE}:function:receiver"
    assert message(OnSuccess={"Destination": other}) == (
        f"The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={other}), onFailure=null) is invalid."
    )
    assert message(OnSuccess={"Destination": BUCKET}).startswith("The provided destination config ")
    code, text, _ = error_of(
        client.put_function_event_invoke_config, FunctionName="queued",
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:_-/!lambda:{HERE}:function:queued"}},
    )
    assert code == "ValidationException" and "at 'destinationConfig.onFailure.destination'" in text


def test_a_configuration_goes_with_its_function(server):
    for _ in range(2):
        function = Function(server, "short-lived", "python3.12", HELLO, "app.handler").ready()
        assert listed(function.client, "short-lived") == []
        function.client.put_function_event_invoke_config(FunctionName="short-lived", MaximumRetryAttempts=1)
        function.delete()


def test_dead_letter_queues_of_functions(deploy):
    function = deploy("python3.12", HELLO, DeadLetterConfig={"TargetArn": QUEUE})
    assert function.created["DeadLetterConfig"] == {"TargetArn": QUEUE}
    client, name = function.client, function.name

    def change(target):
        client.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": target})
        function.updated()
        return client.get_function_configuration(FunctionName=name).get("DeadLetterConfig")

    assert change(TOPIC) == {"TargetArn": TOPIC}
    client.update_function_configuration(FunctionName=name, Description="the target stays")
    function.updated()
    assert client.get_function_configuration(FunctionName=name)["DeadLetterConfig"] == {"TargetArn": TOPIC}
    assert change("") is None
    for target in (BUCKET, BUS, f"{ARN}:{name}"):
        message = refused(
            client.update_function_configuration, FunctionName=name, DeadLetterConfig={"TargetArn": target}
        )
        assert message == f"The dead-letter target {target} is invalid. Specify the ARN of an SQS queue or an SNS topic."
    code, _, _ = error_of(
        client.update_function_configuration, FunctionName=name, DeadLetterConfig={"TargetArn": "dead"}
    )
    assert code == "ValidationException"
