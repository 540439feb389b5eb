"""An Apache Kafka of the tests' own, on loopback: one process that is broker and controller, made of what Maven gives."""

import contextlib
import functools
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from support import maven
from support.server import ROOT, free_port
from support.wait import until

#: The server with Kafka built in; tests/run makes it where there is a C compiler.
BINARY = pathlib.Path(os.environ.get("TINDRA_KAFKA_BINARY", ROOT / "target/debug/tindra-kafka"))
KAFKA = "org.apache.kafka:kafka_2.13:3.9.1"
USER, PASSWORD = "tindra", "a secret"


def require():
    """Skips where there is no server with Kafka."""
    if not BINARY.exists():
        reason = f"LOUDLY SKIPPED: {BINARY} is not there; tests/run makes it (with a C compiler, make and the headers of OpenSSL and zlib)"
        pytest.skip(reason, allow_module_level=True)


class Kafka:
    """Use as a context manager; kill and start it in between as you like."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tindra-kafka-"))
        self.port, self.tls_port, self.login_port, self.mutual_port, self.controller_port = (free_port() for _ in range(5))
        self.certificate, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        self.process = None
        self.write_files()

    def write_files(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kafka",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True, timeout=60,
        )
        (self.directory / "store.pem").write_text(self.key.read_text() + self.certificate.read_text())
        plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        listeners = {"PLAIN": self.port, "TLS": self.tls_port, "LOGIN": self.login_port, "MUTUAL": self.mutual_port, "CONTROLLER": self.controller_port}
        (self.directory / "server.properties").write_text(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
            f"controller.quorum.voters=1@127.0.0.1:{self.controller_port}\n"
            f"listeners={','.join(f'{name}://127.0.0.1:{port}' for name, port in listeners.items())}\n"
            "listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT\n"
            "inter.broker.listener.name=PLAIN\n"
            f"ssl.keystore.type=PEM\nssl.keystore.location={self.directory}/store.pem\n"
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.certificate}\n"
            "listener.name.mutual.ssl.client.auth=required\n"
            "listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n"
            f"listener.name.login.plain.sasl.jaas.config={plain}\n"
            f"listener.name.login.scram-sha-256.sasl.jaas.config={scram}\nlistener.name.login.scram-sha-512.sasl.jaas.config={scram}\n"
            f"log.dirs={self.directory}/logs\nauto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n"
            "offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nmessage.max.bytes=10485760\n"
        )

    def java(self, *arguments):
        flags = ["-Xmx400m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return ["java", *flags, "-cp", f"{maven.jars('kafka', KAFKA)}/*", *arguments]

    def start(self):
        properties = self.directory / "server.properties"
        if not (self.directory / "logs").exists():
            users = [f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
            users = [argument for user in users for argument in ("--add-scram", user)]
            command = self.java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", properties, *users)
            subprocess.run(command, check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                self.java("kafka.Kafka", properties), cwd=self.directory, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            )
        until(self.is_ready, 90, "Kafka to be ready", 0.1)
        return self

    def is_ready(self):
        output = (self.directory / "output").read_text(errors="replace")
        assert self.process.poll() is None, f"Kafka has ended:\n{output}"
        with contextlib.suppress(OSError, KafkaException), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return bool(self.admin.list_topics(timeout=2).brokers)
        return False

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait(timeout=20)
        self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            if self.process is not None:
                self.kill()
            raise

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.directory)

    # Clients.

    @property
    def servers(self):
        return f"127.0.0.1:{self.port}"

    @functools.cached_property
    def admin(self):
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0, "reconnect.backoff.max.ms": 500})

    def create_topic(self, name, partitions=1, **config):
        [made] = self.admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values()
        made.result(20)
        until(lambda: name in self.admin.list_topics(name, timeout=5).topics, 20, f"the topic {name}")

    def grow_topic(self, name, partitions):
        [made] = self.admin.create_partitions([NewPartitions(name, partitions)]).values()
        made.result(20)

    def send(self, topic, *values, partition=None, **members):
        """Sends values, or pairs of a partition and a value, and returns when the broker has them."""
        failed = []
        producer = Producer({"bootstrap.servers": self.servers, "message.max.bytes": 10_000_000, "linger.ms": 5, "log_level": 0})
        for value in values:
            at, value = value if isinstance(value, tuple) else (partition or 0, value)
            producer.produce(topic, value, partition=at, on_delivery=lambda error, _: error and failed.append(error), **members)
            producer.poll(0)
        assert producer.flush(30) == 0 and not failed, failed

    def committed(self, group, topic, partitions=1):
        """The group's offsets by partition; none of a partition where it has none."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group, "log_level": 0})
        try:
            wanted = [TopicPartition(topic, number) for number in range(partitions)]
            found = consumer.committed(wanted, timeout=20)
            return {one.partition: one.offset for one in found if one.offset >= 0}
        finally:
            consumer.close()

    def commit(self, group, topic, offsets):
        """Commits for a group that has no member."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group, "log_level": 0})
        try:
            wanted = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
            consumer.commit(offsets=wanted, asynchronous=False)
        finally:
            consumer.close()

    def members(self, group):
        """How many members a group has."""
        try:
            [described] = self.admin.describe_consumer_groups([group]).values()
            return len(described.result(10).members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise
