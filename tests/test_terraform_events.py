"""Terraform's AWS provider makes buses, rules, archives, API destinations and schedules, and leaves nothing behind."""

import json
import pathlib
import shutil

import pytest

from support import packages
from support.server import Server
from support.wait import until
from test_terraform import Terraform

pytestmark = pytest.mark.beside

CONFIGURATION = pathlib.Path(__file__).parent / "terraform/events.tf"
PRINTS = packages.python("import json\ndef handler(event, context):\n    print(json.dumps(event))\n")


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "prints.zip").write_bytes(PRINTS)
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        events, scheduler, logs = server.client("events"), server.client("scheduler"), server.client("logs")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()
        events.put_events(Entries=[{
            "Source": "shop", "DetailType": "order", "Detail": '{"total": 11}', "EventBusName": "orders"}])

        def printed():
            try:
                found = logs.filter_log_events(logGroupName="/aws/lambda/events-prints")["events"]
            except logs.exceptions.ResourceNotFoundException:
                return []
            return [json.loads(event["message"]) for event in found if event["message"].startswith("{")]

        until(lambda: {"total": 11} in printed(), 30, "the function to get the event")

        terraform.run("apply", "-auto-approve", "-input=false", minutes="7")
        terraform.assert_nothing_to_do(minutes="7")
        assert events.describe_rule(Name="timed")["ScheduleExpression"] == "rate(7 minutes)"
        schedule = scheduler.get_schedule(Name="morning", GroupName="daily")
        assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 7}

        terraform.run("destroy", "-auto-approve", "-input=false", minutes="7")
        assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
        assert events.list_rules()["Rules"] == events.list_archives()["Archives"] == []
        assert events.list_connections()["Connections"] == events.list_api_destinations()["ApiDestinations"] == []
        assert scheduler.list_schedules()["Schedules"] == []
        assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default"]
