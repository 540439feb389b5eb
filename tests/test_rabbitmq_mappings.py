"""Queues of a real RabbitMQ run functions: every message is handled, and removed only after that."""

import base64
import contextlib
import itertools
import json
import random

import pika
import pytest

from support import packages
from support.cut import Relay
from support.rabbit import PASSWORD, USER, Rabbit
from support.server import Function, Server
from support.wait import pause, until

HERE = "us-east-1:000000000000"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:rabbit"
WRONG_SECRET = f"arn:aws:secretsmanager:{HERE}:secret:wrong"
NUMBERS = itertools.count(1)
#: Tells each batch by a line of its log; fails for a message as often as it asks.
CODE = """
import base64, json
failed = {}
def handler(event, context):
    [(key, messages)] = event["rmqMessagesByQueue"].items()
    bodies = [base64.b64decode(message["data"]).decode() for message in messages]
    print("BATCH", json.dumps({"key": key, "bodies": bodies, "event": event}))
    for body in bodies:
        name, _, times = body.partition(" fails ")
        if times and failed.setdefault(name, 0) < int(times):
            failed[name] += 1
            raise ValueError("as asked")
"""


def broker(name):
    return f"arn:aws:mq:{HERE}:broker:{name}:b-1"


@pytest.fixture(scope="session")
def rabbit():
    """One for all tests: it takes its time to start."""
    with Rabbit() as running:
        yield running


def configuration(rabbit, urls):
    brokers = "".join(f'[[brokers]]\narn = "{broker(name)}"\n{settings}\n' for name, settings in urls.items())
    secret = rabbit.directory / "secret.json"
    secret.write_text(json.dumps({"username": USER, "password": PASSWORD}))
    return (
        f'{brokers}[[secrets]]\narn = "{SECRET}"\nfile = "{secret}"\n'
        f'[[secrets]]\narn = "{WRONG_SECRET}"\nvariable = "WRONG_LOGIN"\n'
    )


WRONG_LOGIN = {"WRONG_LOGIN": json.dumps({"username": USER, "password": "not this"})}


@pytest.fixture(scope="module")
def relay(rabbit):
    with Relay(rabbit.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def server(rabbit, relay):
    urls = {
        "plain": f'url = "amqp://127.0.0.1:{rabbit.port}"',
        "tls": f'url = "amqps://127.0.0.1:{rabbit.tls_port}"\nca_cert = "{rabbit.certificate}"',
        "distrusted": f'url = "amqps://127.0.0.1:{rabbit.tls_port}"',
        "cut": f'url = "amqp://127.0.0.1:{relay.port}"',
    }
    with Server(config=configuration(rabbit, urls), environment=WRONG_LOGIN) as running:
        yield running


class Mapped:
    """A function, its queue, and the mapping between them."""

    def __init__(self, server, rabbit, name="plain", code=CODE, host=None, secret=SECRET, queue=None, arguments=None, before=(), **members):
        number = next(NUMBERS)
        self.server, self.rabbit, self.host, self.queue = server, rabbit, host or "/", queue or f"queue-{number}"
        if queue is None:
            self.on_channel(lambda channel: channel.queue_declare(self.queue, durable=True, arguments=arguments))
        self.function = Function(server, f"rabbit-{number}", "python3.12", packages.python(code), "app.handler").ready()
        for body in before:
            self.send(body)
        access = [{"Type": "BASIC_AUTH", "URI": secret}] + ([{"Type": "VIRTUAL_HOST", "URI": host}] if host else [])
        made = self.function.client.create_event_source_mapping(
            FunctionName=self.function.name, EventSourceArn=broker(name), Queues=[self.queue],
            SourceAccessConfigurations=access, **members,
        )
        self.uuid = made["UUID"]

    def on_channel(self, work):
        with contextlib.closing(self.rabbit.connect(self.host)) as connection:
            return work(connection.channel())

    def send(self, *bodies, **properties):
        properties = pika.BasicProperties(delivery_mode=2, **properties)
        self.on_channel(lambda channel: [channel.basic_publish("", self.queue, body, properties) for body in bodies])

    def waiting(self):
        """Messages that nobody holds."""
        return self.on_channel(lambda channel: channel.queue_declare(self.queue, passive=True)).method.message_count

    def batches(self):
        try:
            lines = self.function.log_messages()
        except self.function.logs.exceptions.ResourceNotFoundException:
            return []  # it has not run yet
        return [json.loads(line.removeprefix("BATCH ")) for line in lines if line.startswith("BATCH ")]

    def bodies(self):
        return [body for batch in self.batches() for body in batch["bodies"]]

    def handled(self, count):
        """The bodies of all batches, once there are as many."""
        return until(lambda: len(self.bodies()) >= count and self.bodies(), 30, f"{count} messages to be handled", 0.05)

    def result(self):
        return self.function.client.get_event_source_mapping(UUID=self.uuid)["LastProcessingResult"]

    def until_result(self, *parts):
        until(lambda: all(part in self.result() for part in parts), 30, f"{parts} to be told", 0.05)

    def switch(self, enabled):
        """Only a mapping that is off holds no messages."""
        self.until_settled()
        self.function.client.update_event_source_mapping(UUID=self.uuid, Enabled=enabled)
        self.until_settled()

    def until_settled(self):
        until(lambda: self.state() in ("Enabled", "Disabled"), 10, "the mapping to settle", 0.05)

    def state(self):
        return self.function.client.get_event_source_mapping(UUID=self.uuid)["State"]

    def until_none_is_left(self):
        """All are acknowledged: those that are not come back when nobody polls."""
        self.until_result("OK")
        self.switch(False)
        until(lambda: self.consumers() == 0, 20, "the poller to have gone", 0.05)
        assert self.waiting() == 0

    def consumers(self):
        return self.on_channel(lambda channel: channel.queue_declare(self.queue, passive=True)).method.consumer_count

    def end(self):
        self.until_settled()
        self.function.client.delete_event_source_mapping(UUID=self.uuid)
        self.function.delete()


@pytest.fixture
def mapped(server, rabbit):
    made = []

    def make(*arguments, **members):
        made.append(Mapped(server, rabbit, *arguments, **members))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_message_looks_as_it_does_on_aws(mapped):
    queue = mapped()
    headers = {"header1": "value1", "numberInHeader": 10, "flag": True, "deep": {"list": [1, "ä"]}, "none": None}
    queue.send(
        '{"timeout":0}', content_type="text/plain", headers=headers, priority=3, expiration="60000", timestamp=2021, type="news",
        message_id="m-1", correlation_id="c-1", reply_to="answers", user_id=USER, app_id="tests",
    )
    queue.handled(1)
    [batch] = queue.batches()
    assert batch["event"] == {
        "eventSource": "aws:rmq", "eventSourceArn": broker("plain"), "rmqMessagesByQueue": {f"{queue.queue}::/": [{
            "basicProperties": {
                "contentType": "text/plain", "contentEncoding": None,
                "headers": {
                    "header1": {"bytes": list(b"value1")}, "numberInHeader": 10, "flag": True,
                    "deep": {"list": [1, {"bytes": [-61, -92]}]}, "none": None,
                },
                "deliveryMode": 2, "priority": 3, "correlationId": "c-1", "replyTo": "answers", "expiration": "60000",
                "messageId": "m-1", "timestamp": "Jan 1, 1970, 12:33:41 AM", "type": "news", "userId": USER, "appId": "tests",
                "clusterId": None, "bodySize": 13,
            },
            "redelivered": False, "data": base64.b64encode(b'{"timeout":0}').decode(),
        }]},
    }
    queue.until_none_is_left()


def test_batches_are_as_large_as_they_may_be(mapped):
    queue = mapped(before=[str(number) for number in range(25)], BatchSize=10)
    assert queue.handled(25) == [str(number) for number in range(25)]
    assert [len(batch["bodies"]) for batch in queue.batches()] == [10, 10, 5]
    queue.until_none_is_left()


def test_a_batch_comes_back_as_often_as_it_fails(mapped):
    queue = mapped(before=["a", "b fails 2", "c"], BatchSize=3)
    queue.until_result("PROBLEM: Function call failed")
    queue.handled(9)
    queue.until_result("OK")
    assert [batch["bodies"] for batch in queue.batches()] == [["a", "b fails 2", "c"]] * 3
    [messages] = queue.batches()[-1]["event"]["rmqMessagesByQueue"].values()
    assert all(message["redelivered"] for message in messages)
    queue.until_none_is_left()


def test_a_queue_may_give_up_what_fails(mapped):
    """What a queue says of deliveries and dead letters holds: messages go back to it after a failure."""
    dead = f"dead-{next(NUMBERS)}"
    rules = {"x-queue-type": "quorum", "x-delivery-limit": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = mapped(arguments=rules)
    queue.on_channel(lambda channel: channel.queue_declare(dead, durable=True))
    queue.send("bad fails 100")
    count = lambda: queue.on_channel(lambda channel: channel.queue_declare(dead, passive=True)).method.message_count  # noqa: E731
    until(lambda: count() == 1, 30, "the message to be a dead letter", 0.05)
    assert queue.bodies() == ["bad fails 100"] * 2
    queue.send("good")
    queue.until_result("OK")


def test_what_no_event_has_room_for_is_a_dead_letter(mapped):
    dead = f"dead-{next(NUMBERS)}"
    queue = mapped(arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    queue.on_channel(lambda channel: channel.queue_declare(dead, durable=True))
    queue.send("x" * 7_000_000, "y" * 5_000_000)
    queue.until_result("PROBLEM: a message of 5000000 bytes is larger than an event", "dead-letter")
    count = lambda: queue.on_channel(lambda channel: channel.queue_declare(dead, passive=True)).method.message_count  # noqa: E731
    until(lambda: count() == 2, 20, "both to be dead letters", 0.05)
    queue.send("z")
    assert queue.handled(1) == ["z"]


def test_what_filters_hold_back_is_removed(mapped):
    pattern = json.dumps({"data": {"kind": ["wanted"]}})
    queue = mapped(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    bodies = [json.dumps({"kind": "wanted" if number % 3 == 0 else "other", "n": number}) for number in range(9)]
    queue.send("no JSON", *bodies)
    assert queue.handled(3) == bodies[::3]
    queue.until_none_is_left()


def test_a_virtual_host_and_tls(mapped):
    queue = mapped("tls", host="shop")
    queue.send("over TLS")
    queue.handled(1)
    assert queue.batches()[0]["key"] == f"{queue.queue}::shop"
    queue.until_none_is_left()


@pytest.mark.parametrize("arguments, parts", [
    ({"name": "unknown"}, (broker("unknown"), "[[brokers]]", "ActiveMQ is not polled")),
    ({"secret": SECRET + "-other"}, (SECRET + "-other", "[[secrets]]")),
    ({"secret": WRONG_SECRET}, ("it answers 403: ACCESS_REFUSED",)),
    ({"queue": "nowhere"}, ("it answers 404: NOT_FOUND - no queue 'nowhere' in vhost '/'",)),
    ({"host": "nowhere", "queue": "any"}, ("it answers 530: NOT_ALLOWED - vhost nowhere not found",)),
    ({"name": "distrusted"}, ("failed to connect to amqps://127.0.0.1", "certificate")),
])
def test_what_is_wrong_is_told(mapped, arguments, parts):
    mapped(**arguments).until_result("PROBLEM: ", *parts)


def test_a_broken_connection_is_made_again(mapped, relay):
    queue = mapped("cut")
    queue.send("before")
    queue.handled(1)
    relay.cut()
    try:
        queue.until_result("PROBLEM: the broker: ")
        queue.send("meanwhile")
    finally:
        relay.mend()
    assert set(queue.handled(2)) == {"before", "meanwhile"}
    queue.until_none_is_left()


def test_what_a_mapping_that_is_off_had_taken_is_there_for_others(mapped):
    """A window keeps messages; when the mapping goes they have not been handled and are back."""
    queue = mapped(MaximumBatchingWindowInSeconds=300)
    queue.send("one", "two")
    until(lambda: queue.consumers() == 1 and queue.waiting() == 0, 20, "the messages to be taken", 0.05)
    queue.switch(False)
    until(lambda: queue.consumers() == 0, 20, "the poller to have gone", 0.05)
    assert queue.waiting() == 2 and queue.batches() == []


#: Writes down durably what it handles: lines of a log may be lost with a server that is killed.
NOTES = """
import base64, boto3, json
sqs = boto3.client("sqs")
url = sqs.get_queue_url(QueueName="notes")["QueueUrl"]
def handler(event, context):
    [messages] = event["rmqMessagesByQueue"].values()
    bodies = [base64.b64decode(message["data"]).decode() for message in messages]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(bodies))
"""


def noted(server):
    sqs = server.client("sqs")
    url, handled = sqs.get_queue_url(QueueName="notes")["QueueUrl"], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            handled += json.loads(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return handled


def test_kills_lose_no_message(rabbit, tmp_path):
    """Every message is handled at least once, however often the server is killed in the middle of batches."""
    choices, messages = random.Random(20261130), 300
    urls = {"plain": f'url = "amqp://127.0.0.1:{rabbit.port}"'}
    server = Server(data=tmp_path, config=configuration(rabbit, urls), environment=WRONG_LOGIN).start()
    try:
        server.client("sqs").create_queue(QueueName="notes")
        queue = Mapped(server, rabbit, code=NOTES, BatchSize=5, MaximumBatchingWindowInSeconds=0)
        handled = []
        for first in range(0, messages, 60):
            queue.send(*[str(number) for number in range(first, first + 60)])
            until(lambda: queue.waiting() < 60, 30, "the queue to be polled", 0.01)
            pause(choices.uniform(0.0, 0.3))
            server.kill()
            server.start()
        def is_done():
            handled.extend(noted(server))
            return len(set(handled)) == messages
        until(is_done, 60, "all messages to be handled", 0.1)
        queue.until_none_is_left()
        assert set(handled) == {str(number) for number in range(messages)}
        print(f"\n{messages} messages, {len(handled) - messages} handled again")
    finally:
        if server.process is not None:
            server.kill()
