"""Kinesis as boto3, the AWS CLI and clients of CBOR use it."""

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import re
import urllib.error

import botocore.exceptions
import cbor2
import pytest

from support.moto import Moto
from support.server import Server
from support.waiting import advance, now_ms

NUMBERS = itertools.count(1)
HOUR = 3_600
POINTS = 2**128
#: A time in CBOR: a tag, and 64 bits.
TIME = re.compile(rb"\xc1(\x1b.{8})", re.DOTALL)


@pytest.fixture(scope="module")
def timed():
    """A server whose clock the tests move."""
    with Server(arguments=["--clock", "manual"]) as server:
        yield server


@pytest.fixture(scope="module")
def kinesis(timed):
    return timed.client("kinesis")


class Stream:
    def __init__(self, kinesis, shards=1, **members):
        self.kinesis = kinesis
        self.name = f"stream-{next(NUMBERS)}"
        count = {} if shards is None else {"ShardCount": shards}
        kinesis.create_stream(StreamName=self.name, **count, **members)
        kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})
        self.arn = self.summary()["StreamARN"]

    def summary(self):
        return self.kinesis.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]

    def put(self, key, data=b"x", **members):
        return self.kinesis.put_record(StreamName=self.name, PartitionKey=key, Data=data, **members)

    def shards(self, **members):
        return self.kinesis.list_shards(StreamName=self.name, **members)["Shards"]

    def iterator(self, shard, kind="TRIM_HORIZON", **members):
        return self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard, ShardIteratorType=kind, **members)["ShardIterator"]

    def read(self, shard):
        """Every record of a shard, and its children if it has ended."""
        iterator, records = self.iterator(shard), []
        while True:
            found = self.kinesis.get_records(ShardIterator=iterator)
            records += found["Records"]
            iterator = found.get("NextShardIterator")
            if iterator is None or found["MillisBehindLatest"] == 0:
                return records, found.get("ChildShards")


def refused(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]


def test_what_is_put_is_read_in_its_order(kinesis):
    stream = Stream(kinesis, shards=3)
    put = [stream.put(f"key-{number % 7}", str(number).encode()) for number in range(50)]
    batch = [{"PartitionKey": f"key-{number % 7}", "Data": str(number).encode()} for number in range(50, 100)]
    answer = kinesis.put_records(StreamARN=stream.arn, Records=batch)
    assert answer["FailedRecordCount"] == 0
    put += answer["Records"]
    assert all(len(one["SequenceNumber"]) == 56 for one in put)
    ranges = {shard["ShardId"]: shard["HashKeyRange"] for shard in stream.shards()}
    read = {}
    for shard, ring in ranges.items():
        records, children = stream.read(shard)
        assert children is None
        numbers = [int(record["SequenceNumber"]) for record in records]
        assert numbers == sorted(numbers)
        for record in records:
            point = int.from_bytes(hashlib.md5(record["PartitionKey"].encode()).digest(), "big")
            assert int(ring["StartingHashKey"]) <= point <= int(ring["EndingHashKey"])
            read[int(record["Data"])] = (shard, record["SequenceNumber"])
    assert read == {number: (one["ShardId"], one["SequenceNumber"]) for number, one in enumerate(put)}
    for key in range(7):
        own = [put[number]["SequenceNumber"] for number in range(100) if number % 7 == key]
        assert own == sorted(own)


def test_a_hash_key_of_ones_own_chooses_the_shard(kinesis):
    stream = Stream(kinesis, shards=2)
    first, second = (shard["ShardId"] for shard in stream.shards())
    assert stream.put("k", ExplicitHashKey="0")["ShardId"] == first
    assert stream.put("k", ExplicitHashKey=str(POINTS - 1))["ShardId"] == second
    assert stream.put("k", ExplicitHashKey=str(POINTS // 2))["ShardId"] == second
    error = refused(stream.put, key="k", ExplicitHashKey=str(POINTS))
    assert error["Code"] == "InvalidArgumentException" and "[0, 2^128-1]" in error["Message"]


def test_iterators_of_every_kind_and_their_end(timed, kinesis):
    stream = Stream(kinesis)
    [shard] = (shard["ShardId"] for shard in stream.shards())
    latest = stream.iterator(shard, "LATEST")
    put = [stream.put("k", b"0")]
    advance(timed, 10)
    time = now_ms(timed) / 1_000
    put += [stream.put("k", b"1"), stream.put("k", b"2")]

    def data(iterator, **members):
        return b"".join(record["Data"] for record in kinesis.get_records(ShardIterator=iterator, **members)["Records"])

    assert data(latest) == b"012"
    assert data(stream.iterator(shard, "AT_TIMESTAMP", Timestamp=time)) == b"12"
    number = put[1]["SequenceNumber"]
    assert data(stream.iterator(shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)) == b"12"
    after = stream.iterator(shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    assert data(after) == b"2"
    page = kinesis.get_records(ShardIterator=stream.iterator(shard), Limit=2)
    assert len(page["Records"]) == 2 and page["MillisBehindLatest"] > 0
    assert page["Records"][0]["ApproximateArrivalTimestamp"].timestamp() == pytest.approx(time - 10, abs=0.01)
    assert data(page["NextShardIterator"]) == b"2"
    forged = after[:40] + ("A" if after[40] != "A" else "B") + after[41:]
    assert refused(kinesis.get_records, ShardIterator=forged) == {
        "Code": "InvalidArgumentException", "Message": "Invalid ShardIterator."}
    advance(timed, 301)
    error = refused(kinesis.get_records, ShardIterator=after)
    assert error["Code"] == "ExpiredIteratorException" and "tolerated delay of 300000 milliseconds" in error["Message"]


def test_shards_are_split_and_merged(kinesis):
    stream = Stream(kinesis)
    stream.put("k", b"1")
    [parent] = stream.shards()
    kinesis.split_shard(StreamName=stream.name, ShardToSplit=parent["ShardId"], NewStartingHashKey=str(POINTS // 3))
    stream.put("k", b"2")
    records, children = stream.read(parent["ShardId"])
    assert [record["Data"] for record in records] == [b"1"]
    assert [child["ParentShards"] for child in children] == [[parent["ShardId"]]] * 2
    closed, low, high = stream.shards()
    assert int(closed["SequenceNumberRange"]["EndingSequenceNumber"]) > int(records[0]["SequenceNumber"])
    assert int(low["SequenceNumberRange"]["StartingSequenceNumber"]) > int(closed["SequenceNumberRange"]["EndingSequenceNumber"])
    kinesis.merge_shards(StreamARN=stream.arn, ShardToMerge=low["ShardId"], AdjacentShardToMerge=high["ShardId"])
    [merged] = stream.shards(ShardFilter={"Type": "AT_LATEST"})
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (low["ShardId"], high["ShardId"])
    assert stream.put("k", b"3")["ShardId"] == merged["ShardId"]
    answer = kinesis.update_shard_count(StreamName=stream.name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (1, 2)
    summary = stream.summary()
    assert (summary["OpenShardCount"], summary["StreamStatus"]) == (2, "ACTIVE")


def test_records_go_when_they_are_too_old(timed, kinesis):
    stream = Stream(kinesis)
    [shard] = (shard["ShardId"] for shard in stream.shards())
    stream.put("k", b"old")
    kinesis.increase_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=48)
    advance(timed, 30 * HOUR)
    stream.put("k", b"new")
    assert [record["Data"] for record in stream.read(shard)[0]] == [b"old", b"new"]
    kinesis.decrease_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=24)
    assert [record["Data"] for record in stream.read(shard)[0]] == [b"new"]
    error = refused(kinesis.decrease_stream_retention_period, StreamName=stream.name, RetentionPeriodHours=23)
    assert error["Message"].startswith("Minimum allowed retention period is 24 hours.")


def test_limits_of_records(kinesis):
    stream = Stream(kinesis)
    mebibyte = 1 << 20
    assert refused(stream.put, key="k", data=bytes(mebibyte))["Code"] == "ValidationException"
    stream.put("k", bytes(mebibyte - 1))
    assert refused(stream.put, key="k", data=bytes(mebibyte - 1))["Code"] == "ProvisionedThroughputExceededException"
    large = Stream(kinesis, shards=None, StreamModeDetails={"StreamMode": "ON_DEMAND"}, MaxRecordSizeInKiB=10_240)
    assert large.summary()["OpenShardCount"] == 4
    data = bytes(range(256)) * 36_000
    put = large.put("k", data)
    error = refused(kinesis.put_records, StreamName=large.name, Records=[{"PartitionKey": "k", "Data": bytes(11 * mebibyte // 2)}] * 2)
    assert error["Code"] == "InvalidArgumentException"
    error = refused(kinesis.put_records, StreamName=large.name, Records=[{"PartitionKey": "k", "Data": b""}] * 501)
    assert error["Code"] == "ValidationException"
    # An answer holds ten megabytes and the record that goes beyond them.
    for _ in range(3):
        large.put("k", bytes(mebibyte))
    page = kinesis.get_records(ShardIterator=large.iterator(put["ShardId"]))
    assert [record["Data"] == data for record in page["Records"]] == [True, False, False] and page["MillisBehindLatest"] > 0
    [last] = kinesis.get_records(ShardIterator=page["NextShardIterator"])["Records"]
    assert len(last["Data"]) == mebibyte


def test_many_writers_at_once(kinesis):
    stream = Stream(kinesis, shards=2)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        put = list(threads.map(lambda number: stream.put(str(number), str(number).encode()), range(300)))
    read = [record for shard in stream.shards() for record in stream.read(shard["ShardId"])[0]]
    assert {record["SequenceNumber"] for record in read} == {one["SequenceNumber"] for one in put}
    assert sorted(int(record["Data"]) for record in read) == list(range(300))


def test_consumers(kinesis):
    stream = Stream(kinesis)
    [shard] = (shard["ShardId"] for shard in stream.shards())
    consumer = kinesis.register_stream_consumer(StreamARN=stream.arn, ConsumerName="c", Tags={"a": "b"})["Consumer"]
    assert consumer["ConsumerStatus"] == "ACTIVE" and consumer["ConsumerARN"].startswith(f"{stream.arn}/consumer/c:")
    described = kinesis.describe_stream_consumer(ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]
    assert described["StreamARN"] == stream.arn
    assert refused(kinesis.register_stream_consumer, StreamARN=stream.arn, ConsumerName="c")["Code"] == "ResourceInUseException"
    assert kinesis.list_tags_for_resource(ResourceARN=consumer["ConsumerARN"])["Tags"] == [{"Key": "a", "Value": "b"}]
    kinesis.untag_resource(ResourceARN=consumer["ConsumerARN"], TagKeys=["a"])
    assert kinesis.list_tags_for_resource(ResourceARN=consumer["ConsumerARN"])["Tags"] == []
    stream.put("k", b"1")
    position = {"Type": "TRIM_HORIZON"}
    subscription = kinesis.subscribe_to_shard(ConsumerARN=consumer["ConsumerARN"], ShardId=shard, StartingPosition=position)
    with contextlib.closing(subscription["EventStream"]) as stream_of_events:
        events = iter(stream_of_events)
        first = next(events)["SubscribeToShardEvent"]
        assert [record["Data"] for record in first["Records"]] == [b"1"]
        stream.put("k", b"2")
        second = next(events)["SubscribeToShardEvent"]
        assert [record["Data"] for record in second["Records"]] == [b"2"] and second["MillisBehindLatest"] == 0
        kinesis.split_shard(StreamName=stream.name, ShardToSplit=shard, NewStartingHashKey=str(POINTS // 2))
        last = next(events)["SubscribeToShardEvent"]
        assert len(last["ChildShards"]) == 2
        assert next(events, None) is None
    assert [one["ConsumerName"] for one in kinesis.list_stream_consumers(StreamARN=stream.arn)["Consumers"]] == ["c"]
    assert refused(kinesis.delete_stream, StreamName=stream.name)["Code"] == "ResourceInUseException"
    kinesis.deregister_stream_consumer(StreamARN=stream.arn, ConsumerName="c")
    assert stream.summary()["ConsumerCount"] == 0
    kinesis.delete_stream(StreamName=stream.name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=stream.name, WaiterConfig={"Delay": 1})


def test_streams_are_listed_and_tagged(timed, kinesis):
    own = timed.client("kinesis", account="222222222222")
    names = sorted(Stream(own, Tags={"team": "a"}).name for _ in range(3))
    assert own.list_streams()["StreamNames"] == names
    page = own.list_streams(Limit=2)
    assert page["HasMoreStreams"] and page["StreamNames"] == names[:2]
    assert own.list_streams(NextToken=page["NextToken"])["StreamNames"] == names[2:]
    assert own.list_streams(ExclusiveStartStreamName=names[0])["StreamNames"] == names[1:]
    own.add_tags_to_stream(StreamName=names[0], Tags={"more": "b"})
    own.remove_tags_from_stream(StreamName=names[0], TagKeys=["team"])
    assert own.list_tags_for_stream(StreamName=names[0])["Tags"] == [{"Key": "more", "Value": "b"}]
    assert refused(own.create_stream, StreamName=names[0], ShardCount=1) == {
        "Code": "ResourceInUseException", "Message": f"Stream {names[0]} under account 222222222222 already exists."}
    assert refused(kinesis.describe_stream_summary, StreamName=names[0])["Message"] == (
        f"Stream {names[0]} under account 000000000000 not found.")
    limits = own.describe_limits()
    assert (limits["OpenShardCount"], limits["OnDemandStreamCount"]) == (3, 0)


def test_what_is_not_here_says_so(kinesis):
    stream = Stream(kinesis)
    error = refused(kinesis.start_stream_encryption, StreamName=stream.name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert error["Code"] == "InvalidArgumentException" and "encrypt the disk" in error["Message"]
    error = refused(kinesis.enable_enhanced_monitoring, StreamName=stream.name, ShardLevelMetrics=["ALL"])
    assert "shard-level metrics" in error["Message"]
    assert refused(kinesis.put_resource_policy, ResourceARN=stream.arn, Policy="{}")["Code"] == "UnknownOperationException"
    assert refused(stream.put, key="k", DryRun=True)["Code"] == "DryRunOperationException"


def test_the_cli(timed):
    def aws(*arguments):
        output = timed.aws("kinesis", *arguments, "--output", "json").stdout
        return json.loads(output) if output.strip() else None

    aws("create-stream", "--stream-name", "cli", "--shard-count", "1")
    put = aws("put-record", "--stream-name", "cli", "--partition-key", "k", "--data", "text")
    iterator = aws("get-shard-iterator", "--stream-name", "cli", "--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON")
    found = aws("get-records", "--shard-iterator", iterator["ShardIterator"])
    assert [record["SequenceNumber"] for record in found["Records"]] == [put["SequenceNumber"]]
    aws("delete-stream", "--stream-name", "cli")


class Cbor:
    """Kinesis as Java's SDKs speak it."""

    def __init__(self, server):
        self.server = server

    def __call__(self, operation, **members):
        headers = {"Content-Type": "application/x-amz-cbor-1.1", "X-Amz-Target": f"Kinesis_20131202.{operation}"}
        answer = self.server.http("/", data=cbor2.dumps(members), headers=headers, method="POST")
        assert answer.headers["Content-Type"] == "application/x-amz-cbor-1.1"
        body = answer.read()
        # Times count milliseconds, which the tag does not mean elsewhere.
        return cbor2.loads(TIME.sub(b"\\1", body)) if body else None


def test_cbor(timed, kinesis):
    stream, call = Stream(kinesis), Cbor(timed)
    data = bytes(range(256))
    put = call("PutRecord", StreamName=stream.name, PartitionKey="ключ", Data=data)
    batch = call("PutRecords", StreamARN=stream.arn, Records=[{"PartitionKey": "k", "Data": b"", "ExplicitHashKey": "7"}])
    assert batch["FailedRecordCount"] == 0
    at = cbor2.CBORTag(1, now_ms(timed) - 1_000)
    iterator = call("GetShardIterator", StreamName=stream.name, ShardId=put["ShardId"], ShardIteratorType="AT_TIMESTAMP", Timestamp=at)
    [first, second] = call("GetRecords", **iterator, Limit=10)["Records"]
    assert (first["Data"], first["PartitionKey"], second["Data"]) == (data, "ключ", b"")
    described = call("DescribeStreamSummary", StreamName=stream.name)["StreamDescriptionSummary"]
    assert described["StreamARN"] == stream.arn
    with pytest.raises(urllib.error.HTTPError) as caught:
        call("DescribeStreamSummary", StreamName="none")
    assert caught.value.code == 400
    error = cbor2.loads(caught.value.read())
    assert error == {"__type": "ResourceNotFoundException", "message": "Stream none under account 000000000000 not found."}
    with pytest.raises(urllib.error.HTTPError) as caught:
        timed.http("/", data=b"{}", method="POST", headers={
            "Content-Type": "application/x-amz-cbor-1.1", "X-Amz-Target": "Kinesis_20131202.ListStreams"})
    assert cbor2.loads(caught.value.read())["__type"] == "SerializationException"


def test_times_in_cbor_are_tagged_and_count_milliseconds(timed, kinesis):
    stream = Stream(kinesis)
    headers = {"Content-Type": "application/x-amz-cbor-1.1", "X-Amz-Target": "Kinesis_20131202.DescribeStreamSummary"}
    body = timed.http("/", data=cbor2.dumps({"StreamName": stream.name}), headers=headers, method="POST").read()
    created = round(stream.summary()["StreamCreationTimestamp"].timestamp() * 1_000)
    assert cbor2.dumps(cbor2.CBORTag(1, created)) in body


def test_answers_have_the_members_that_moto_has(kinesis):
    """The same calls, here and there; what is said of a stream and its shards has the same form."""

    def told(client):
        stream = Stream(client, shards=2)
        put = client.put_record(StreamName=stream.name, PartitionKey="k", Data=b"1")
        shard = put["ShardId"]
        client.split_shard(StreamName=stream.name, ShardToSplit=shard, NewStartingHashKey=split_point(stream, shard))
        client.put_records(StreamName=stream.name, Records=[{"PartitionKey": "k", "Data": b"2"}])
        records = client.get_records(ShardIterator=stream.iterator(shard))["Records"]
        shards = stream.shards()
        return {
            "put": sorted(set(put) - {"ResponseMetadata"}),
            "record": sorted(set(records[0]) - {"EncryptionType"}),
            "shards": [(one["ShardId"], one["HashKeyRange"], one.get("ParentShardId")) for one in shards],
            "closed": ["EndingSequenceNumber" in one["SequenceNumberRange"] for one in shards],
            "summary": {key: stream.summary()[key] for key in ("StreamStatus", "RetentionPeriodHours", "EnhancedMonitoring", "EncryptionType")},
        }

    def split_point(stream, shard):
        [ring] = (one["HashKeyRange"] for one in stream.shards() if one["ShardId"] == shard)
        return str((int(ring["StartingHashKey"]) + int(ring["EndingHashKey"])) // 2)

    import boto3

    with Moto() as moto:
        there = told(boto3.client("kinesis", endpoint_url=moto.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"))
    here = told(kinesis)
    # Its shards that are split hand their records on, so there are other figures.
    assert here == {**there, "put": here["put"]}


def test_a_service_that_is_switched_off(tmp_path):
    with Server(data=tmp_path, config='disabled_services = ["kinesis"]\n') as server:
        error = refused(server.client("kinesis").list_streams)
        assert "kinesis" in error["Message"]


def test_what_was_put_survives_a_crash(tmp_path):
    with Server(data=tmp_path) as server:
        kinesis = server.client("kinesis")
        stream = Stream(kinesis)
        iterator = stream.iterator("shardId-000000000000")
        stream.put("k", b"kept")
        server.kill()
        server.start()
        [record] = kinesis.get_records(ShardIterator=iterator)["Records"]
        assert record["Data"] == b"kept"
        assert kinesis.list_streams()["StreamNames"] == [stream.name]
