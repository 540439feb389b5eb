"""A destination that remembers: a process of its own that speaks as much of SQS's protocol as sending needs.

It is there for tests with many events, for which moto is too slow (about thirty messages a second). What the clients of
services elsewhere make of a whole SQS is tested with moto.
"""

import asyncio
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

from support.server import free_port
from support.wait import until

ARN = "arn:aws:sqs:us-east-1:000000000000:told"


class Told:
    """The running destination, as a context manager."""

    def __enter__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.told", str(self.port)], cwd=pathlib.Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
        )
        until(self.is_answering, 30, "the destination to answer")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)

    def is_answering(self):
        try:
            return self.all() is not None
        except OSError:
            return False

    def all(self):
        """[(Unix seconds, the body as JSON)] of everything that was sent."""
        with urllib.request.urlopen(self.url + "/told", timeout=60) as answer:
            return [(at_s, json.loads(body)) for at_s, body in json.load(answer)]


async def serve(port):
    told = []

    async def converse(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                answer = json.dumps(answer_to(head, fields, body)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(answer))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer_to(head, fields, body):
        if head.startswith("GET /told "):
            return told
        if fields["x-amz-target"] == "amazonsqs.getqueueurl":
            return {"QueueUrl": f"http://127.0.0.1:{port}/000000000000/told"}
        assert fields["x-amz-target"] == "amazonsqs.sendmessage", head
        told.append((time.time(), json.loads(body)["MessageBody"]))
        return {"MessageId": str(len(told)), "MD5OfMessageBody": ""}

    server = await asyncio.start_server(converse, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
