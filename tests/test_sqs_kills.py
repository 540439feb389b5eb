"""The server is killed while messages are sent, received and deleted: what was acknowledged stays so."""

import concurrent.futures
import itertools
import os
import random

import botocore.exceptions
import pytest

from support.postgres import Postgres
from support.server import Server
from support.wait import pause, until
from support.waiting import advance

KILLS = int(os.environ.get("TINDRA_TEST_KILLS", "5"))
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261130"))
SENDERS, RECEIVERS = 4, 2


class Traffic:
    """Senders and receivers that go on whatever happens to the server."""

    def __init__(self, server, url):
        self.server, self.url = server, url
        self.numbers = itertools.count()
        self.accepted, self.seen, self.deleted = set(), set(), set()
        self.came_back = set()
        self.is_over = False

    def send(self):
        sqs = self.server.client("sqs")
        while not self.is_over:
            body = str(next(self.numbers))
            try:
                sqs.send_message(QueueUrl=self.url, MessageBody=body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                pause(0.01)
            else:
                self.accepted.add(body)

    def receive(self):
        sqs = self.server.client("sqs")
        while not self.is_over:
            self.receive_once(sqs)

    def receive_once(self, sqs, **members):
        """Receives and deletes a few; whether there was anything."""
        try:
            received = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=5, **members).get("Messages", [])
            for message in received:
                self.seen.add(message["Body"])
                if message["Body"] in self.deleted:
                    self.came_back.add(message["Body"])
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                self.deleted.add(message["Body"])
            return bool(received)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            pause(0.01)
            return True


def test_nothing_acknowledged_is_lost(tmp_path):
    print(f"\n{KILLS} kills, seed {SEED}")
    choices = random.Random(SEED)
    # By a clock that stands, what is in somebody's hands stays there, however slow a start is.
    server = Server(data=tmp_path, arguments=["--clock", "manual"]).start()
    try:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="kept")["QueueUrl"]
        traffic = Traffic(server, url)
        with concurrent.futures.ThreadPoolExecutor(SENDERS + RECEIVERS) as threads:
            running = [threads.submit(traffic.send) for _ in range(SENDERS)]
            running += [threads.submit(traffic.receive) for _ in range(RECEIVERS)]
            for _ in range(KILLS):
                enough = len(traffic.accepted) + choices.randrange(50, 500)
                until(lambda: len(traffic.accepted) > enough, 60, "messages to be accepted", 0.001)
                server.kill()
                server.start()
            traffic.is_over = True
            [one.result() for one in running]
        advance(server, seconds=30)
        until(lambda: not traffic.receive_once(sqs), 120, "the queue to be empty")
        print(f"{len(traffic.accepted)} accepted, {len(traffic.seen - traffic.accepted)} without an answer")
        assert not traffic.accepted - traffic.seen
        assert not traffic.came_back, "what was deleted stays deleted"
        server.stop()
    finally:
        if server.process is not None:
            server.kill()


@pytest.fixture(scope="module")
def database():
    with Postgres() as database:
        yield database


def test_servers_share_a_queue(database):
    arguments = ["--store", database.url]
    with Server(arguments=arguments) as one, Server(arguments=arguments) as other:
        sender, receiver = one.client("sqs"), other.client("sqs")
        url = sender.create_queue(QueueName="shared.fifo", Attributes={
            "FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
        url_of_other = receiver.get_queue_url(QueueName="shared.fifo")["QueueUrl"]
        assert url_of_other == url.replace(one.url, other.url)
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(receiver.receive_message, QueueUrl=url_of_other, WaitTimeSeconds=20)
            for number in range(3):
                sender.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
            [first] = waiting.result(19)["Messages"]
        assert first["Body"] == "0"
        assert "Messages" not in sender.receive_message(QueueUrl=url)
        sender.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        received = receiver.receive_message(QueueUrl=url_of_other, MaxNumberOfMessages=10)["Messages"]
        assert [message["Body"] for message in received] == ["1", "2"]
