"""A RabbitMQ of the tests' own, on loopback: its node, its port mapper and its files are nobody else's."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pika

from support.server import free_port
from support.wait import until

PROGRAM = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER, PASSWORD = "tindra", "a secret"
HOSTS = ("/", "shop")


class Rabbit:
    """Use as a context manager; stop and start it in between as you like."""

    def __init__(self):
        assert PROGRAM.exists(), f"RabbitMQ is needed by this test and {PROGRAM} is not there; install it: apt-get install rabbitmq-server"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tindra-rabbit-"))
        self.port, self.tls_port, self.mapper_port, self.node_port = (free_port() for _ in range(4))
        self.certificate = self.directory / "certificate.pem"
        self.processes = []
        self.write_files()

    def write_files(self):
        key = self.directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=rabbit", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", key, "-out", self.certificate],
            check=True, capture_output=True, timeout=60,
        )
        salt = b"salt"
        digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
        user = {"name": USER, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}
        rights = [{"user": USER, "vhost": host, "configure": ".*", "write": ".*", "read": ".*"} for host in HOSTS]
        definitions = self.directory / "definitions.json"
        definitions.write_text(json.dumps({"users": [user], "vhosts": [{"name": host} for host in HOSTS], "permissions": rights}))
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.certfile = {self.certificate}\nssl_options.keyfile = {key}\nssl_options.verify = verify_none\n"
            f"load_definitions = {definitions}\n"
        )
        (self.directory / "plugins").write_text("[].\n")

    def environment(self):
        inside = {"CONFIG_FILE": "rabbitmq.conf", "ENABLED_PLUGINS_FILE": "plugins", "MNESIA_BASE": "data", "LOG_BASE": "logs", "PID_FILE": "pid"}
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self.mapper_port),
            **{f"RABBITMQ_{name}": str(self.directory / file) for name, file in inside.items()},
            "RABBITMQ_NODENAME": f"tindra-{self.port}@localhost", "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false +S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def run(self, *command):
        with open(self.directory / "output", "ab") as output:
            # A group of its own: what it starts ends with it.
            process = subprocess.Popen(
                command, cwd=self.directory, env=self.environment(), stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )
        self.processes.append(process)

    def start(self):
        self.run("epmd", "-address", "127.0.0.1", "-port", str(self.mapper_port))
        until(lambda: self.listens(self.mapper_port), 20, "the port mapper to listen")
        self.run(str(PROGRAM))
        until(self.is_ready, 90, "RabbitMQ to be ready")
        return self

    def output(self):
        return (self.directory / "output").read_text(errors="replace")

    def listens(self, port):
        assert self.processes[-1].poll() is None, f"it has ended:\n{self.output()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    def is_ready(self):
        if not self.listens(self.port):
            return False
        with contextlib.suppress(pika.exceptions.AMQPError), contextlib.closing(self.connect()):
            return True
        return False

    def connect(self, host="/"):
        login = pika.PlainCredentials(USER, PASSWORD)
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, host, login, connection_attempts=1))

    def stop(self):
        """At once, as a crash would."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)
        self.processes = []

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory)
