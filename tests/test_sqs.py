"""SQS as boto3 and the AWS CLI use it."""

import concurrent.futures
import hashlib
import itertools
import json
import time

import botocore.exceptions
import pytest

from support import packages
from support.server import Server
from support.wait import until
from support.waiting import advance, now_ms, settle

NUMBERS = itertools.count(1)
FAILS = "def handler(event, context):\n    raise ValueError('no such luck')\n"
WORKS = "def handler(event, context):\n    return {'seen': event}\n"


@pytest.fixture(scope="module")
def timed():
    """A server whose clock the tests move."""
    with Server(arguments=["--clock", "manual"]) as server:
        yield server


@pytest.fixture(scope="module")
def sqs(timed):
    return timed.client("sqs")


class Queue:
    def __init__(self, sqs, name=None, url=None, **attributes):
        self.sqs = sqs
        name = name or f"queue-{next(NUMBERS)}" + (".fifo" if "FifoQueue" in attributes else "")
        attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
        self.url = url or sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self.attributes("QueueArn")["QueueArn"]

    def attributes(self, *names):
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names) or ["All"]).get("Attributes", {})

    def send(self, body, **members):
        return self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **members)

    def receive(self, most=10, **members):
        members = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"], **members}
        return self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most, **members).get("Messages", [])

    def bodies(self, **members):
        return [message["Body"] for message in self.receive(**members)]

    def delete(self, message):
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def hide(self, message, seconds):
        self.sqs.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds)

    def counts(self):
        names = ["", "NotVisible", "Delayed"]
        told = self.attributes(*[f"ApproximateNumberOfMessages{name}" for name in names])
        return tuple(int(told[f"ApproximateNumberOfMessages{name}"]) for name in names)


@pytest.fixture
def make(sqs):
    """make(Attribute=value, …) → a Queue that is deleted at the end."""
    made = []

    def new(name=None, **attributes):
        made.append(Queue(sqs, name, **attributes))
        return made[-1]

    yield new
    for queue in made:
        try:
            sqs.delete_queue(QueueUrl=queue.url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


def fifo(make, **attributes):
    return make(FifoQueue="true", **attributes)


def error_of(call, *arguments, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **members)
    return caught.value.response["Error"]


def code_of(call, *arguments, **members):
    return error_of(call, *arguments, **members)["Code"]


# Queues.


def test_a_queue_is_made_once_and_found(timed, sqs, make):
    queue = make("orders", VisibilityTimeout="45")
    assert queue.url == f"{timed.url}/000000000000/orders"
    assert queue.arn == "arn:aws:sqs:us-east-1:000000000000:orders"
    assert sqs.create_queue(QueueName="orders")["QueueUrl"] == queue.url
    assert sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "45"})["QueueUrl"] == queue.url
    assert code_of(sqs.create_queue, QueueName="orders", Attributes={"VisibilityTimeout": "46"}) == "QueueAlreadyExists"
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName="orders", Attributes={"DelaySeconds": "1"})
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == queue.url
    sqs.delete_queue(QueueUrl=queue.url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as refused:
        sqs.get_queue_url(QueueName="orders")
    assert refused.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    again = make("orders")
    assert again.attributes()["VisibilityTimeout"] == "30"


def test_attributes_are_told_as_they_are_set(timed, sqs, make):
    queue = make()
    told = queue.attributes()
    created = str(now_ms(timed) // 1_000)
    assert told == {
        "QueueArn": queue.arn, "VisibilityTimeout": "30", "MaximumMessageSize": "1048576", "DelaySeconds": "0",
        "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0", "CreatedTimestamp": created, "LastModifiedTimestamp": created,
    }
    advance(timed, seconds=5)
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"DelaySeconds": "9", "SqsManagedSseEnabled": "false"})
    changed = queue.attributes("DelaySeconds", "SqsManagedSseEnabled", "LastModifiedTimestamp")
    assert changed == {"DelaySeconds": "9", "SqsManagedSseEnabled": "false", "LastModifiedTimestamp": str(int(created) + 5)}
    assert queue.sqs.get_queue_attributes(QueueUrl=queue.url).get("Attributes") is None
    for name, value in [("DelaySeconds", "901"), ("VisibilityTimeout", "43201"), ("MaximumMessageSize", "1048577"),
                        ("MessageRetentionPeriod", "59"), ("ReceiveMessageWaitTimeSeconds", "21"), ("Policy", "{"),
                        ("SqsManagedSseEnabled", "maybe")]:
        error = error_of(sqs.set_queue_attributes, QueueUrl=queue.url, Attributes={name: value})
        assert (error["Code"], error["Message"]) == ("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    for name in ("Nothing", "FifoQueue", "ContentBasedDeduplication", "QueueArn"):
        assert code_of(sqs.set_queue_attributes, QueueUrl=queue.url, Attributes={name: "true"}) == "InvalidAttributeName"
    assert code_of(sqs.get_queue_attributes, QueueUrl=queue.url, AttributeNames=["Nothing"]) == "InvalidAttributeName"
    refused = error_of(sqs.set_queue_attributes, QueueUrl=queue.url, Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
    assert refused["Code"] == "AWS.SimpleQueueService.UnsupportedOperation" and "no KMS" in refused["Message"]


def test_names_are_checked(sqs):
    for name in ("", "a" * 81, "a b", "a/b", "a.b", "name.fifo"):
        assert code_of(sqs.create_queue, QueueName=name) in ("InvalidParameterValue", "MissingParameter"), name
    assert code_of(sqs.create_queue, QueueName="name", Attributes={"FifoQueue": "true"}) == "InvalidParameterValue"


def test_queues_are_listed_in_pages(sqs, make):
    urls = [make(f"listed-{number:02}").url for number in range(5)]
    assert sqs.list_queues(QueueNamePrefix="listed-")["QueueUrls"] == urls
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="listed-", PaginationConfig={"PageSize": 2})
    assert [page["QueueUrls"] for page in pages] == [urls[:2], urls[2:4], urls[4:]]
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="nobody-")


def test_tags(sqs, make):
    queue = make()
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=queue.url)
    sqs.tag_queue(QueueUrl=queue.url, Tags={"team": "red", "stage": "test"})
    sqs.untag_queue(QueueUrl=queue.url, TagKeys=["stage", "none"])
    assert sqs.list_queue_tags(QueueUrl=queue.url)["Tags"] == {"team": "red"}


def test_urls_of_other_hosts_are_understood(sqs, make):
    queue = make("somewhere")
    queue.send("x")
    for url in ("https://sqs.us-east-1.amazonaws.com/000000000000/somewhere", "http://localhost:4566/000000000000/somewhere",
                "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/somewhere",
                "https://us-east-1.queue.amazonaws.com/000000000000/somewhere"):
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] == queue.arn
    assert code_of(sqs.receive_message, QueueUrl="https://sqs/111111111111/somewhere") == "AWS.SimpleQueueService.NonExistentQueue"


# Messages.


def test_a_message_comes_as_it_was_sent(timed, make):
    queue = make()
    attributes = {
        "text": {"StringValue": "wörd", "DataType": "String"},
        "count": {"StringValue": "12.5", "DataType": "Number.float"},
        "bytes": {"BinaryValue": b"\0\1\2", "DataType": "Binary.png"},
    }
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    at = str(now_ms(timed))
    # boto3 compares the digests that are answered with what it has sent.
    sent = queue.send("hällo", MessageAttributes=attributes, MessageGroupId="fair", MessageSystemAttributes={
        "AWSTraceHeader": {"StringValue": trace, "DataType": "String"}})
    assert sent["MD5OfMessageBody"] == hashlib.md5("hällo".encode()).hexdigest()
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    advance(timed, seconds=1)
    [message] = queue.receive()
    assert (message["MessageId"], message["Body"], message["MessageAttributes"]) == (sent["MessageId"], "hällo", attributes)
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"] == {
        "SenderId": "000000000000", "SentTimestamp": at, "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": str(int(at) + 1_000), "AWSTraceHeader": trace, "MessageGroupId": "fair",
    }
    queue.hide(message, 0)
    [message] = queue.receive(AttributeNames=["SenderId"], MessageAttributeNames=["co.*", "text"])
    assert (set(message["Attributes"]), set(message["MessageAttributes"])) == ({"SenderId"}, {"count", "text"})
    queue.hide(message, 0)
    [message] = queue.receive(AttributeNames=[], MessageAttributeNames=[])
    assert not message.keys() & {"Attributes", "MessageAttributes", "MD5OfMessageAttributes"}
    assert code_of(queue.receive, AttributeNames=["Nothing"]) == "InvalidAttributeName"


def test_what_cannot_be_sent_is_refused(sqs, make):
    queue = make(MaximumMessageSize="1024")
    value = {"StringValue": "v", "DataType": "String"}
    refused = [
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "a\0b"}, "InvalidMessageContents"),
        ({"MessageBody": "x" * 1_025}, "InvalidParameterValue"),
        ({"MessageBody": "x" * 1_010, "MessageAttributes": {"name": {**value, "StringValue": "y" * 10}}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {f"n{number}": value for number in range(11)}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"aws.x": value}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"a..b": value}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"a": {"StringValue": "x", "DataType": "Number"}}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"a": {"StringValue": "x", "DataType": "Text"}}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
    ]
    for members, code in refused:
        assert code_of(sqs.send_message, QueueUrl=queue.url, **members) == code, members
    queue.send("x" * 1_024)
    assert queue.counts() == (1, 0, 0)
    whole = make()
    whole.send("é" * (1 << 19))
    assert whole.bodies() == ["é" * (1 << 19)]


def test_a_received_message_is_hidden_until_its_time_is_over(timed, make):
    queue = make(VisibilityTimeout="10")
    queue.send("x")
    [first] = queue.receive()
    assert (queue.receive(), queue.counts()) == ([], (0, 1, 0))
    advance(timed, seconds=9)
    queue.hide(first, 5)
    advance(timed, seconds=4)
    assert queue.receive() == []
    advance(timed, seconds=1)
    [second] = queue.receive(VisibilityTimeout=60)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    queue.delete(first)
    assert queue.counts() == (0, 1, 0), "only who received it last can delete it"
    advance(timed, seconds=59)
    assert queue.receive() == []
    queue.delete(second)
    queue.delete(second)
    advance(timed, seconds=60)
    assert queue.counts() == (0, 0, 0)


def test_visibility_has_its_limits(timed, sqs, make):
    queue = make()
    queue.send("x")
    [message] = queue.receive()
    error = error_of(queue.hide, message, 43_201)
    assert error["Code"] == "InvalidParameterValue"
    advance(timed, seconds=10)
    assert "beyond the limit" in error_of(queue.hide, message, 43_200)["Message"]
    queue.hide(message, 43_190)
    advance(timed, seconds=43_190)
    assert code_of(queue.hide, message, 1) == "AWS.SimpleQueueService.MessageNotInflight"
    [message] = queue.receive()
    queue.delete(message)
    assert code_of(queue.hide, message, 1) == "InvalidParameterValue"
    for handle in ("nonsense", ""):
        code = code_of(sqs.delete_message, QueueUrl=queue.url, ReceiptHandle=handle)
        assert code in ("ReceiptHandleIsInvalid", "MissingParameter")
    for members in ({"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43_201}):
        assert code_of(sqs.receive_message, QueueUrl=queue.url, **members) == "InvalidParameterValue"


def test_delays(timed, make):
    queue = make(DelaySeconds="30")
    queue.send("by the queue")
    queue.send("own", DelaySeconds=10)
    queue.send("at once", DelaySeconds=0)
    assert queue.counts() == (1, 0, 2)
    assert queue.bodies() == ["at once"]
    advance(timed, seconds=10)
    assert queue.bodies() == ["own"]
    advance(timed, seconds=19)
    assert queue.receive(1)[0]["Body"] != "by the queue" if queue.counts()[0] else True
    advance(timed, seconds=1)
    assert "by the queue" in queue.bodies()


def test_retention(timed, sqs, make):
    queue = make(MessageRetentionPeriod="60")
    queue.send("old")
    advance(timed, seconds=59)
    queue.send("new")
    assert queue.counts() == (2, 0, 0)
    advance(timed, seconds=1)
    assert (queue.counts(), queue.bodies()) == ((1, 0, 0), ["new"])
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"MessageRetentionPeriod": "120"})
    advance(timed, seconds=70)
    assert queue.bodies() == ["new"]


def test_batches(sqs, make):
    queue = make(MaximumMessageSize="1024")
    entries = [{"Id": f"e{number}", "MessageBody": f"body {number}"} for number in range(9)]
    sent = sqs.send_message_batch(QueueUrl=queue.url, Entries=[*entries, {"Id": "large", "MessageBody": "x" * 1_025}])
    assert [entry["Id"] for entry in sent["Successful"]] == [entry["Id"] for entry in entries]
    [failed] = sent["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("large", True, "InvalidParameterValue")
    received = queue.receive()
    assert sorted(message["Body"] for message in received) == [entry["MessageBody"] for entry in entries]
    hidden = sqs.change_message_visibility_batch(QueueUrl=queue.url, Entries=[
        {"Id": "a", "ReceiptHandle": received[0]["ReceiptHandle"], "VisibilityTimeout": 0},
        {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 0},
    ])
    assert ([e["Id"] for e in hidden["Successful"]], [e["Code"] for e in hidden["Failed"]]) == (["a"], ["ReceiptHandleIsInvalid"])
    assert queue.bodies() == [received[0]["Body"]]
    deleted = sqs.delete_message_batch(QueueUrl=queue.url, Entries=[
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(received[1:])])
    assert len(deleted["Successful"]) == 8 and "Failed" not in deleted
    assert queue.counts() == (0, 1, 0)
    batch = lambda *entries: code_of(sqs.send_message_batch, QueueUrl=queue.url, Entries=list(entries))  # noqa: E731
    assert batch() == "AWS.SimpleQueueService.EmptyBatchRequest"
    assert batch(*entries, *entries) == "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
    assert batch(entries[0], entries[0]) == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    assert batch({"Id": "a b", "MessageBody": "x"}) == "AWS.SimpleQueueService.InvalidBatchEntryId"
    large = [{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)]
    assert code_of(sqs.send_message_batch, QueueUrl=make().url, Entries=large) == "AWS.SimpleQueueService.BatchRequestTooLong"


def test_purge(timed, sqs, make):
    queue = make()
    for number in range(3):
        queue.send(str(number))
    [message] = queue.receive(1)
    sqs.purge_queue(QueueUrl=queue.url)
    assert queue.counts() == (0, 0, 0)
    queue.delete(message)
    assert code_of(sqs.purge_queue, QueueUrl=queue.url) == "AWS.SimpleQueueService.PurgeQueueInProgress"
    queue.send("after")
    advance(timed, seconds=60)
    assert queue.bodies() == ["after"]
    sqs.purge_queue(QueueUrl=queue.url)


# Waiting.


def test_who_waits_gets_what_comes(timed, make):
    queue = make()
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(queue.bodies, WaitTimeSeconds=20) for _ in range(3)]
        started = time.monotonic()
        for number in range(3):
            until(lambda: sum(one.done() for one in waiting) == number, 10, f"{number} to be answered")
            queue.send(f"message {number}")
        bodies = [body for one in waiting for body in one.result(15)]
    assert sorted(bodies) == ["message 0", "message 1", "message 2"]
    assert time.monotonic() - started < 10


def test_who_waits_gets_what_becomes_visible(timed, make):
    queue = make(ReceiveMessageWaitTimeSeconds="20")
    queue.send("late", DelaySeconds=5)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(queue.bodies)
        advance(timed, seconds=4)
        assert not waiting.done()
        until(lambda: (advance(timed, ms=500), waiting.done())[1], 10, "the message")
        assert waiting.result() == ["late"]


def test_waiting_ends(timed, sqs, make):
    queue = make()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(queue.bodies, WaitTimeSeconds=20)
        until(lambda: (advance(timed, seconds=1), waiting.done())[1], 15, "the end of the wait")
        assert waiting.result() == []
        waiting = threads.submit(code_of, queue.receive, WaitTimeSeconds=20)
        # Whether it has begun to wait is not to be seen; a queue that is gone ends it either way.
        sqs.delete_queue(QueueUrl=queue.url)
        assert waiting.result(10) == "AWS.SimpleQueueService.NonExistentQueue"
    started = time.monotonic()
    assert make().receive(WaitTimeSeconds=1) == []
    assert 0.9 < time.monotonic() - started < 5, "by the machine's clock, too"


# FIFO.


def test_groups_keep_their_order(timed, make):
    queue = fifo(make, ContentBasedDeduplication="true", VisibilityTimeout="10")
    numbers = [int(queue.send(f"{group}{number}", MessageGroupId=group)["SequenceNumber"]) for number in range(3) for group in "ab"]
    assert numbers == sorted(set(numbers))
    first = queue.receive(2)
    assert [message["Body"] for message in first] == ["a0", "a1"]
    assert queue.bodies() == ["b0", "b1", "b2"], "group a is held up by what is in flight"
    assert queue.receive() == []
    queue.delete(first[0])
    assert queue.receive() == []
    queue.delete(first[1])
    [last] = queue.receive()
    told = last["Attributes"]
    assert (last["Body"], told["MessageGroupId"], told["SequenceNumber"]) == ("a2", "a", str(numbers[4]))
    assert told["MessageDeduplicationId"] == hashlib.sha256(b"a2").hexdigest()
    advance(timed, seconds=10)
    assert queue.bodies() == ["b0", "b1", "b2", "a2"]
    assert "expired" in error_of(queue.delete, last)["Message"]


def test_a_message_is_taken_once_in_five_minutes(timed, make):
    queue = fifo(make)
    first = queue.send("one", MessageGroupId="g", MessageDeduplicationId="d")
    again = queue.send("two", MessageGroupId="h", MessageDeduplicationId="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    [message] = queue.receive()
    queue.delete(message)
    advance(timed, seconds=299)
    queue.send("three", MessageGroupId="g", MessageDeduplicationId="d")
    assert queue.counts() == (0, 0, 0)
    advance(timed, seconds=1)
    queue.send("four", MessageGroupId="g", MessageDeduplicationId="d")
    assert queue.bodies() == ["four"]
    error = error_of(queue.send, "x", MessageGroupId="g")
    assert error["Code"] == "InvalidParameterValue" and "ContentBasedDeduplication" in error["Message"]
    assert code_of(queue.send, "x", MessageDeduplicationId="d") == "MissingParameter"
    assert code_of(queue.send, "x", MessageGroupId="g", MessageDeduplicationId="e", DelaySeconds=1) == "InvalidParameterValue"


def test_deduplication_can_be_by_group(make):
    queue = fifo(make, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    told = queue.attributes()
    assert (told["FifoQueue"], told["DeduplicationScope"], told["FifoThroughputLimit"], told["ContentBasedDeduplication"]) == (
        "true", "messageGroup", "perMessageGroupId", "false")
    for group in "ggh":
        queue.send(group, MessageGroupId=group, MessageDeduplicationId="d")
    assert queue.bodies() == ["g", "h"]
    sqs = queue.sqs
    wrong = {"DeduplicationScope": "queue"}
    assert code_of(sqs.set_queue_attributes, QueueUrl=queue.url, Attributes=wrong) == "InvalidAttributeValue"


def test_an_attempt_to_receive_can_be_repeated(timed, make):
    queue = fifo(make, ContentBasedDeduplication="true")
    queue.send("x", MessageGroupId="g")
    first = queue.receive(ReceiveRequestAttemptId="attempt")
    again = queue.receive(ReceiveRequestAttemptId="attempt")
    assert [message["ReceiptHandle"] for message in again] == [message["ReceiptHandle"] for message in first] != []
    assert queue.receive(ReceiveRequestAttemptId="another") == []
    advance(timed, seconds=30)
    [message] = queue.receive(ReceiveRequestAttemptId="attempt")
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


# Dead letters.


def test_messages_received_too_often_go_to_the_dead_letter_queue(timed, sqs, make):
    dead = make()
    policy = {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2}
    queue = make(VisibilityTimeout="1", RedrivePolicy=policy)
    assert json.loads(queue.attributes()["RedrivePolicy"]) == policy
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead.url)["queueUrls"] == [queue.url]
    value = {"kind": {"StringValue": "v", "DataType": "String"}}
    sent = queue.send("poison", MessageAttributes=value)
    for _ in range(2):
        assert queue.bodies() == ["poison"]
        advance(timed, seconds=1)
    assert (queue.receive(), queue.counts(), dead.counts()) == ([], (0, 0, 0), (1, 0, 0))
    [message] = dead.receive()
    assert (message["MessageId"], message["MessageAttributes"]) == (sent["MessageId"], value)
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn
    for wrong in ({"deadLetterTargetArn": f"{dead.arn}x", "maxReceiveCount": 2}, {"deadLetterTargetArn": dead.arn},
                  {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1_001}, {"maxReceiveCount": 2}):
        attributes = {"RedrivePolicy": json.dumps(wrong)}
        assert code_of(sqs.set_queue_attributes, QueueUrl=queue.url, Attributes=attributes) == "InvalidParameterValue"
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in queue.attributes()


def test_a_dead_letter_queue_says_whose_it_is(make):
    open_to_none = make(RedriveAllowPolicy={"redrivePermission": "denyAll"})
    policy = {"deadLetterTargetArn": open_to_none.arn, "maxReceiveCount": 2}
    assert code_of(make, RedrivePolicy=policy) == "InvalidParameterValue"
    source = make()
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [source.arn]}
    mine = make(RedriveAllowPolicy=allowed)
    assert json.loads(mine.attributes()["RedriveAllowPolicy"]) == allowed
    policy = {"deadLetterTargetArn": mine.arn, "maxReceiveCount": 2}
    assert code_of(make, RedrivePolicy=policy) == "InvalidParameterValue"
    source.sqs.set_queue_attributes(QueueUrl=source.url, Attributes={"RedrivePolicy": json.dumps(policy)})
    assert code_of(fifo, make, RedrivePolicy=policy) == "InvalidParameterValue"


def test_dead_letters_of_a_group_keep_its_order(timed, make):
    dead = fifo(make)
    queue = fifo(make, ContentBasedDeduplication="true", VisibilityTimeout="1",
                 RedrivePolicy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    for number in range(3):
        queue.send(str(number), MessageGroupId="g")
    assert queue.bodies() == ["0", "1", "2"]
    queue.send("3", MessageGroupId="g")
    advance(timed, seconds=1)
    assert (queue.bodies(), dead.bodies()) == (["3"], ["0", "1", "2"])


def test_dead_letters_are_moved_back(timed, sqs, make):
    dead = make()
    queue = make(VisibilityTimeout="1", RedrivePolicy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    for number in range(10):
        queue.send(str(number))
    assert len(queue.receive()) == 10
    advance(timed, seconds=1)
    assert (queue.receive(), dead.counts()) == ([], (10, 0, 0))
    not_dead = error_of(sqs.start_message_move_task, SourceArn=queue.arn)
    assert not_dead["Code"] == "InvalidParameterValue"
    handle = sqs.start_message_move_task(SourceArn=dead.arn, MaxNumberOfMessagesPerSecond=4)["TaskHandle"]
    settle(timed)
    [task] = sqs.list_message_move_tasks(SourceArn=dead.arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == ("RUNNING", 4, 10)
    assert task["TaskHandle"] == handle
    assert code_of(sqs.start_message_move_task, SourceArn=dead.arn) == "AWS.SimpleQueueService.UnsupportedOperation"
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 4
    advance(timed, seconds=1)
    assert (queue.counts(), dead.counts()) == ((4, 0, 0), (6, 0, 0))
    sqs.start_message_move_task(SourceArn=dead.arn)
    advance(timed, seconds=1)
    assert (queue.counts(), dead.counts()) == ((10, 0, 0), (0, 0, 0))
    [task] = sqs.list_message_move_tasks(SourceArn=dead.arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 6)
    assert len(sqs.list_message_move_tasks(SourceArn=dead.arn, MaxResults=10)["Results"]) == 2
    [message] = queue.receive(1)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1" and "DeadLetterQueueSourceArn" not in message["Attributes"]


# Around it.


def test_permissions_are_statements_of_the_policy(sqs, make):
    queue = make()
    sqs.add_permission(QueueUrl=queue.url, Label="send", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    policy = json.loads(queue.attributes("Policy")["Policy"])
    assert policy["Statement"] == [{
        "Sid": "send", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "SQS:SendMessage", "Resource": queue.arn,
    }]
    again = {"QueueUrl": queue.url, "Label": "send", "AWSAccountIds": ["111111111111"], "Actions": ["*"]}
    assert code_of(sqs.add_permission, **again) == "InvalidParameterValue"
    sqs.remove_permission(QueueUrl=queue.url, Label="send")
    assert queue.attributes("Policy") == {}
    assert code_of(sqs.remove_permission, QueueUrl=queue.url, Label="send") == "InvalidParameterValue"


def test_what_becomes_of_asynchronous_invokes_is_told_to_queues_here(timed, make, deploy_on):
    failed, succeeded, dead = make(), make(), make()
    function = deploy_on(timed, "python3.12", packages.python(FAILS), DeadLetterConfig={"TargetArn": dead.arn})
    config = {"OnFailure": {"Destination": failed.arn}, "OnSuccess": {"Destination": succeeded.arn}}
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=0, DestinationConfig=config)
    invoked = function.client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b'{"n": 1}')
    request_id = invoked["ResponseMetadata"]["RequestId"]
    until(lambda: (settle(timed), failed.counts()[0] and dead.counts()[0])[1], 20, "the record and the dead letter")
    [message] = failed.receive()
    record = json.loads(message["Body"])
    assert (record["requestContext"]["requestId"], record["requestPayload"]) == (request_id, {"n": 1})
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=1-")
    [letter] = dead.receive()
    assert json.loads(letter["Body"]) == {"n": 1}
    told = {name: (value["DataType"], value["StringValue"]) for name, value in letter["MessageAttributes"].items()}
    assert told == {"RequestID": ("String", request_id), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", "no such luck")}
    function.client.update_function_code(FunctionName=function.name, ZipFile=packages.python(WORKS))
    function.ready()
    function.client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b'{"n": 2}')
    until(lambda: (settle(timed), succeeded.counts()[0])[1], 20, "the record of success")
    [message] = succeeded.receive()
    assert json.loads(message["Body"])["responsePayload"] == {"seen": {"n": 2}}


def test_the_cli(timed):
    run = lambda *arguments: timed.aws("sqs", *arguments, "--output", "json").stdout  # noqa: E731
    url = json.loads(run("create-queue", "--queue-name", "from-cli", "--attributes", "VisibilityTimeout=5"))["QueueUrl"]
    sent = json.loads(run("send-message", "--queue-url", url, "--message-body", "from the command line"))
    received = json.loads(run("receive-message", "--queue-url", url, "--attribute-names", "All"))
    [message] = received["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "from the command line")
    run("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert run("receive-message", "--queue-url", url) == ""
    refused = timed.aws("sqs", "get-queue-url", "--queue-name", "nobody", check=False)
    assert "NonExistentQueue" in refused.stderr
    run("delete-queue", "--queue-url", url)


def test_accounts_and_regions_do_not_see_each_other(timed, make):
    queue = make("mine")
    other = timed.client("sqs", account="111111111111")
    assert code_of(other.get_queue_url, QueueName="mine") == "AWS.SimpleQueueService.NonExistentQueue"
    assert code_of(other.send_message, QueueUrl=queue.url, MessageBody="x") == "AWS.SimpleQueueService.NonExistentQueue"
    elsewhere = timed.client("sqs", region="eu-west-1")
    assert "QueueUrls" not in elsewhere.list_queues()
    statement = {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sqs:SendMessage", "Resource": queue.arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})
    other.send_message(QueueUrl=queue.url, MessageBody="from another account")
    assert queue.bodies() == ["from another account"]
    assert code_of(other.receive_message, QueueUrl=queue.url) == "AWS.SimpleQueueService.NonExistentQueue"
