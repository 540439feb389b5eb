"""Topics of a real Apache Kafka run functions: every record is handled, in its order, and committed only after that."""

import base64
import itertools
import json
import random
import time

import pytest

pytest.importorskip("confluent_kafka", reason="LOUDLY SKIPPED: the Kafka client of the tests is not there")

from support import kafka as kafkas  # noqa: E402
from support import packages  # noqa: E402
from support.errors import refused  # noqa: E402
from support.kafka import BINARY, PASSWORD, USER, Kafka  # noqa: E402
from support.server import Function, Server  # noqa: E402
from support.wait import pause, until  # noqa: E402

kafkas.require()

pytestmark = pytest.mark.beside

HERE = "us-east-1:000000000000"
ARN = f"arn:aws:kafka:{HERE}:cluster/orders/1"
NUMBERS = itertools.count(1)
#: Tells each batch by a line of its log; fails for a record as often as it asks, and takes as long as it asks.
CODE = """
import base64, json, threading
failed = {}
def handler(event, context):
    [(key, records)] = event["records"].items()
    values = [base64.b64decode(record.get("value", "")).decode() for record in records]
    print("BATCH", json.dumps({"key": key, "values": values, "event": event}))
    for value in values:
        name, _, times = value.partition(" fails ")
        if times and failed.setdefault(name, 0) < int(times):
            failed[name] += 1
            raise ValueError("as asked")
        name, _, seconds = value.partition(" takes ")
        if seconds:
            threading.Event().wait(float(seconds))
"""


def secret(name):
    return f"arn:aws:secretsmanager:{HERE}:secret:{name}"


@pytest.fixture(scope="session")
def kafka():
    """One for all tests: it takes its time to start."""
    with Kafka() as running:
        yield running


def configuration(kafka):
    certificate, key = kafka.certificate.read_text(), kafka.key.read_text()
    secrets = {
        "login": {"username": USER, "password": PASSWORD}, "wrong": {"username": USER, "password": "not this"},
        "authority": {"certificate": certificate}, "own": {"certificate": certificate, "privateKey": key}, "odd": {"name": "x"},
    }
    text = ""
    for name, content in secrets.items():
        file = kafka.directory / f"{name}.json"
        file.write_text(json.dumps(content))
        text += f'[[secrets]]\narn = "{secret(name)}"\nfile = "{file}"\n'
    text += f'[[brokers]]\nurl = "kafka://{kafka.servers}"\n[[brokers]]\narn = "{ARN}"\nurl = "kafka://{kafka.servers}"\n'
    for port in (kafka.tls_port, kafka.login_port, kafka.mutual_port):
        text += f'[[brokers]]\nurl = "kafkas://127.0.0.1:{port}"\n'
    return text + '[[brokers]]\nurl = "kafka://127.0.0.1:1"\n'


@pytest.fixture(scope="module")
def server(kafka):
    with Server(config=configuration(kafka), binary=BINARY) as running:
        yield running


class Mapped:
    """A function, its topic, and the mapping between them."""

    def __init__(self, server, kafka, code=CODE, partitions=1, before=(), topic=None, port=None, access=(), arn=None, timeout_s=20, **members):
        number = next(NUMBERS)
        self.server, self.kafka, self.partitions = server, kafka, partitions
        self.topic = topic or f"topic-{number}"
        if topic is None:
            kafka.create_topic(self.topic, partitions)
        if before:
            kafka.send(self.topic, *before)
        self.function = Function(server, f"kafka-{number}", "python3.12", packages.python(code), "app.handler", Timeout=timeout_s).ready()
        self.servers = f"127.0.0.1:{port or kafka.port}"
        source = {"EventSourceArn": arn} if arn else {"SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": [self.servers]}}}
        members = {"StartingPosition": "TRIM_HORIZON", **source, **members}
        made = self.function.client.create_event_source_mapping(
            FunctionName=self.function.name, Topics=[self.topic],
            SourceAccessConfigurations=[{"Type": kind, "URI": secret(name)} for kind, name in access], **members,
        )
        config = made.get("SelfManagedKafkaEventSourceConfig") or made["AmazonManagedKafkaEventSourceConfig"]
        self.uuid, self.group = made["UUID"], config["ConsumerGroupId"]

    def send(self, *values, **members):
        self.kafka.send(self.topic, *values, **members)

    def batches(self):
        try:
            lines = self.function.log_messages()
        except self.function.logs.exceptions.ResourceNotFoundException:
            return []  # it has not run yet
        return [json.loads(line.removeprefix("BATCH ")) for line in lines if line.startswith("BATCH ")]

    def values(self):
        return [value for batch in self.batches() for value in batch["values"]]

    def handled(self, count, timeout_s=40):
        """The values of all batches, once there are as many."""
        return until(lambda: len(self.values()) >= count and self.values(), timeout_s, f"{count} records to be handled", 0.05)

    def mapping(self):
        return self.function.client.get_event_source_mapping(UUID=self.uuid)

    def result(self):
        return self.mapping()["LastProcessingResult"]

    def until_result(self, *parts, timeout_s=40):
        until(lambda: all(part in self.result() for part in parts), timeout_s, f"{parts} to be told, not {self.result()}", 0.05)

    def until_settled(self):
        until(lambda: self.mapping()["State"] in ("Enabled", "Disabled"), 20, "the mapping to settle", 0.05)

    def update(self, **members):
        self.until_settled()
        self.function.client.update_event_source_mapping(UUID=self.uuid, **members)
        self.until_settled()

    def committed(self):
        return self.kafka.committed(self.group, self.topic, self.partitions)

    def until_committed(self, offsets, timeout_s=20):
        until(lambda: self.committed() == offsets, timeout_s, f"{offsets} to be committed", 0.05)

    def until_joined(self, members=1):
        until(lambda: self.kafka.members(self.group) == members and self.reading() == self.partitions, 40, "the group to be joined", 0.05)

    def shards(self):
        [source] = [source for source in self.sources() if source["uuid"] == self.uuid]
        return {shard["shard"]: shard for shard in source["shards"]}

    def sources(self):
        return json.loads(self.server.http("/_tindra/sources").read())["sources"]

    def reading(self):
        return sum(shard["state"] == "reading" for shard in self.shards().values())

    def end(self):
        self.until_settled()
        self.function.client.delete_event_source_mapping(UUID=self.uuid)
        self.function.delete()


@pytest.fixture
def mapped(server, kafka):
    made = []

    def make(*arguments, **members):
        made.append(Mapped(server, kafka, *arguments, **members))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_record_looks_as_it_does_on_aws(mapped):
    topic = mapped()
    headers = [("headerKey", b"headerValue"), ("other", b"\x00\xff")]
    topic.send("Hello, this is a test.", key=b"abc", headers=headers, timestamp=1_545_084_650_987)
    topic.send(None)
    topic.handled(2)
    records = [record for batch in topic.batches() for record in batch["event"]["records"][f"{topic.topic}-0"]]
    event = topic.batches()[0]["event"]
    assert {**event, "records": None} == {"eventSource": "SelfManagedKafka", "bootstrapServers": topic.servers, "records": None}
    assert records[0] == {
        "topic": topic.topic, "partition": 0, "offset": 0, "timestamp": 1_545_084_650_987, "timestampType": "CREATE_TIME",
        "key": base64.b64encode(b"abc").decode(), "value": base64.b64encode(b"Hello, this is a test.").decode(),
        "headers": [{"headerKey": list(b"headerValue")}, {"other": [0, -1]}],
    }
    assert {name: records[1][name] for name in ("offset", "headers")} == {"offset": 1, "headers": []}
    assert "key" not in records[1] and "value" not in records[1]
    topic.until_committed({0: 2})
    topic.until_result("OK")


def test_a_cluster_of_the_managed_service_is_named_by_its_arn(mapped):
    topic = mapped(arn=ARN, before=["a"])
    topic.handled(1)
    [batch] = topic.batches()
    members = {name: batch["event"][name] for name in ("eventSource", "eventSourceArn", "bootstrapServers")}
    assert members == {"eventSource": "aws:kafka", "eventSourceArn": ARN, "bootstrapServers": topic.kafka.servers}
    assert topic.group == topic.uuid


def test_where_one_starts(mapped, kafka):
    name = f"old-{next(NUMBERS)}"
    kafka.create_topic(name)
    for number in range(3):
        kafka.send(name, f"old {number}", timestamp=1_700_000_000_000 + number * 1_000)
    oldest = mapped(topic=name)
    newest = mapped(topic=name, StartingPosition="LATEST")
    timed = mapped(topic=name, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=1_700_000_001)
    for topic in (oldest, newest, timed):
        topic.until_joined()
    kafka.send(name, "new")
    assert oldest.handled(4) == ["old 0", "old 1", "old 2", "new"]
    assert timed.handled(3) == ["old 1", "old 2", "new"]
    assert newest.handled(1) == ["new"]


def test_what_fails_first_after_latest_is_not_skipped(mapped):
    """The group has committed nothing when the mapping goes, and begins where it had begun."""
    topic = mapped(before=["old"], StartingPosition="LATEST")
    topic.until_joined()
    topic.send("bad fails 100")
    topic.until_result("PROBLEM: Function call failed")
    topic.update(Enabled=False)
    topic.function.client.update_function_code(FunctionName=topic.function.name, ZipFile=packages.python(CODE.replace("fails", "does")))
    topic.function.updated()
    before = len(topic.values())
    topic.update(Enabled=True)
    assert topic.handled(before + 1)[before:] == ["bad fails 100"]
    assert "old" not in topic.values()


def test_offsets_of_a_group_that_is_there_win(mapped, kafka):
    name, group = f"old-{next(NUMBERS)}", f"readers-{next(NUMBERS)}"
    kafka.create_topic(name)
    kafka.send(name, *[str(number) for number in range(6)])
    kafka.commit(group, name, {0: 4})
    topic = mapped(topic=name, SelfManagedKafkaEventSourceConfig={"ConsumerGroupId": group})
    assert topic.group == group
    assert topic.handled(2) == ["4", "5"]
    topic.until_committed({0: 6})


def test_batches_are_as_large_as_they_may_be(mapped):
    topic = mapped(before=[str(number) for number in range(25)], BatchSize=10, MaximumBatchingWindowInSeconds=1)
    assert topic.handled(25) == [str(number) for number in range(25)]
    assert [len(batch["values"]) for batch in topic.batches()] == [10, 10, 5]


def test_an_event_holds_no_more_than_an_invoke_may(mapped):
    code = CODE.replace('"values": values, "event": event', '"values": [value[:9] for value in values]')
    large = [f"{number:09}" + "x" * 1_800_000 for number in range(4)]
    topic = mapped(code=code, before=large, MaximumBatchingWindowInSeconds=1)
    topic.handled(4)
    assert [len(batch["values"]) for batch in topic.batches()] == [2, 2]
    topic.send("z" * 5_000_000, "after")
    assert topic.handled(5)[4] == "after"
    topic.until_committed({0: 6})


def test_what_filters_hold_back_is_passed_over(mapped):
    pattern = json.dumps({"value": {"kind": ["wanted"]}})
    topic = mapped(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    values = [json.dumps({"kind": "wanted" if number % 3 == 0 else "other", "n": number}) for number in range(9)]
    topic.send("no JSON", *values)
    assert topic.handled(3) == values[::3]
    topic.until_committed({0: 10})


def test_a_batch_is_tried_again_in_its_order(mapped):
    topic = mapped(before=["a", "b fails 2", "c", "d"], BatchSize=3)
    topic.until_result("PROBLEM: Function call failed")
    assert topic.committed() == {}
    topic.handled(10)
    topic.until_result("OK")
    assert [batch["values"] for batch in topic.batches()] == [["a", "b fails 2", "c"]] * 3 + [["d"]]
    topic.until_committed({0: 4})


def test_one_partition_does_not_wait_for_another(mapped):
    topic = mapped(partitions=2)
    topic.send("bad fails 3")
    until(lambda: topic.values(), 30, "the first attempt", 0.05)
    topic.send("good", partition=1)
    topic.until_committed({0: 1, 1: 1})
    shown = topic.shards()
    assert {name: shard["position"] for name, shard in shown.items()} == {f"{topic.topic}-0": "0", f"{topic.topic}-1": "0"}


#: Fails with what it is told to, by naming it.
REPORTS = CODE + """
    bad = [record for record, value in zip(records, values) if value.startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": {"partition": key, "offset": record["offset"]}} for record in bad]}
"""


def given_up(server, name):
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def destination(server, name):
    server.client("sqs").create_queue(QueueName=name)
    return {"OnFailure": {"Destination": f"arn:aws:sqs:{HERE}:{name}"}}


def test_records_that_have_failed_are_tried_again_alone_and_given_up(mapped, server):
    topic = mapped(
        code=REPORTS, before=["a", "bad 1", "c", "bad 2"], FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1, DestinationConfig=destination(server, "dead-reported"),
    )
    [told] = until(lambda: given_up(server, "dead-reported"), 30, "what is given up to be told", 0.1)
    assert [batch["values"] for batch in topic.batches()] == [["a", "bad 1", "c", "bad 2"], ["bad 1", "bad 2"]]
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted" and told["requestContext"]["approximateInvokeCount"] == 2
    info = told["KafkaBatchInfo"]
    assert info["batchSize"] == 2 and info["bootstrapServers"] == topic.servers and info["payloadSize"] > 100
    [(key, span)] = info["recordsInfo"].items()
    assert (key, span["firstRecordOffset"], span["lastRecordOffset"]) == (f"{topic.topic}-0", "1", "3")
    topic.until_committed({0: 4})


def test_a_batch_is_split_until_the_record_is_found_that_fails(mapped, server):
    topic = mapped(
        before=["a", "b", "bad fails 100", "d"], BisectBatchOnFunctionError=True, MaximumRetryAttempts=0,
        DestinationConfig=destination(server, "dead-split"),
    )
    [told] = until(lambda: given_up(server, "dead-split"), 30, "what is given up to be told", 0.1)
    [span] = told["KafkaBatchInfo"]["recordsInfo"].values()
    assert (span["firstRecordOffset"], span["lastRecordOffset"]) == ("2", "2")
    topic.until_committed({0: 4})
    assert [batch["values"] for batch in topic.batches()][1:] == [["a", "b"], ["bad fails 100", "d"], ["bad fails 100"], ["d"]]


def test_what_is_too_old_or_too_large_is_given_up(mapped, server, kafka):
    name = f"old-{next(NUMBERS)}"
    kafka.create_topic(name)
    kafka.send(name, "ancient", timestamp=int((time.time() - 3600) * 1000))
    kafka.send(name, "x" * 5_000_000, "young")
    topic = mapped(topic=name, MaximumRecordAgeInSeconds=600, DestinationConfig=destination(server, "dead-old"))
    assert topic.handled(1) == ["young"]
    told = []
    until(lambda: told.extend(given_up(server, "dead-old")) or len(told) == 2, 30, "both to be told of", 0.1)
    assert {one["requestContext"]["condition"] for one in told} == {"RecordAgeExceeded", "MaximumPayloadSizeExceeded"}
    assert all(one["responseContext"] is None for one in told)
    topic.until_committed({0: 3})


def test_what_is_not_done_is_refused(server, kafka):
    client = server.client("lambda")
    function = Function(server, "kafka-refused", "python3.12", packages.python(CODE), "app.handler").ready()
    source = {"SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": [kafka.servers]}}, "Topics": ["news"], "StartingPosition": "LATEST"}
    registry = {"SchemaRegistryURI": "https://registry.example", "EventRecordFormat": "JSON"}
    login = {"URI": secret("login")}
    for members, part in (
        ({"SelfManagedKafkaEventSourceConfig": {"ConsumptionMode": "Queue"}}, "ConsumptionMode Queue is not supported"),
        ({"SelfManagedKafkaEventSourceConfig": {"SchemaRegistryConfig": registry}}, "SchemaRegistryConfig is not supported"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "kafka://dead"}}}, "A Kafka topic as the destination"),
        ({"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", **login}, {"Type": "SASL_SCRAM_512_AUTH", **login}]}, "Only one of BASIC_AUTH"),
    ):
        assert part in refused(client.create_event_source_mapping, FunctionName=function.name, **{**source, **members})
    function.delete()


@pytest.mark.parametrize("port, access", [
    ("tls_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority")]),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("BASIC_AUTH", "login")]),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("SASL_SCRAM_256_AUTH", "login")]),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("SASL_SCRAM_512_AUTH", "login")]),
    ("mutual_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("CLIENT_CERTIFICATE_TLS_AUTH", "own")]),
])
def test_ways_to_log_in(mapped, kafka, port, access):
    topic = mapped(port=getattr(kafka, port), access=access, before=["a"])
    assert topic.handled(1) == ["a"]
    topic.until_committed({0: 1})


@pytest.mark.parametrize("port, access, parts", [
    ("tls_port", [], ("ssl://127.0.0.1", "certificate verify failed")),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("SASL_SCRAM_256_AUTH", "wrong")], ("Authentication failed",)),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("BASIC_AUTH", "wrong")], ("Authentication failed",)),
    ("login_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority"), ("BASIC_AUTH", "odd")], (secret("odd"), '"username"')),
    ("mutual_port", [("SERVER_ROOT_CA_CERTIFICATE", "authority")], ("ssl://127.0.0.1",)),
    ("port", [("SASL_SCRAM_256_AUTH", "nowhere")], (secret("nowhere"), "[[secrets]]")),
    ("port", [("SERVER_ROOT_CA_CERTIFICATE", "authority")], ("is for TLS", "kafkas://")),
])
def test_what_is_wrong_with_logging_in_is_told(mapped, kafka, port, access, parts):
    mapped(port=getattr(kafka, port), access=access).until_result("PROBLEM: ", *parts)


@pytest.mark.parametrize("arguments, parts", [
    ({"topic": "nowhere"}, ("it has no topic nowhere", "create it")),
    ({"port": 1}, ("127.0.0.1:1", "Connection refused")),
    ({"port": 2}, ("this server knows no Kafka at 127.0.0.1:2", "[[brokers]]")),
    ({"arn": ARN + "2"}, (ARN + "2", "[[brokers]]")),
])
def test_what_is_wrong_is_told(mapped, arguments, parts):
    mapped(**arguments).until_result("PROBLEM: ", *parts)


def test_a_topic_that_comes_later_is_read(mapped, kafka):
    topic = mapped(topic=f"later-{next(NUMBERS)}")
    topic.until_result("PROBLEM: ", "it has no topic")
    kafka.create_topic(topic.topic)
    topic.send("a")
    assert topic.handled(1, 60) == ["a"]


def test_a_topic_that_grows_is_read_whole(mapped, kafka):
    topic = mapped(StartingPosition="LATEST")
    topic.until_joined()
    kafka.grow_topic(topic.topic, 3)
    topic.send("a", partition=2)
    assert topic.handled(1, 90) == ["a"]


def test_sources_show_partitions(mapped, server):
    topic = mapped(partitions=2)
    topic.send("a", "b", "c")
    topic.until_committed({0: 3})
    until(lambda: topic.shards()[f"{topic.topic}-0"]["position"] == "2", 20, "the position to be shown", 0.05)
    shown = topic.shards()
    assert {name: (shard["state"], shard["position"]) for name, shard in shown.items()} == {
        f"{topic.topic}-0": ("reading", "2"), f"{topic.topic}-1": ("reading", "TRIM_HORIZON"),
    }
    until(lambda: topic.shards()[f"{topic.topic}-0"]["lag_ms"] == 0, 20, "nothing to be left", 0.05)
    topic.send("bad fails 1000")
    until(lambda: topic.shards()[f"{topic.topic}-0"]["state"] == "retrying", 20, "the retry to be shown", 0.05)
    assert topic.shards()[f"{topic.topic}-0"]["reason"] == "Function call failed"
    assert topic.shards()[f"{topic.topic}-1"]["state"] == "reading"
    table = server.tindra("sources", topic.function.name).stdout
    assert "self-managed Apache Kafka" in table and "retrying" in table
    topic.update(Enabled=False)
    until(lambda: topic.shards()[f"{topic.topic}-0"]["state"] == "unread", 20, "nobody to read it", 0.05)
    assert topic.shards()[f"{topic.topic}-0"]["position"] == "2"


def test_two_mappings_share_the_partitions_of_their_group(mapped, kafka):
    """Whoever joins later gets a part, and batches that run meanwhile are ended, not done twice."""
    group = f"shared-{next(NUMBERS)}"
    members = {"partitions": 4, "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": group}, "BatchSize": 5}
    first = mapped(**members)
    first.until_joined()
    first.send(*[(number % 4, f"{number} takes 0.02") for number in range(200)])
    until(lambda: first.values(), 30, "the first to begin", 0.02)
    second = mapped(topic=first.topic, **members)
    until(lambda: second.kafka.members(group) == 2, 40, "both to have joined", 0.05)
    first.send(*[(number % 4, f"{number} takes 0.02") for number in range(200, 600)])
    until(lambda: sum(first.committed().values()) == 600, 60, "all to be committed", 0.1)
    handled = first.values() + second.values()
    assert sorted(handled, key=lambda value: int(value.split()[0])) == [f"{number} takes 0.02" for number in range(600)]
    assert first.values() and second.values()
    for topic in (first, second):
        for part in range(4):
            mine = [int(value.split()[0]) for value in topic.values() if int(value.split()[0]) % 4 == part]
            assert mine == sorted(mine), "a partition keeps its order"


def test_a_broker_that_is_killed_and_comes_back_is_read_on(mapped, kafka):
    topic = mapped(before=["a"])
    topic.until_committed({0: 1})
    kafka.kill()
    try:
        topic.until_result("PROBLEM: the broker: ")
    finally:
        kafka.start()
    topic.send("b", "c")
    assert topic.handled(3, 90)[:3] == ["a", "b", "c"]
    topic.until_committed({0: 3}, 40)
    topic.until_result("OK")


def threads(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        [line] = [line for line in status if line.startswith("Threads:")]
    return int(line.split()[1])


def test_mappings_go_in_bounded_time_without_their_broker_and_leave_nothing(mapped, kafka, server):
    """Deleted while the broker is away, while it can be reached, and while there never was one: no thread stays."""
    client = server.client("lambda")

    def delete(topic):
        topic.until_settled()
        begun = time.monotonic()
        client.delete_event_source_mapping(UUID=topic.uuid)
        until(lambda: topic.uuid not in [one["uuid"] for one in topic.sources()], 20, "the mapping to go", 0.05)
        assert time.monotonic() - begun < 10
        topic.end = topic.function.delete

    for _ in range(2):
        delete(mapped(before=["a"]))  # what is kept for good is there before one counts
    before = until(lambda: threads(server), 5)
    for round in range(3):
        read, unreachable = [mapped(before=["a"]) for _ in range(3)], mapped(port=1)
        for topic in read:
            topic.until_committed({0: 1})
        unreachable.until_result("PROBLEM: ")
        kafka.kill()
        try:
            for topic in [*read, unreachable]:
                delete(topic)
        finally:
            kafka.start()
    until(lambda: threads(server) <= before + 4, 90, lambda: f"{threads(server)} threads to become {before}", 0.5)


def test_an_update_while_the_function_runs_loses_and_repeats_nothing(mapped):
    topic = mapped(before=[f"{number} takes 1" for number in range(4)], BatchSize=2)
    until(lambda: topic.values(), 30, "the first batch", 0.02)
    topic.update(BatchSize=3)
    topic.until_committed({0: 4}, 40)
    assert topic.values() == [f"{number} takes 1" for number in range(4)]


#: Writes down durably, in the order of each partition, what it handles: lines of a log may be lost with a server that is killed.
NOTES = """
import boto3, json, uuid
sqs = boto3.client("sqs")
url = sqs.get_queue_url(QueueName="notes.fifo")["QueueUrl"]
def handler(event, context):
    [(key, records)] = event["records"].items()
    offsets = json.dumps([key, [record["offset"] for record in records]])
    sqs.send_message(QueueUrl=url, MessageBody=offsets, MessageGroupId=key, MessageDeduplicationId=str(uuid.uuid4()))
"""


def take_notes(server, handled):
    """Adds what has been written down since to the offsets of each partition."""
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName="notes.fifo")["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            key, offsets = json.loads(message["Body"])
            handled[int(key.rpartition("-")[2])] += offsets
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_kills_lose_no_record(kafka, tmp_path):
    """Every record is handled at least once and in its order, and what is committed was, whenever the server is killed."""
    choices, partitions, rounds, of_a_round = random.Random(20261130), 4, 5, 800
    server = Server(data=tmp_path, config=configuration(kafka), binary=BINARY).start()
    try:
        server.client("sqs").create_queue(QueueName="notes.fifo", Attributes={"FifoQueue": "true"})
        topic = Mapped(server, kafka, code=NOTES, partitions=partitions, BatchSize=7, MaximumBatchingWindowInSeconds=0)
        handled = {number: [] for number in range(partitions)}
        for number in range(rounds):
            topic.send(*[(index % partitions, str(index)) for index in range(of_a_round)])
            begun = sum(topic.committed().values())
            until(lambda: sum(topic.committed().values()) > begun, 60, "some records to be handled", 0.02)
            pause(choices.uniform(0.0, 0.6))
            server.kill()
            committed = topic.committed()
            assert sum(committed.values()) < (number + 1) * of_a_round, "the server is killed in the middle of them"
            server.start()
            # What is committed does not come again: it was handled before the kill.
            until(lambda: take_notes(server, handled) or handled, 20)
            assert all(set(range(offset)) <= set(handled[partition]) for partition, offset in committed.items())
        each = rounds * of_a_round // partitions
        topic.until_committed({partition: each for partition in range(partitions)}, 120)
        take_notes(server, handled)
        repeated = 0
        for partition, offsets in handled.items():
            firsts = list(dict.fromkeys(offsets))
            assert firsts == list(range(each)), f"partition {partition} is whole and in its order"
            repeated += len(offsets) - len(firsts)
        assert repeated <= rounds * partitions * 7, "no more comes again than what ran, or was about to be committed"
        print(f"\n{rounds * of_a_round} records, {rounds} kills, {repeated} handled again")
    finally:
        if server.process is not None:
            server.kill()


def test_of_two_servers_one_goes_on_when_the_other_is_killed(kafka, tmp_path):
    """Two servers whose mappings are in one group: what the one has begun is done by the other."""
    group, name = f"pair-{next(NUMBERS)}", f"pair-{next(NUMBERS)}"
    kafka.create_topic(name, 4)
    servers = [Server(data=tmp_path / str(number), config=configuration(kafka), binary=BINARY) for number in range(2)]
    try:
        config = {"SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": group}}
        topics = [Mapped(server.start(), kafka, partitions=4, topic=name, BatchSize=5, **config) for server in servers]
        until(lambda: all(topic.reading() == 2 for topic in topics), 40, "each to have its part", 0.05)
        kafka.send(name, *[(number % 4, f"{number} takes 0.05") for number in range(200)])
        until(lambda: topics[0].values() and topics[1].values(), 30, "both to work", 0.05)
        by_first = set(topics[0].values())
        servers[0].kill()
        until(lambda: sum(kafka.committed(group, name, 4).values()) == 200, 60, "all to be committed", 0.1)
        wanted = {f"{number} takes 0.05" for number in range(200)}
        # The log of the one that was killed may lack its last lines.
        assert len(wanted - by_first - set(topics[1].values())) <= 4 * 5
    finally:
        for server in servers:
            if server.process is not None:
                server.kill()
