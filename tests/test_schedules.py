"""What fires by the clock: rules with schedules, and Scheduler. Every firing once, also over kills."""

import contextlib
import datetime
import itertools
import json

import pytest

from support import packages
from support.errors import error_of
from support.moto import KEYS
from support.server import Function, Server
from support.waiting import advance, now_ms, printed, runs, settle

PRINTS = packages.python("""
import json
def handler(event, context):
    print(json.dumps({"event": event}))
""")
NUMBERS = itertools.count(1)
ROLE = "arn:aws:iam::000000000000:role/scheduler"
OFF = {"Mode": "OFF"}
HOUR = 3_600


@pytest.fixture(scope="module")
def server(moto):
    config = f'sqs_endpoint = "{moto.url}"\nsns_endpoint = "{moto.url}"\n'
    with Server(config=config, arguments=["--clock", "manual"], environment=KEYS) as running:
        yield running


@pytest.fixture
def lasting():
    """A server of the test's own, which it kills."""
    server = Server(arguments=["--clock", "manual", "--grace-period-s", "5"])
    with contextlib.ExitStack() as ends:
        ends.enter_context(server)
        yield server
        if server.process is None:
            server.start()


@pytest.fixture
def function(server):
    function = deployed(server)
    yield function
    function.delete()


def deployed(server):
    return Function(server, f"fired-{next(NUMBERS)}", "python3.12", PRINTS, "app.handler").ready()


def text(ms):
    return f"{datetime.datetime.fromtimestamp(ms // 1_000, datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def to_next_hour(server):
    """Moves the clock to the next full hour; returns it."""
    now = now_ms(server)
    return advance(server, ms=HOUR * 1_000 - now % (HOUR * 1_000))


def times(function, count):
    return sorted(run["event"]["time"] for run in runs(function, count))


class Rule:
    def __init__(self, server, function, schedule):
        self.events, self.name = server.client("events"), f"timed-{next(NUMBERS)}"
        self.arn = self.put(schedule)
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": function.created["FunctionArn"]}])

    def put(self, schedule, **members):
        return self.events.put_rule(Name=self.name, ScheduleExpression=schedule, **members)["RuleArn"]

    def delete(self):
        self.events.remove_targets(Rule=self.name, Ids=["1"])
        self.events.delete_rule(Name=self.name)


class TestRules:
    def test_a_pace(self, server, function):
        begin = now_ms(server)
        rule = Rule(server, function, "rate(5 minutes)")
        advance(server, 299)
        assert printed(function) == []
        advance(server, 1)
        run, = runs(function, 1)
        event = run["event"]
        assert event == {
            "version": "0", "id": event["id"], "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": text(begin + 300_000), "region": "us-east-1", "resources": [rule.arn],
            "detail": {},
        }
        for _ in range(3):
            advance(server, 300)
        assert times(function, 4) == [text(begin + n * 300_000) for n in (1, 2, 3, 4)]
        rule.delete()
        advance(server, 3_000)
        assert len(printed(function)) == 4

    def test_the_calendar(self, server, function):
        begin = to_next_hour(server)
        rule = Rule(server, function, "cron(0/20 * * * ? *)")
        for _ in range(6):
            advance(server, 600)
        assert times(function, 3) == [text(begin + n * 1_200_000) for n in (1, 2, 3)]
        rule.delete()

    def test_a_rule_that_is_off_or_another_fires_no_more_as_it_did(self, server, function):
        rule = Rule(server, function, "rate(10 minutes)")
        advance(server, 300)
        rule.events.disable_rule(Name=rule.name)
        advance(server, 3_000)
        rule.events.enable_rule(Name=rule.name)
        began = now_ms(server)
        advance(server, 599)
        assert printed(function) == []
        advance(server, 1)
        assert times(function, 1) == [text(began + 600_000)]
        rule.put("rate(1 hour)")
        advance(server, 3_599)
        assert len(printed(function)) == 1
        advance(server, 1)
        assert len(runs(function, 2)) == 2
        # What does not touch the schedule does not begin it anew.
        advance(server, 1_800)
        rule.put("rate(1 hour)", Description="the same")
        advance(server, 1_800)
        runs(function, 3)
        rule.delete()

    def test_every_firing_once_over_kills(self, lasting):
        function = deployed(lasting)
        begin = now_ms(lasting)
        Rule(lasting, function, "rate(1 minute)")
        for turn in range(1, 7):
            advance(lasting, 60)
            runs(function, turn)
            if turn % 2:
                lasting.kill()
                lasting.start()
        assert times(function, 6) == [text(begin + n * 60_000) for n in range(1, 7)]

    def test_every_firing_of_a_long_time(self, server, function):
        rule = Rule(server, function, "rate(1 minute)")
        began = now_ms(server)
        advance(server, 600)
        assert times(function, 10) == [text(began + n * 60_000) for n in range(1, 11)]
        rule.delete()


class Schedules:
    """Scheduler, for one function."""

    def __init__(self, server, function):
        self.client, self.name = server.client("scheduler"), f"schedule-{next(NUMBERS)}"
        self.target = {"Arn": function.created["FunctionArn"], "RoleArn": ROLE}

    def create(self, expression, target=None, **members):
        return self.client.create_schedule(**self.members(expression, target, **members))["ScheduleArn"]

    def update(self, expression, target=None, **members):
        self.client.update_schedule(**self.members(expression, target, **members))

    def members(self, expression, target=None, **members):
        return {
            "Name": self.name, "ScheduleExpression": expression, "FlexibleTimeWindow": OFF,
            "Target": {**self.target, **(target or {})}, **members,
        }

    def is_there(self):
        try:
            return bool(self.client.get_schedule(Name=self.name))
        except self.client.exceptions.ResourceNotFoundException:
            return False


@pytest.fixture
def schedules(server, function):
    schedules = Schedules(server, function)
    yield schedules
    if schedules.is_there():
        schedules.client.delete_schedule(Name=schedules.name)


class TestScheduler:
    def test_once(self, server, function, schedules):
        at = now_ms(server) // 1_000 * 1_000 + 90_000
        arn = schedules.create(f"at({text(at)[:-1]})", ActionAfterCompletion="DELETE")
        advance(server, ms=at - now_ms(server) - 1)
        assert printed(function) == [] and schedules.is_there()
        advance(server, ms=1)
        run, = runs(function, 1)
        assert run["event"] == {
            "version": "0", "id": run["event"]["id"], "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": "000000000000", "time": text(at), "region": "us-east-1", "resources": [arn], "detail": "{}",
        }
        assert not schedules.is_there()

    def test_a_pace_begins_at_once_and_knows_what_it_is(self, server, function, schedules):
        began = now_ms(server)
        arn = schedules.create("rate(2 hours)", {"Input": json.dumps({
            "arn": "<aws.scheduler.schedule-arn>", "time": "<aws.scheduler.scheduled-time>",
            "execution": "<aws.scheduler.execution-id>", "attempt": "<aws.scheduler.attempt-number>",
        })})
        settle(server)
        runs(function, 1)
        for _ in range(2):
            advance(server, 2 * HOUR)
        events = [run["event"] for run in runs(function, 3)]
        assert sorted(event["time"] for event in events) == [text(began + n * 2 * HOUR * 1_000) for n in range(3)]
        assert {(event["arn"], event["attempt"]) for event in events} == {(arn, "1")}
        assert len({event["execution"] for event in events}) == 3

    def test_start_and_end(self, server, function, schedules):
        began = now_ms(server) // 1_000
        schedules.create("rate(1 hour)", StartDate=began + 600, EndDate=began + 600 + 2 * HOUR,
                         ActionAfterCompletion="DELETE")
        advance(server, 599)
        assert printed(function) == []
        advance(server, ms=began * 1_000 + 600_000 - now_ms(server))
        for _ in range(2):
            advance(server, HOUR)
        assert times(function, 3) == [text((began + 600 + n * HOUR) * 1_000) for n in range(3)]
        assert not schedules.is_there()
        advance(server, 5 * HOUR)
        assert len(printed(function)) == 3

    def test_local_times_that_are_left_out_are_skipped(self, server, function, schedules):
        schedules.create("cron(30 2 8-15 3 ? *)", ScheduleExpressionTimezone="America/New_York")
        # The next March, day by day: the clocks go forward on a Sunday of these.
        now = datetime.datetime.fromtimestamp(now_ms(server) / 1_000, datetime.timezone.utc)
        year = now.year + (now.month >= 3)
        begin = datetime.datetime(year, 3, 8, tzinfo=datetime.timezone.utc)
        advance(server, int((begin - now).total_seconds()))
        advance(server, 10 * 24 * HOUR)
        got = times(function, 7)
        sunday = next(day for day in range(8, 15) if datetime.date(year, 3, day).weekday() == 6)
        expected = [
            f"{year}-03-{day:02}T{'07' if day < sunday else '06'}:30:00Z" for day in range(8, 16) if day != sunday]
        assert got == expected

    def test_a_flexible_window_is_kept(self, server, function, schedules):
        begin = to_next_hour(server)
        advance(server, ms=1)
        schedules.create("cron(0 * * * ? *)", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30})
        for hour in range(1, 4):
            advance(server, ms=begin + hour * HOUR * 1_000 - 1 - now_ms(server))
            assert len(printed(function)) == hour - 1
            advance(server, 30 * 60)
            runs(function, hour)
        assert times(function, 3) == [text(begin + hour * HOUR * 1_000) for hour in (1, 2, 3)]

    def test_changes_and_switching_off(self, server, function, schedules):
        schedules.create("rate(1 hour)", State="DISABLED")
        advance(server, 3 * HOUR)
        assert printed(function) == []
        schedules.update("rate(1 hour)")
        settle(server)
        runs(function, 1)
        advance(server, HOUR // 2)
        schedules.update("rate(1 hour)", Description="the pace stays")
        advance(server, HOUR // 2)
        runs(function, 2)
        schedules.client.delete_schedule(Name=schedules.name)
        advance(server, 3 * HOUR)
        assert len(printed(function)) == 2

    def test_queues_topics_buses_and_calls(self, server, function, schedules, moto):
        queue, (topic, told) = moto.queue("plain-of-schedules"), moto.topic("schedules")
        events = server.client("events")
        events.put_rule(Name="of-schedules", EventPattern='{"source": ["mine"]}')
        events.put_targets(Rule="of-schedules", Targets=[{"Id": "1", "Arn": function.created["FunctionArn"]}])
        bus = events.describe_event_bus()["Arn"]
        call = "arn:aws:scheduler:::aws-sdk:"
        targets = [
            {"Arn": queue.arn, "Input": "plain"},
            {"Arn": topic, "Input": "told"},
            {"Arn": bus, "Input": '{"a": 1}', "EventBridgeParameters": {"DetailType": "t", "Source": "mine"}},
            {"Arn": f"{call}lambda:invoke", "Input": json.dumps({
                "FunctionName": function.name, "InvocationType": "Event", "Payload": '{"called": true}'})},
            {"Arn": f"{call}sqs:sendMessage", "Input": json.dumps({"QueueUrl": queue.url, "MessageBody": "called"})},
            {"Arn": f"{call}sns:publish", "Input": json.dumps({"TopicArn": topic, "Message": "called"})},
        ]
        at = text(now_ms(server) + 60_000)[:-1]
        for number, target in enumerate(targets):
            schedules.client.create_schedule(
                Name=f"{schedules.name}-{number}", ScheduleExpression=f"at({at})", FlexibleTimeWindow=OFF,
                Target={"RoleArn": ROLE, **target}, ActionAfterCompletion="DELETE")
        advance(server, 60)
        assert sorted(message["Body"] for message in queue.take()) == ["called", "plain"]
        assert sorted(envelope["Message"] for envelope in told.records()) == ["called", "told"]
        got = [run["event"] for run in runs(function, 2)]
        event, = [event for event in got if event != {"called": True}]
        assert (event["source"], event["detail-type"], event["detail"], len(event["resources"])) == ("mine", "t", {"a": 1}, 1)
        events.remove_targets(Rule="of-schedules", Ids=["1"])
        events.delete_rule(Name="of-schedules")

    def test_what_cannot_be_is_refused(self, schedules):
        for members in (
            {"expression": "rate(2 hour)"}, {"expression": "cron(* * * * * *)"}, {"expression": "at(tomorrow)"},
            {"expression": "rate(1 hour)", "ScheduleExpressionTimezone": "Middle/Earth"},
            {"expression": "rate(1 hour)", "EndDate": 1_000},
            {"expression": "rate(1 hour)", "FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
            {"expression": "rate(1 hour)", "target": {"Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c"}},
            {"expression": "rate(1 hour)", "target": {"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"}},
            {"expression": "rate(1 hour)", "target": {"Input": "{"}},
            {"expression": "rate(1 hour)", "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"},
        ):
            members = schedules.members(**members)
            code, message, status = error_of(schedules.client.create_schedule, **members)
            assert (code, status) == ("ValidationException", 400), (members, message)
        assert error_of(schedules.client.get_schedule, Name="none")[0] == "ResourceNotFoundException"
        missing = schedules.members("rate(1 hour)", GroupName="none")
        assert error_of(schedules.client.create_schedule, **missing)[0] == "ResourceNotFoundException"

    def test_what_is_made_is_shown(self, schedules):
        arn = schedules.create("rate(1 day)", ClientToken="a", State="DISABLED")
        assert schedules.create("rate(1 day)", ClientToken="a", State="DISABLED") == arn, "it is the same request"
        code, _, status = error_of(
            schedules.client.create_schedule, **schedules.members("rate(1 day)", ClientToken="b", State="DISABLED"))
        assert (code, status) == ("ConflictException", 409)
        shown = schedules.client.get_schedule(Name=schedules.name)
        assert (shown["Arn"], shown["GroupName"], shown["State"], shown["ScheduleExpressionTimezone"]) == (
            arn, "default", "DISABLED", "UTC")
        assert shown["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}

    def test_groups(self, server, function, schedules):
        client = schedules.client
        group = f"group-{next(NUMBERS)}"
        arn = client.create_schedule_group(Name=group, Tags=[{"Key": "k", "Value": "v"}])["ScheduleGroupArn"]
        for number in range(3):
            members = schedules.members("rate(1 minute)", GroupName=group, StartDate=now_ms(server) // 1_000 + 60)
            client.create_schedule(**{**members, "Name": f"n{number}"})
        page = client.list_schedules(GroupName=group, MaxResults=2)
        rest = client.list_schedules(GroupName=group, MaxResults=2, NextToken=page["NextToken"])
        assert [one["Name"] for one in page["Schedules"] + rest["Schedules"]] == ["n0", "n1", "n2"]
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
        client.untag_resource(ResourceArn=arn, TagKeys=["k"])
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
        assert [one["Name"] for one in client.list_schedule_groups()["ScheduleGroups"]] == ["default", group]
        client.delete_schedule_group(Name=group)
        settle(server)
        assert error_of(client.get_schedule_group, Name=group)[0] == "ResourceNotFoundException"
        assert error_of(client.list_schedules, GroupName=group)[0] == "ResourceNotFoundException"
        advance(server, 600)
        assert printed(function) == []

    def test_every_firing_once_over_kills(self, lasting):
        function = deployed(lasting)
        schedules = Schedules(lasting, function)
        begin = now_ms(lasting)
        schedules.create("rate(1 minute)", StartDate=begin // 1_000 + 60)
        for turn in range(1, 7):
            advance(lasting, ms=(begin // 1_000 + 60 * turn) * 1_000 - now_ms(lasting))
            runs(function, turn)
            if turn % 2:
                lasting.kill()
                lasting.start()
        assert times(function, 6) == [text((begin // 1_000 + n * 60) * 1_000) for n in range(1, 7)]

    def test_by_the_aws_cli(self, server, function, schedules):
        at = text(now_ms(server) + 60_000)[:-1]
        server.aws("scheduler", "create-schedule", "--name", schedules.name, "--schedule-expression", f"at({at})",
                   "--flexible-time-window", '{"Mode": "OFF"}', "--target",
                   json.dumps({**schedules.target, "Input": '{"cli": true}'}))
        advance(server, 60)
        run, = runs(function, 1)
        assert run["event"] == {"cli": True}
