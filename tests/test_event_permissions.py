"""EventBridge and Scheduler with signatures verified: identities' policies, roles that are passed, buses' and functions' policies."""

import json

import pytest

from support import packages
from support.errors import error_of
from support.wait import until
from test_authorisation import (  # noqa: F401 (fixtures)
    ACCOUNT, OTHER_KEY, denied, document, make_function, make_user, secured, statement, trust,
)

PRINTS = packages.python("import json\ndef handler(event, context):\n    print(json.dumps(event))\n")
REGION = "us-east-1"
ENTRY = {"Source": "shop", "DetailType": "order", "Detail": "{}"}
IMPLICIT = "because no identity-based policy allows the {} action"


def arn(kind, name):
    return f"arn:aws:events:{REGION}:{ACCOUNT}:{kind}/{name}"


def printed(secured, name):  # noqa: F811
    logs = secured.with_key("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"]) for event in found if event["message"].startswith("{")]


@pytest.fixture
def make_role(secured):  # noqa: F811
    """make_role(name, service, statement, …) → the ARN of a role that a service may assume."""

    def make(name, service, *statements):
        iam = secured.with_key("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service=service))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        return role

    return make


def test_users_may_do_what_their_policies_allow(secured, make_user):  # noqa: F811
    root = secured.with_key("events")
    root.create_event_bus(Name="theirs")
    user, key = make_user(
        statement(action="events:PutEvents", resource=arn("event-bus", "theirs")),
        statement(action="events:*Rule", resource=arn("rule", "theirs/*")),
    )
    events = secured.with_key("events", key)
    assert events.put_events(Entries=[{**ENTRY, "EventBusName": "theirs"}])["FailedEntryCount"] == 0
    assert error_of(events.put_events, Entries=[ENTRY]) == (
        "AccessDeniedException", denied(user, "events:PutEvents", arn("event-bus", "default"),
                                        IMPLICIT.format("events:PutEvents"))[1], 400)
    events.put_rule(Name="r", EventBusName="theirs", EventPattern='{"source": ["a"]}')
    assert arn("rule", "r") in error_of(events.put_rule, Name="r", EventPattern='{"source": ["a"]}')[1]
    assert arn("connection", "c") in error_of(events.describe_connection, Name="c")[1]
    assert arn("archive", "a") in error_of(events.describe_archive, ArchiveName="a")[1]
    scheduler = secured.with_key("scheduler", key)
    assert f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/g/s" in error_of(
        scheduler.get_schedule, Name="s", GroupName="g")[1]


def test_roles_are_passed_by_who_may(secured, make_user, make_role, make_function):  # noqa: F811
    _, function = make_function(PRINTS)
    role = make_role("of-targets", "events.amazonaws.com")
    secured.with_key("events").put_rule(Name="passes", EventPattern='{"source": ["a"]}')
    targets = {"Rule": "passes", "Targets": [{"Id": "1", "Arn": function, "RoleArn": role}]}
    everything = statement(action=["events:*", "scheduler:*"])
    user, key = make_user(everything)
    code, message, _ = error_of(secured.with_key("events", key).put_targets, **targets)
    assert code == "AccessDeniedException" and f"iam:PassRole on resource: {role}" in message
    schedule = {
        "Name": "passes", "ScheduleExpression": "rate(1 hour)", "State": "DISABLED",
        "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": {"Arn": function, "RoleArn": role},
    }
    assert "iam:PassRole" in error_of(secured.with_key("scheduler", key).create_schedule, **schedule)[1]
    condition = {"StringEquals": {"iam:PassedToService": "events.amazonaws.com"}}
    _, key = make_user(everything, statement(action="iam:PassRole", resource=role, Condition=condition))
    secured.with_key("events", key).put_targets(**targets)
    assert "iam:PassRole" in error_of(secured.with_key("scheduler", key).create_schedule, **schedule)[1]


def test_a_function_lets_in_the_rules_that_its_policy_names(secured, make_function):  # noqa: F811
    name, function = make_function(PRINTS)
    events = secured.with_key("events")
    for rule in ("let-in", "not-let-in"):
        events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["permissions"]}))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": function, "Input": json.dumps({"rule": rule})}])
    secured.with_key("lambda").add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
        SourceArn=arn("rule", "let-in"))
    for count in (1, 2):
        events.put_events(Entries=[{**ENTRY, "Source": "permissions"}])
        until(lambda: len(printed(secured, name)) == count, 20, "the event")
    assert printed(secured, name) == [{"rule": "let-in"}] * 2
    until(lambda: secured.output().count("does not let events.amazonaws.com invoke it") == 2, 20, "the refusals")


def test_a_schedule_acts_as_its_role(secured, make_role, make_function):  # noqa: F811
    name, function = make_function(PRINTS)
    may = make_role("may-invoke", "scheduler.amazonaws.com", statement(action="lambda:InvokeFunction", resource=function))
    scheduler = secured.with_key("scheduler")
    roles = {
        "acts": may,
        "may-not": make_role("may-not-invoke", "scheduler.amazonaws.com"),
        "not-trusting": make_role("for-others", "lambda.amazonaws.com", statement()),
    }
    for schedule, role in reversed(roles.items()):
        scheduler.create_schedule(
            Name=schedule, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function, "RoleArn": role, "Input": json.dumps({"schedule": schedule})})
    until(lambda: printed(secured, name), 20, "the firing")
    until(lambda: secured.output().count("a push is given up") >= 4, 20, "the refusals")
    assert printed(secured, name) == [{"schedule": "acts"}]


def test_another_account_asks_the_policy_of_the_bus(secured, make_function):  # noqa: F811
    name, function = make_function(PRINTS)
    events, other = secured.with_key("events"), secured.with_key("events", OTHER_KEY)
    bus = events.create_event_bus(Name="shared")["EventBusArn"]
    events.put_rule(Name="all", EventBusName="shared", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="all", EventBusName="shared", Targets=[{"Id": "1", "Arn": function}])
    secured.with_key("lambda").add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    code, message, _ = error_of(other.put_events, Entries=[{**ENTRY, "EventBusName": bus}])
    assert code == "AccessDeniedException" and "no resource-based policy allows the events:PutEvents action" in message
    account = other.describe_event_bus()["Arn"].split(":")[4]
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal=account, StatementId="other")
    assert other.put_events(Entries=[{**ENTRY, "EventBusName": bus}])["FailedEntryCount"] == 0
    event, = until(lambda: printed(secured, name), 20, "the event")
    assert event["account"] == account
