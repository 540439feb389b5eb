"""Destinations and dead-letter queues: what they are told, and what happens while they are away."""

import datetime
import hashlib
import json
import re

import pytest

from support import packages
from support.metrics import metric
from support.moto import KEYS, Moto
from support.server import Function, Server
from support.waiting import advance, now_ms, redrive, runs, send, settle, waiting, waits

WORKS = """
import json
def handler(event, context):
    if isinstance(event, dict) and "fail" in event:
        raise ValueError(event["fail"])
    return event["answer"] if isinstance(event, dict) and "answer" in event else "done"
"""
RECEIVES = """
import json
def handler(event, context):
    print(json.dumps({"record": event, "arn": context.invoked_function_arn}))
"""
MEASURES = """
import json
def handler(event, context):
    print(json.dumps({key: len(json.dumps(event[key])) for key in event}))
"""
FAIL = {"fail": "no such luck"}
RECORD = ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"]
CONTEXT = ["requestId", "functionArn", "condition", "approximateInvokeCount"]
SUCCEEDED = {"statusCode": 200, "executedVersion": "$LATEST"}
FAILED = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
TRACE = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=0:[0-9a-f]{8}:0")
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture
def make(clocked, deploy_on):
    """make(OnSuccess, OnFailure, …) → an Active function with these destinations, which is tried once."""

    def deployed(success=None, failure=None, source=WORKS, server=clocked, **members):
        function = deploy_on(server, "python3.12", packages.python(source), **members)
        config = {name: {"Destination": arn} for name, arn in (("OnSuccess", success), ("OnFailure", failure)) if arn}
        function.client.put_function_event_invoke_config(
            FunctionName=function.name, MaximumRetryAttempts=0, DestinationConfig=config
        )
        return function

    return deployed


@pytest.fixture
def name(request):
    """A name for what this test makes outside."""
    return f"of-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"


def written(at_ms):
    """A time as records have it."""
    at = datetime.datetime.fromtimestamp(at_ms // 1_000, datetime.timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03}Z"


def expected(function, request_id, at_ms, condition, count, request, context, response, qualifier="$LATEST"):
    return {
        "version": "1.0",
        "timestamp": written(at_ms),
        "requestContext": {
            "requestId": request_id, "functionArn": f"{function.created['FunctionArn']}:{qualifier}",
            "condition": condition, "approximateInvokeCount": count,
        },
        "requestPayload": request,
        "responseContext": context,
        "responsePayload": response,
    }


def assert_both(server, function, take):
    """Sends an event that succeeds and one that fails; compares what `take` brings of each, member by member and in order."""
    for event, condition, context in (
        ({"answer": {"ü": [1.5, None]}}, "Success", SUCCEEDED),
        (FAIL, "RetriesExhausted", FAILED),
    ):
        at_ms = now_ms(server)
        request_id = send(function, event)
        settle(server)
        record, = take()
        response = event.get("answer") or {**record["responsePayload"], "errorMessage": "no such luck", "errorType": "ValueError"}
        assert record == expected(function, request_id, at_ms, condition, 1, event, context, response)
        assert (list(record), list(record["requestContext"]), list(record["responseContext"])) == (RECORD, CONTEXT, list(context))
        assert waiting(server, function.name) == [] and take() == []
        advance(server, 60)


class TestRecords:
    def test_to_a_queue(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(queue.arn, queue.arn)
        assert_both(clocked, function, queue.records)
        send(function, FAIL)
        settle(clocked)
        message, = queue.take()
        assert message.get("MessageAttributes") is None, "a record says it all itself"
        assert TRACE.fullmatch(message["Attributes"]["AWSTraceHeader"]), message["Attributes"]

    def test_to_a_topic(self, clocked, make, moto, name):
        topic, queue = moto.topic(name)
        taken = []

        def take():
            taken.extend(envelopes := queue.records())
            return [json.loads(envelope["Message"]) for envelope in envelopes]

        assert_both(clocked, make(topic, topic), take)
        assert [(envelope["Type"], envelope["TopicArn"]) for envelope in taken] == [("Notification", topic)] * 2
        assert not [envelope for envelope in taken if "MessageAttributes" in envelope or "Subject" in envelope]

    def test_to_an_event_bus(self, clocked, make, moto, name):
        bus, queue = moto.bus(name)
        function = make(bus, bus)
        events = []

        def take():
            events.extend(new := queue.records())
            return [event["detail"] for event in new]

        assert_both(clocked, function, take)
        arn = f"{function.created['FunctionArn']}:$LATEST"
        for event, result in zip(events, ("Success", "Failure"), strict=True):
            assert event["source"] == "lambda" and event["resources"] == [arn, bus]
            assert event["detail-type"] == f"Lambda Function Invocation Result - {result}"
            assert event["time"] == event["detail"]["timestamp"][:19] + "Z"

    def test_to_another_function(self, clocked, make, deploy_on):
        receiver = deploy_on(clocked, "python3.12", packages.python(RECEIVES))
        version = receiver.publish()
        receiver.client.create_alias(FunctionName=receiver.name, Name="live", FunctionVersion=version)
        arn = receiver.created["FunctionArn"]
        function = make(arn, f"{arn}:live")
        told = []
        for event, condition, context in (({"answer": 7}, "Success", SUCCEEDED), (FAIL, "RetriesExhausted", FAILED)):
            at_ms, request_id = now_ms(clocked), send(function, event)
            settle(clocked)
            told = runs(receiver, len(told) + 1)
            record = told[-1]["record"]
            response = 7 if condition == "Success" else {**record["responsePayload"], "errorMessage": "no such luck"}
            assert record == expected(function, request_id, at_ms, condition, 1, event, context, response)
            assert list(record) == RECORD and waiting(clocked, function.name) == waiting(clocked, receiver.name) == []
        assert [one["arn"] for one in told] == [arn, f"{arn}:live"]

    def test_a_function_gets_a_large_record_without_its_payloads(self, clocked, make, deploy_on):
        receiver = deploy_on(clocked, "python3.12", packages.python(MEASURES))
        function = make(receiver.created["FunctionArn"])
        for number, size in enumerate((200_000, 600_000), start=1):
            send(function, {"answer": "y" * size})
            settle(clocked)
            seen = runs(receiver, number)[-1]
            lengths = (size + len('{"answer": ""}'), size + 2) if number == 1 else (len("null"), len("null"))
            assert (seen["requestPayload"], seen["responsePayload"]) == lengths
        assert waiting(clocked, function.name) == waiting(clocked, receiver.name) == []

    def test_failures_to_a_bucket(self, clocked, make, moto, name):
        function = make(failure=moto.bucket(name))
        at_ms = now_ms(clocked)
        request_id = send(function, FAIL)
        send(function, {})
        settle(clocked)
        objects = moto.s3.list_objects_v2(Bucket=name)["Contents"]
        assert len(objects) == 1
        at = written(at_ms)
        key = f"aws/lambda/async/{function.name}/{at[:10].replace('-', '/')}/{at[:19].replace(':', '.')}-{UUID}"
        assert re.fullmatch(key, objects[0]["Key"]), objects[0]["Key"]
        stored = moto.s3.get_object(Bucket=name, Key=objects[0]["Key"])
        record = json.loads(stored["Body"].read())
        assert stored["ContentType"] == "application/json"
        response = {**record["responsePayload"], "errorMessage": "no such luck"}
        assert record == expected(function, request_id, at_ms, "RetriesExhausted", 1, FAIL, FAILED, response)
        assert list(record) == RECORD and waiting(clocked, function.name) == []

    def test_payloads_are_told_as_they_were(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(queue.arn, queue.arn)
        sent = '{"answer":  {"b":1.0,"a":"\\u00fc ü","large":12345678901234567890.10}}'
        send(function, sent.encode())
        settle(clocked)
        message, = queue.take()
        assert f'"requestPayload":{sent},' in message["Body"], "numbers, order, spaces and escapes"

    def test_unusual_events_are_told_as_they_were(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(queue.arn, queue.arn, DeadLetterConfig={"TargetArn": moto.queue(f"{name}-letters").arn})
        for sent in ("[" * 50_000 + "]" * 50_000, '"\\ud800"', "1e400", ' {"fail" :"a\\u0001b"}\n'):
            send(function, sent.encode())
            settle(clocked)
            message, = queue.take()
            assert f'"requestPayload":{sent.strip()},' in message["Body"], sent[:100]

    def test_only_what_is_configured_is_told(self, clocked, make, moto, name):
        successes, failures = moto.queue(f"{name}-s"), moto.queue(f"{name}-f")
        for function, good, bad in ((make(successes.arn), 1, 0), (make(failure=failures.arn), 0, 1)):
            send(function, {})
            send(function, FAIL)
            settle(clocked)
            assert (len(successes.take()), len(failures.take())) == (good, bad)

    def test_a_synchronous_invoke_tells_nobody(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(queue.arn, queue.arn, DeadLetterConfig={"TargetArn": queue.arn})
        assert function.invoke({}).ok() == "done" and function.invoke(FAIL).error == "Unhandled"
        settle(clocked)
        assert queue.take() == [] and waiting(clocked, function.name) == []

    @pytest.mark.parametrize("kind", ["sqs", "sns"])
    def test_a_record_that_is_too_large_comes_without_its_payloads(self, clocked, make, moto, name, kind):
        if kind == "sns":
            target, queue = moto.topic(name)
            records, limit = lambda: [envelope["Message"] for envelope in queue.records()], 262_144
        else:
            queue = moto.queue(name)
            target, records, limit = queue.arn, lambda: [message["Body"] for message in queue.take()], 1_048_576
        function = make(target)

        def told(more):
            # The answer is a part of the event: both payloads count.
            event = {"answer": "y" * (limit // 3), "more": "z" * more}
            at_ms, request_id = now_ms(clocked), send(function, event)
            settle(clocked)
            assert waiting(clocked, function.name) == []
            text, = records()
            return expected(function, request_id, at_ms, "Success", 1, event, SUCCEEDED, event["answer"]), text

        _, text = told(0)
        room = limit - len(text)
        record, text = told(room)
        assert len(text) == limit and json.loads(text) == record
        record, text = told(room + 1)
        assert json.loads(text) == {**record, "requestPayload": None, "responsePayload": None}

    def test_an_event_for_a_bus_keeps_to_the_limit_of_an_entry(self, clocked, make, moto, name):
        bus, queue = moto.bus(name)
        function = make(bus)

        def told(more):
            event = {"more": "z" * more}
            send(function, event)
            settle(clocked)
            message, = queue.records()
            detail = json.dumps(message["detail"], separators=(",", ":"))
            # As AWS counts an entry: its time as 14 bytes, and each text.
            texts = [message["source"], message["detail-type"], detail, *message["resources"]]
            return 14 + sum(len(text) for text in texts), message["detail"]["requestPayload"] == event

        room = 262_144 - told(0)[0]
        assert told(room - 1) == (262_143, True)
        for more in (room + 1, room + 100, room + 200, room + 300):
            size, is_whole = told(more)
            assert size <= 262_144 and not is_whole, f"{more - room} bytes too many"


class TestDeadLetters:
    def test_to_a_queue(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(DeadLetterConfig={"TargetArn": queue.arn})
        sent = '{"fail":  "no such luck", "n": 1.50, "text": "\\u00fc ü"}'
        request_id = send(function, sent.encode())
        send(function, {})
        settle(clocked)
        letter, = queue.take()
        assert letter["Body"] == sent, "the event alone, as it was"
        assert letter["MessageAttributes"] == {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "no such luck"},
        }
        assert TRACE.fullmatch(letter["Attributes"]["AWSTraceHeader"])
        assert waiting(clocked, function.name) == []

    def test_to_a_topic(self, clocked, make, moto, name):
        topic, queue = moto.topic(name)
        function = make(DeadLetterConfig={"TargetArn": topic})
        request_id = send(function, FAIL)
        settle(clocked)
        envelope, = queue.records()
        assert json.loads(envelope["Message"]) == FAIL and "Subject" not in envelope
        assert envelope["MessageAttributes"] == {
            "RequestID": {"Type": "String", "Value": request_id},
            "ErrorCode": {"Type": "Number", "Value": "200"},
            "ErrorMessage": {"Type": "String", "Value": "no such luck"},
        }

    def test_a_long_message_is_cut_between_characters_and_an_empty_one_is_left_out(self, clocked, make, moto, name):
        queue = moto.queue(name)
        function = make(DeadLetterConfig={"TargetArn": queue.arn})
        for message, told in (("x" + "ü" * 2_000, "x" + "ü" * 511), ("", None)):
            send(function, {"fail": message})
            settle(clocked)
            letter, = queue.take()
            assert letter["MessageAttributes"].get("ErrorMessage", {}).get("StringValue") == told

    def test_the_code_is_that_of_the_last_attempt(self, clocked, make, moto, name):
        for age_s, code, message in ((60, "200", "no such luck"), (61, "429", "Rate Exceeded.")):
            letters, failures = moto.queue(f"{name}-l{age_s}"), moto.queue(f"{name}-f{age_s}")
            function = make(DeadLetterConfig={"TargetArn": letters.arn})
            function.client.put_function_event_invoke_config(
                FunctionName=function.name, MaximumEventAgeInSeconds=age_s,
                DestinationConfig={"OnFailure": {"Destination": failures.arn}},
            )
            request_id = send(function, FAIL)
            settle(clocked)
            function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
            advance(clocked, age_s)
            letter, = letters.take()
            values = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
            assert values == {"RequestID": request_id, "ErrorCode": code, "ErrorMessage": message}
            record, = failures.records()
            assert record["requestContext"]["condition"] == "EventAgeExceeded"
            assert record["responseContext"] == FAILED, "that of the last run"
            assert record["responsePayload"]["errorMessage"] == "no such luck"

    def test_both_are_told(self, clocked, make, moto, name):
        letters, failures = moto.queue(f"{name}-l"), moto.queue(f"{name}-f")
        function = make(failure=failures.arn, DeadLetterConfig={"TargetArn": letters.arn})
        request_id = send(function, FAIL)
        settle(clocked)
        letter, = letters.take()
        record, = failures.records()
        assert json.loads(letter["Body"]) == FAIL and record["requestContext"]["requestId"] == request_id
        assert letter["MessageAttributes"]["RequestID"]["StringValue"] == request_id
        advance(clocked, 3_600)
        assert letters.take() == failures.take() == [], "once each"

    def test_versions_have_the_one_of_the_function_now(self, clocked, make, moto, name):
        first, second = moto.queue(f"{name}-1"), moto.queue(f"{name}-2")
        function = make(DeadLetterConfig={"TargetArn": first.arn})
        version = function.publish()
        function.client.put_function_event_invoke_config(FunctionName=function.name, Qualifier=version, MaximumRetryAttempts=0)
        function.client.update_function_configuration(FunctionName=function.name, DeadLetterConfig={"TargetArn": second.arn})
        function.updated()
        send(function, FAIL, Qualifier=version)
        settle(clocked)
        assert first.take() == [] and len(second.take()) == 1


def figures(server, function):
    names = ("dead_letter_errors_total", "destination_delivery_failures_total", "deliveries_given_up_total")
    return tuple(metric(server, f"tindra_{name}", function=function.name) for name in names)


@pytest.fixture(scope="module")
def away():
    """Services that the tests stop."""
    with Moto() as running:
        yield running


@pytest.fixture(scope="module")
def alone(away):
    """A server with these."""
    with Server(config=away.config(), arguments=["--clock", "manual"], environment=KEYS) as running:
        yield running


class TestTargetsThatAreAway:
    def test_they_are_tried_again_with_back_off_and_told_when_they_are_back(self, alone, make, away):
        queue, letters = away.queue("failures"), away.queue("letters")
        function = make(failure=queue.arn, DeadLetterConfig={"TargetArn": letters.arn}, server=alone)
        away.stop()
        at_ms = now_ms(alone)
        request_id = send(function, FAIL)
        settle(alone)
        assert figures(alone, function) == (1, 1, 0)
        due_s = 0
        for attempts, wait_s in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], start=1):
            due_s += wait_s
            messages = {message["kind"]: message for message in waiting(alone, function.name)}
            assert set(messages) == {"record", "dead letter"}
            for message, target in ((messages["record"], queue.arn), (messages["dead letter"], letters.arn)):
                assert (message["target"], message["request_id"]) == (target, request_id)
                assert (message["attempts"], message["due_ms"]) == (attempts, at_ms + due_s * 1_000)
                assert away.url in message["last_error"] and "sqs_endpoint" in message["last_error"]
            advance(alone, wait_s)
        assert figures(alone, function) == (12, 12, 0)
        away.start()
        queue, letters = away.queue("failures"), away.queue("letters")
        assert redrive(alone, function.name) == 2
        assert waiting(alone, function.name) == []
        record, = queue.records()
        letter, = letters.take()
        assert record["timestamp"] == written(at_ms) and record["requestContext"]["requestId"] == request_id
        assert json.loads(letter["Body"]) == FAIL
        assert figures(alone, function) == (12, 12, 0)

    def test_a_queue_that_is_made_later_is_told_when_its_time_comes(self, alone, make, away):
        arn = away.queue("to-be-made").arn
        away.sqs.delete_queue(QueueUrl=away.sqs.get_queue_url(QueueName="to-be-made")["QueueUrl"])
        function = make(arn, server=alone)
        send(function, {})
        settle(alone)
        error = waits(alone, function.name)["last_error"]
        assert "refused" in error and arn in error and "create the target" in error
        queue = away.queue("to-be-made")
        advance(alone, ms=999)
        assert queue.take() == []
        advance(alone, ms=1)
        assert len(queue.take()) == 1 and waiting(alone, function.name) == []

    def test_one_that_is_away_delays_no_other(self, alone, make, away):
        queue = away.queue("at-hand")
        gone = away.queue("gone")
        away.sqs.delete_queue(QueueUrl=gone.url)
        function = make(gone.arn, queue.arn, server=alone)
        for event in ({}, {}, FAIL):
            send(function, event)
        settle(alone)
        assert len(queue.take()) == 1
        assert [message["target"] for message in waiting(alone, function.name)] == [gone.arn] * 2

    def test_what_waits_is_told_although_the_function_is_gone(self, alone, make, away):
        queue = away.queue("outlives-it")
        away.sqs.delete_queue(QueueUrl=queue.url)
        function = make(queue.arn, server=alone)
        send(function, {})
        settle(alone)
        function.delete()
        queue = away.queue("outlives-it")
        assert redrive(alone, function.name) == 1
        assert len(queue.take()) == 1 and waiting(alone, function.name) == []

    def test_what_can_never_be_told_says_why(self, alone, make, away):
        function = make(failure="arn:aws:sqs:us-east-1:123456789012:queue.fifo", server=alone)
        send(function, FAIL)
        settle(alone)
        assert "name a standard one" in waits(alone, function.name)["last_error"]
        topic, queue = away.topic("small")
        function = make(DeadLetterConfig={"TargetArn": topic}, server=alone)
        send(function, {**FAIL, "more": "x" * 300_000})
        settle(alone)
        waited = waits(alone, function.name)
        assert waited["kind"] == "dead letter" and topic in waited["last_error"], "an event is not made smaller"
        assert figures(alone, function) == (1, 0, 0) and queue.take() == []

    def test_a_target_function_that_is_gone(self, alone, make):
        receiver = Function(alone, "comes-and-goes", "python3.12", packages.python(RECEIVES), "app.handler").ready()
        function = make(receiver.created["FunctionArn"], server=alone)
        receiver.delete()
        send(function, {"n": 1})
        settle(alone)
        assert "Function not found" in waits(alone, function.name)["last_error"]
        receiver = Function(alone, "comes-and-goes", "python3.12", packages.python(RECEIVES), "app.handler").ready()
        advance(alone, 1)
        seen, = runs(receiver, 1)
        assert seen["record"]["requestPayload"] == {"n": 1} and waiting(alone, function.name) == []
        receiver.delete()

    def test_what_is_not_told_survives_a_kill(self, alone, make, away):
        queue = away.queue("after-the-kill")
        away.sqs.delete_queue(QueueUrl=queue.url)
        function = make(queue.arn, server=alone)
        send(function, {})
        settle(alone)
        before = waits(alone, function.name)
        alone.kill()
        alone.start()
        assert waits(alone, function.name) == before
        queue = away.queue("after-the-kill")
        advance(alone, 60)
        assert len(queue.take()) == 1 and waiting(alone, function.name) == []

    def test_after_six_hours_it_is_given_up(self, alone, make, away):
        queue = away.queue("never")
        away.sqs.delete_queue(QueueUrl=queue.url)
        function = make(queue.arn, server=alone)
        send(function, {})
        settle(alone)
        advance(alone, 21_599)
        assert figures(alone, function)[2] == 0 and len(waiting(alone, function.name)) == 1
        advance(alone, 1)
        assert figures(alone, function)[2] == 1 and waiting(alone, function.name) == []


def test_a_target_that_is_not_there_is_told(make):
    with Server(arguments=["--clock", "manual"]) as server:
        here = "us-east-1:000000000000"
        for target, told in (
            (f"arn:aws:sqs:{here}:q", "does not exist"), (f"arn:aws:sns:{here}:t", "does not exist"),
            (f"arn:aws:events:{here}:event-bus/b", "does not exist"),
            ("arn:aws:s3:::bucket", "does not exist"),
        ):
            function = make(failure=target, server=server)
            send(function, FAIL)
            settle(server)
            waited = waits(server, function.name)
            assert (waited["target"], waited["attempts"]) == (target, 1)
            assert told in waited["last_error"]
            function.delete()
