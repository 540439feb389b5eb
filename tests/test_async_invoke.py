"""Asynchronous invokes: what is taken, when it is run again, and when it is given up. The clock is in the tests' hand."""

import concurrent.futures
import contextlib
import hashlib
import json
import time
import urllib.error

import pytest

from support import packages
from support.errors import error_of
from support.metrics import metric
from support.wait import until
from support.waiting import FAIL, SEEN, advance, now_ms, queues, redrive, running, runs, said, send, settle, waiting, waits

# Answers once it has a tag. A test can wait for that one.
HELD = """
import os, urllib.parse, urllib.request
from time import sleep
def handler(event, context):
    arn = urllib.parse.quote(context.invoked_function_arn, safe="")
    while event:
        if b"enough" in urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/2017-03-31/tags/{arn}").read():
            return "enough"
        sleep(0.05)
"""
PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}


@pytest.fixture
def make(clocked, deploy_on):
    """make(members of the configuration, …) → an Active function with this source."""

    def deployed(source=SEEN, config=None, **members):
        function = deploy_on(clocked, "python3.12", packages.python(source), **members)
        if config:
            function.client.put_function_event_invoke_config(FunctionName=function.name, **config)
        return function

    return deployed


@pytest.fixture
def failures(moto, request):
    """A queue, and the member that makes it the destination of what failed."""
    queue = moto.queue(f"failures-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}")
    queue.config = {"DestinationConfig": {"OnFailure": {"Destination": queue.arn}}}
    return queue


class TestWhatIsTaken:
    def test_an_accepted_event_has_an_empty_answer_and_runs(self, clocked, make):
        function = make()
        answer = function.invoke({"a": "ü"}, InvocationType="Event")
        assert (answer.status, answer.body, answer.version, answer.error, answer.tail) == (202, b"", None, None, None)
        assert "x-amz-executed-version" not in answer.headers and answer.headers["content-length"] == "0"
        settle(clocked)
        seen, = runs(function, 1)
        assert (seen["id"], seen["a"], seen["version"]) == (answer.request_id, "ü", "$LATEST")
        assert waiting(clocked, function.name) == []
        assert not [queue for queue in queues(clocked) if queue["function"] == function.name]

    def test_a_call_without_an_event_is_a_call_with_an_empty_one(self, clocked, make):
        function = make()
        send(function)
        settle(clocked)
        seen, = runs(function, 1)
        assert "bytes" not in seen and "fail" not in seen

    def test_the_older_spelling(self, clocked, make):
        function = make()
        answer = clocked.http(f"/2014-11-13/functions/{function.name}/invoke-async/", data=b'{"old": 1}', method="POST")
        assert (answer.status, answer.read()) == (202, b"")
        assert function.client.invoke_async(FunctionName=function.name, InvokeArgs=b'{"old": 2}')["Status"] == 202
        settle(clocked)
        assert sorted(seen["old"] for seen in runs(function, 2)) == [1, 2]
        call = function.client.invoke_async
        assert error_of(call, FunctionName=function.name, InvokeArgs=b"{")[::2] == ("InvalidRequestContentException", 400)
        assert error_of(call, FunctionName="nothing-here", InvokeArgs=b"{}")[::2] == ("ResourceNotFoundException", 404)

    def test_a_megabyte_arrives_unharmed_and_one_byte_more_is_refused(self, clocked, make):
        function = make()
        text = "0123456789abcde\n" * 61_000  # a line break takes two bytes in JSON
        text += "x" * (1_048_576 - len(json.dumps(text)))
        assert len(json.dumps(text)) == 1_048_576
        send(function, text)
        settle(clocked)
        seen, = runs(function, 1)
        assert (seen["bytes"], seen["digest"]) == (len(text), hashlib.sha256(text.encode()).hexdigest())
        members = {"FunctionName": function.name, "InvocationType": "Event"}
        code, message, status = error_of(function.client.invoke, Payload=json.dumps(text + "x"), **members)
        assert (code, status) == ("RequestTooLargeException", 413) and "1048576" in message
        assert waiting(clocked, function.name) == []

    def test_what_is_no_event_is_refused_at_once(self, clocked, make):
        function = make()
        members = {"FunctionName": function.name, "InvocationType": "Event"}
        for bad in (b"{", b"nope", b"{} {}", b"\xff"):
            code, message, status = error_of(function.client.invoke, Payload=bad, **members)
            assert (code, status) == ("InvalidRequestContentException", 400), bad
            assert message.startswith("Could not parse request body into json: ")
        for name, qualifier in (("nothing-here", None), (function.name, "nobody"), (function.name, "7")):
            given = {"FunctionName": name, "InvocationType": "Event", **({"Qualifier": qualifier} if qualifier else {})}
            assert error_of(function.client.invoke, **given)[::2] == ("ResourceNotFoundException", 404), given
        assert waiting(clocked, function.name) == []

    def test_events_of_tenants_stay_theirs(self, clocked, make, failures):
        function = make(config={"MaximumRetryAttempts": 1, **failures.config}, TenancyConfig=PER_TENANT)
        members = {"FunctionName": function.name, "InvocationType": "Event"}
        code, message, _ = error_of(function.client.invoke, **members)
        assert code == "InvalidParameterValueException" and "tenant ID" in message
        send(function, {}, TenantId="blue")
        send(function, FAIL, TenantId="green")
        settle(clocked)
        advance(clocked, 60)
        assert sorted(seen["tenant"] for seen in runs(function, 3)) == ["blue", "green", "green"]
        assert said(failures.records()) == [("RetriesExhausted", 2)]
        plain = make()
        code, message, _ = error_of(plain.client.invoke, FunctionName=plain.name, InvocationType="Event", TenantId="blue")
        assert code == "InvalidParameterValueException" and "tenant ID" in message


    def test_many_at_once_run_once_each(self, clocked, make):
        function = make()
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            ids = list(threads.map(lambda number: send(function, {"number": number}), range(300)))
        settle(clocked)
        seen = runs(function, 300)
        assert sorted(run["id"] for run in seen) == sorted(ids) and {run["number"] for run in seen} == set(range(300))
        assert waiting(clocked, function.name) == []
        assert metric(clocked, "tindra_async_events_received_total", function=function.name) == 300

    def test_what_is_no_call_to_the_queue_or_the_clock_is_told(self, server, clocked):
        for path, status, part in (
            ("/_tindra/clock/advance", 400, "seconds=N"), ("/_tindra/clock/advance?seconds=-1", 400, "whole number"),
            ("/_tindra/clock/advance?seconds=1&ms=1", 400, "seconds=N"), ("/_tindra/queue/redrive", 400, "function=NAME"),
            ("/_tindra/queue/redrive?function=a&id=b", 400, "/_tindra/queue?function=NAME"),
        ):
            with pytest.raises(urllib.error.HTTPError) as caught:
                clocked.http(path, data=b"", method="POST")
            assert caught.value.code == status and part in caught.value.read().decode(), path
        with pytest.raises(urllib.error.HTTPError) as caught:
            server.http("/_tindra/clock/advance?seconds=1", data=b"", method="POST")
        assert caught.value.code == 403 and "--clock manual" in caught.value.read().decode()
        assert json.load(server.http("/_tindra/clock"))["clock"] == "system"
        assert json.load(clocked.http("/_tindra/clock"))["clock"] == "manual"
        assert redrive(clocked, "nothing-here") == 0


class TestRetries:
    def test_a_minute_and_two_minutes_and_not_a_millisecond_earlier(self, clocked, make, failures):
        function = make(config=failures.config)
        sent_ms = now_ms(clocked)
        request_id = send(function, FAIL)
        settle(clocked)
        waited = waits(clocked, function.name)
        assert waited["request_id"] == request_id and waited["last_error"] == "no such luck"
        assert (waited["kind"], waited["attempts"], waited["due_ms"], waited["since_ms"]) == ("event", 1, sent_ms + 60_000, sent_ms)
        advance(clocked, ms=59_999)
        assert waits(clocked, function.name)["attempts"] == 1
        advance(clocked, ms=1)
        waited = waits(clocked, function.name)
        assert (waited["attempts"], waited["due_ms"]) == (2, sent_ms + 180_000)
        advance(clocked, ms=119_999)
        assert waits(clocked, function.name)["attempts"] == 2 and failures.records() == []
        advance(clocked, ms=1)
        assert waiting(clocked, function.name) == []
        assert [seen["id"] for seen in runs(function, 3)] == [request_id] * 3
        record, = failures.records()
        assert said([record]) == [("RetriesExhausted", 3)] and record["requestContext"]["requestId"] == request_id
        assert now_ms(clocked) == sent_ms + 180_000

    def test_one_long_step_does_everything_at_its_own_time(self, clocked, make, failures):
        function = make(config=failures.config)
        send(function, FAIL)
        before = now_ms(clocked)
        assert advance(clocked, 3_600) == before + 3_600_000
        record, = failures.records()
        assert said([record]) == [("RetriesExhausted", 3)]
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((before + 180_000) // 1_000))
        assert record["timestamp"].startswith(at)

    @pytest.mark.parametrize("retries", [0, 1])
    def test_fewer_retries(self, clocked, make, failures, retries):
        function = make(config={"MaximumRetryAttempts": retries, **failures.config})
        send(function, FAIL)
        settle(clocked)
        assert len(waiting(clocked, function.name)) == retries
        advance(clocked, 60)
        assert said(failures.records()) == [("RetriesExhausted", retries + 1)]
        advance(clocked, 600)
        assert waiting(clocked, function.name) == [] and len(runs(function, retries + 1)) == retries + 1

    def test_a_function_that_is_mended_meanwhile_gets_the_event(self, clocked, make, failures):
        function = make(config=failures.config)
        send(function, FAIL)
        settle(clocked)
        function.client.update_function_configuration(FunctionName=function.name, Environment={"Variables": {"CODE": "mended"}})
        function.updated()
        advance(clocked, 60)
        assert [seen["code"] for seen in runs(function, 2)] == [None, "mended"]
        assert waiting(clocked, function.name) == [] and failures.records() == []

    def test_a_timeout_is_a_function_error(self, clocked, make, failures):
        function = make(config={"MaximumRetryAttempts": 1, **failures.config}, Timeout=1)
        send(function, {"seconds": 20})
        settle(clocked)
        waited = waits(clocked, function.name)
        assert waited["attempts"] == 1 and "Task timed out after 1.00 seconds" in waited["last_error"]
        advance(clocked, 60)
        record, = failures.records()
        assert said([record]) == [("RetriesExhausted", 2)]
        assert record["responseContext"]["functionError"] == "Unhandled"
        assert record["responsePayload"]["errorType"] == "Sandbox.Timedout"

    def test_whatever_ends_a_run_badly_is_a_function_error(self, clocked, make, failures):
        for source, error in (
            ("import os\ndef handler(event, context):\n    os._exit(1)\n", "Runtime.ExitError"),
            ("import nothing_of_the_kind\n", "Runtime.ImportModuleError"),
            ("def handler(event, context):\n    return {1, 2}\n", "Runtime.MarshalError"),
        ):
            function = make(source, config={"MaximumRetryAttempts": 1, **failures.config})
            send(function, {})
            settle(clocked)
            assert waits(clocked, function.name)["attempts"] == 1, error
            advance(clocked, 60)
            record, = failures.records()
            assert said([record]) == [("RetriesExhausted", 2)] and record["responsePayload"]["errorType"] == error

    def test_an_event_that_is_made_due_does_not_wait(self, clocked, make):
        function = make()
        first, second = send(function, FAIL), send(function, FAIL)
        settle(clocked)
        before = now_ms(clocked)
        ids = {message["request_id"]: message["id"] for message in waiting(clocked, function.name)}
        assert redrive(clocked, function.name, id=ids[first]) == 1
        assert {one["request_id"]: one["attempts"] for one in waiting(clocked, function.name)} == {first: 2, second: 1}
        assert redrive(clocked, function.name) == 2
        assert waits(clocked, function.name)["request_id"] == second and now_ms(clocked) == before


class TestAge:
    def test_an_event_that_is_too_old_is_not_run_again(self, clocked, make, failures):
        function = make(config={"MaximumEventAgeInSeconds": 60, **failures.config})
        send(function, FAIL)
        settle(clocked)
        advance(clocked, ms=59_999)
        assert waits(clocked, function.name)["attempts"] == 1 and failures.records() == []
        advance(clocked, ms=1)
        record, = failures.records()
        assert said([record]) == [("EventAgeExceeded", 1)]
        assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        assert record["responsePayload"]["errorMessage"] == "no such luck"
        assert waiting(clocked, function.name) == [] and len(runs(function, 1)) == 1

    def test_its_end_comes_at_its_age_and_not_when_it_were_due(self, clocked, make, failures):
        function = make(config={"MaximumEventAgeInSeconds": 61, **failures.config})
        send(function, FAIL)
        settle(clocked)
        advance(clocked, 60)
        assert waits(clocked, function.name)["attempts"] == 2
        advance(clocked, ms=999)
        assert failures.records() == []
        advance(clocked, ms=1)
        assert said(failures.records()) == [("EventAgeExceeded", 2)]


class TestThrottles:
    @pytest.fixture
    def busy(self, clocked, make):
        """busy(config) → a function that is at its limit, and what ends that."""
        with concurrent.futures.ThreadPoolExecutor() as threads:
            held = []

            def occupied(config):
                function = make(HELD, config=config, Timeout=60)
                function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
                run = threads.submit(function.invoke, {"wait": True})
                arn = function.created["FunctionArn"]

                def release():
                    function.client.tag_resource(Resource=arn, Tags={"enough": "1"})
                    return run.result(30).ok()

                held.append(release)
                until(lambda: function.name in running(clocked), 20, "the run that takes the place")
                return function, release

            yield occupied
            for release in held:
                with contextlib.suppress(Exception):
                    release()

    def test_they_wait_longer_each_time_and_give_up_at_the_age(self, clocked, busy, failures):
        function, release = busy({"MaximumEventAgeInSeconds": 1_200, "MaximumRetryAttempts": 0, **failures.config})
        sent_ms = now_ms(clocked)
        send(function, {})
        settle(clocked)
        due_s = 0
        for refusals, wait_s in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 89], start=1):
            due_s += wait_s
            waited = waits(clocked, function.name)
            assert (waited["attempts"], waited["refusals"], waited["due_ms"] - sent_ms) == (0, refusals, due_s * 1_000)
            advance(clocked, ms=waited["due_ms"] - now_ms(clocked) - 1)
            assert waits(clocked, function.name)["refusals"] == refusals, "not a millisecond earlier"
            advance(clocked, ms=1)
        assert due_s == 1_200 and waiting(clocked, function.name) == []
        record, = failures.records()
        assert said([record]) == [("EventAgeExceeded", 0)]
        assert record["responseContext"] is None and record["responsePayload"] is None
        assert release() == "enough"

    def test_an_event_runs_when_there_is_room_again(self, clocked, busy, failures):
        function, release = busy({"MaximumRetryAttempts": 0, **failures.config})
        send(function, {})
        settle(clocked)
        advance(clocked, 6)
        waited = waits(clocked, function.name)
        assert (waited["attempts"], waited["refusals"]) == (0, 3) and "Rate Exceeded" in waited["last_error"]
        release()
        advance(clocked, ms=waited["due_ms"] - now_ms(clocked))
        assert waiting(clocked, function.name) == [] and failures.records() == []

    def test_the_machines_clock_does_it_too(self, server, deploy_on):
        function = deploy_on(server, "python3.12", packages.python(HELD), Timeout=60)
        client = function.client
        client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            run = threads.submit(function.invoke, {"wait": True})
            until(lambda: function.name in running(server), 20, "the run that takes the place")
            send(function, {})
            until(lambda: waits(server, function.name)["refusals"] == 2, 20, "two refusals")
            client.tag_resource(Resource=function.created["FunctionArn"], Tags={"enough": "1"})
            assert run.result(30).ok() == "enough"
        until(lambda: waiting(server, function.name) == [], 20, "the run of the event")
        assert metric(server, "tindra_async_events_dropped_total", function=function.name) == 0

    def test_new_events_for_a_function_without_any_concurrency_fail_at_once(self, clocked, make, failures, moto):
        letters = moto.queue("letters-of-none")
        function = make(config=failures.config, DeadLetterConfig={"TargetArn": letters.arn})
        old = send(function, FAIL)
        settle(clocked)
        function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
        new = send(function, {"n": 1})
        settle(clocked)
        record, = failures.records()
        assert said([record]) == [("ZeroReservedConcurrency", 0)] and record["requestContext"]["requestId"] == new
        assert record["responseContext"] is None and record["responsePayload"] is None
        letter, = letters.take()
        assert json.loads(letter["Body"]) == {"n": 1}
        assert {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()} == {
            "RequestID": new, "ErrorCode": "429", "ErrorMessage": "The function's reserved concurrency is set to zero.",
        }
        advance(clocked, 60)
        waited = waits(clocked, function.name)
        assert (waited["request_id"], waited["attempts"], waited["refusals"]) == (old, 1, 1), "the old one waits"
        function.client.delete_function_concurrency(FunctionName=function.name)
        advance(clocked, 1)
        assert waits(clocked, function.name)["attempts"] == 2 and failures.records() == []


class TestWhichCodeAndWhichConfiguration:
    def test_a_retry_goes_where_the_alias_leads_then(self, clocked, make, failures):
        function = make()
        name, client = function.name, function.client
        first = function.publish()
        client.create_alias(FunctionName=name, Name="live", FunctionVersion=first)
        client.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=1, **failures.config)
        send(function, FAIL, Qualifier="live")
        settle(clocked)
        client.update_function_configuration(FunctionName=name, Environment={"Variables": {"CODE": "second"}})
        second = function.updated().publish()
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=second)
        advance(clocked, 60)
        seen = runs(function, 2)
        assert [(one["version"], one["code"]) for one in seen] == [(first, None), (second, "second")]
        assert all(one["arn"].endswith(f":{name}:live") for one in seen)
        record, = failures.records()
        assert said([record]) == [("RetriesExhausted", 2)] and record["responseContext"]["executedVersion"] == second
        assert record["requestContext"]["functionArn"] == f"{function.created['FunctionArn']}:live"

    def test_the_configuration_is_that_of_what_was_named(self, clocked, make, moto):
        function = make()
        name, client, arn = function.name, function.client, function.created["FunctionArn"]
        version = function.publish()
        for alias in ("live", "plain"):
            client.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)
        told = {}
        for retries, qualifier in enumerate(("$LATEST", version, "live")):
            told[qualifier] = moto.queue(f"of-{name}-{qualifier.strip('$')}")
            client.put_function_event_invoke_config(
                FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=retries,
                DestinationConfig={"OnFailure": {"Destination": told[qualifier].arn}},
            )
        for qualifier in (None, "$LATEST", version, "live", "plain"):
            send(function, FAIL, **({"Qualifier": qualifier} if qualifier else {}))
        advance(clocked, 600)
        assert waiting(clocked, name) == []
        for retries, (qualifier, queue) in enumerate(told.items()):
            records = queue.records()
            assert said(records) == [("RetriesExhausted", retries + 1)] * (2 if qualifier == "$LATEST" else 1)
            assert {record["requestContext"]["functionArn"] for record in records} == {f"{arn}:{qualifier}"}
        assert len(runs(function, 1 + 1 + 2 + 3 + 3)) == 10, "an alias without a configuration has the defaults"

    def test_names_may_be_arns_and_have_qualifiers(self, clocked, make, failures):
        function = make()
        arn, client = function.created["FunctionArn"], function.client
        version = function.publish()
        client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)
        client.put_function_event_invoke_config(FunctionName=function.name, Qualifier="live", MaximumRetryAttempts=0, **failures.config)
        names = (f"{arn}:live", f"{function.name}:live", f"000000000000:function:{function.name}:live")
        for name in names:
            assert client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(FAIL))["StatusCode"] == 202
        settle(clocked)
        contexts = [record["requestContext"]["functionArn"] for record in failures.records()]
        assert contexts == [f"{arn}:live"] * len(names)

    def test_accounts_do_not_meet(self, clocked, deploy_on, make):
        ours = make(name="of-two-accounts")
        theirs = deploy_on(clocked, "python3.12", packages.python(SEEN), name=ours.name,
                           client=clocked.client("lambda", account="111111111111"))
        theirs.logs = clocked.client("logs", account="111111111111")
        send(theirs, {**FAIL, "whose": "theirs"})
        send(ours, {"whose": "ours"})
        advance(clocked, 180)
        assert [run["whose"] for run in runs(ours, 1)] == ["ours"]
        assert [run["whose"] for run in runs(theirs, 3)] == ["theirs"] * 3
        assert all(run["arn"].split(":")[4] == "111111111111" for run in runs(theirs, 3))

    def test_a_changed_configuration_holds_for_what_waits(self, clocked, make, failures):
        function = make()
        send(function, FAIL)
        settle(clocked)
        function.client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=1, **failures.config)
        advance(clocked, 60)
        assert said(failures.records()) == [("RetriesExhausted", 2)]

    def test_events_wait_for_a_new_function_of_the_name(self, clocked, make):
        function = make(name="again-and-again")
        send(function, FAIL)
        settle(clocked)
        function.delete()
        advance(clocked, 60)
        waited = waits(clocked, function.name)
        assert (waited["attempts"], waited["refusals"]) == (1, 1) and "Function not found" in waited["last_error"]
        advance(clocked, 1 + 2 + 4)
        assert waits(clocked, function.name)["refusals"] == 4
        make(name="again-and-again", Environment={"Variables": {"CODE": "mended"}})
        advance(clocked, 7)
        assert waits(clocked, function.name)["refusals"] == 4
        advance(clocked, 1)
        assert waiting(clocked, function.name) == []
        assert [seen["code"] for seen in runs(function, 2)] == [None, "mended"]

    def test_events_of_a_function_that_does_not_come_back_end_at_their_age(self, clocked, make):
        function = make()
        send(function, FAIL)
        settle(clocked)
        function.delete()
        advance(clocked, 21_599)
        assert len(waiting(clocked, function.name)) == 1
        advance(clocked, 1)
        assert waiting(clocked, function.name) == []
        assert metric(clocked, "tindra_async_events_dropped_total", function=function.name) == 1


def test_figures(clocked, make, failures):
    function = make(config={"MaximumRetryAttempts": 1, **failures.config})

    def figure(name):
        return metric(clocked, f"tindra_{name}", function=function.name)

    for event in ({}, FAIL):
        send(function, event)
    settle(clocked)
    assert figure("async_events_received_total") == 2
    assert (figure("async_event_age_seconds_count"), figure("async_event_age_seconds_sum")) == (2, 0)
    assert figure("async_events_dropped_total") == 0
    advance(clocked, 60)
    assert figure("async_events_received_total") == 2
    assert (figure("async_event_age_seconds_count"), figure("async_event_age_seconds_sum")) == (3, 60)
    assert figure("async_events_dropped_total") == 1
    assert figure("destination_delivery_failures_total") == figure("dead_letter_errors_total") == 0
