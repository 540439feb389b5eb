"""The photo album of the examples, from an upload to what its subscribers are told, while the server is killed again and again:
every photograph that was taken has its thumbnail, every thumbnail is told, and what is no photograph is told as a failure."""

import json
import os
import random
import subprocess
import sys
import threading

import botocore.exceptions
import pytest

from support.pictures import png
from support.server import ROOT, Server
from support.wait import pause, until
from support.waiting import advance

ALBUM = ROOT / "examples/photo-album"
PHOTOGRAPHS = int(os.environ.get("TINDRA_TEST_PHOTOGRAPHS", "60"))
KILLS = int(os.environ.get("TINDRA_TEST_KILLS", "6"))
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261130"))
BROKEN_EVERY = 10
"""Every tenth upload is no photograph."""
AWAY = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError, botocore.exceptions.ClientError)
"""What a client sees of a server that is being killed or that has just started."""


@pytest.fixture
def server(tmp_path):
    # Retries are a minute and two apart: the clock is moved on for them.
    server = Server(data=tmp_path, arguments=["--clock", "manual"]).start()
    yield server
    if server.process is not None:
        server.kill()


def set_up(server):
    if not (ALBUM / "build").is_dir():
        subprocess.run([str(ALBUM / "build.sh"), "3.12"], check=True, timeout=600)
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_PAGER": "",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
    }
    made = subprocess.run([str(ALBUM / "setup.sh")], env=environment, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    assert "s3://photographs" in made.stdout


class Uploads:
    """Uploads that are tried until the server has taken them."""

    def __init__(self, server):
        self.s3 = server.client("s3")
        self.left = list(range(PHOTOGRAPHS))
        self.taken = []
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while True:
            try:
                number = self.left.pop()
            except IndexError:
                return
            body = b"no photograph" if number % BROKEN_EVERY == 0 else png(200 + number, 100)
            until(lambda: self.put(f"{number:04}.png", body), 120, "the server to take a photograph", 0.05)
            self.taken.append(number)

    def put(self, key, body):
        try:
            self.s3.put_object(Bucket="photographs", Key=key, Body=body)
            return True
        except AWAY:
            return False


class Mailbox:
    """What a queue has brought so far."""

    def __init__(self, server, name):
        self.sqs = server.client("sqs")
        self.url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        self.bodies = []

    def read(self):
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.bodies


def test_an_album_survives_kills(server):
    choices = random.Random(SEED)
    set_up(server)
    uploads = Uploads(server)
    for taken in sorted(choices.randrange(PHOTOGRAPHS) for _ in range(KILLS)):
        until(lambda: len(uploads.taken) >= taken or not any(thread.is_alive() for thread in uploads.threads), 120,
              f"{taken} photographs to be taken")
        pause(choices.uniform(0.0, 0.4))
        server.kill()
        server.start()
    for thread in uploads.threads:
        thread.join(180)
    assert sorted(uploads.taken) == list(range(PHOTOGRAPHS))

    good = {f"{number:04}.png" for number in range(PHOTOGRAPHS) if number % BROKEN_EVERY}
    broken = {f"{number:04}.png" for number in range(PHOTOGRAPHS)} - good
    s3, told, failed = server.client("s3"), Mailbox(server, "thumbnails-told"), Mailbox(server, "thumbnails-failed")

    def thumbnails():
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="photo-thumbnails")
        return {entry["Key"].removesuffix(".jpg") for page in pages for entry in page.get("Contents", [])}

    def announced():
        details = [json.loads(body["Message"])["detail"] for body in told.read()]
        return {detail["photograph"].removeprefix("s3://photographs/") for detail in details}

    def failures():
        return {body["requestPayload"]["Records"][0]["s3"]["object"]["key"] for body in failed.read()}

    def all_done():
        advance(server, 60)
        return thumbnails() == good and announced() == good and failures() == broken

    until(all_done, 180, "every photograph to have its thumbnail and every thumbnail to be told", 0.2)
    waiting = json.load(server.http("/_tindra/queue"))["queues"]
    assert waiting == [], waiting
    body = s3.get_object(Bucket="photo-thumbnails", Key="0001.png.jpg")["Body"].read()
    assert body.startswith(b"\xff\xd8\xff")
    again = len(told.bodies) - len(good)
    print(f"\n{PHOTOGRAPHS} uploads, {KILLS} kills, seed {SEED}: told {again} times more than once")
