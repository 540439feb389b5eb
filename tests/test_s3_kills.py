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
SEEN = "def handler(event, context):\n    print('SEEN ' + event['Records'][0]['s3']['object']['key'])\n"


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
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.ClientError):
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
        function = Function(server, "told", "python3.12", packages.python(SEEN), "app.handler").ready()
        s3 = objects.client(server)
        s3.create_bucket(Bucket="killed")
        one = {"LambdaFunctionArn": function.created["FunctionArn"], "Events": ["s3:ObjectCreated:*"],
               "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "new/"}]}}}
        s3.put_bucket_notification_configuration(Bucket="killed", NotificationConfiguration={"LambdaFunctionConfigurations": [one]})
        putting = Putting(server)
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as senders:
            running = [senders.submit(putting.run, sender) for sender in range(SENDERS)]
            for _ in range(KILLS):
                before = len(putting.new)
                until(lambda: len(putting.new) > before + 5, 60, "objects to be put")
                pause(choices.uniform(0.0, 0.5))
                server.kill()
                server.start()
            putting.is_over.set()
            [one.result() for one in running]
        assert_whole(s3, putting)
        assert_swept(server, s3)
        assert_told(function, putting)
    finally:
        if server.process is not None:
            server.kill()


def assert_whole(s3, putting):
    listed = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="killed"):
        listed |= {entry["Key"]: entry for entry in page.get("Contents", [])}
    for key, md5s in putting.possible.items():
        if key not in listed:
            assert key not in putting.acknowledged, f"{key} was acknowledged and is gone"
            continue
        body = s3.get_object(Bucket="killed", Key=key)["Body"].read()
        assert hashlib.md5(body).hexdigest() == listed[key]["ETag"].strip('"'), f"{key} is not whole"
        allowed = md5s + [putting.acknowledged.get(key)]
        assert hashlib.md5(body).hexdigest() in allowed, f"{key} is neither old nor new"
    print(f"{len(putting.acknowledged)} acknowledged, {len(listed)} there")


def assert_swept(server, s3):
    """After one more start there is a file for each object, and no other."""
    server.stop()
    server.start()
    files = [path for path in (server.data / "s3").glob("*/*") if path.is_file()]
    count = sum(len(page.get("Contents", [])) for page in s3.get_paginator("list_objects_v2").paginate(Bucket="killed"))
    assert len(files) == count


def assert_told(function, putting):
    def untold():
        told = {line[5:] for line in function.log_messages() if line.startswith("SEEN ")}
        return putting.new - told

    until(lambda: not untold(), 120, "all notifications", 0.5)
    print(f"{len(putting.new)} told")
