"""The services of AWS beside Lambda, as moto plays them."""

import json
import subprocess
import sys

import boto3

from support.server import free_port
from support.wait import until

ACCOUNT = "123456789012"  # moto's own
# It tells its services apart by the signatures.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "us-east-1"
SERVICES = {"sqs": "sqs", "sns": "sns", "eventbridge": "events", "s3": "s3"}


class Moto:
    """One process that speaks for all services. It forgets everything when it is stopped, and comes back at the same port."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.sqs, self.sns, self.events, self.s3, self.kinesis, self.dynamodb = (
            boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
            for service in [*SERVICES.values(), "kinesis", "dynamodb"]
        )

    def config(self):
        """Lines of a server's configuration that lead it here."""
        return "".join(f'{service}_endpoint = "{self.url}"\n' for service in [*SERVICES, "kinesis", "dynamodb_streams"])

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        until(self.is_answering, 60, "moto to answer")
        return self

    def is_answering(self):
        try:
            return self.s3.list_buckets() is not None
        except Exception:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def queue(self, name):
        return Queue(self, name)

    def topic(self, name):
        """A topic, and a queue that gets what is published to it; the queue's messages are SNS's envelopes."""
        queue = self.queue(f"of-{name}")
        arn = self.sns.create_topic(Name=name)["TopicArn"]
        self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
        return arn, queue

    def bus(self, name):
        """An event bus, and a queue that gets all events of Lambda that come to it."""
        queue = self.queue(f"of-{name}")
        arn = self.events.create_event_bus(Name=name)["EventBusArn"]
        self.events.put_rule(Name=f"all-of-{name}", EventBusName=name, EventPattern=json.dumps({"source": ["lambda"]}))
        self.events.put_targets(Rule=f"all-of-{name}", EventBusName=name, Targets=[{"Id": "queue", "Arn": queue.arn}])
        return arn, queue

    def bucket(self, name):
        self.s3.create_bucket(Bucket=name)
        return f"arn:aws:s3:::{name}"


class Queue:
    """A queue of SQS."""

    def __init__(self, moto, name):
        self.sqs = moto.sqs
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def take(self):
        """All messages, which are then gone."""
        found = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            found.extend(messages)
            if not messages:
                return found

    def records(self):
        """The bodies of all messages, which are then gone, as JSON."""
        return [json.loads(message["Body"]) for message in self.take()]
