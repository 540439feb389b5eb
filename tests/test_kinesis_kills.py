"""The server is killed while records are put and read and shards change: what was answered is there, once, in the order of each key."""

import concurrent.futures
import contextlib
import itertools
import os
import random

import botocore.exceptions
import pytest

from support.postgres import Postgres
from support.server import Server
from support.wait import pause, until

KILLS = int(os.environ.get("TINDRA_TEST_KILLS", "4"))
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261130"))
WRITERS = 4
FAILED = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
POINTS = 2**128


class Writers:
    """Each puts records of its own key, and goes on whatever happens to the server."""

    def __init__(self, server, stream):
        self.server, self.stream = server, stream
        self.answered = {writer: {} for writer in range(WRITERS)}
        self.is_over = False

    def write(self, writer):
        kinesis = self.server.client("kinesis")
        for number in itertools.count():
            if self.is_over:
                return
            try:
                put = kinesis.put_record(StreamName=self.stream, PartitionKey=str(writer), Data=str(number).encode())
            except FAILED:
                pause(0.01)  # it may be there all the same
            else:
                self.answered[writer][number] = put["SequenceNumber"]

    def count(self):
        return sum(map(len, self.answered.values()))


def split_any(kinesis, stream, choices):
    """Splits an open shard in its middle, or merges the first two."""
    is_open = {"Type": "AT_LATEST"}
    shards = sorted(kinesis.list_shards(StreamName=stream, ShardFilter=is_open)["Shards"], key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))
    try:
        if len(shards) > 3:
            kinesis.merge_shards(StreamName=stream, ShardToMerge=shards[0]["ShardId"], AdjacentShardToMerge=shards[1]["ShardId"])
        else:
            shard = choices.choice(shards)
            first, last = (int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
            kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((first + last) // 2))
    except FAILED:
        pass  # killed meanwhile


def read_all(kinesis, stream):
    """All records of all shards, by their sequence numbers."""
    records = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator is not None:
            found = kinesis.get_records(ShardIterator=iterator)
            records += found["Records"]
            iterator = found.get("NextShardIterator") if found["MillisBehindLatest"] else None
    return sorted(records, key=lambda record: int(record["SequenceNumber"]))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_answered_is_lost(tmp_path, kind):
    print(f"\n{KILLS} kills, seed {SEED}")
    choices = random.Random(SEED)
    with contextlib.ExitStack() as stack:
        arguments = ["--store", stack.enter_context(Postgres()).url] if kind == "postgres" else []
        server = Server(data=tmp_path, arguments=arguments).start()
        stack.callback(lambda: server.process and server.kill())
        kinesis = server.client("kinesis")
        kinesis.create_stream(StreamName="kept", ShardCount=2)
        writers = Writers(server, "kept")
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as threads:
            running = [threads.submit(writers.write, writer) for writer in range(WRITERS)]
            for _ in range(KILLS if kind == "sqlite" else 1):
                enough = writers.count() + choices.randrange(50, 300)
                split_any(kinesis, "kept", choices)
                until(lambda: writers.count() > enough, 60, "records to be put", 0.001)
                server.kill()
                server.start()
            split_any(kinesis, "kept", choices)
            enough = writers.count() + 50
            until(lambda: writers.count() > enough, 60, "records to be put", 0.001)
            writers.is_over = True
            for one in running:
                one.result()
        read = read_all(kinesis, "kept")
        for writer, answered in writers.answered.items():
            own = [(int(record["Data"]), record["SequenceNumber"]) for record in read if record["PartitionKey"] == str(writer)]
            numbers = [number for number, _ in own]
            assert numbers == sorted(set(numbers)), f"writer {writer}"
            assert dict(own).items() >= answered.items(), f"writer {writer}"
        server.stop()
