"""Queues of ElasticMQ run functions: a server of queues that others have written, in real time."""

import json

import pytest

from support.moto import KEYS
from support.peers import ElasticMq
from support.queues import NUMBERS, Mapped
from support.server import Server
from support.wait import until

pytestmark = pytest.mark.beside

#: Long enough for the function's timeout, short enough to be waited for.
HIDDEN_S = 3


@pytest.fixture(scope="module")
def elasticmq():
    with ElasticMq() as running:
        yield running


@pytest.fixture(scope="module")
def polling(elasticmq):
    """A server whose queues are ElasticMQ's."""
    with Server(config=elasticmq.config(), environment=KEYS) as server:
        yield server


@pytest.fixture
def mapped(polling, elasticmq):
    made = []

    def make(attributes=None, **members):
        attributes = {"VisibilityTimeout": str(HIDDEN_S), **(attributes or {})}
        made.append(Mapped(polling, attributes, sqs=elasticmq.client(), timeout_s=HIDDEN_S, **members))
        return made[-1].settled()

    yield make
    for one in made:
        one.end()


def numbers(queue):
    return [body["n"] for body in queue.bodies()]


def test_messages_come_whole_and_are_removed(mapped):
    queue = mapped()
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x01"}}
    sent = queue.send({"n": 0, "text": "grün"}, MessageAttributes=attributes)
    queue.handled(1)
    [record] = queue.batches()[0]["records"]
    assert record["messageId"] == sent and record["eventSourceARN"] == queue.arn and record["eventSource"] == "aws:sqs"
    assert json.loads(record["body"]) == {"n": 0, "text": "grün"} and record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= record["attributes"].keys()
    assert record["messageAttributes"]["kind"]["stringValue"] == "x" and record["messageAttributes"]["raw"]["binaryValue"] == "AQ=="
    for number in range(1, 40):
        queue.send({"n": number})
    queue.handled(40)
    queue.until_empty()
    assert sorted(numbers(queue)) == list(range(40)), "each once"
    until(lambda: queue.result() == "OK", what="the result to be told")


def test_a_window_fills_batches(mapped):
    queue = mapped({"VisibilityTimeout": "60"}, Enabled=False, BatchSize=50, MaximumBatchingWindowInSeconds=3)
    for number in range(40):
        queue.send({"n": number})
    queue.change(Enabled=True)
    queue.handled(40)
    queue.until_empty()
    sizes = [len(batch["bodies"]) for batch in queue.batches()]
    assert sum(sizes) == 40 and max(sizes) > 10, "more than one receive gives"


def test_a_batch_that_fails_comes_back_when_it_is_visible_again_and_ends_in_the_dead_letter_queue(mapped, elasticmq):
    sqs = elasticmq.client()
    dead_url = sqs.create_queue(QueueName=f"dead-{next(NUMBERS)}")["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue = mapped({"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})})
    sent = queue.send({"n": 1, "fails": "batch"})
    queue.handled(1)
    until(lambda: queue.result() == "PROBLEM: Function call failed", what="the failure to be told")
    queue.handled(2)
    [message] = until(lambda: sqs.receive_message(QueueUrl=dead_url).get("Messages"), 30, "the dead-letter queue to have it", 0.1)
    assert message["MessageId"] == sent and json.loads(message["Body"])["n"] == 1
    counts = [batch["records"][0]["attributes"]["ApproximateReceiveCount"] for batch in queue.batches()]
    assert counts == ["1", "2"], "the poller itself tries nothing again"
    first, second = (int(batch["records"][0]["attributes"]["ApproximateFirstReceiveTimestamp"]) for batch in queue.batches())
    assert first == second
    queue.until_empty()


def test_only_what_failed_comes_back(mapped):
    queue = mapped(FunctionResponseTypes=["ReportBatchItemFailures"], Enabled=False)
    for number in range(6):
        queue.send({"n": number, "fails": "item" if number % 2 else "no"})
    queue.change(Enabled=True)
    queue.handled(9)
    assert sorted(numbers(queue)[:6]) == list(range(6)) and set(numbers(queue)[6:]) == {1, 3, 5}


def test_groups_of_a_fifo_queue_stay_in_order(mapped):
    queue = mapped({"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "30"}, BatchSize=3)
    sent = {group: [] for group in "abc"}
    for number in range(30):
        group = "abc"[number % 3]
        queue.send({"n": number, "group": group}, MessageGroupId=group)
        sent[group].append(number)
    queue.handled(30)
    queue.until_empty()
    handled = queue.bodies()
    assert len(handled) == 30, "each once"
    for group, expected in sent.items():
        assert [body["n"] for body in handled if body["group"] == group] == expected
    record = queue.batches()[0]["records"][0]
    assert {"MessageGroupId", "MessageDeduplicationId", "SequenceNumber"} <= record["attributes"].keys()


def test_a_failure_holds_up_its_group_alone(mapped):
    queue = mapped({"FifoQueue": "true", "ContentBasedDeduplication": "true"}, BatchSize=1, Enabled=False)
    for group, number in (("a", 1), ("a", 2), ("b", 3), ("b", 4)):
        queue.send({"n": number, "fails": "batch" if number == 1 else "no"}, MessageGroupId=group)
    queue.change(Enabled=True)
    until(lambda: {3, 4} <= set(numbers(queue)) and numbers(queue).count(1) >= 2, 40, "the other group and a second attempt", 0.1)
    assert 2 not in numbers(queue), "it stands behind one that fails"


def test_what_no_filter_lets_pass_is_removed(mapped):
    pattern = json.dumps({"body": {"n": [{"numeric": [">=", 8]}]}})
    queue = mapped(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for number in range(10):
        queue.send({"n": number})
    queue.sqs.send_message(QueueUrl=queue.url, MessageBody="no JSON")
    queue.handled(2)
    queue.until_empty()
    assert sorted(numbers(queue)) == [8, 9]


def test_what_was_taken_and_not_begun_is_given_back(mapped):
    """A change ends the poller; what it had gathered is there again at once, not after its visibility timeout."""
    queue = mapped({"VisibilityTimeout": "600"}, BatchSize=100, MaximumBatchingWindowInSeconds=300)
    queue.send({"n": 1})
    until(lambda: queue.attribute("ApproximateNumberOfMessagesNotVisible") == "1", 20, "the message to be taken", 0.05)
    queue.change(Enabled=False)
    until(lambda: queue.attribute("ApproximateNumberOfMessages") == "1", 30, "the message to be given back", 0.05)
    queue.settled().change(BatchSize=1, MaximumBatchingWindowInSeconds=0, Enabled=True)
    queue.handled(1)
    queue.until_empty()


def test_a_queue_comes_back(mapped, elasticmq):
    queue = mapped()
    queue.sqs.delete_queue(QueueUrl=queue.url)
    until(lambda: queue.result().startswith("PROBLEM: "), 40, "the problem to be told", 0.1)
    attributes = {"VisibilityTimeout": str(HIDDEN_S)}
    queue.url = queue.sqs.create_queue(QueueName=queue.arn.split(":")[-1], Attributes=attributes)["QueueUrl"]
    queue.send({"n": 7})
    queue.handled(1)
