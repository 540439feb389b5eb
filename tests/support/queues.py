"""Functions that are mapped to queues, wherever those are."""

import itertools
import json

from support import packages
from support.server import Function
from support.wait import until

NUMBERS = itertools.count(1)
#: Tells each batch by a line of its log; fails as its messages ask.
CODE = """
import json
def handler(event, context):
    bodies = [json.loads(record["body"]) for record in event["Records"]]
    print("BATCH", json.dumps({"bodies": bodies, "records": event["Records"]}))
    if any(body.get("fails") == "batch" for body in bodies):
        raise ValueError("as asked")
    failed = [r["messageId"] for r, body in zip(event["Records"], bodies) if body.get("fails") == "item"]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
"""


def batches_of(function):
    try:
        lines = function.log_messages()
    except function.logs.exceptions.ResourceNotFoundException:
        return []  # it has not run yet
    return [json.loads(line.removeprefix("BATCH ")) for line in lines if line.startswith("BATCH ")]


class Mapped:
    """A function, its queue at the server or wherever `sqs` is, and the mapping between them."""

    def __init__(self, server, attributes=None, code=CODE, sqs=None, timeout_s=10, **members):
        number = next(NUMBERS)
        is_fifo = "FifoQueue" in (attributes or {})
        self.server, self.sqs = server, sqs or server.client("sqs")
        package = packages.python(code)
        self.function = Function(server, f"mapped-{number}", "python3.12", package, "app.handler", Timeout=timeout_s).ready()
        self.url = self.sqs.create_queue(QueueName=f"mapped-{number}" + (".fifo" if is_fifo else ""), Attributes=attributes or {})["QueueUrl"]
        self.arn = self.attribute("QueueArn")
        made = self.function.client.create_event_source_mapping(FunctionName=self.function.name, EventSourceArn=self.arn, **members)
        self.uuid = made["UUID"]

    def attribute(self, name):
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])["Attributes"][name]

    def send(self, body, **members):
        return self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body), **members)["MessageId"]

    def batches(self):
        return batches_of(self.function)

    def bodies(self):
        return [body for batch in self.batches() for body in batch["bodies"]]

    def handled(self, count):
        """The bodies of all batches, once there are as many."""
        return until(lambda: len(self.bodies()) >= count and self.bodies(), 30, f"{count} messages to be handled", 0.05)

    def is_empty(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return all(counts[name] == "0" for name in names)

    def until_empty(self):
        until(self.is_empty, 30, "the queue to be empty", 0.05)

    def result(self):
        return self.function.client.get_event_source_mapping(UUID=self.uuid)["LastProcessingResult"]

    def change(self, **members):
        self.function.client.update_event_source_mapping(UUID=self.uuid, **members)

    def state(self):
        return self.function.client.get_event_source_mapping(UUID=self.uuid)["State"]

    def settled(self):
        until(lambda: self.state() in ("Enabled", "Disabled"), 10, "the mapping to settle")
        return self

    def end(self):
        self.settled()
        self.function.client.delete_event_source_mapping(UUID=self.uuid)
        self.function.delete()
