"""The streams of this server run functions through event source mappings: at once, in order, through splits and through kills."""

import base64
import concurrent.futures
import datetime
import itertools
import json
import random

import botocore.exceptions
import pytest

from support.server import Server
from support.streams import Mapped, Stream
from support.wait import pause, until

ACCOUNT = "000000000000"
SEED = 20261130
KILLS, WRITERS = 3, 3
#: Writes down durably what it handles, in the order in which it does: lines of a log may be lost with a server that is killed.
NOTES = """
import base64, boto3
kinesis = boto3.client("kinesis")
def handler(event, context):
    records = [{"PartitionKey": "k", "Data": base64.b64decode(record["kinesis"]["data"])} for record in event["Records"]]
    assert kinesis.put_records(StreamName="notes", Records=records)["FailedRecordCount"] == 0
"""


@pytest.fixture
def mapped(server):
    made = []

    def make(arn, **members):
        made.append(Mapped(server, arn, **members))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_batch_is_what_was_put(server, mapped):
    stream = Stream(server.client("kinesis"), ACCOUNT)
    put = stream.kinesis.put_record(StreamName=stream.name, PartitionKey="first", Data=b'{"n": 1}')
    function = mapped(stream.arn)
    function.handled(1)
    [record] = function.batches()[0]["Records"]
    assert record["kinesis"]["sequenceNumber"] == put["SequenceNumber"] and record["kinesis"]["partitionKey"] == "first"
    assert base64.b64decode(record["kinesis"]["data"]) == b'{"n": 1}'
    assert record["eventID"] == f"{put['ShardId']}:{put['SequenceNumber']}" and record["eventSourceARN"] == stream.arn
    stream.put(*({"n": number} for number in range(2, 30)))
    assert [one["n"] for one in function.handled(29)] == list(range(1, 30))


def test_each_key_stays_in_order_while_shards_are_split_and_merged(server, mapped):
    kinesis = server.client("kinesis")
    stream = Stream(kinesis, ACCOUNT)
    function = mapped(stream.arn, BatchSize=20)
    for target in (2, 1, 2, 4, 3):
        for number in range(20):
            stream.put({"n": number, "round": target}, key=f"key-{number % 5}")
        kinesis.update_shard_count(StreamName=stream.name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
    stream.put({"n": 0, "round": 0}, key="key-0")
    function.handled(101)
    handled = [(record["kinesis"]["partitionKey"], int(record["kinesis"]["sequenceNumber"]))
               for batch in function.batches() for record in batch["Records"]]
    assert len(handled) == len(set(handled)) == 101, "each once"
    for key in {key for key, _ in handled}:
        numbers = [number for other, number in handled if other == key]
        assert numbers == sorted(numbers), key


def test_only_what_comes_after_the_mapping(server, mapped):
    stream = Stream(server.client("kinesis"), ACCOUNT)
    stream.put({"n": 1})
    function = mapped(stream.arn, StartingPosition="LATEST")
    until(lambda: any(shard["state"] == "reading" for shard in function.sources()["shards"]), 20, "the shard to be read")

    def is_heard():
        stream.put({"n": 2})
        return function.data()

    assert {one["n"] for one in until(is_heard, 20, "a record", 0.3)} == {2}


def test_rules_and_schedules_put_records(server):
    kinesis, events, scheduler = (server.client(name) for name in ("kinesis", "events", "scheduler"))
    stream = Stream(kinesis, ACCOUNT)
    role = f"arn:aws:iam::{ACCOUNT}:role/events"
    rule = f"to-{stream.name}"
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [stream.name]}))
    target = {"Id": "1", "Arn": stream.arn, "RoleArn": role, "KinesisParameters": {"PartitionKeyPath": "$.detail.customer"}}
    assert events.put_targets(Rule=rule, Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule=rule)["Targets"] == [target]
    with pytest.raises(botocore.exceptions.ClientError, match="RoleArn is required"):
        events.put_targets(Rule=rule, Targets=[{"Id": "2", "Arn": stream.arn}])
    events.put_events(Entries=[{"Source": stream.name, "DetailType": "sale", "Detail": json.dumps({"customer": "ann"})}])
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    scheduler.create_schedule(
        Name=rule, ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": stream.arn, "RoleArn": role, "Input": "ding", "KinesisParameters": {"PartitionKey": "bell"}})
    [shard] = stream.shards()

    def records():
        iterator = kinesis.get_shard_iterator(StreamName=stream.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        found = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        return {record["PartitionKey"]: record["Data"] for record in found}

    found = until(lambda: len(records()) == 2 and records(), 20, "both records", 0.05)
    assert json.loads(found["ann"])["detail"] == {"customer": "ann"} and found["bell"] == b"ding"
    events.remove_targets(Rule=rule, Ids=["1"])
    events.delete_rule(Name=rule)


def write(server, stream, writer, answered, is_over):
    kinesis = server.client("kinesis")
    for number in itertools.count():
        if is_over:
            return
        try:
            kinesis.put_record(StreamName=stream, PartitionKey=str(writer), Data=f"{writer} {number}".encode())
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            pause(0.02)  # it may be there all the same
        else:
            answered.add((writer, number))


def test_kills_lose_no_record_and_no_order(tmp_path):
    print(f"\n{KILLS} kills, seed {SEED}")
    choices = random.Random(SEED)
    server = Server(data=tmp_path).start()
    try:
        kinesis = server.client("kinesis")
        kinesis.create_stream(StreamName="notes", ShardCount=1)
        stream = Stream(kinesis, ACCOUNT, shards=2)
        Mapped(server, stream.arn, code=NOTES, BatchSize=10)
        answered, is_over = set(), []
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as threads:
            running = [threads.submit(write, server, stream.name, writer, answered, is_over) for writer in range(WRITERS)]
            for target in (3, 2, 3)[:KILLS]:
                enough = len(answered) + choices.randrange(30, 120)
                until(lambda: len(answered) > enough, 60, "records to be put", 0.001)
                kinesis.update_shard_count(StreamName=stream.name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
                server.kill()
                server.start()
            is_over.append(True)
            for one in running:
                one.result()

        def noted():
            """What the function has handled, in its order."""
            iterator = kinesis.get_shard_iterator(StreamName="notes", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            numbers = []
            while True:
                found = kinesis.get_records(ShardIterator=iterator)
                numbers += [tuple(map(int, record["Data"].split())) for record in found["Records"]]
                iterator = found["NextShardIterator"]
                if found["MillisBehindLatest"] == 0:
                    return numbers

        until(lambda: answered <= set(noted()), 60, "every record to be handled", 0.2)
        handled = noted()
        print(f"{len(answered)} records, {len(handled) - len(set(handled))} handled again")
        for writer in range(WRITERS):
            first = list(dict.fromkeys(number for other, number in handled if other == writer))
            assert first == sorted(first), f"writer {writer}"
        server.stop()
    finally:
        if server.process is not None:
            server.kill()
