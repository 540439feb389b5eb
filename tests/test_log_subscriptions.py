"""CloudWatch Logs: functions that get the events of a group, live tails, and the rest of what clients ask for."""

import base64
import gzip
import json
import subprocess
import sys
import threading

import botocore.config
import boto3
import pytest

from support import packages
from support.errors import error_of
from support.server import Function, Server
from support.wait import until
from support.waiting import printed, runs

EVENT = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
# Prints what its event says, a line each.
SAYS = "def handler(event, context):\n    for line in event:\n        print(line)\n"
ACCOUNT = "000000000000"
NOT_ALLOWED = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")


@pytest.fixture
def logs(server):
    return server.client("logs")


@pytest.fixture
def group(logs, request):
    name = f"group-{abs(hash(request.node.name))}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    logs.delete_log_group(logGroupName=name)


def put(logs, group, *messages, stream="s", at_ms=1_700_000_000_000):
    events = [{"timestamp": at_ms + number, "message": message} for number, message in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def subscribe(logs, group, function, pattern="", name="f", **members):
    logs.put_subscription_filter(
        logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=function.created["FunctionArn"], **members)


def data(event):
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))


def messages(function):
    return [event["message"] for one in printed(function) for event in data(one)["logEvents"]]


class TestFilters:
    def test_a_function_gets_the_event_of_aws(self, logs, group, python_function):
        function = python_function(EVENT)
        subscribe(logs, group, function, "ERROR")
        put(logs, group, "ERROR one", "fine", "ERROR two")
        [event] = runs(function, 1)
        found = data(event)
        ids = [each.pop("id") for each in found["logEvents"]]
        assert found == {
            "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": group, "logStream": "s", "subscriptionFilters": ["f"],
            "logEvents": [
                {"timestamp": 1_700_000_000_000, "message": "ERROR one"}, {"timestamp": 1_700_000_000_002, "message": "ERROR two"}],
        }
        read = logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]
        assert [each["eventId"] for each in read] == ids

    def test_what_a_function_prints_goes_to_another(self, logs, python_function):
        source, target = python_function(SAYS), python_function(EVENT)
        group = f"/aws/lambda/{source.name}"
        source.invoke(["first"])
        until(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"], 20, "the group")
        subscribe(logs, group, target, '{ $.level = "bad" }')
        source.invoke(["plain", json.dumps({"level": "bad", "n": 1}), json.dumps({"level": "good"})])
        until(lambda: messages(target), 20, "the event")
        assert [json.loads(message)["n"] for message in messages(target)] == [1]

    def test_filters_are_shown_changed_and_deleted(self, logs, group, python_function):
        function = python_function(EVENT)
        subscribe(logs, group, function, "a", name="one", distribution="Random")
        subscribe(logs, group, function, "b", name="two")
        [one, two] = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        assert (one["filterName"], one["filterPattern"], one["distribution"]) == ("one", "a", "Random")
        assert (two["logGroupName"], two["destinationArn"]) == (group, function.created["FunctionArn"])
        code, message, _ = error_of(
            logs.put_subscription_filter, logGroupName=group, filterName="three", filterPattern="",
            destinationArn=function.created["FunctionArn"])
        assert (code, message) == ("LimitExceededException", "Resource limit exceeded.")
        subscribe(logs, group, function, "c", name="one")
        shown = logs.describe_subscription_filters(logGroupName=group, filterNamePrefix="o")["subscriptionFilters"]
        assert [(each["filterName"], each["filterPattern"], each["creationTime"]) for each in shown] == [
            ("one", "c", one["creationTime"])]
        pages = logs.get_paginator("describe_subscription_filters").paginate(logGroupName=group, PaginationConfig={"PageSize": 1})
        assert [len(page["subscriptionFilters"]) for page in pages] == [1, 1]
        logs.delete_subscription_filter(logGroupName=group, filterName="one")
        assert error_of(logs.delete_subscription_filter, logGroupName=group, filterName="one")[0] == "ResourceNotFoundException"

    def test_one_that_was_deleted_gets_nothing_more(self, logs, group, python_function):
        function, witness = python_function(EVENT), python_function(EVENT)
        subscribe(logs, group, function, name="gone")
        logs.delete_subscription_filter(logGroupName=group, filterName="gone")
        subscribe(logs, group, witness)
        put(logs, group, "x")
        runs(witness, 1)
        assert printed(function) == []

    @pytest.mark.parametrize("members, word", [
        ({"destinationArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:absent"}, NOT_ALLOWED),
        ({"destinationArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "kinesis"),
        ({"destinationArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/s"}, "firehose"),
        ({"destinationArn": "arn:aws:logs:us-east-1:000000000000:destination:d"}, "logs"),
        ({"destinationArn": "nonsense"}, "cannot be parsed"),
        ({"filterPattern": '{ $.a = }'}, "Invalid filter pattern"),
    ])
    def test_what_cannot_be_subscribed(self, logs, group, members, word):
        given = {"filterPattern": "", "destinationArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:absent", **members}
        code, message, _ = error_of(logs.put_subscription_filter, logGroupName=group, filterName="f", **given)
        assert code == "InvalidParameterException" and word in message

    def test_a_function_does_not_get_its_own_logs(self, logs, python_function):
        function = python_function(EVENT)
        group = f"/aws/lambda/{function.name}"
        logs.create_log_group(logGroupName=group)
        code, message, _ = error_of(
            logs.put_subscription_filter, logGroupName=group, filterName="f", filterPattern="",
            destinationArn=function.created["FunctionArn"])
        assert code == "InvalidParameterException" and "without end" in message

    def test_many_events_come_in_several_runs_and_none_is_missing(self, logs, group, python_function):
        function = python_function(
            "import base64, gzip, json\n"
            "def handler(event, context):\n"
            "    found = json.loads(gzip.decompress(base64.b64decode(event['awslogs']['data'])))\n"
            "    print(json.dumps({'lengths': [len(one['message']) for one in found['logEvents']]}))\n")
        subscribe(logs, group, function)
        put(logs, group, *("x" * 200_000 for _ in range(5)))
        put(logs, group, *("y" * 10 for _ in range(1_000)))
        until(lambda: sum(len(one["lengths"]) for one in printed(function)) == 1_005, 30, "all events")
        assert len(printed(function)) >= 2

    def test_the_group_takes_its_filters_with_it(self, logs, python_function):
        function = python_function(EVENT)
        for _ in range(2):
            logs.create_log_group(logGroupName="again")
            assert logs.describe_subscription_filters(logGroupName="again")["subscriptionFilters"] == []
            subscribe(logs, "again", function)
            logs.delete_log_group(logGroupName="again")


def test_the_policy_of_the_function_is_asked(tmp_path):
    with Server(data=tmp_path / "s", arguments=["--auth", "sigv4"]) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        keys = {"account": values["aws_access_key_id"], "aws_secret_access_key": values["aws_secret_access_key"]}
        client, logs, iam = (server.client(name, **keys) for name in ("lambda", "logs", "iam"))
        role = iam.create_role(RoleName="lambda", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
        function = client.create_function(
            FunctionName="f", Runtime="python3.12", Role=role["Role"]["Arn"], Handler="app.handler",
            Code={"ZipFile": packages.python(EVENT)})
        client.get_waiter("function_active_v2").wait(FunctionName="f")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        given = dict(logGroupName="g", filterName="f", filterPattern="", destinationArn=function["FunctionArn"])
        assert error_of(logs.put_subscription_filter, **given)[1] == NOT_ALLOWED
        client.add_permission(
            FunctionName="f", StatementId="logs", Action="lambda:InvokeFunction", Principal="logs.amazonaws.com",
            SourceArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g:*", SourceAccount=ACCOUNT)
        logs.put_subscription_filter(**given)
        put(logs, "g", "hello")

        def got():
            try:
                found = logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="awslogs")["events"]
            except logs.exceptions.ResourceNotFoundException:
                return None
            return found

        assert data(json.loads(until(got, 20, "the event")[0]["message"]))["logEvents"][0]["message"] == "hello"


class TestLiveTail:
    """The clients put `streaming-` before the host, which is told not to."""

    @pytest.fixture
    def tailing(self, server):
        config = botocore.config.Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
        return boto3.client("logs", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="test",
                            aws_secret_access_key="test", config=config)

    def test_events_come_as_they_are_stored(self, logs, group, tailing):
        arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
        stream = tailing.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="yes")["responseStream"]
        events = iter(stream)
        start = next(events)["sessionStart"]
        assert (start["logGroupIdentifiers"], start["logEventFilterPattern"]) == ([arn], "yes")
        put(logs, group, "yes 1", "no", "yes 2")
        found = []
        for event in events:
            update = event["sessionUpdate"]
            assert update["sessionMetadata"] == {"sampled": False}
            found += update["sessionResults"]
            if len(found) >= 2:
                break
        assert [(one["message"], one["logStreamName"], one["logGroupIdentifier"]) for one in found] == [
            ("yes 1", "s", arn), ("yes 2", "s", arn)]
        stream.close()

    def test_what_cannot_be_watched(self, group, tailing):
        assert error_of(tailing.start_live_tail, logGroupIdentifiers=["absent"])[0] == "ResourceNotFoundException"
        assert error_of(tailing.start_live_tail, logGroupIdentifiers=[group], logEventFilterPattern="{ $.a")[0] == (
            "InvalidParameterException")

    def test_the_host_with_its_prefix_is_served(self, server):
        import urllib.request

        host = "streaming-" + server.url.removeprefix("http://")
        request = urllib.request.Request(server.url + "/", data=b"{}", headers={
            "host": host, "x-amz-target": "Logs_20140328.DescribeLogGroups", "content-type": "application/x-amz-json-1.1"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert "logGroups" in json.load(answer)

    def test_the_command_line(self, server, logs, group):
        import os

        process = subprocess.Popen(
            [sys.executable, "-m", "awscli", "--endpoint-url", server.url, "--region", "us-east-1", "logs", "start-live-tail",
             "--log-group-identifiers", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": "/dev/null",
                 "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "PYTHONUNBUFFERED": "1"})
        lines = []
        threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True).start()
        try:
            until(lambda: (put(logs, group, "to the terminal"), any("to the terminal" in line for line in lines))[1], 60,
                  f"the line, not {lines}", interval_s=0.5)
        finally:
            process.kill()
            process.wait(10)

    def test_a_server_that_stops_does_not_wait_for_who_watches(self):
        with Server() as server:
            logs = server.client("logs")
            logs.create_log_group(logGroupName="g")
            config = botocore.config.Config(inject_host_prefix=False)
            tailing = boto3.client("logs", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="test",
                                   aws_secret_access_key="test", config=config)
            events = iter(tailing.start_live_tail(logGroupIdentifiers=["g"])["responseStream"])
            assert "sessionStart" in next(events)
            import time

            begun = time.monotonic()
            server.stop()
            assert time.monotonic() - begun < 15


def test_tags_by_the_name_of_the_group(logs, group):
    logs.tag_log_group(logGroupName=group, tags={"a": "1", "b": "2"})
    logs.untag_log_group(logGroupName=group, tags=["a"])
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"b": "2"}
    assert error_of(logs.tag_log_group, logGroupName="absent", tags={"a": "1"})[0] == "ResourceNotFoundException"


def test_a_stream_is_deleted(logs, group):
    put(logs, group, "x")
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []
    assert error_of(logs.delete_log_stream, logGroupName=group, logStreamName="s")[0] == "ResourceNotFoundException"
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    assert logs.get_log_events(logGroupName=group, logStreamName="s")["events"] == []


def test_following_a_group_as_the_command_lines_do(logs, group):
    """`aws logs tail --follow` and `sam logs --tail` page on from a time, and leave out what they have seen by its id."""
    seen, start = {}, 0

    def look():
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, interleaved=True, startTime=start, PaginationConfig={"PageSize": 2})
        for page in pages:
            seen.update((event["eventId"], event["message"]) for event in page["events"])

    logs.create_log_stream(logGroupName=group, logStreamName="t")
    put(logs, group, "1", "2", "3")
    look()
    put(logs, group, "4", stream="t", at_ms=1_700_000_000_002)
    put(logs, group, "5", at_ms=1_700_000_000_002)
    start = 1_700_000_000_002
    look()
    assert sorted(seen.values()) == ["1", "2", "3", "4", "5"]
