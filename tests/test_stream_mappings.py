"""Streams run functions through event source mappings: in order, batch by batch, and every record ends handled, filtered or told."""

import base64
import contextlib
import json

import pytest

from support.moto import KEYS, Moto
from support.postgres import Postgres
from support.server import Server
from support.streams import Kinesalite, Mapped, Stream, Table
from support.wait import until


@pytest.fixture(scope="module")
def reading(moto):
    """A server whose streams are moto's."""
    with Server(config=moto.config(), environment=KEYS) as server:
        yield server


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


def numbers(data):
    return [one["n"] for one in data]


def test_records_of_kinesis_run_a_function_in_their_order(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    stream.put({"n": 1}, key="first")
    function = mapped(reading, stream.arn)
    function.handled(1)
    batch = function.batches()[0]
    [record] = batch["Records"]
    [shard] = stream.shards()
    assert set(batch) == {"data", "at", "Records"}
    assert record["kinesis"]["partitionKey"] == "first" and json.loads(base64.b64decode(record["kinesis"]["data"])) == {"n": 1}
    assert record["eventID"] == f"{shard['ShardId']}:{record['kinesis']['sequenceNumber']}"
    assert (record["eventSource"], record["eventName"]) == ("aws:kinesis", "aws:kinesis:record")
    assert record["eventSourceARN"] == stream.arn and record["awsRegion"] == "us-east-1"
    assert isinstance(record["kinesis"]["approximateArrivalTimestamp"], float)
    stream.put(*({"n": number} for number in range(2, 30)))
    assert numbers(function.handled(29)) == list(range(1, 30))
    until(lambda: function.result() == "OK", 5, "the result")
    assert function.shown()["StateTransitionReason"] == "User action"


def test_changes_of_a_table_run_a_function(reading, moto, mapped):
    table = Table(moto.dynamodb)
    function = mapped(reading, table.arn, FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT", "REMOVE"]})}]})
    table.put("a", text="one")
    table.put("a", text="two")
    table.remove("a")
    function.handled(2)
    records = [record for batch in function.batches() for record in batch["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"], "the filter leaves the change out"
    assert records[0]["dynamodb"]["NewImage"]["text"] == {"S": "one"} and records[1]["dynamodb"]["OldImage"]["text"] == {"S": "two"}
    assert all(record["eventSourceARN"] == table.arn and record["eventSource"] == "aws:dynamodb" for record in records)


def test_a_poisoned_record_is_bisected_out_and_told(reading, moto, mapped):
    stream, told = Stream(moto.kinesis), moto.queue("given-up")
    stream.put({"n": 1}, {"n": 2}, {"n": 3, "fails": "batch"}, {"n": 4})
    function = mapped(
        reading, stream.arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": told.arn}})
    [record] = until(told.records, 40, "the record of what was given up", 0.1)
    until(lambda: 4 in numbers(function.batches()[-1]["data"]), 20, "what follows it", 0.1)
    assert [numbers(batch["data"]) for batch in function.batches()] == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
    [poisoned] = function.batches()[3]["Records"]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = record["KinesisBatchInfo"]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == poisoned["kinesis"]["sequenceNumber"]
    assert info["batchSize"] == 1 and info["streamArn"] == stream.arn and "payload" not in record


def test_partial_failures_go_on_where_they_failed_and_a_bucket_gets_the_event(reading, moto, mapped):
    stream, bucket = Stream(moto.kinesis), moto.bucket("given-up-streams")
    stream.put({"n": 1}, {"n": 2, "fails": "item"}, {"n": 3})
    function = mapped(
        reading, stream.arn, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": bucket}})
    listed = until(lambda: moto.s3.list_objects_v2(Bucket="given-up-streams").get("Contents"), 40, "the object", 0.1)
    assert [numbers(batch["data"]) for batch in function.batches()] == [[1, 2, 3], [2, 3]]
    assert listed[0]["Key"].startswith(f"aws/lambda/{function.uuid}/{stream.shards()[0]['ShardId']}/20")
    record = json.load(moto.s3.get_object(Bucket="given-up-streams", Key=listed[0]["Key"])["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and "functionError" not in record["responseContext"]
    assert json.loads(record["payload"])["Records"] == function.batches()[1]["Records"]


def test_a_position_survives_changes_and_the_server(moto, mapped):
    stream = Stream(moto.kinesis)
    with Server(config=moto.config(), environment=KEYS) as server:
        function = mapped(server, stream.arn)
        stream.put({"n": 1})
        function.handled(1)
        function.change(BatchSize=7)
        stream.put({"n": 2})
        function.handled(2)
        function.change(Enabled=False)
        stream.put({"n": 3})
        function.change(Enabled=True)
        function.handled(3)
        server.stop()
        stream.put({"n": 4})
        server.start()
        assert numbers(function.handled(4)) == [1, 2, 3, 4]
        until(lambda: "EventSource" not in function.result() and function.result() == "OK", 10, "the result")
        function.end()
        server.stop()


def test_positions_lie_in_postgresql_as_well(moto, mapped):
    stream = Stream(moto.kinesis)
    with Postgres() as database, Server(config=moto.config(), arguments=["--store", database.url], environment=KEYS) as server:
        function = mapped(server, stream.arn)
        stream.put({"n": 1})
        function.handled(1)
        server.stop()
        stream.put({"n": 2})
        server.start()
        assert numbers(function.handled(2)) == [1, 2], "who stops gives its shards back"
        function.end()
        server.stop()


def readers(*servers):
    """How many shards each server reads."""
    listed = [json.load(server.http("/_tindra/sources"))["sources"][0]["shards"] for server in servers]
    return [sum(shard["state"] in ("reading", "retrying") for shard in shards) for shards in listed]


class Beside(Server):
    """A server on the database of another one, with the other's code packages: those lie in a directory of each server."""

    def __init__(self, other, database):
        super().__init__(arguments=["--store", database.url])
        (self.data / "store").mkdir(parents=True)
        (self.data / "store/blobs").symlink_to(other.data / "store/blobs")


def test_servers_on_one_postgresql_share_the_shards(mapped):
    with Postgres() as database, Server(arguments=["--store", database.url]) as first, contextlib.ExitStack() as ending:
        stream = Stream(first.client("kinesis"), "000000000000", shards=5)
        function = mapped(first, stream.arn, code=NOTES, BatchSize=5)
        first.client("kinesis").create_stream(StreamName="notes", ShardCount=1)
        sent = 0

        def put(count):
            nonlocal sent
            for number in range(sent, sent + count):
                stream.put({"n": number}, key=f"k{number % 20}")
            sent += count

        put(20)
        until(lambda: readers(first) == [5], 20, "the only server to read all", 0.05)
        second = Beside(first, database).start()
        ending.callback(second.stop)
        put(20)
        until(lambda: sorted(readers(first, second)) == [2, 3], 60, "two servers to share the shards", 0.05)
        third = Beside(first, database).start()
        ending.callback(third.stop)
        put(20)
        until(lambda: sorted(readers(first, second, third)) == [1, 2, 2], 60, "three servers to share the shards", 0.05)
        until(lambda: set(noted(first)) == set(range(sent)), 60, "every record", 0.1)
        assert sorted(noted(first)) == list(range(sent)), "handing shards on repeats nothing"
        second.kill()
        put(20)
        until(lambda: sum(readers(first, third)) == 5, 60, "the others to read what the dead one read", 0.05)
        third.stop()
        put(20)
        until(lambda: readers(first) == [5], 60, "the last server to read all", 0.05)
        until(lambda: set(noted(first)) == set(range(sent)), 60, "every record", 0.1)
        for key in range(20):
            seen = list(dict.fromkeys(number for number in noted(first) if number % 20 == key))
            assert seen == sorted(seen), "the order of a key holds"
        function.end()
        first.stop()


def test_a_server_that_cannot_run_the_function_leaves_the_shards_to_others(mapped):
    """Its directory lacks the code: it tries, and then others have all."""
    with Postgres() as database, Server(arguments=["--store", database.url]) as first:
        stream = Stream(first.client("kinesis"), "000000000000", shards=4)
        function = mapped(first, stream.arn)
        stream.put({"n": 0})
        function.handled(1)
        with Server(arguments=["--store", database.url]) as second:
            until(lambda: readers(first, second) == [2, 2], 60, "two servers to share the shards", 0.05)
            for number in range(1, 41):
                stream.put({"n": number}, key=f"k{number}")
            function.handled(41, 60)
            until(lambda: readers(first, second) == [4, 0], 60, "the able server to read all", 0.05)
        assert sorted(numbers(function.data())) == list(range(41))
        function.end()
        first.stop()


#: Writes down durably what it handles, in its order: lines of a log may be lost with a server that is killed.
NOTES = """
import base64, boto3
kinesis = boto3.client("kinesis")
def handler(event, context):
    records = [{"PartitionKey": "k", "Data": base64.b64decode(record["kinesis"]["data"])} for record in event["Records"]]
    assert kinesis.put_records(StreamName="notes", Records=records)["FailedRecordCount"] == 0
"""


def noted(server):
    kinesis = server.client("kinesis")
    [shard] = kinesis.list_shards(StreamName="notes")["Shards"]
    iterator = kinesis.get_shard_iterator(StreamName="notes", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return numbers([json.loads(record["Data"]) for record in records])


def test_nothing_is_lost_when_the_server_is_killed(moto, mapped):
    stream = Stream(moto.kinesis)
    with Server(config=moto.config(), environment=KEYS) as server:
        server.client("kinesis").create_stream(StreamName="notes", ShardCount=1)
        function = mapped(server, stream.arn, code=NOTES, BatchSize=3, ParallelizationFactor=4)
        for number in range(40):
            stream.put({"n": number}, key=f"k{number % 7}")
            if number == 20:
                until(lambda: len(noted(server)) >= 5, 40, "the first records", 0.05)
                server.kill()
                server.start()
        until(lambda: set(noted(server)) == set(range(40)), 40, "every record", 0.1)
        for key in range(7):
            first = list(dict.fromkeys(number for number in noted(server) if number % 7 == key))
            assert first == sorted(first), "the order of a key holds"
        function.end()
        server.stop()


def test_data_that_no_filter_can_read_is_left_out(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    stream.put(b"no json", {"n": 1, "kind": "a"}, {"n": 2, "kind": "b"}, {"n": 3, "kind": "a"})
    pattern = json.dumps({"data": {"kind": ["a"]}})
    function = mapped(reading, stream.arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    assert numbers(function.handled(2)) == [1, 3]


def test_sources_are_shown(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    stream.put({"n": 1}, {"n": 2, "fails": "batch"})
    function = mapped(reading, stream.arn, BatchSize=1)
    [shard] = until(lambda: [one for one in function.sources()["shards"] if one["state"] == "retrying"], 20, "the record to fail", 0.1)
    assert shard["reason"] == "Function call failed" and shard["since_ms"] > 0 and shard["lag_ms"] == 0
    assert shard["position"] == function.batches()[0]["Records"][0]["kinesis"]["sequenceNumber"]
    assert function.sources()["result"] == function.result() == "PROBLEM: Function call failed"
    shown = reading.tindra("sources", function.function.name).stdout
    for part in (function.uuid, stream.arn, "Enabled", "PROBLEM: Function call failed", shard["shard"], "retrying"):
        assert part in shown, shown
    listed = json.loads(reading.tindra("sources", "--json").stdout)["sources"]
    assert function.uuid in [one["uuid"] for one in listed]
    function.change(Enabled=False)
    until(lambda: function.sources()["shards"][0]["state"] == "unread", 10, "the reader to end")


def test_the_latest_are_those_after_the_mapping(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    stream.put({"n": 1})
    function = mapped(reading, stream.arn, StartingPosition="LATEST")
    until(lambda: [one["state"] for one in function.sources()["shards"]] == ["reading"], 20, "the shard to be read")

    def is_heard():
        stream.put({"n": 2})
        return function.data()

    assert set(numbers(until(is_heard, 20, "a record", 0.3))) == {2}


def test_windows_keep_a_state(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    function = mapped(reading, stream.arn, TumblingWindowInSeconds=2, BatchSize=2)
    stream.put(*({"n": number} for number in range(5)))

    def final():
        return [batch for batch in function.batches() if batch["isFinalInvokeForWindow"]]

    until(lambda: sum(batch["state"].get("count", 0) for batch in final()) == 5, 40, "the windows to end", 0.1)
    for batch in function.batches():
        assert batch["shardId"] == stream.shards()[0]["ShardId"] and batch["eventSourceARN"] == stream.arn
        assert batch["window"]["end"] > batch["window"]["start"] and not batch["isWindowTerminatedEarly"]
        assert batch["isFinalInvokeForWindow"] == (batch["Records"] == [])
    assert function.batches()[0]["state"] == {}


def test_a_stream_that_is_not_there_is_refused_and_one_that_goes_is_shown(reading, moto, mapped):
    arn = "arn:aws:kinesis:us-east-1:123456789012:stream/none"
    with pytest.raises(Exception, match=f"Stream not found: {arn}"):
        mapped(reading, arn)
    stream = Stream(moto.kinesis)
    function = mapped(reading, stream.arn)
    moto.kinesis.delete_stream(StreamName=stream.name)
    problem = until(lambda: function.result().startswith("PROBLEM: ") and function.result(), 20, "the problem")
    assert "ResourceNotFoundException" in problem, problem


def test_streams_whose_server_comes_up_later_are_read(mapped):
    late = Moto()
    with Server(config=late.config(), environment=KEYS) as server:
        function = mapped(server, "arn:aws:kinesis:us-east-1:123456789012:stream/late")
        until(lambda: function.result().startswith("PROBLEM: "), 20, "the problem")
        with late:
            late.kinesis.create_stream(StreamName="late", ShardCount=1)
            until(lambda: function.result() == "No records processed", 40, "the stream to be found", 0.1)
            late.kinesis.put_record(StreamName="late", PartitionKey="k", Data=b'{"n": 1}')
            assert numbers(function.handled(1)) == [1]
            function.end()


def test_children_wait_for_their_parent(mapped):
    with Kinesalite() as kinesalite, Server(config=kinesalite.config(), environment=KEYS) as server:
        stream = Stream(kinesalite.kinesis, "000000000000")
        stream.put(*({"n": number} for number in range(20)), key="a")
        stream.split()
        stream.put(*({"n": number} for number in range(20, 40)), key="a")
        stream.put(*({"n": number} for number in range(100, 110)), key="b")
        function = mapped(server, stream.arn, BatchSize=7)
        seen = numbers(function.handled(50))
        assert sorted(seen) == [*range(40), *range(100, 110)], "each once"
        assert [number for number in seen if number < 100] == list(range(40)), "the parent comes first"
        assert [number for number in seen if number >= 100] == list(range(100, 110))
        shards = until(lambda: [one for one in function.sources()["shards"] if one["state"] == "ended"], 20, "the parent to have ended")
        assert [one["shard"] for one in shards] == [stream.shards()[0]["ShardId"]]
        function.end()


def test_closed_shards_of_moto_end_though_they_give_iterators(reading, moto, mapped):
    stream = Stream(moto.kinesis)
    stream.put(*({"n": number} for number in range(5)))
    function = mapped(reading, stream.arn)
    function.handled(5)
    stream.split()
    stream.put(*({"n": number} for number in range(5, 10)))
    assert numbers(function.handled(10)) == list(range(10))
