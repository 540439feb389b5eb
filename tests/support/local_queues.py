"""Queues of the server itself, read as those of moto are."""

from support.moto import Queue


class LocalQueue(Queue):
    def __init__(self, server, name):
        self.sqs = server.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
