"""Topics and the queues of the same server: the envelope, raw messages, order, and what cannot be delivered."""

import itertools
import json

import pytest

from support.server import Server
from support.subscribers import ALLOW, Endpoint, check_signature, subscribed
from support.wait import until
from support.waiting import settle

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def clocked():
    with Server(config=ALLOW, arguments=["--clock", "manual"]) as running:
        yield running


@pytest.fixture
def sns(clocked):
    return clocked.client("sns")


@pytest.fixture
def sqs(clocked):
    return clocked.client("sqs")


def queue(sqs, suffix="", **attributes):
    url = sqs.create_queue(QueueName=f"q-{next(NUMBERS)}{suffix}", Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(sqs, url, count):
    """As many messages, in the order in which they came."""
    found = []

    def look():
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"])
        for message in got.get("Messages", []):
            found.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(found) >= count

    until(look, 20, f"{count} messages in {url}")
    assert len(found) == count
    return found


def test_the_envelope_and_raw_messages(sns, sqs):
    topic = sns.create_topic(Name=f"t-{next(NUMBERS)}")["TopicArn"]
    (wrapped, wrapped_arn), (raw, raw_arn) = queue(sqs), queue(sqs)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wrapped_arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw_arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes={
        "n": {"DataType": "Number", "StringValue": "7"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00"}})
    [message] = receive(sqs, wrapped, 1)
    envelope = json.loads(message["Body"])
    check_signature(envelope)
    assert (envelope["Message"], envelope["Subject"], envelope["TopicArn"]) == ("hello", "s", topic)
    [message] = receive(sqs, raw, 1)
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["n"] == {"StringValue": "7", "DataType": "Number"}
    assert message["MessageAttributes"]["b"] == {"BinaryValue": b"\x00", "DataType": "Binary"}


def test_order_is_kept_within_a_group(sns, sqs):
    fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name=f"t-{next(NUMBERS)}.fifo", Attributes=fifo)["TopicArn"]
    url, arn = queue(sqs, ".fifo", FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    for number in range(30):
        sns.publish(TopicArn=topic, Message=str(number), MessageGroupId="g")
        sns.publish(TopicArn=topic, Message=str(number), MessageGroupId="g")
    assert [message["Body"] for message in receive(sqs, url, 30)] == [str(number) for number in range(30)]


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(clocked, sns, sqs):
    topic = sns.create_topic(Name=f"t-{next(NUMBERS)}")["TopicArn"]
    dead, dead_arn = queue(sqs)
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    absent = "arn:aws:sqs:us-east-1:000000000000:absent"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=absent, Attributes=redrive)
    with Endpoint() as endpoint:
        subscribed(sns, topic, endpoint, Attributes=redrive)
        endpoint.statuses = [400]
        sns.publish(TopicArn=topic, Message="lost")
        endpoint.wait(2)
        settle(clocked)
        bodies = [json.loads(message["Body"]) for message in receive(sqs, dead, 2)]
        assert [body["Message"] for body in bodies] == ["lost", "lost"]
