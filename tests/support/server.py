"""The built binary as a server process, and clients for it."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import urllib.request

import boto3
import botocore.config

from support import packages
from support.wait import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TINDRA_BINARY", ROOT / "target/release/tindra"))
RUNTIMES = pathlib.Path(os.environ.get("TINDRA_TEST_RUNTIMES", ROOT / "tests/.cache/runtimes"))
ROLE = "arn:aws:iam::000000000000:role/lambda"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One `tindra serve`. Use as a context manager, or call start and stop."""

    def __init__(self, data=None, config="", arguments=(), prefix=(), environment=None, binary=BINARY):
        self.binary = binary
        self.directory = None if data else tempfile.TemporaryDirectory(prefix="tindra-test-")
        self.data = pathlib.Path(data or self.directory.name) / "data"
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = config
        self.arguments = list(arguments)
        self.prefix = list(prefix)
        self.environment = environment or {}
        self.log_path = self.data.parent / "server.log"
        self.process = None

    def start(self):
        config_path = self.data.parent / "tindra-server.toml"
        config_path.write_text(self.config)
        command = self.prefix + [
            str(self.binary), "serve",
            "--listen", f"127.0.0.1:{self.port}",
            "--data", str(self.data),
            "--runtimes", str(RUNTIMES),
            "--config", str(config_path),
        ] + self.arguments
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.environment}
            )
        until(self.is_answering, 60, f"the server to answer; its output:\n{self.output()}")
        return self

    def is_answering(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.output()}")
        try:
            return self.http("/_tindra/health").status == 200
        except OSError:
            return False

    def http(self, path, timeout_s=30, **kwargs):
        request = urllib.request.Request(self.url + path, **kwargs)
        return urllib.request.urlopen(request, timeout=timeout_s)

    def output(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self):
        """Ends it as a service manager would, and expects a clean exit."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not end within 40 s of SIGTERM:\n{self.output()}")
            assert code == 0, f"the server ended with {code}:\n{self.output()}"
        self.process = None

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait(timeout=10)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if self.directory:
            self.directory.cleanup()

    # Clients.

    def client(self, service, account="test", region="us-east-1", **kwargs):
        config = botocore.config.Config(
            retries={"total_max_attempts": 1}, read_timeout=120, connect_timeout=5, max_pool_connections=64,
            parameter_validation=kwargs.pop("parameter_validation", True),
        )
        keys = {"aws_access_key_id": account, "aws_secret_access_key": "test", **kwargs}
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=config, **keys)

    def aws(self, *arguments, check=True, **environment):
        """Runs the real AWS CLI."""
        import sys

        result = subprocess.run(
            [sys.executable, "-m", "awscli", "--endpoint-url", self.url, "--region", "us-east-1", *arguments],
            capture_output=True, text=True, timeout=120,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PAGER": "",
                 "AWS_CONFIG_FILE": "/dev/null", **environment},
        )
        if check:
            assert result.returncode == 0, result.stderr
        return result

    def tindra(self, *arguments, check=True, input=None):
        """Runs the binary as a client of this server."""
        result = subprocess.run(
            [str(BINARY), *arguments], capture_output=True, text=True, timeout=120, input=input,
            env={**os.environ, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1",
                 "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "NO_COLOR": "1"},
        )
        if check:
            assert result.returncode == 0, result.stderr
        return result


class Function:
    """A deployed function, deleted at the end of the test."""

    def __init__(self, server, name, runtime, zip_bytes, handler, client=None, **members):
        self.client = client or server.client("lambda")
        self.logs = server.client("logs")
        self.name = name
        members = {"Timeout": 10, **members}
        self.created = self.client.create_function(
            FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": zip_bytes}, **members
        )

    def ready(self):
        self.client.get_waiter("function_active_v2").wait(
            FunctionName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 4000}
        )
        return self

    def publish(self, **members):
        """Publishes the code; returns the version when it is active."""
        return self.published(self.client.publish_version(FunctionName=self.name, **members)["Version"])

    def published(self, version):
        """Waits until a version is active; returns it."""
        self.client.get_waiter("published_version_active").wait(
            FunctionName=self.name, Qualifier=version, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000}
        )
        return version

    def updated(self):
        self.client.get_waiter("function_updated_v2").wait(
            FunctionName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
        )
        return self

    def invoke(self, event=None, **members):
        return Answer(self.client.invoke(FunctionName=self.name, **self.payload(event), **members))

    @staticmethod
    def payload(event):
        import json

        if event is None:
            return {}
        return {"Payload": event if isinstance(event, bytes) else json.dumps(event)}

    def log_messages(self):
        group = f"/aws/lambda/{self.name}"
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"].rstrip("\n") for page in pages for event in page["events"]]

    def delete(self):
        self.client.delete_function(FunctionName=self.name)


class Answer:
    """What an Invoke came back with."""

    def __init__(self, response):
        import base64
        import json

        self.status = response["StatusCode"]
        self.error = response.get("FunctionError")
        self.version = response.get("ExecutedVersion")
        self.request_id = response["ResponseMetadata"]["RequestId"]
        self.headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.body = response["Payload"].read()
        tail = response.get("LogResult")
        self.tail = base64.b64decode(tail).decode() if tail else None
        try:
            self.value = json.loads(self.body) if self.body else None
        except ValueError:
            self.value = None

    def ok(self):
        assert self.error is None, f"function error: {self.body!r}"
        return self.value


__all__ = ["Answer", "BINARY", "Function", "ROLE", "ROOT", "RUNTIMES", "Server", "packages"]
