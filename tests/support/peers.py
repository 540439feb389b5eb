"""Queues and tables of others that come as Java programs: ElasticMQ, and AWS's own DynamoDB Local."""

import pathlib
import subprocess
import tempfile

import boto3
import botocore.config

from support import maven
from support.moto import REGION
from support.server import free_port
from support.wait import until

ACCOUNT = "000000000000"
DYNAMODB_LOCAL = "com.amazonaws:DynamoDBLocal:2.6.1"
ELASTICMQ = "org.elasticmq:elasticmq-server_2.13:1.6.12"
ELASTICMQ_CONFIG = """
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = "127.0.0.1", sqs-limits = strict }}
rest-stats {{ enabled = false }}
aws {{ region = {region}, accountId = {account} }}
"""


class Peer:
    """A Java program that plays a service of AWS at a port of this machine."""

    service = "of its own"

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = tempfile.TemporaryDirectory(prefix="tindra-peer-")
        self.path = pathlib.Path(self.directory.name)
        self.process = None

    def client(self):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(self.service, endpoint_url=self.url, region_name=REGION, config=config, **keys)

    def command(self):
        raise NotImplementedError

    def asked(self):
        raise NotImplementedError

    def start(self):
        command = self.command()
        with open(self.path / "log", "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.path, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self.is_answering, 120, f"{type(self).__name__} to answer", 0.1)
        return self

    def is_answering(self):
        assert self.process.poll() is None, (self.path / "log").read_text(errors="replace")[-3000:]
        try:
            return self.asked() is not None
        except Exception:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.directory.cleanup()


class ElasticMq(Peer):
    """Queues of ElasticMQ, which forgets them when it is stopped."""

    service = "sqs"

    def command(self):
        lib = maven.jars("elasticmq", ELASTICMQ)
        config = self.path / "elasticmq.conf"
        config.write_text(ELASTICMQ_CONFIG.format(port=self.port, region=REGION, account=ACCOUNT))
        return ["java", "-Xmx256m", "-cp", f"{lib}/*", f"-Dconfig.file={config}", "org.elasticmq.server.Main"]

    def asked(self):
        return self.client().list_queues()

    def config(self):
        """Lines of a server's configuration that lead it here."""
        return f'sqs_endpoint = "{self.url}"\n'


class DynamoDbLocal(Peer):
    """Tables of DynamoDB Local, which forgets them when it is stopped, and their streams."""

    service = "dynamodb"

    def command(self):
        lib = maven.jars("dynamodb-local", DYNAMODB_LOCAL)
        main = str(maven.PROGRAMS / "Tables.java")
        return ["java", "-Xmx256m", f"-Djava.library.path={lib}", "-cp", f"{lib}/*", main, "-inMemory", "-disableTelemetry", "-port", str(self.port)]

    def asked(self):
        return self.client().list_tables()

    def config(self):
        return f'dynamodb_streams_endpoint = "{self.url}"\n'
