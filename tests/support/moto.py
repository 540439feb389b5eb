"""moto as a process: AWS's other services for tests."""

import contextlib
import subprocess
import sys

import boto3

from support.server import free_port
from support.wait import until

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""For the environment of a server that is to use moto."""


@contextlib.contextmanager
def moto():
    """client(service) of a moto that runs until the end; a client's `meta.endpoint_url` says where."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )

    def client(service):
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )

    def is_answering():
        try:
            return client("s3").list_buckets() is not None
        except Exception:
            return False

    try:
        until(is_answering, 60, "moto to answer")
        yield client
    finally:
        process.terminate()
        process.wait(10)
