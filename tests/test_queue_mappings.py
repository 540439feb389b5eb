"""Queues run functions through event source mappings: every message ends removed, back in the queue, or in the dead-letter queue."""

import json
import random

import pytest

from support import packages
from support.moto import ACCOUNT as ACCOUNT_OF_MOTO
from support.moto import KEYS
from support.queues import CODE, NUMBERS, Mapped, batches_of
from support.server import Function, Server
from support.wait import pause, until
from support.waiting import advance


@pytest.fixture(scope="module")
def timed():
    """A server whose clock the tests move."""
    with Server(arguments=["--clock", "manual"]) as server:
        yield server


@pytest.fixture
def mapped():
    made = []

    def make(server, *arguments, **members):
        made.append(Mapped(server, *arguments, **members))
        return made[-1]

    yield make
    for one in made:
        if one.server.process is not None:
            one.end()


def test_messages_stay_hidden_for_as_long_as_the_function_may_run(server, mapped):
    with pytest.raises(Exception, match="Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds"):
        mapped(server, {"VisibilityTimeout": "5"})


def test_messages_run_a_function_and_are_removed(server, mapped):
    queue = mapped(server)
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x01"}}
    first = queue.send({"n": 1}, MessageAttributes=attributes)
    queue.handled(1)
    [record] = queue.batches()[0]["records"]
    assert record["messageId"] == first and record["eventSource"] == "aws:sqs" and record["eventSourceARN"] == queue.arn
    assert record["attributes"]["ApproximateReceiveCount"] == "1" and record["awsRegion"] == "us-east-1"
    assert record["messageAttributes"] == {
        "kind": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "raw": {"binaryValue": "AQ==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"}}
    for number in range(30):
        queue.send({"n": number})
    queue.handled(31)
    queue.until_empty()
    assert sorted(body["n"] for body in queue.bodies()) == sorted([1, *range(30)])
    until(lambda: queue.result() == "OK", what="the result to be told")


def test_what_fails_comes_back_and_ends_in_the_dead_letter_queue(timed, mapped):
    sqs = timed.client("sqs")
    dead_url = sqs.create_queue(QueueName="dead-of-mapped")["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": 2}
    queue = mapped(timed, {"VisibilityTimeout": "20", "RedrivePolicy": json.dumps(redrive)})
    queue.send({"fails": "batch"})
    queue.handled(1)
    until(lambda: queue.result() == "PROBLEM: Function call failed", what="the failure to be told")
    assert len(queue.bodies()) == 1, "the poller tries nothing again"
    advance(timed, 21)
    queue.handled(2)
    counts = [batch["records"][0]["attributes"]["ApproximateReceiveCount"] for batch in queue.batches()]
    assert counts == ["1", "2"]
    advance(timed, 21)
    dead = until(lambda: sqs.receive_message(QueueUrl=dead_url).get("Messages"), 20, "the message to be in the dead-letter queue", 0.05)
    assert json.loads(dead[0]["Body"]) == {"fails": "batch"}
    queue.until_empty()
    assert len(queue.bodies()) == 2


@pytest.mark.parametrize("answer", ["'{'", "{'batchItemFailures': [{'itemIdentifier': ''}]}", "{'batchItemFailures': [{'id': 'x'}]}",
                                    "{'batchItemFailures': [{'itemIdentifier': 'unknown'}]}"])
def test_a_malformed_answer_fails_the_whole_batch(timed, mapped, answer):
    code = f"def handler(event, context):\n    print('BATCH', __import__('json').dumps({{'bodies': [1], 'records': []}}))\n    return {answer}\n"
    queue = mapped(timed, {"VisibilityTimeout": "20"}, code=code, FunctionResponseTypes=["ReportBatchItemFailures"])
    queue.send({"n": 1})
    queue.handled(1)
    until(lambda: queue.result() == "PROBLEM: Function call failed", what="the failure to be told")
    assert queue.attribute("ApproximateNumberOfMessagesNotVisible") == "1"


def test_only_what_failed_comes_back(timed, mapped):
    queue = mapped(timed, {"VisibilityTimeout": "20"}, FunctionResponseTypes=["ReportBatchItemFailures"], Enabled=False)
    for number in range(6):
        queue.send({"n": number, "fails": "item" if number % 2 else "no"})
    queue.change(Enabled=True)
    queue.handled(6)
    until(lambda: queue.attribute("ApproximateNumberOfMessagesNotVisible") == "3", what="the others to be removed")
    advance(timed, 21)
    again = queue.handled(9)[6:]
    assert sorted(body["n"] for body in again) == [1, 3, 5]


def test_what_no_filter_lets_pass_is_removed(server, mapped):
    patterns = [{"body": {"n": [{"numeric": [">=", 8]}]}}, {"body": {"wanted": [True]}}]
    queue = mapped(server, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]})
    for number in range(10):
        queue.send({"n": number, "wanted": number == 3})
    queue.sqs.send_message(QueueUrl=queue.url, MessageBody="no JSON")
    queue.handled(3)
    queue.until_empty()
    assert sorted(body["n"] for body in queue.bodies()) == [3, 8, 9]


def test_a_window_fills_batches(server, mapped):
    queue = mapped(server, Enabled=False, BatchSize=50, MaximumBatchingWindowInSeconds=2)
    for start in range(0, 40, 10):
        entries = [{"Id": str(number), "MessageBody": json.dumps({"n": start + number})} for number in range(10)]
        queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    queue.change(Enabled=True)
    queue.handled(40)
    queue.until_empty()
    assert max(len(batch["bodies"]) for batch in queue.batches()) == 40, [len(batch["bodies"]) for batch in queue.batches()]


def test_groups_of_a_fifo_queue_stay_in_order(server, mapped):
    queue = mapped(server, {"FifoQueue": "true", "ContentBasedDeduplication": "true"}, BatchSize=3)
    sent = {group: [] for group in "abc"}
    for number in range(45):
        group = "abc"[number % 3]
        queue.send({"n": number, "group": group}, MessageGroupId=group)
        sent[group].append(number)
    queue.handled(45)
    queue.until_empty()
    handled = queue.bodies()
    assert len(handled) == 45
    for group, numbers in sent.items():
        assert [body["n"] for body in handled if body["group"] == group] == numbers


def test_not_more_batches_at_once_than_the_mapping_may_have(server, mapped):
    code = CODE.replace("    bodies =", "    __import__('time').sleep(0.2)\n    bodies =", 1)
    queue = mapped(server, code=code, Enabled=False, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    for number in range(12):
        queue.send({"n": number})
    queue.change(Enabled=True)
    queue.handled(12)
    queue.until_empty()
    streams = server.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{queue.function.name}")["logStreams"]
    assert len(streams) <= 2


def test_a_mapping_that_is_off_or_gone_takes_nothing(server, mapped):
    queue = mapped(server)
    queue.send({"n": 1})
    queue.handled(1)
    queue.change(Enabled=False)
    until(lambda: queue.state() == "Disabled", what="the mapping to be off")
    queue.send({"n": 2})
    until(lambda: queue.attribute("ApproximateNumberOfMessages") == "1", what="the message to wait")
    queue.change(Enabled=True)
    queue.handled(2)
    queue.until_empty()


def test_a_queue_that_is_not_there_is_told(server, mapped):
    queue = mapped(server)
    queue.sqs.delete_queue(QueueUrl=queue.url)
    told = until(lambda: queue.result().startswith("PROBLEM: ") and queue.result(), 40, "the problem to be told")
    assert "does not exist" in told


def test_a_queue_elsewhere(moto, mapped):
    """moto has the queue; our poller takes its messages."""
    with Server(config=moto.config(), environment=KEYS) as server:
        function = Function(server, "of-moto", "python3.12", packages.python(CODE), "app.handler").ready()
        url = moto.sqs.create_queue(QueueName=f"elsewhere-{next(NUMBERS)}")["QueueUrl"]
        arn = moto.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        assert arn.split(":")[4] == ACCOUNT_OF_MOTO
        function.client.create_event_source_mapping(FunctionName="of-moto", EventSourceArn=arn)
        for number in range(25):
            moto.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": number}))

        def bodies():
            return [body["n"] for batch in batches_of(function) for body in batch["bodies"]]

        until(lambda: sorted(bodies()) == list(range(25)), 40, "every message of moto to be handled", 0.1)


def test_a_bucket_and_a_topic_elsewhere(moto):
    """moto's S3 and its SNS tell moto's queue, from which our poller takes."""
    code = """
import json, urllib.parse
def handler(event, context):
    for record in event["Records"]:
        told = json.loads(record["body"])
        for change in told.get("Records", []):
            place = change["s3"]["object"]
            print("TOLD", change["eventName"], urllib.parse.unquote_plus(place["key"]), place["size"])
        if told.get("Type") == "Notification":
            print("TOLD", told["Subject"], told["Message"])
"""
    name = f"bucket-elsewhere-{next(NUMBERS)}"
    queue, topic = moto.queue(name), moto.sns.create_topic(Name=name)["TopicArn"]
    moto.bucket(name)
    moto.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    rule = {"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}
    moto.s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [rule]})
    with Server(config=moto.config(), environment=KEYS) as server:
        function = Function(server, "of-a-bucket", "python3.12", packages.python(code), "app.handler").ready()
        function.client.create_event_source_mapping(FunctionName=function.name, EventSourceArn=queue.arn)
        moto.s3.put_object(Bucket=name, Key="a b/ü", Body=b"hello")
        moto.sns.publish(TopicArn=topic, Message="over there", Subject="s")

        def told():
            try:
                return {line.strip() for line in function.log_messages() if line.startswith("TOLD")}
            except function.logs.exceptions.ResourceNotFoundException:
                return set()  # it has not run yet

        until(lambda: told() == {"TOLD ObjectCreated:Put a b/ü 5", "TOLD s over there"}, 40, "both to be told", 0.1)


#: Writes down durably what it handles: lines of a log may be lost with a server that is killed.
NOTES = """
import boto3, json
sqs = boto3.client("sqs")
url = sqs.get_queue_url(QueueName="notes")["QueueUrl"]
def handler(event, context):
    entries = [{"Id": str(n), "MessageBody": record["body"]} for n, record in enumerate(event["Records"])]
    assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")
"""


def noted(server):
    """What the queue of notes has, which is emptied."""
    sqs, numbers = server.client("sqs"), []
    url = sqs.get_queue_url(QueueName="notes")["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        numbers += [json.loads(message["Body"])["n"] for message in messages]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return numbers


def test_kills_lose_no_message(tmp_path):
    """Every message that was sent is handled at least once, however often the server is killed meanwhile."""
    choices, messages = random.Random(20261130), 400
    server = Server(data=tmp_path, arguments=["--clock", "manual"]).start()
    try:
        server.client("sqs").create_queue(QueueName="notes")
        queue = Mapped(server, {"VisibilityTimeout": "20"}, code=NOTES, BatchSize=5)
        sent = set()
        for number in range(0, messages, 10):
            entries = [{"Id": str(one), "MessageBody": json.dumps({"n": number + one})} for one in range(10)]
            queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
            sent.update(range(number, number + 10))
            if number % 80 == 70:
                pause(choices.uniform(0.0, 0.2))
                server.kill()
                server.start()

        def is_done():
            """What a kill has cut off comes back when its visibility timeout ends; nothing else needs the clock."""
            try:
                until(queue.is_empty, 4, "the queue to be empty", 0.05)
            except AssertionError:
                advance(server, 21)
            return queue.is_empty()

        until(is_done, 120, "the queue to be empty", 0.1)
        handled = noted(server)
        assert set(handled) == sent
        print(f"\n{messages} messages, {len(handled) - len(sent)} handled again")
    finally:
        if server.process is not None:
            server.kill()
