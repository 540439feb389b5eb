"""The server is killed at random moments while objects are put: what was acknowledged is there and whole, and the function that
is told of it has been told.

    TINDRA_TEST_S3_KILLS=30 pytest tests/test_s3_kills.py -s
"""

import concurrent.futures
import hashlib
import os
import random
import threading

import botocore.exceptions

from support import objects, packages
from support.server import Function, Server
from support.wait import pause, until

KILLS = int(os.environ.get("TINDRA_TEST_S3_KILLS", "6"))
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261130"))
SENDERS = 6
KEYS = 40
# Lines of logs may be lost in a kill; objects are not.
SEEN = """
import os, urllib.request
def handler(event, context):
    for record in event["Records"]:
        url = os.environ["AWS_ENDPOINT_URL"] + "/told/" + record["s3"]["object"]["key"]
        urllib.request.urlopen(urllib.request.Request(url, method="PUT", data=b"x"), timeout=5).read()
"""


class Putting:
    """Puts new and replaces old objects, and remembers what was acknowledged and what may have been."""

    def __init__(self, server):
        self.server, self.is_over = server, threading.Event()
        self.acknowledged, self.possible, self.new = {}, {}, set()
        self.lock = threading.Lock()

    def run(self, sender):
        choices, number = random.Random(SEED + sender), 0
        s3 = objects.client(self.server)
        while not self.is_over.is_set():
            number += 1
            # Each key has one sender, so that the last acknowledged body is known.
            key = f"replaced/{sender}-{choices.randrange(KEYS)}" if number % 2 else f"new/{sender}-{number}"
            body = choices.randbytes(choices.choice([10, 5_000, 300_000]))
            with self.lock:
                self.possible.setdefault(key, []).append(hashlib.md5(body).hexdigest())
            try:
                s3.put_object(Bucket="killed", Key=key, Body=body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                pause(0.05)
                continue
            with self.lock:
                self.acknowledged[key] = hashlib.md5(body).hexdigest()
                self.possible[key] = [self.acknowledged[key]]
                if key.startswith("new/"):
                    self.new.add(key)


def test_kills_lose_nothing_that_was_acknowledged(tmp_path):
    print(f"\n{KILLS} kills, seed {SEED}")
    choices = random.Random(SEED)
    server = Server(data=tmp_path).start()
    try:
        Function(server, "told", "python3.12", packages.python(SEEN), "app.handler", Timeout=30).ready()
        s3 = objects.client(server)
        s3.create_bucket(Bucket="killed")
        s3.create_bucket(Bucket="told")
        one = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:told", "Events": ["s3:ObjectCreated:*"],
               "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "new/"}]}}}
        s3.put_bucket_notification_configuration(Bucket="killed", NotificationConfiguration={"LambdaFunctionConfigurations": [one]})
        putting = Putting(server)
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as senders:
            running = [senders.submit(putting.run, sender) for sender in range(SENDERS)]
            try:
                for _ in range(KILLS):
                    before = len(putting.new)
                    until(lambda: len(putting.new) > before + 5, 60, "objects to be put")
                    pause(choices.uniform(0.0, 0.5))
                    server.kill()
                    server.start()
            finally:
                putting.is_over.set()
            [one.result() for one in running]
        assert_whole(s3, putting)
        assert_told(s3, putting)
        assert_swept(server, s3)
    finally:
        if server.process is not None:
            server.kill()


def listed(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"]: entry for page in pages for entry in page.get("Contents", [])}


def assert_whole(s3, putting):
    there = listed(s3, "killed")
    for key, md5s in putting.possible.items():
        if key not in there:
            assert key not in putting.acknowledged, f"{key} was acknowledged and is gone"
            continue
        body = s3.get_object(Bucket="killed", Key=key)["Body"].read()
        assert hashlib.md5(body).hexdigest() == there[key]["ETag"].strip('"'), f"{key} is not whole"
        allowed = md5s + [putting.acknowledged.get(key)]
        assert hashlib.md5(body).hexdigest() in allowed, f"{key} is neither old nor new"
    print(f"{len(putting.acknowledged)} acknowledged, {len(there)} there")


def assert_swept(server, s3):
    """After one more start there is a file for each object, and no other."""
    server.stop()
    server.start()
    files = [path for path in (server.data / "s3").glob("*/*") if path.is_file()]
    assert len(files) == len(listed(s3, "killed")) + len(listed(s3, "told"))


def assert_told(s3, putting):
    # A run that a kill has failed is tried again a minute later.
    until(lambda: putting.new <= set(listed(s3, "told")), 150, "all notifications", 0.5)
    print(f"{len(putting.new)} told")
