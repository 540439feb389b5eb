"""Streams of Kinesis and of tables, at whoever plays those services, and functions that are mapped to them."""

import itertools
import json
import pathlib
import subprocess

import boto3
import pytest

from support import packages
from support.moto import ACCOUNT, REGION
from support.server import ROOT, Function, free_port
from support.wait import until

NUMBERS = itertools.count(1)
KINESALITE = ROOT / "tests/.cache/kinesalite"
VERSION = "3.3.3"
#: Tells each batch by a line of its log; fails as its records ask, and once its `mended` is set only then.
CODE = """
import base64, json, os, time
def data_of(record):
    if "kinesis" in record:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    members = {**record["dynamodb"]["Keys"], **record["dynamodb"].get("NewImage", {})}
    return {name: next(iter(value.values())) for name, value in members.items()}
def sequence(record):
    return record.get("kinesis", {}).get("sequenceNumber") or record["dynamodb"]["SequenceNumber"]
def handler(event, context):
    data = [data_of(record) for record in event["Records"]]
    print("BATCH", json.dumps({"data": data, "at": time.time(), **event}))
    if any(one.get("fails") == "batch" for one in data):
        raise ValueError("as asked")
    failed = [sequence(record) for record, one in zip(event["Records"], data) if one.get("fails") == "item"]
    state = dict(event.get("state") or {})
    state["count"] = state.get("count", 0) + len(data)
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed], "state": state}
"""


class Kinesalite:
    """A Kinesis whose shards split, and end as AWS's do. Its command line would listen everywhere, a script does not."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.kinesis = boto3.client("kinesis", endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        self.process = None

    def config(self):
        return f'kinesis_endpoint = "{self.url}"\n'

    def __enter__(self):
        if not (KINESALITE / "node_modules/kinesalite").exists():
            install = ["npm", "install", "--silent", "--no-save", "--no-audit", "--prefix", str(KINESALITE), f"kinesalite@{VERSION}"]
            if subprocess.run(install, timeout=300).returncode != 0:
                pytest.skip("kinesalite cannot be installed: shards that split are not tested")
        script = f"require('kinesalite')({{createStreamMs: 20, deleteStreamMs: 20, updateStreamMs: 20}}).listen({self.port}, '127.0.0.1')"
        self.process = subprocess.Popen(["node", "-e", script], cwd=KINESALITE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.is_answering, 60, "kinesalite to answer")
        return self

    def is_answering(self):
        try:
            return self.kinesis.list_streams() is not None
        except Exception:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class Stream:
    """A stream of Kinesis."""

    def __init__(self, kinesis, account=ACCOUNT, shards=1):
        self.kinesis, self.name = kinesis, f"stream-{next(NUMBERS)}"
        kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        self.arn = f"arn:aws:kinesis:{REGION}:{account}:stream/{self.name}"
        self.until_active()

    def until_active(self):
        def is_active():
            return self.kinesis.describe_stream(StreamName=self.name)["StreamDescription"]["StreamStatus"] == "ACTIVE"

        until(is_active, 20, f"{self.name} to be active")

    def put(self, *data, key="k"):
        for one in data:
            text = one if isinstance(one, bytes) else json.dumps(one).encode()
            self.kinesis.put_record(StreamName=self.name, PartitionKey=key, Data=text)

    def shards(self):
        return self.kinesis.list_shards(StreamName=self.name)["Shards"]

    def split(self):
        [shard] = [shard for shard in self.shards() if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        middle = str(2**127)
        self.kinesis.split_shard(StreamName=self.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        self.until_active()


class Table:
    """A table of DynamoDB with a stream."""

    def __init__(self, dynamodb):
        self.dynamodb, self.name = dynamodb, f"table-{next(NUMBERS)}"
        made = dynamodb.create_table(
            TableName=self.name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.arn = made["TableDescription"]["LatestStreamArn"]

    def put(self, id, **members):
        item = {"id": {"S": id}, **{name: {"S": value} for name, value in members.items()}}
        self.dynamodb.put_item(TableName=self.name, Item=item)

    def remove(self, id):
        self.dynamodb.delete_item(TableName=self.name, Key={"id": {"S": id}})


class Mapped:
    """A function that is mapped to a stream."""

    def __init__(self, server, arn, code=CODE, **members):
        self.server = server
        self.function = Function(server, f"reads-{next(NUMBERS)}", "python3.12", packages.python(code), "app.handler").ready()
        members = {"StartingPosition": "TRIM_HORIZON", **members}
        self.client = self.function.client
        self.uuid = self.client.create_event_source_mapping(FunctionName=self.function.name, EventSourceArn=arn, **members)["UUID"]

    def batches(self):
        try:
            lines = self.function.log_messages()
        except self.function.logs.exceptions.ResourceNotFoundException:
            return []  # it has not run yet
        return [json.loads(line.removeprefix("BATCH ")) for line in lines if line.startswith("BATCH ")]

    def data(self):
        return [one for batch in self.batches() for one in batch["data"]]

    def handled(self, count, timeout_s=40):
        """The data of all records that the function has got, once there are as many."""
        return until(lambda: len(self.data()) >= count and self.data(), timeout_s, f"{count} records; {self.shown()}", 0.05)

    def shown(self):
        return self.client.get_event_source_mapping(UUID=self.uuid)

    def result(self):
        return self.shown()["LastProcessingResult"]

    def settled(self):
        until(lambda: self.shown()["State"] in ("Enabled", "Disabled"), 10, "the mapping to settle")
        return self

    def change(self, **members):
        self.client.update_event_source_mapping(UUID=self.uuid, **members)
        return self.settled()

    def sources(self):
        """What the server tells of the mapping."""
        listed = json.load(self.server.http("/_tindra/sources"))["sources"]
        return next(one for one in listed if one["uuid"] == self.uuid)

    def end(self):
        self.settled()
        self.client.delete_event_source_mapping(UUID=self.uuid)
        self.function.delete()
