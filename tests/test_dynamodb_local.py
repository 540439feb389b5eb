"""Streams of tables run functions: tables of DynamoDB Local, which is AWS's own."""

import json

import pytest

from support.local_queues import LocalQueue
from support.moto import KEYS
from support.peers import DynamoDbLocal
from support.server import Server
from support.streams import Mapped, Table
from support.wait import until

pytestmark = pytest.mark.beside


@pytest.fixture(scope="module")
def dynamodb():
    with DynamoDbLocal() as running:
        yield running


@pytest.fixture(scope="module")
def reading(dynamodb):
    """A server whose tables are DynamoDB Local's; its queues are its own."""
    with Server(config=dynamodb.config(), environment=KEYS) as server:
        yield server


@pytest.fixture
def table(dynamodb):
    return Table(dynamodb.client())


@pytest.fixture
def mapped():
    made = []

    def make(*arguments, **members):
        made.append(Mapped(*arguments, **members))
        return made[-1]

    yield make
    for one in made:
        if one.server.process is not None:
            one.end()


def ids(batch):
    return [one["id"] for one in batch["data"]]


def every_id(function):
    return [one["id"] for one in function.data()]


def test_changes_come_whole_and_in_their_order_from_the_first_on(reading, table, mapped):
    table.put("a", text="one")
    function = mapped(reading, table.arn)
    function.handled(1)
    table.put("a", text="two")
    table.remove("a")
    function.handled(3)
    records = [record for batch in function.batches() for record in batch["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    images = [(record["dynamodb"].get("OldImage", {}).get("text"), record["dynamodb"].get("NewImage", {}).get("text")) for record in records]
    assert images == [(None, {"S": "one"}), ({"S": "one"}, {"S": "two"}), ({"S": "two"}, None)]
    for record in records:
        assert record["eventSource"] == "aws:dynamodb" and record["eventSourceARN"] == table.arn and record["awsRegion"] == "us-east-1"
        assert record["eventVersion"] == "1.1" and record["eventID"]
        change = record["dynamodb"]
        assert change["Keys"] == {"id": {"S": "a"}} and change["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert change["SequenceNumber"].isdigit() and change["SizeBytes"] > 0
        assert isinstance(change["ApproximateCreationDateTime"], (int, float)) and 1.7e9 < change["ApproximateCreationDateTime"] < 4e9
    until(lambda: function.result() == "OK", 5, "the result")


def test_values_of_every_type_come_through(reading, table, mapped):
    item = {
        "id": {"S": "all"}, "n": {"N": "12345678901234567890.5"}, "b": {"B": b"\x00\xff"}, "yes": {"BOOL": True}, "none": {"NULL": True},
        "list": {"L": [{"S": "x"}, {"N": "1"}]}, "map": {"M": {"deep": {"M": {"er": {"B": b"\x01"}}}}},
        "ss": {"SS": ["p", "q"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"\x02"]},
    }
    table.dynamodb.put_item(TableName=table.name, Item=item)
    function = mapped(reading, table.arn)
    function.handled(1)
    image = function.batches()[0]["Records"][0]["dynamodb"]["NewImage"]
    image["ss"]["SS"].sort(), image["ns"]["NS"].sort()
    assert image == {**item, "b": {"B": "AP8="}, "map": {"M": {"deep": {"M": {"er": {"B": "AQ=="}}}}}, "bs": {"BS": ["Ag=="]}}


def test_the_latest_are_those_after_the_mapping(reading, table, mapped):
    table.put("before")
    function = mapped(reading, table.arn, StartingPosition="LATEST")
    until(lambda: [one["state"] for one in function.sources()["shards"]] == ["reading"], 20, "the shard to be read")

    def is_heard():
        table.put("after", text=str(len(function.batches())))
        table.remove("after")
        return function.data()

    assert {one["id"] for one in until(is_heard, 20, "a change", 0.3)} == {"after"}


def test_batches_are_as_large_as_they_may_be(reading, table, mapped):
    for number in range(25):
        table.put(f"{number:02}")
    function = mapped(reading, table.arn, BatchSize=10, MaximumBatchingWindowInSeconds=2)
    function.handled(25)
    assert [len(batch["data"]) for batch in function.batches()] == [10, 10, 5]
    assert every_id(function) == [f"{number:02}" for number in range(25)]


def test_a_poisoned_change_is_bisected_out_and_told(reading, table, mapped):
    told = LocalQueue(reading, "given-up-changes")
    for id, members in (("1", {}), ("2", {}), ("3", {"fails": "batch"}), ("4", {})):
        table.put(id, **members)
    function = mapped(
        reading, table.arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": told.arn}})
    [record] = until(told.records, 40, "the record of what was given up", 0.1)
    until(lambda: "4" in ids(function.batches()[-1]), 20, "what follows it", 0.1)
    assert [ids(batch) for batch in function.batches()] == [["1", "2", "3", "4"], ["1", "2"], ["3", "4"], ["3"], ["4"]]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    [poisoned] = function.batches()[3]["Records"]
    info = record["DDBStreamBatchInfo"]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == poisoned["dynamodb"]["SequenceNumber"]
    assert info["batchSize"] == 1 and info["streamArn"] == table.arn and info["shardId"].startswith("shardId-")


def test_partial_failures_go_on_where_they_failed(reading, table, mapped):
    told = LocalQueue(reading, "given-up-in-part")
    for id, members in (("1", {}), ("2", {"fails": "item"}), ("3", {})):
        table.put(id, **members)
    function = mapped(
        reading, table.arn, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1, BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": told.arn}})
    [record] = until(told.records, 40, "the record of what was given up", 0.1)
    until(lambda: "3" in every_id(function)[-1:], 20, "what follows it", 0.1)
    assert [ids(batch) for batch in function.batches()][:2] == [["1", "2", "3"], ["2", "3"]]
    assert every_id(function).count("1") == 1, "what was done is not done again"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1


def test_filters_look_at_keys_and_images(reading, table, mapped):
    for id, text in (("wanted", "no"), ("other", "no"), ("third", "yes")):
        table.put(id, text=text)
    patterns = [{"dynamodb": {"Keys": {"id": {"S": ["wanted"]}}}}, {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"text": {"S": ["yes"]}}}}]
    function = mapped(reading, table.arn, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]})
    assert [one["id"] for one in function.handled(2)] == ["wanted", "third"]


def test_windows_keep_a_state(reading, table, mapped):
    function = mapped(reading, table.arn, TumblingWindowInSeconds=2, BatchSize=2)
    for number in range(5):
        table.put(str(number))

    def final():
        return [batch for batch in function.batches() if batch["isFinalInvokeForWindow"]]

    until(lambda: sum(batch["state"].get("count", 0) for batch in final()) == 5, 60, "the windows to end", 0.1)
    for batch in function.batches():
        assert batch["window"]["end"] > batch["window"]["start"] and batch["eventSourceARN"] == table.arn


def test_a_position_survives_kills(dynamodb, table, mapped):
    with Server(config=dynamodb.config(), environment=KEYS) as server:
        function = mapped(server, table.arn, BatchSize=1)
        for number in range(5):
            table.put(str(number))
        function.handled(5)
        until(lambda: function.sources()["shards"][0]["lag_ms"] is not None and function.result() == "OK", 10, "the result", 0.05)
        server.stop()
        for number in range(5, 10):
            table.put(str(number))
        server.start()
        function.handled(10)
        server.kill()
        server.start()
        table.put("last")
        until(lambda: "last" in every_id(function), 40, "what comes after the kill", 0.1)
        assert list(dict.fromkeys(every_id(function))) == [*map(str, range(10)), "last"]
        function.end()
        server.stop()


def test_items_stay_in_order_beside_each_other(reading, table, mapped):
    function = mapped(reading, table.arn, ParallelizationFactor=5, BatchSize=3)
    for number in range(40):
        table.put(f"item-{number % 4}", n=str(number))
    function.handled(40)
    for item in range(4):
        seen = [int(one["n"]) for one in function.data() if one["id"] == f"item-{item}"]
        assert seen == sorted(seen) and len(seen) == 10
