"""The AWS SDK for Java, with what it chooses itself, against the streams of this server: CBOR, and subscriptions over HTTP/2."""

import subprocess

import pytest
from support import maven
from support.wait import until
from test_tls import TlsServer, make_certificate

pytestmark = pytest.mark.beside

KINESIS = "software.amazon.awssdk:kinesis:2.38.0"
CBOR, JSON, EVENTS = "x-amz-cbor-1.1", "x-amz-json-1.1", "vnd.amazon.eventstream"


def run_java(url, stream, *options):
    """What the program tells, as (name, value)s in their order."""
    lib = maven.jars("kinesis-for-java", KINESIS)
    command = ["java", "-Xmx256m", *options, "-cp", f"{lib}/*", str(maven.PROGRAMS / "Streams.java"), url, stream]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]


def check(told):
    values = dict(told)
    assert (values["failed"], values["shards"], values["behind"]) == ("0", "[shardId-000000000000]", "0")
    assert values["until"] == str(2**128 - 1), "all keys"
    assert [value for name, value in told if name == "record"] == ["one 00ff01 true true", "two 6772c3bc6e true true"]
    assert values["missing"] == "Stream nowhere under account 000000000000 not found."
    events = [value for name, value in told if name == "event"]
    assert events == ["one 00ff01", "two 6772c3bc6e", "three 6c617465"] and values["heard"] == "true"
    types = {tuple(entry.split(" ")) for entry in values["content-types"].strip("[]").split(", ")}
    subscription = {("SubscribeToShard", "asks", JSON), ("SubscribeToShard", "gets", EVENTS)}
    assert subscription <= types and {kind for _, _, kind in types - subscription} == {CBOR}, types
    assert {"PutRecords", "GetRecords", "ListShards", "PutRecord"} <= {operation for operation, _, _ in types}


def test_the_sdk_of_java_in_cbor_and_over_http_2(server):
    check(run_java(server.url, "from-java"))
    kinesis = server.client("kinesis")
    arn = kinesis.describe_stream_summary(StreamName="from-java")["StreamDescriptionSummary"]["StreamARN"]
    assert [one["ConsumerName"] for one in kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]] == ["java"]
    kinesis.delete_stream(StreamName="from-java", EnforceConsumerDeletion=True)
    until(lambda: "from-java" not in kinesis.list_streams(Limit=1000)["StreamNames"], 20, "the stream to be gone")


def test_the_sdk_of_java_over_tls(tmp_path):
    certificate, key = make_certificate(tmp_path, "localhost", "localhost")
    store = tmp_path / "trusted"
    subprocess.run(
        ["keytool", "-importcert", "-noprompt", "-alias", "server", "-file", certificate, "-keystore", store, "-storepass", "secret"],
        check=True, capture_output=True)
    with TlsServer(certificate, key) as server:
        check(run_java(server.url, "over-tls", f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=secret"))
