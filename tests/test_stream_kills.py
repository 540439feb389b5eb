"""A server that has streams, a server that reads them, and both killed at random: nothing is lost, and each key stays in order.

As many records as `TINDRA_TEST_RECORDS` says, 50,000 unless it is set."""

import collections
import concurrent.futures
import os
import random

import botocore.exceptions

from support.server import Server
from support.streams import Mapped
from support.wait import pause, until

RECORDS = int(os.environ.get("TINDRA_TEST_RECORDS", "50000"))
ACCOUNT = "000000000000"
SEED, SHARDS, WRITERS, KEYS, AT_ONCE, KILLS = 20261201, 8, 4, 32, 50, 6
# Writes down durably, in the stream of the server that reads, what it handles, in the order in which it does.
NOTES = """
import base64, boto3
kinesis = boto3.client("kinesis")
def handler(event, context):
    records = [{"PartitionKey": record["kinesis"]["partitionKey"], "Data": base64.b64decode(record["kinesis"]["data"])}
               for record in event["Records"]]
    assert kinesis.put_records(StreamName="notes", Records=records)["FailedRecordCount"] == 0
"""


def insist(call, **members):
    """A killed server answers nothing; what it was asked is asked again."""
    while True:
        try:
            answer = call(**members)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            pause(0.05)
            continue
        if not answer.get("FailedRecordCount"):
            return answer


def write(server, stream, keys):
    """Numbers of each key, in order: records of one key and one request are one commit."""
    kinesis = server.client("kinesis")
    for begin in range(0, RECORDS // KEYS, AT_ONCE):
        for key in keys:
            numbers = range(begin, min(begin + AT_ONCE, RECORDS // KEYS))
            records = [{"PartitionKey": key, "Data": str(number).encode()} for number in numbers]
            insist(kinesis.put_records, StreamName=stream, Records=records)


def noted(kinesis, iterators):
    """What has been written down since it was last asked, by shard of the notes."""
    for shard, iterator in iterators.items():
        while True:
            found = insist(kinesis.get_records, ShardIterator=iterator)
            iterator = iterators[shard] = found["NextShardIterator"]
            yield from ((record["PartitionKey"], int(record["Data"])) for record in found["Records"])
            if found["MillisBehindLatest"] == 0:
                break


def test_kills_of_both_lose_no_record_and_no_order(tmp_path):
    choices = random.Random(SEED)
    has = Server(data=tmp_path / "has").start()
    reads = Server(data=tmp_path / "reads", config=f'kinesis_endpoint = "{has.url}"\n').start()
    try:
        notes = reads.client("kinesis")
        arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/"
        for kinesis, name in ((notes, "notes"), (has.client("kinesis"), "records")):
            kinesis.create_stream(StreamName=name, ShardCount=SHARDS)
            # Such a stream takes as much as comes.
            kinesis.update_stream_mode(StreamARN=arn + name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        iterators = {
            shard["ShardId"]: notes.get_shard_iterator(
                StreamName="notes", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            for shard in notes.list_shards(StreamName="notes")["Shards"]}
        mapped = Mapped(reads, arn + "records", code=NOTES, BatchSize=100, ParallelizationFactor=2)
        handled, wanted = collections.defaultdict(list), RECORDS // KEYS * KEYS

        def is_done():
            for key, number in noted(notes, iterators):
                handled[key].append(number)
            return sum(len(set(numbers)) for numbers in handled.values()) >= wanted

        with concurrent.futures.ThreadPoolExecutor(WRITERS) as threads:
            keys = [str(key) for key in range(KEYS)]
            running = [threads.submit(write, has, "records", keys[writer::WRITERS]) for writer in range(WRITERS)]
            for _ in range(KILLS):
                pause(choices.uniform(0.3, 2.0))
                one = choices.choice([has, reads])
                one.kill()
                one.start()
            for one in running:
                one.result()
        until(is_done, 60 + RECORDS / 100, "every record to be handled", 0.5)
        for key, numbers in handled.items():
            first = list(dict.fromkeys(numbers))
            assert first == list(range(RECORDS // KEYS)), key
        print(f"\n{wanted} records, {sum(map(len, handled.values())) - wanted} handled again; {mapped.result()}")
        reads.stop()
    finally:
        for one in (has, reads):
            if one.process is not None:
                one.kill()
