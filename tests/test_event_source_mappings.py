"""Event source mappings are made, read, changed and deleted as Lambda's own clients expect."""

import datetime
import itertools
import json
import re
import socket
import tempfile
import time

import pytest

from support import packages
from support.errors import error_of, refused
from support.server import Function, Server, free_port
from support.wait import until

HELLO = packages.python("def handler(event, context):\n    return 1\n")
HERE = "us-east-1:000000000000"
ARN = f"arn:aws:lambda:{HERE}"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:login"
DEAD = f"arn:aws:sqs:{HERE}:dead"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBERS = itertools.count(1)
#: Where sources are made: the server of the tests.
PLACE = {}
NOT_POLLED = "PROBLEM: this server does not poll sources of this kind yet; no records are processed."
MISSING = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)


@pytest.fixture(scope="module")
def client(server):
    # The server, not the client, is to refuse what is out of range.
    unchecked = server.client("lambda", parameter_validation=False)
    PLACE.update(sqs=server.client("sqs"), kinesis=server.client("kinesis"))
    function = Function(server, "mapped", "python3.12", HELLO, "app.handler", client=unchecked).ready()
    version = function.client.publish_version(FunctionName="mapped")["Version"]
    function.client.create_alias(FunctionName="mapped", Name="live", FunctionVersion=version)
    yield function.client
    until(lambda: all(one["State"] in ("Enabled", "Disabled") for one in listed(function.client)), what="all to settle")
    for mapping in listed(function.client):
        function.client.delete_event_source_mapping(UUID=mapping["UUID"])
    function.delete()


def state_of(client, uuid):
    return client.get_event_source_mapping(UUID=uuid)["State"]


def settled(client, uuid, state=("Enabled", "Disabled")):
    until(lambda: state_of(client, uuid) in state, what=f"the mapping to be {state}")
    mapping = client.get_event_source_mapping(UUID=uuid)
    mapping.pop("ResponseMetadata")
    return mapping


def tells_what_is_wrong(client, uuid, kind):
    """The tables and brokers of these tests are not there, and sources of other kinds are not polled."""
    def result():
        return client.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]

    if kind in ("sqs", "fifo", "kinesis"):
        assert result() == "No records processed"
    elif kind == "mq":
        until(lambda: result().startswith("PROBLEM: this server knows no broker "), 20, "the missing broker to be told")
    elif kind in ("msk", "kafka"):
        said = ("PROBLEM: this server was built without Kafka", "PROBLEM: this server knows no Kafka ")
        until(lambda: result().startswith(said), 20, "the missing Kafka to be told")
    elif kind == "dynamodb":
        until(lambda: result().startswith("PROBLEM: no endpoint for "), 20, "the missing endpoint to be told")
    else:
        assert result() == NOT_POLLED


def make_queue(name, sqs=None):
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    return (sqs or PLACE["sqs"]).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def source(kind):
    """Members that name a fresh source of a kind, and nothing else that has a default. Queues and streams of Kinesis are made."""
    number = next(NUMBERS)
    if kind in ("sqs", "fifo"):
        make_queue(f"source-{number}" + (".fifo" if kind == "fifo" else ""))
    if kind == "kinesis":
        PLACE["kinesis"].create_stream(StreamName=f"source-{number}", ShardCount=1)
    stream = {"StartingPosition": "LATEST"}
    basic = {"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": SECRET}]}
    return {
        "sqs": {"EventSourceArn": f"arn:aws:sqs:{HERE}:source-{number}"},
        "fifo": {"EventSourceArn": f"arn:aws:sqs:{HERE}:source-{number}.fifo"},
        "kinesis": {"EventSourceArn": f"arn:aws:kinesis:{HERE}:stream/source-{number}", **stream},
        "dynamodb": {
            "EventSourceArn": f"arn:aws:dynamodb:{HERE}:table/table-{number}/stream/2026-01-01T00:00:00.000", **stream,
        },
        "msk": {"EventSourceArn": f"arn:aws:kafka:{HERE}:cluster/c-{number}/abc-1", "Topics": ["news"], **stream},
        "kafka": {
            "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": [f"broker-{number}:9092"]}},
            "Topics": ["news"], **stream,
        },
        "mq": {"EventSourceArn": f"arn:aws:mq:{HERE}:broker:b:b-{number}", "Queues": ["jobs"], **basic},
        "documentdb": {
            "EventSourceArn": f"arn:aws:rds:{HERE}:cluster:docs-{number}", **stream, **basic,
            "DocumentDBEventSourceConfig": {"DatabaseName": "shop"},
        },
    }[kind]


KINDS = ["sqs", "fifo", "kinesis", "dynamodb", "msk", "kafka", "mq", "documentdb"]


def create(client, kind, **members):
    return client.create_event_source_mapping(**{"FunctionName": "mapped", **source(kind), **members})


def refusal(client, kind, **members):
    return refused(client.create_event_source_mapping, **{"FunctionName": "mapped", **source(kind), **members})


def test_a_queue_through_its_whole_life(client):
    members = source("sqs")
    created = client.create_event_source_mapping(FunctionName="mapped", **members)
    uuid = created["UUID"]
    assert created.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    assert UUID.fullmatch(uuid)
    modified = created.pop("LastModified")
    assert isinstance(modified, datetime.datetime)
    assert abs(datetime.datetime.now(datetime.timezone.utc) - modified) < datetime.timedelta(minutes=1)
    assert created == {
        "UUID": uuid,
        "EventSourceMappingArn": f"{ARN}:event-source-mapping:{uuid}",
        "EventSourceArn": members["EventSourceArn"],
        "FunctionArn": f"{ARN}:function:mapped",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "LastProcessingResult": "No records processed",
    }
    settled(client, uuid, ["Enabled"])

    updated = client.update_event_source_mapping(UUID=uuid, Enabled=False)
    assert updated["ResponseMetadata"]["HTTPStatusCode"] == 202 and updated["State"] == "Disabling"
    settled(client, uuid, ["Disabled"])
    assert client.update_event_source_mapping(UUID=uuid, BatchSize=5)["State"] == "Updating"
    assert settled(client, uuid, ["Disabled"])["BatchSize"] == 5
    assert client.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    settled(client, uuid, ["Enabled"])

    deleted = client.delete_event_source_mapping(UUID=uuid)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 202 and deleted["State"] == "Deleting"
    until(lambda: uuid not in [one["UUID"] for one in listed(client)], what="the mapping to be gone")
    for call in (client.get_event_source_mapping, client.update_event_source_mapping, client.delete_event_source_mapping):
        assert error_of(call, UUID=uuid) == MISSING
    again = client.create_event_source_mapping(FunctionName="mapped", **members)
    assert again["UUID"] != uuid, "the pair is free again"


def listed(client, **members):
    pages = client.get_paginator("list_event_source_mappings").paginate(**members)
    return [mapping for page in pages for mapping in page["EventSourceMappings"]]


def test_a_stream_has_its_members_and_their_defaults(client):
    members = source("kinesis")
    created = client.create_event_source_mapping(FunctionName="mapped", **members)
    for name in ("ResponseMetadata", "UUID", "EventSourceMappingArn", "LastModified"):
        created.pop(name)
    assert created == {
        "EventSourceArn": members["EventSourceArn"],
        "FunctionArn": f"{ARN}:function:mapped",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "DestinationConfig": {"OnFailure": {}},
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "BisectBatchOnFunctionError": False,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "State": "Creating",
        "StateTransitionReason": "User action",
        "LastProcessingResult": "No records processed",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_can_be_mapped(client, kind):
    members = source(kind)
    mapping = settled(client, client.create_event_source_mapping(FunctionName="mapped", **members)["UUID"])
    assert mapping["State"] == "Enabled"
    tells_what_is_wrong(client, mapping["UUID"], kind)
    assert mapping["BatchSize"] == (10 if kind in ("sqs", "fifo") else 100)
    for name, value in members.items():
        if name != "DocumentDBEventSourceConfig":
            assert mapping[name] == value
    if kind in ("msk", "kafka", "mq", "documentdb"):
        assert "MaximumBatchingWindowInSeconds" not in mapping, "half a second is not a number of seconds"
    if kind == "documentdb":
        assert mapping["DocumentDBEventSourceConfig"] == {"DatabaseName": "shop", "FullDocument": "Default"}
    if kind == "msk":
        assert mapping["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": mapping["UUID"]}
    if kind == "kafka":
        assert mapping["SelfManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": mapping["UUID"]}


def test_a_mapping_can_be_made_switched_off(client):
    uuid = create(client, "sqs", Enabled=False)["UUID"]
    assert settled(client, uuid)["State"] == "Disabled"


def test_every_setting_is_kept(client):
    pattern = json.dumps({"body": {"status": ["new", {"prefix": "re"}]}})
    queue = {
        "BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 300, "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"], "ScalingConfig": {"MaximumConcurrency": 1000},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }
    stream = {
        "BatchSize": 1, "MaximumBatchingWindowInSeconds": 1,
        "MaximumRecordAgeInSeconds": 604_800, "MaximumRetryAttempts": 10_000, "BisectBatchOnFunctionError": True,
        "TumblingWindowInSeconds": 900, "DestinationConfig": {"OnFailure": {"Destination": DEAD}},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    lanes = {"ParallelizationFactor": 10}
    message = refusal(client, "kinesis", **stream, **lanes)
    assert message == "ParallelizationFactor must be 1 with TumblingWindowInSeconds."
    kafka = {
        "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "readers"},
        "ProvisionedPollerConfig": {"MinimumPollers": 1, "MaximumPollers": 2000, "PollerGroupName": "shared"},
        "DestinationConfig": {"OnFailure": {"Destination": DEAD}}, "LoggingConfig": {"SystemLogLevel": "INFO"},
        "SourceAccessConfigurations": [{"Type": "SASL_SCRAM_512_AUTH", "URI": SECRET}],
    }
    documents = {
        "DocumentDBEventSourceConfig": {"DatabaseName": "shop", "CollectionName": "orders", "FullDocument": "UpdateLookup"},
    }
    for kind, members in (("sqs", queue), ("kinesis", stream), ("dynamodb", lanes), ("msk", kafka), ("documentdb", documents)):
        mapping = settled(client, create(client, kind, **members)["UUID"])
        assert {name: mapping[name] for name in members} == members


def test_an_update_changes_what_it_names_and_an_empty_member_takes_away(client):
    pattern = {"Filters": [{"Pattern": '{"a":["b"]}'}]}
    uuid = create(client, "sqs", FilterCriteria=pattern, ScalingConfig={"MaximumConcurrency": 2}, BatchSize=3)["UUID"]
    settled(client, uuid)
    client.update_event_source_mapping(UUID=uuid, FunctionResponseTypes=["ReportBatchItemFailures"])
    mapping = settled(client, uuid)
    assert mapping["FilterCriteria"] == pattern and mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["BatchSize"] == 3 and mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    client.update_event_source_mapping(UUID=uuid, FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[])
    mapping = settled(client, uuid)
    assert "FilterCriteria" not in mapping and "ScalingConfig" not in mapping and mapping["FunctionResponseTypes"] == []

    uuid = create(client, "kinesis", DestinationConfig={"OnFailure": {"Destination": DEAD}})["UUID"]
    settled(client, uuid)
    client.update_event_source_mapping(UUID=uuid, DestinationConfig={"OnFailure": {"Destination": ""}})
    assert settled(client, uuid)["DestinationConfig"] == {"OnFailure": {}}


def test_the_function_may_be_a_version_or_an_alias_and_must_exist(client):
    for name, end in (("mapped:live", ":live"), (f"{ARN}:function:mapped:1", ":1"), ("function:mapped", "")):
        created = create(client, "sqs", FunctionName=name)
        assert created["FunctionArn"] == f"{ARN}:function:mapped{end}"
    for name in ("nothing", "mapped:7", "mapped:nobody"):
        assert refusal(client, "sqs", FunctionName=name) == "Function does not exist"
    uuid = create(client, "sqs")["UUID"]
    settled(client, uuid)
    assert refused(client.update_event_source_mapping, UUID=uuid, FunctionName="nothing") == "Function does not exist"
    client.update_event_source_mapping(UUID=uuid, FunctionName="mapped:live")
    assert settled(client, uuid)["FunctionArn"] == f"{ARN}:function:mapped:live"


def test_a_source_is_joined_with_a_function_once(client):
    for kind, text in (
        ("sqs", 'An event source mapping with SQS arn (" {} ") and function (" mapped ") already exists.'),
        ("kinesis", 'The event source arn (" {} ") and function (" mapped ") provided mapping already exists.'),
    ):
        members = source(kind)
        uuid = client.create_event_source_mapping(FunctionName="mapped", **members)["UUID"]
        expected = text.format(members["EventSourceArn"])
        expected = f"{expected} Please update or delete the existing mapping with UUID {uuid}"
        again = error_of(client.create_event_source_mapping, FunctionName="mapped", **members)
        assert again == ("ResourceConflictException", expected, 409)
        other = client.create_event_source_mapping(FunctionName="mapped:live", **members)["UUID"]
        settled(client, other)
        moved = error_of(client.update_event_source_mapping, UUID=other, FunctionName="mapped")
        assert moved == ("ResourceConflictException", expected, 409)


def test_sources_that_are_none(client):
    unrecognized = "Unrecognized event source."
    assert refused(client.create_event_source_mapping, FunctionName="nothing") == unrecognized
    topic = f"arn:aws:sns:{HERE}:news"
    assert refused(client.create_event_source_mapping, FunctionName="mapped", EventSourceArn=topic) == unrecognized
    both = {**source("kafka"), **source("sqs")}
    assert "cannot be specified together" in refused(client.create_event_source_mapping, FunctionName="mapped", **both)


def test_starting_positions(client):
    def null(member):
        return f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null."

    for kind in ("kinesis", "dynamodb", "msk", "kafka", "documentdb"):
        members = source(kind)
        members.pop("StartingPosition")
        message = refused(client.create_event_source_mapping, FunctionName="mapped", **members)
        assert message == null("startingPosition")
    assert refusal(client, "sqs", StartingPosition="LATEST") == "StartingPosition is not valid for SQS event sources."
    at = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    message = refusal(client, "kinesis", StartingPosition="LATEST", StartingPositionTimestamp=at)
    assert message == "Timestamp only valid with StartingPosition AT_TIMESTAMP"
    message = refusal(client, "dynamodb", StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=at)
    assert message.startswith("Unsupported starting position for arn type: arn:aws:dynamodb:")
    message = refusal(client, "kinesis", StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp="-1")
    assert message == (
        "Received Exception while reading from provided stream. class java.lang.Long can not be converted to a Timestamp"
    )
    assert refusal(client, "kinesis", StartingPosition="AT_TIMESTAMP") == null("startingPositionTimestamp")
    mapping = create(client, "kinesis", StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=at)
    assert mapping["StartingPositionTimestamp"] == at
    code, message, _ = error_of(client.create_event_source_mapping, FunctionName="mapped", EventSourceArn=source("kinesis")["EventSourceArn"], StartingPosition="0")
    assert code == "ValidationException" and "at 'startingPosition' failed to satisfy constraint" in message


@pytest.mark.parametrize(("kind", "name", "members"), [
    ("sqs", "SQS", {"ParallelizationFactor": 2}),
    ("sqs", "SQS", {"DestinationConfig": {"OnFailure": {"Destination": DEAD}}}),
    ("fifo", "SQS", {"MaximumRetryAttempts": 1}),
    ("sqs", "SQS", {"MaximumRecordAgeInSeconds": 60}),
    ("sqs", "SQS", {"BisectBatchOnFunctionError": True}),
    ("sqs", "SQS", {"TumblingWindowInSeconds": 1}),
    ("sqs", "SQS", {"Topics": ["news"]}),
    ("sqs", "SQS", {"LoggingConfig": {"SystemLogLevel": "INFO"}}),
    ("kinesis", "Kinesis", {"ScalingConfig": {"MaximumConcurrency": 2}}),
    ("kinesis", "Kinesis", {"ProvisionedPollerConfig": {"MinimumPollers": 2}}),
    ("dynamodb", "DynamoDB", {"Queues": ["jobs"]}),
    ("dynamodb", "DynamoDB", {"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": SECRET}]}),
    ("msk", "Amazon MSK", {"SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "readers"}}),
    ("kafka", "self-managed Apache Kafka", {"AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "readers"}}),
    ("mq", "Amazon MQ", {"FunctionResponseTypes": ["ReportBatchItemFailures"]}),
    ("documentdb", "DocumentDB", {"ParallelizationFactor": 2}),
    ("kinesis", "Kinesis", {"DocumentDBEventSourceConfig": {"DatabaseName": "shop"}}),
])
def test_members_of_another_kind_are_refused(client, kind, name, members):
    member = next(iter(members))
    assert refusal(client, kind, **members) == f"{member} is not valid for {name} event sources."


def test_members_of_another_kind_are_refused_in_updates(client):
    uuid = create(client, "sqs")["UUID"]
    settled(client, uuid)
    message = refused(client.update_event_source_mapping, UUID=uuid, ParallelizationFactor=2)
    assert message == "ParallelizationFactor is not valid for SQS event sources."


def test_batches_and_windows_of_queues(client):
    window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    assert refusal(client, "sqs", BatchSize=11) == window
    create(client, "sqs", BatchSize=11, MaximumBatchingWindowInSeconds=1)
    create(client, "sqs", BatchSize=10)
    assert refusal(client, "fifo", BatchSize=11) == "Batch size must not exceed 10 for FIFO queues"
    assert refusal(client, "fifo", MaximumBatchingWindowInSeconds=1) == "Batching window is not supported for FIFO queues"
    create(client, "fifo", BatchSize=10)
    uuid = create(client, "sqs")["UUID"]
    settled(client, uuid)
    assert refused(client.update_event_source_mapping, UUID=uuid, BatchSize=11) == window
    assert settled(client, uuid)["BatchSize"] == 10
    create(client, "kinesis", BatchSize=10_000)


@pytest.mark.parametrize(("kind", "member", "outside", "inside"), [
    ("kinesis", "BatchSize", (0, 10_001), (1, 10_000)),
    ("kinesis", "MaximumBatchingWindowInSeconds", (-1, 301), (0, 300)),
    ("kinesis", "ParallelizationFactor", (0, 11), (1, 10)),
    ("kinesis", "MaximumRecordAgeInSeconds", (-2, 604_801), (-1, 60, 604_800)),
    ("kinesis", "MaximumRetryAttempts", (-2, 10_001), (-1, 0, 10_000)),
    ("kinesis", "TumblingWindowInSeconds", (-1, 901), (0, 900)),
])
def test_figures_have_their_limits(client, kind, member, outside, inside):
    for value in outside:
        code, message, status = error_of(
            client.create_event_source_mapping, FunctionName="mapped", **source(kind), **{member: value}
        )
        assert (code, status) == ("ValidationException", 400)
        assert f"'{value}' at '{member[0].lower()}{member[1:]}'" in message
    for value in inside:
        assert create(client, kind, **{member: value})[member] == value


def test_the_age_of_records_starts_at_a_minute(client):
    for age in (0, 59):
        assert refusal(client, "kinesis", MaximumRecordAgeInSeconds=age) == "MaximumRecordAgeInSeconds must be -1 or at least 60."


def test_concurrency_and_pollers(client):
    for value in (1, 1001):
        code, _, _ = error_of(
            client.create_event_source_mapping, FunctionName="mapped", **source("sqs"), ScalingConfig={"MaximumConcurrency": value}
        )
        assert code == "ValidationException"
    create(client, "sqs", ScalingConfig={"MaximumConcurrency": 2})
    message = refusal(client, "sqs", ScalingConfig={"MaximumConcurrency": 2}, ProvisionedPollerConfig={"MinimumPollers": 2})
    assert message == "MaximumConcurrency and ProvisionedPollerConfig cannot be specified together."
    pollers = create(client, "sqs", ProvisionedPollerConfig={"MinimumPollers": 3})["ProvisionedPollerConfig"]
    assert pollers == {"MinimumPollers": 3, "MaximumPollers": 200}
    pollers = create(client, "msk", ProvisionedPollerConfig={"MaximumPollers": 5})["ProvisionedPollerConfig"]
    assert pollers == {"MinimumPollers": 1, "MaximumPollers": 5}
    create(client, "sqs", ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 10_000})
    for kind, config in (
        ("sqs", {"MinimumPollers": 1}), ("msk", {"MaximumPollers": 2001}), ("sqs", {"MinimumPollers": 9, "MaximumPollers": 8}),
    ):
        assert "MinimumPollers" in refusal(client, kind, ProvisionedPollerConfig=config)


def test_filters_are_patterns(client):
    good = [{"Pattern": json.dumps({"a": [number]})} for number in range(11)]
    create(client, "sqs", FilterCriteria={"Filters": good[:10]})
    assert "at most 10 filters" in refusal(client, "sqs", FilterCriteria={"Filters": good})
    for pattern in ("text", "[]", "{}", '{"a":"b"}', '{"a":[]}', '{"a":["b"}', '{"a":[{"begins":"b"}]}', ""):
        message = refusal(client, "sqs", FilterCriteria={"Filters": [{"Pattern": pattern}]})
        assert message == "Invalid filter pattern definition.", pattern
    long = {"Filters": [{"Pattern": json.dumps({"a": ["x" * 4096]})}]}
    code, _, _ = error_of(client.create_event_source_mapping, FunctionName="mapped", **source("sqs"), FilterCriteria=long)
    assert code == "ValidationException"


def test_destinations_of_streams(client):
    for destination in (DEAD, f"arn:aws:sns:{HERE}:news", "arn:aws:s3:::dead"):
        config = {"OnFailure": {"Destination": destination}}
        assert create(client, "kinesis", DestinationConfig=config)["DestinationConfig"] == config
    for destination in (f"{ARN}:function:mapped", "kafka://dead", f"arn:aws:iam:{HERE}:role"):
        message = refusal(client, "kinesis", DestinationConfig={"OnFailure": {"Destination": destination}})
        assert message == (
            "The provided destination config DestinationConfig(onSuccess=null, "
            f"onFailure=OnFailure(destination={destination})) is invalid."
        )
    message = refusal(client, "kinesis", DestinationConfig={"OnSuccess": {"Destination": DEAD}})
    assert "onSuccess=OnSuccess(destination=" in message


def test_what_a_kind_must_have(client):
    def null(member):
        return f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null."

    for kind, member, path in (
        ("msk", "Topics", "topics"), ("mq", "Queues", "queues"),
        ("documentdb", "DocumentDBEventSourceConfig", "documentDBEventSourceConfig"),
    ):
        members = source(kind)
        members.pop(member)
        assert refused(client.create_event_source_mapping, FunctionName="mapped", **members) == null(path)
    virtual = [{"Type": "VIRTUAL_HOST", "URI": "/"}]
    assert "VIRTUAL_HOST is not valid for DocumentDB" in refusal(client, "documentdb", SourceAccessConfigurations=virtual)
    assert "KMSKeyArn" in refusal(client, "sqs", KMSKeyArn=f"arn:aws:kms:{HERE}:key/1")


def test_what_kafka_has_and_is_not_supported(client):
    members = source("kafka")
    members.pop("StartingPosition")
    queue = {"SelfManagedKafkaEventSourceConfig": {"ConsumptionMode": "Queue"}}
    message = refused(client.create_event_source_mapping, FunctionName="mapped", **members, **queue)
    assert message.startswith("ConsumptionMode Queue is not supported: ")
    registry = {
        "SchemaRegistryURI": "https://registry.example", "EventRecordFormat": "JSON",
        "AccessConfigs": [{"Type": "BASIC_AUTH", "URI": SECRET}], "SchemaValidationConfigs": [{"Attribute": "VALUE"}],
    }
    for kind, config in (("msk", "AmazonManagedKafkaEventSourceConfig"), ("kafka", "SelfManagedKafkaEventSourceConfig")):
        message = refusal(client, kind, **{config: {"SchemaRegistryConfig": registry}})
        assert message.startswith("SchemaRegistryConfig is not supported: ")
        message = refusal(client, kind, DestinationConfig={"OnFailure": {"Destination": "kafka://dead"}})
        assert message.startswith("A Kafka topic as the destination of records that are given up is not supported")
    mapping = create(client, "kafka", SelfManagedKafkaEventSourceConfig={"ConsumptionMode": "Stream", "SchemaRegistryConfig": {}})
    settled(client, mapping["UUID"])
    for changed, message in (
        ({"ConsumerGroupId": "others"}, "ConsumerGroupId cannot be changed."),
        ({"ConsumptionMode": "Queue"}, "ConsumptionMode cannot be changed."),
    ):
        said = refused(client.update_event_source_mapping, UUID=mapping["UUID"], SelfManagedKafkaEventSourceConfig=changed)
        assert said == message


def test_unknown_uuids(client):
    for uuid in ("00000000-0000-0000-0000-000000000000", "x" * 36):
        for call in (client.get_event_source_mapping, client.update_event_source_mapping, client.delete_event_source_mapping):
            assert error_of(call, UUID=uuid) == MISSING


def test_tags_come_with_the_creation(client):
    mapping = create(client, "sqs", Tags={"team": "green"})
    assert client.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"] == {"team": "green"}
    too_many = {f"key-{number}": "" for number in range(51)}
    assert refusal(client, "sqs", Tags=too_many) == "Number of tags exceeds resource tag limit."


def test_lists_are_filtered_and_paged():
    with Server() as server:
        function = Function(server, "listed", "python3.12", HELLO, "app.handler").ready()
        client = function.client
        version = client.publish_version(FunctionName="listed")["Version"]
        assert client.list_event_source_mappings()["EventSourceMappings"] == []
        sqs = server.client("sqs")
        for number in range(101):
            make_queue(f"source-{number}", sqs)
        arns = [f"arn:aws:sqs:{HERE}:source-{number}" for number in range(101)]
        uuids = [client.create_event_source_mapping(FunctionName="listed", EventSourceArn=arn)["UUID"] for arn in arns]
        other = client.create_event_source_mapping(FunctionName=f"listed:{version}", EventSourceArn=arns[0])["UUID"]
        first = client.list_event_source_mappings()
        assert len(first["EventSourceMappings"]) == 100
        second = client.list_event_source_mappings(Marker=first["NextMarker"])
        assert "NextMarker" not in second
        found = [one["UUID"] for one in first["EventSourceMappings"] + second["EventSourceMappings"]]
        assert sorted(found) == sorted([*uuids, other])
        assert len(client.list_event_source_mappings(MaxItems=10_000)["EventSourceMappings"]) == 100
        assert len(client.list_event_source_mappings(MaxItems=1)["EventSourceMappings"]) == 1

        def uuids_of(**members):
            return {one["UUID"] for one in listed(client, **members)}

        assert uuids_of(EventSourceArn=arns[0]) == {uuids[0], other}
        assert uuids_of(FunctionName=f"listed:{version}") == {other}
        assert uuids_of(FunctionName="listed", EventSourceArn=arns[0]) == {uuids[0]}
        assert uuids_of(FunctionName="listed") == set(uuids)
        assert uuids_of(EventSourceArn=f"arn:aws:sqs:{HERE}:none") == set()
        assert listed(server.client("lambda", region="eu-west-1")) == []
        code, _, status = error_of(client.list_event_source_mappings, MaxItems=10_001)
        assert (code, status) == ("ValidationException", 400)
        assert refused(client.list_event_source_mappings, Marker="?").startswith("The Marker")


def test_a_transition_survives_the_end_of_the_server():
    with tempfile.TemporaryDirectory(prefix="tindra-test-") as directory:
        server = Server(data=directory).start()
        function = Function(server, "cut", "python3.12", HELLO, "app.handler").ready()
        client = function.client
        arn = f"arn:aws:sqs:{HERE}:cut"
        make_queue("cut", server.client("sqs"))
        uuid = client.create_event_source_mapping(FunctionName="cut", EventSourceArn=arn)["UUID"]
        server.kill()
        server.start()
        assert settled(client, uuid)["State"] == "Enabled"
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        server.kill()
        server.start()
        assert settled(client, uuid)["State"] == "Disabled"
        client.delete_event_source_mapping(UUID=uuid)
        server.kill()
        server.start()
        until(lambda: listed(client) == [], what="the mapping to be gone")
        client.create_event_source_mapping(FunctionName="cut", EventSourceArn=arn)
        server.stop()


def test_a_mapping_outlives_its_function(server):
    function = Function(server, "short-lived", "python3.12", HELLO, "app.handler").ready()
    uuid = create(function.client, "sqs", FunctionName="short-lived")["UUID"]
    function.delete()
    assert settled(function.client, uuid)["FunctionArn"] == f"{ARN}:function:short-lived"
    function.client.delete_event_source_mapping(UUID=uuid)


NO_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)


def test_a_source_must_be_there(client):
    for kind in ("sqs", "fifo"):
        suffix = ".fifo" if kind == "fifo" else ""
        assert refusal(client, kind, EventSourceArn=f"arn:aws:sqs:{HERE}:nowhere{suffix}") == NO_QUEUE
    for arn in (f"arn:aws:kinesis:{HERE}:stream/nowhere", f"arn:aws:kinesis:{HERE}:stream/nowhere/consumer/one:1"):
        assert refusal(client, "kinesis", EventSourceArn=arn) == f"Stream not found: {arn}"
    assert listed(client, EventSourceArn=f"arn:aws:sqs:{HERE}:nowhere") == []


def test_what_has_gone_can_be_switched_off_and_not_on_again(client):
    for kind, words in (("sqs", NO_QUEUE), ("kinesis", "Stream not found: ")):
        members = source(kind)
        uuid = client.create_event_source_mapping(FunctionName="mapped", **members)["UUID"]
        settled(client, uuid)
        name = re.split("[:/]", members["EventSourceArn"])[-1]
        if kind == "sqs":
            PLACE["sqs"].delete_queue(QueueUrl=PLACE["sqs"].get_queue_url(QueueName=name)["QueueUrl"])
        else:
            PLACE["kinesis"].delete_stream(StreamName=name)
            until(lambda: name not in PLACE["kinesis"].list_streams(Limit=1000)["StreamNames"], 20, "the stream to be gone")
        assert refused(client.update_event_source_mapping, UUID=uuid, BatchSize=7).startswith(words)
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        settled(client, uuid, ["Disabled"])
        assert refused(client.update_event_source_mapping, UUID=uuid, Enabled=True).startswith(words)
        client.delete_event_source_mapping(UUID=uuid)


def test_brokers_are_for_functions_of_fourteen_minutes(server, client):
    function = Function(server, "long", "python3.12", HELLO, "app.handler", client=client, Timeout=841).ready()
    for kind, name in (("mq", "Amazon MQ"), ("msk", "Amazon MSK"), ("kafka", "self-managed Apache Kafka"), ("documentdb", "DocumentDB")):
        message = refusal(client, kind, FunctionName="long")
        assert message == f"Function timeout: 841 seconds is greater than the maximum of 840 seconds for {name} event sources"
    uuid = create(client, "mq")["UUID"]
    settled(client, uuid)
    assert "841 seconds" in refused(client.update_event_source_mapping, UUID=uuid, FunctionName="long")
    assert "Queue visibility timeout: 30" in refusal(client, "sqs", FunctionName="long")
    create(client, "kinesis", FunctionName="long")
    client.update_function_configuration(FunctionName="long", Timeout=840)
    function.updated()
    create(client, "mq", FunctionName="long")
    client.update_function_configuration(FunctionName="long", Timeout=900)
    function.updated()
    for mapping in listed(client, FunctionName="long"):
        settled(client, mapping["UUID"])
        client.delete_event_source_mapping(UUID=mapping["UUID"])
    function.delete()


def test_a_source_that_cannot_be_asked_is_no_reason_to_refuse():
    """What is elsewhere may come up later; whoever makes a mapping does not wait for it for long."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(16)  # connections are made, and nothing answers
        silent, closed = f"http://127.0.0.1:{deaf.getsockname()[1]}", f"http://127.0.0.1:{free_port()}"
        config = f'sqs_endpoint = "{silent}"\nkinesis_endpoint = "{silent}"\ndynamodb_streams_endpoint = "{closed}"\n'
        with Server(config=config, environment={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}, arguments=["--grace-period-s", "1"]) as server:
            function = Function(server, "far", "python3.12", HELLO, "app.handler").ready()
            for arn, position in (
                (f"arn:aws:sqs:{HERE}:later", {}), (f"arn:aws:kinesis:{HERE}:stream/later", {"StartingPosition": "LATEST"}),
                (f"arn:aws:dynamodb:{HERE}:table/later/stream/2026-01-01T00:00:00.000", {"StartingPosition": "LATEST"}),
            ):
                began = time.monotonic()
                uuid = function.client.create_event_source_mapping(FunctionName="far", EventSourceArn=arn, **position)["UUID"]
                assert time.monotonic() - began < 8, arn
                settled(function.client, uuid, ["Enabled"])

                def result():
                    return function.client.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]

                until(lambda: result().startswith("PROBLEM: ") and result(), 60, f"the problem with {arn}", 0.1)
