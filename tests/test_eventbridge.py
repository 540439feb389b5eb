"""EventBridge as boto3 and the AWS CLI use it: from PutEvents over rules to functions, queues, buses and web servers."""

import datetime
import itertools
import json

import pytest

from support import packages
from support.errors import error_of
from support.local_queues import LocalQueue
from support.moto import KEYS
from support.server import Function, Server
from support.wait import until
from support.waiting import advance, now_ms, queues, runs, settle
from support.web_target import WebTarget
from test_async_restarts import Dev

PRINTS = packages.python("""
import json
def handler(event, context):
    print(json.dumps({"event": event}))
""")
NUMBERS = itertools.count(1)
ROLE = "arn:aws:iam::000000000000:role/events"
ENVELOPE = ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"]


@pytest.fixture(scope="module")
def server(moto):
    """Its topics are moto's; functions and API destinations may connect to this machine."""
    config = f'sns_endpoint = "{moto.url}"\negress_allow = ["127.0.0.1/32"]\n'
    with Server(config=config, arguments=["--clock", "manual"], environment=KEYS) as running:
        yield running


@pytest.fixture
def events(server):
    return server.client("events")


@pytest.fixture
def function(server):
    function = Function(server, f"prints-{next(NUMBERS)}", "python3.12", PRINTS, "app.handler").ready()
    yield function
    function.delete()


@pytest.fixture
def bus(events):
    """The name of a bus of the test's own."""
    name = f"bus-{next(NUMBERS)}"
    events.create_event_bus(Name=name)
    yield name
    for rule in events.list_rules(EventBusName=name)["Rules"]:
        remove(events, rule["Name"], name)
    events.delete_event_bus(Name=name)


@pytest.fixture
def web():
    with WebTarget() as running:
        yield running


def remove(events, rule, bus="default"):
    targets = events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
    if targets:
        events.remove_targets(Rule=rule, EventBusName=bus, Ids=[target["Id"] for target in targets])
    events.delete_rule(Name=rule, EventBusName=bus)


def put_rule(events, bus, pattern, *targets, name=None, **members):
    """A rule with targets; its ARN."""
    name = name or f"rule-{next(NUMBERS)}"
    arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern), **members)["RuleArn"]
    if targets:
        numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        assert events.put_targets(Rule=name, EventBusName=bus, Targets=numbered)["FailedEntryCount"] == 0
    return arn


def put(events, bus, *details, source="shop", kind="order", **members):
    """Puts events; their ids."""
    entries = [
        {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), "EventBusName": bus, **members}
        for detail in details
    ]
    answer = events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 0, answer
    return [entry["EventId"] for entry in answer["Entries"]]


def arn_of(function):
    return {"Arn": function.created["FunctionArn"]}


class TestEvents:
    def test_a_function_gets_the_events_that_match(self, server, events, bus, function):
        put_rule(events, bus, {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}, arn_of(function))
        time = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        put(events, bus, {"total": 3}, {"total": "many"})
        put(events, bus, {"total": 11}, source="elsewhere")
        event_id, = put(events, bus, {"total": 11.5, "ü": None}, Time=time, Resources=["arn:a"])
        settle(server)
        run, = runs(function, 1)
        event = run["event"]
        assert list(event) == ENVELOPE
        assert event == {
            "version": "0", "id": event_id, "detail-type": "order", "source": "shop", "account": "000000000000",
            "time": "2026-02-03T04:05:06Z", "region": "us-east-1", "resources": ["arn:a"],
            "detail": {"total": 11.5, "ü": None},
        }

    def test_a_change_is_seen_by_the_next_event(self, server, events, bus, function):
        for number in range(20):
            name = f"changing-{number % 2}"
            put_rule(events, bus, {"detail-type": [f"n{number}"]}, arn_of(function), name=name)
            put(events, bus, {"n": number}, kind=f"n{number}")
            events.disable_rule(Name=name, EventBusName=bus)
            put(events, bus, {"n": -1}, kind=f"n{number}")
            events.enable_rule(Name=name, EventBusName=bus)
        settle(server)
        assert sorted(run["event"]["detail"]["n"] for run in runs(function, 20)) == list(range(20))

    def test_each_entry_is_judged_alone(self, events, lax_events):
        entries = [
            {"Source": "shop", "DetailType": "order", "Detail": "{}"},
            {"Source": "shop", "DetailType": "order", "Detail": "[1]"},
            {"Source": "aws.shop", "DetailType": "order", "Detail": "{}"},
            {"Source": "shop", "Detail": "{}"},
            {"Source": "shop", "DetailType": "order", "Detail": "{}", "EventBusName": "not-there"},
        ]
        answer = events.put_events(Entries=entries)
        assert answer["FailedEntryCount"] == 3
        assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
            None, "MalformedDetail", "NotAuthorizedForSource", "InvalidArgument", None]
        assert answer["Entries"][3]["ErrorMessage"] == (
            "Parameter DetailType is not valid. Reason: DetailType is a required argument.")
        code, _, status = error_of(lax_events.put_events, Entries=entries[:1] * 11)
        assert (code, status) == ("ValidationException", 400)
        large = [{**entries[0], "Detail": json.dumps({"a": "x" * 1_048_576})}]
        assert error_of(events.put_events, Entries=large)[0] == "ValidationException"

    def test_patterns_can_be_tried(self, events):
        event = {"id": "1", "account": "1", "source": "shop", "time": "t", "region": "r", "resources": [],
                 "detail-type": "order", "detail": {"a": [1, 2]}}
        for pattern, expected in (({"detail": {"a": [2]}}, True), ({"source": [{"anything-but": "shop"}]}, False)):
            tried = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))
            assert tried["Result"] is expected
        code, message, _ = error_of(events.test_event_pattern, EventPattern='{"a": 1}', Event=json.dumps(event))
        assert code == "InvalidEventPatternException" and message.startswith("Event pattern is not valid. Reason: ")

    def test_by_the_aws_cli(self, server, events, bus, function):
        put_rule(events, bus, {"source": ["cli"]}, arn_of(function))
        entries = [{"Source": "cli", "DetailType": "said", "Detail": '{"a": 1}', "EventBusName": bus}]
        answer = json.loads(server.aws("events", "put-events", "--entries", json.dumps(entries)).stdout)
        settle(server)
        run, = runs(function, 1)
        assert run["event"]["id"] == answer["Entries"][0]["EventId"]


@pytest.fixture
def lax_events(server):
    return server.client("events", parameter_validation=False)


class TestRules:
    def test_what_is_put_is_shown(self, events, bus, lax_events):
        arn = put_rule(events, bus, {"source": ["a"]}, name="one", Description="first", Tags=[{"Key": "k", "Value": "v"}])
        assert arn == f"arn:aws:events:us-east-1:000000000000:rule/{bus}/one"
        shown = events.describe_rule(Name="one", EventBusName=bus)
        assert (shown["Arn"], shown["State"], shown["EventPattern"], shown["Description"], shown["CreatedBy"]) == (
            arn, "ENABLED", '{"source": ["a"]}', "first", "000000000000")
        events.tag_resource(ResourceARN=arn, Tags=[{"Key": "l", "Value": "w"}])
        events.untag_resource(ResourceARN=arn, TagKeys=["k"])
        assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
        for name in ("two", "three"):
            put_rule(events, bus, {"source": ["a"]}, {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, name=name)
        page = events.list_rules(EventBusName=bus, Limit=2)
        rest = events.list_rules(EventBusName=bus, Limit=2, NextToken=page["NextToken"])
        assert [rule["Name"] for rule in page["Rules"] + rest["Rules"]] == ["one", "three", "two"] and "NextToken" not in rest
        by_target = events.list_rule_names_by_target(
            EventBusName=bus, TargetArn="arn:aws:lambda:us-east-1:000000000000:function:f")
        assert by_target["RuleNames"] == ["three", "two"]
        code, message, _ = error_of(events.delete_rule, Name="two", EventBusName=bus)
        assert (code, message) == ("ValidationException", "Rule can't be deleted since it has targets.")
        assert error_of(events.delete_event_bus, Name=bus)[0] == "ValidationException"
        code, message, _ = error_of(events.describe_rule, Name="none", EventBusName=bus)
        assert (code, message) == ("ResourceNotFoundException", f"Rule none does not exist on EventBus {bus}.")
        assert error_of(events.put_rule, Name="r", EventBusName="none", EventPattern="{}")[0] in (
            "ResourceNotFoundException", "InvalidEventPatternException")

    def test_what_cannot_be_is_refused(self, events, bus):
        put_rule(events, bus, {"source": ["a"]}, name="one")
        function = "arn:aws:lambda:us-east-1:000000000000:function:f"
        for target in (
            {"Arn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/s"},
            {"Arn": "nonsense"},
            {"Arn": function, "EcsParameters": {"TaskDefinitionArn": "t"}},
            {"Arn": function, "Input": "{"},
            {"Arn": function, "Input": "{}", "InputPath": "$.detail"},
            {"Arn": function, "InputPath": "detail"},
            {"Arn": function, "InputTransformer": {"InputPathsMap": {}, "InputTemplate": "<unknown>"}},
            {"Arn": function, "InputTransformer": {"InputPathsMap": {"a": "$.a"}, "InputTemplate": "no json <a>"}},
            {"Arn": function, "SqsParameters": {"MessageGroupId": "g"}},
            {"Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo"},
            {"Arn": function, "DeadLetterConfig": {"Arn": function}},
            {"Arn": "arn:aws:events:us-east-1:000000000000:api-destination/a/b"},
        ):
            code, message, _ = error_of(
                events.put_targets, Rule="one", EventBusName=bus, Targets=[{"Id": "1", **target}])
            assert code == "ValidationException", (target, message)
        many = [{"Id": str(number), "Arn": function} for number in range(6)]
        assert error_of(events.put_targets, Rule="one", EventBusName=bus, Targets=many)[0] == "LimitExceededException"
        failed = events.remove_targets(Rule="one", EventBusName=bus, Ids=["none"])
        assert failed["FailedEntryCount"] == 1
        for members in ({}, {"ScheduleExpression": "rate(1 minutes)"}, {"ScheduleExpression": "at(2030-01-01T00:00:00)"}):
            assert error_of(events.put_rule, Name="two", **members)[0] == "ValidationException"
        assert error_of(events.put_rule, Name="two", EventPattern='{"a": "b"}')[0] == "InvalidEventPatternException"


class TestTargets:
    def test_each_gets_what_it_is_to_get(self, server, events, bus, function):
        transformer = {
            "InputPathsMap": {"who": "$.detail.who", "all": "$.detail"},
            "InputTemplate": '{"who": <who>, "text": "for <who>: <all>", "rule": <aws.events.rule-name>}',
        }
        put_rule(
            events, bus, {"source": ["shop"]},
            {**arn_of(function), "Input": '{"constant": 1}'},
            {**arn_of(function), "InputPath": "$.detail.who"},
            {**arn_of(function), "InputTransformer": transformer},
            name="inputs",
        )
        put(events, bus, {"who": "me"})
        settle(server)
        got = [run["event"] for run in runs(function, 3)]
        for expected in ({"constant": 1}, "me", {"who": "me", "text": "for me: {who:me}", "rule": "inputs"}):
            assert expected in got

    def test_queues_and_topics(self, server, events, bus, moto):
        queue, (topic, told) = LocalQueue(server, "plain-of-events"), moto.topic("events")
        put_rule(events, bus, {"source": ["shop"]}, {"Arn": queue.arn}, {"Arn": topic})
        event_id, = put(events, bus, {"a": 1})
        settle(server)
        record, = queue.records()
        envelope, = told.records()
        assert record["id"] == json.loads(envelope["Message"])["id"] == event_id

    def test_a_fifo_queue_gets_its_group(self, server, events, bus):
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="of.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
        put_rule(events, bus, {"source": ["shop"]}, {
            "Arn": "arn:aws:sqs:us-east-1:000000000000:of.fifo", "SqsParameters": {"MessageGroupId": "orders"}})
        put(events, bus, {"a": 1}, TraceHeader="Root=1-00000000-000000000000000000000001")
        settle(server)
        message, = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        assert json.loads(message["Body"])["detail"] == {"a": 1}
        assert message["Attributes"]["MessageGroupId"] == "orders"
        assert message["Attributes"]["AWSTraceHeader"] == "Root=1-00000000-000000000000000000000001"

    def test_what_cannot_be_delivered_is_told_with_the_event_itself(self, server, events, bus):
        dead = LocalQueue(server, "of-dead-events")
        missing = "arn:aws:lambda:us-east-1:000000000000:function:not-there"
        arn = put_rule(events, bus, {"source": ["shop"]}, {
            "Arn": missing, "Input": "{}", "DeadLetterConfig": {"Arn": dead.arn},
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        })
        event_id, = put(events, bus, {"a": 1})
        settle(server)
        message, = until(dead.take, 20, "the dead letter")
        assert json.loads(message["Body"])["id"] == event_id
        told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        assert (told["RULE_ARN"], told["TARGET_ARN"], told["ERROR_CODE"]) == (arn, missing, "NO_RESOURCE")

    def test_from_bus_to_bus_once(self, server, events, function):
        names = [f"chained-{next(NUMBERS)}" for _ in range(3)]
        arns = [events.create_event_bus(Name=name)["EventBusArn"] for name in names]
        other = server.client("events", account="111111111111", region="eu-west-1")
        foreign = other.create_event_bus(Name="far")["EventBusArn"]
        put_rule(events, names[0], {"source": ["shop"]}, {"Arn": arns[1]}, {"Arn": foreign})
        # It would go round for ever.
        put_rule(events, names[1], {"source": ["shop"]}, {"Arn": arns[0]}, {"Arn": arns[2]}, arn_of(function))
        put_rule(events, names[2], {"source": ["shop"]}, {**arn_of(function), "Input": '"third"'})
        put_rule(other, "far", {"account": ["000000000000"]}, {**arn_of(function), "Input": '"far"'})
        event_id, = put(events, names[0], {"a": 1})
        settle(server)
        got = [run["event"] for run in runs(function, 2)]
        assert "far" in got and [event["id"] for event in got if event != "far"] == [event_id]
        for name in names:
            for rule in events.list_rules(EventBusName=name)["Rules"]:
                remove(events, rule["Name"], name)
            events.delete_event_bus(Name=name)


class TestBuses:
    def test_the_default_one_is_always_there(self, server):
        events = server.client("events", account="222222222222")
        assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
        assert events.describe_event_bus()["Arn"] == "arn:aws:events:us-east-1:222222222222:event-bus/default"
        assert error_of(events.create_event_bus, Name="default")[0] == "ResourceAlreadyExistsException"
        assert error_of(events.delete_event_bus, Name="default")[0] == "ValidationException"
        assert error_of(events.describe_event_bus, Name="none")[0] == "ResourceNotFoundException"

    def test_permissions_make_a_policy(self, events, bus):
        events.put_permission(EventBusName=bus, Action="events:PutEvents", Principal="111111111111", StatementId="one")
        events.put_permission(EventBusName=bus, Action="events:PutEvents", Principal="*", StatementId="two",
                              Condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"})
        shown = events.describe_event_bus(Name=bus)
        statements = json.loads(shown["Policy"])["Statement"]
        assert [(one["Sid"], one["Principal"], one["Resource"]) for one in statements] == [
            ("one", {"AWS": "arn:aws:iam::111111111111:root"}, shown["Arn"]), ("two", "*", shown["Arn"])]
        events.remove_permission(EventBusName=bus, StatementId="one")
        assert error_of(events.remove_permission, EventBusName=bus, StatementId="one")[0] == "ResourceNotFoundException"
        events.remove_permission(EventBusName=bus, RemoveAllPermissions=True)
        assert "Policy" not in events.describe_event_bus(Name=bus)


class TestArchives:
    def test_what_was_archived_is_sent_again(self, server, events, bus, function):
        source = events.describe_event_bus(Name=bus)["Arn"]
        name = f"archive-{next(NUMBERS)}"
        archive = events.create_archive(
            ArchiveName=name, EventSourceArn=source, EventPattern='{"source": ["shop"]}', RetentionDays=3)["ArchiveArn"]
        begin = now_ms(server) // 1_000
        put(events, bus, {"n": 0}, source="other")
        put(events, bus, *({"n": number} for number in range(1, 6)))
        advance(server, 3_600)
        put(events, bus, *({"n": number} for number in range(6, 8)))
        settle(server)
        shown = events.describe_archive(ArchiveName=name)
        assert (shown["EventCount"], shown["State"], shown["RetentionDays"]) == (7, "ENABLED", 3) and shown["SizeBytes"] > 0

        wanted = put_rule(events, bus, {"source": ["shop"]}, arn_of(function))
        put_rule(events, bus, {"source": ["shop"]}, {**arn_of(function), "Input": '"not wanted"'})
        replay = f"replay-{next(NUMBERS)}"
        window = {"EventStartTime": begin, "EventEndTime": begin + 60}
        started = events.start_replay(ReplayName=replay, EventSourceArn=archive, **window,
                                      Destination={"Arn": source, "FilterArns": [wanted]})
        assert started["State"] == "STARTING"
        settle(server)
        got = [run["event"] for run in runs(function, 5)]
        assert sorted(event["detail"]["n"] for event in got) == [1, 2, 3, 4, 5]
        assert {event["replay-name"] for event in got} == {replay}
        done = events.describe_replay(ReplayName=replay)
        assert (done["State"], done["Destination"]["FilterArns"]) == ("COMPLETED", [wanted])
        assert events.describe_archive(ArchiveName=name)["EventCount"] == 7, "what is sent again is not archived again"
        assert [one["ReplayName"] for one in events.list_replays(EventSourceArn=archive)["Replays"]] == [replay]
        assert error_of(events.cancel_replay, ReplayName=replay)[0] == "IllegalStatusException"
        assert error_of(events.start_replay, ReplayName=replay, EventSourceArn=archive, **window,
                        Destination={"Arn": source})[0] == "ResourceAlreadyExistsException"

        advance(server, 4 * 86_400)
        assert events.describe_archive(ArchiveName=name)["EventCount"] == 0, "they were kept for three days"
        events.delete_archive(ArchiveName=name)
        assert error_of(events.describe_archive, ArchiveName=name)[0] == "ResourceNotFoundException"


class TestApiDestinations:
    @pytest.fixture
    def connect(self, events):
        """connect(type, parameters) → the ARN of a connection."""
        made = []

        def make(sort, **parameters):
            made.append(f"connection-{next(NUMBERS)}")
            answer = events.create_connection(Name=made[-1], AuthorizationType=sort, AuthParameters=parameters)
            assert answer["ConnectionState"] == "AUTHORIZED"
            return answer["ConnectionArn"]

        yield make
        for name in made:
            events.delete_connection(Name=name)

    def destination(self, events, connection, url, method="POST", **members):
        return events.create_api_destination(
            Name=f"destination-{next(NUMBERS)}", ConnectionArn=connection, InvocationEndpoint=url, HttpMethod=method,
            **members)["ApiDestinationArn"]

    def test_a_request_has_what_everybody_adds(self, server, events, bus, web, connect):
        connection = connect(
            "API_KEY", ApiKeyAuthParameters={"ApiKeyName": "x-key", "ApiKeyValue": "hush"},
            InvocationHttpParameters={
                "HeaderParameters": [{"Key": "x-more", "Value": "h"}],
                "QueryStringParameters": [{"Key": "q", "Value": "a b", "IsValueSecret": True}],
                "BodyParameters": [{"Key": "extra", "Value": "body"}],
            })
        arn = self.destination(events, connection, f"{web.url}/orders/*/of/*", "PUT")
        put_rule(events, bus, {"source": ["shop"]}, {
            "Arn": arn, "RoleArn": ROLE, "InputPath": "$.detail",
            "HttpParameters": {
                "PathParameterValues": ["$.detail.id", "a/b"], "HeaderParameters": {"x-total": "$.detail.total"},
                "QueryStringParameters": {"kind": "$.detail-type"},
            },
        })
        put(events, bus, {"id": "ü", "total": 3})
        settle(server)
        request, = web.take()
        assert (request["method"], request["path"]) == ("PUT", "/orders/%C3%BC/of/a%2Fb")
        assert request["query"] == {"kind": "order", "q": "a b"}
        assert json.loads(request["body"]) == {"id": "ü", "total": 3, "extra": "body"}
        headers = request["headers"]
        assert (headers["x-key"], headers["x-more"], headers["x-total"]) == ("hush", "h", "3")
        assert headers["content-type"] == "application/json; charset=utf-8"
        shown = events.describe_connection(Name=connection.split("/")[1])
        assert "hush" not in json.dumps(shown["AuthParameters"]) and "a b" not in json.dumps(shown["AuthParameters"])
        assert shown["AuthParameters"]["ApiKeyAuthParameters"] == {"ApiKeyName": "x-key"}

    def test_answers_decide_whether_it_is_tried_again(self, server, events, bus, web, connect):
        dead = LocalQueue(server, "of-dead-requests")
        connection = connect("BASIC", BasicAuthParameters={"Username": "me", "Password": "hush"})
        arn = self.destination(events, connection, web.url)
        put_rule(events, bus, {"source": ["shop"]}, {
            "Arn": arn, "RoleArn": ROLE, "Input": "{}", "DeadLetterConfig": {"Arn": dead.arn}})
        web.answers = [(503, {}, b""), (429, {"retry-after": "30"}, b""), (200, {}, b"")]
        put(events, bus, {})
        settle(server)
        request, = web.take()
        assert request["headers"]["authorization"] == "Basic bWU6aHVzaA=="
        advance(server, 1)
        web.take()
        advance(server, 29)
        assert web.requests == []
        advance(server, 1)
        web.take()
        web.answers = [(404, {}, b"")]
        event_id, = put(events, bus, {})
        settle(server)
        web.take()
        message, = until(dead.take, 20, "the dead letter")
        assert json.loads(message["Body"])["id"] == event_id
        assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ERROR_FROM_TARGET"

    def test_tokens_are_fetched_once_and_again_when_they_are_not_accepted(self, server, events, bus, web, connect):
        with WebTarget() as issuer:
            token = lambda text: (200, {}, json.dumps({"access_token": text, "expires_in": 3_600}).encode())
            issuer.answers = [token("one"), token("two"), token("three")]
            connection = connect("OAUTH_CLIENT_CREDENTIALS", OAuthParameters={
                "ClientParameters": {"ClientID": "me", "ClientSecret": "hush"},
                "AuthorizationEndpoint": f"{issuer.url}/token", "HttpMethod": "POST",
                "OAuthHttpParameters": {"BodyParameters": [{"Key": "audience", "Value": "shop"}]},
            })
            put_rule(events, bus, {"source": ["shop"]},
                     {"Arn": self.destination(events, connection, web.url), "RoleArn": ROLE})
            put(events, bus, {})
            settle(server)
            put(events, bus, {})
            settle(server)
            advance(server, 1)
            assert [one["headers"]["authorization"] for one in web.take(2)] == ["Bearer one"] * 2
            asked, = issuer.take()
            assert asked["headers"]["authorization"] == "Basic bWU6aHVzaA=="
            assert asked["body"] == "audience=shop&grant_type=client_credentials"
            web.answers = [(401, {}, b"")]
            put(events, bus, {})
            settle(server)
            advance(server, 2)
            assert [one["headers"]["authorization"] for one in web.take(2)] == ["Bearer one", "Bearer two"]
            advance(server, 3_600)
            put(events, bus, {})
            settle(server)
            assert [one["headers"]["authorization"] for one in web.take()] == ["Bearer three"]

    def test_no_faster_than_the_destination_says(self, server, events, bus, web, connect):
        connection = connect("BASIC", BasicAuthParameters={"Username": "me", "Password": "hush"})
        arn = self.destination(events, connection, web.url, InvocationRateLimitPerSecond=1)
        put_rule(events, bus, {"source": ["shop"]},
                 {"Arn": arn, "RoleArn": ROLE, "RetryPolicy": {"MaximumRetryAttempts": 0}})
        put(events, bus, *({"n": number} for number in range(4)))
        settle(server)
        numbers = [json.loads(web.take()[0]["body"])["detail"]["n"]]
        for _ in range(3):
            advance(server, 1)
            numbers.append(json.loads(web.take()[0]["body"])["detail"]["n"])
        assert sorted(numbers) == [0, 1, 2, 3]

    def test_who_is_deauthorised_is_nobody(self, server, events, bus, web, connect):
        dead = LocalQueue(server, "of-nobody")
        connection = connect("BASIC", BasicAuthParameters={"Username": "me", "Password": "hush"})
        name = connection.split("/")[1]
        put_rule(events, bus, {"source": ["shop"]}, {
            "Arn": self.destination(events, connection, web.url), "RoleArn": ROLE,
            "DeadLetterConfig": {"Arn": dead.arn}})
        assert events.deauthorize_connection(Name=name)["ConnectionState"] == "DEAUTHORIZED"
        put(events, bus, {})
        settle(server)
        message, = until(dead.take, 20, "the dead letter")
        assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
        assert web.requests == []


def test_a_reset_leaves_nothing():
    with Dev(arguments=["--clock", "manual"]) as server:
        events = server.client("events")
        for _ in range(2):
            function = Function(server, "prints", "python3.12", PRINTS, "app.handler").ready()
            assert events.list_rules()["Rules"] == events.list_archives()["Archives"] == []
            put_rule(events, "default", {"source": ["shop"]}, arn_of(function), name="all")
            events.put_rule(Name="timed", ScheduleExpression="rate(1 minute)")
            events.put_targets(Rule="timed", Targets=[{"Id": "1", **arn_of(function)}])
            events.create_archive(ArchiveName="all", EventSourceArn=events.describe_event_bus()["Arn"])
            put(events, "default", {"n": 1})
            settle(server)
            runs(function, 1)
            server.http("/_tindra/reset", data=b"", method="POST")
            put(events, "default", {"n": 2})
            advance(server, 600)
            assert queues(server) == []
