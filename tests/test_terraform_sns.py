"""Terraform's AWS provider makes topics, subscriptions and log groups, sees nothing left to do, and leaves nothing behind."""

import pathlib
import shutil

import pytest

from support import packages
from support.server import Server
from support.wait import until
from test_terraform import Terraform

pytestmark = pytest.mark.beside

CONFIGURATION = pathlib.Path(__file__).parent / "terraform/topics.tf"
EVENT = packages.python("import json\ndef handler(event, context):\n    print('got', json.dumps(event))\n")


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "subscriber.zip").write_bytes(EVENT)
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        sns, logs = server.client("sns"), server.client("logs")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()

        def lines(word):
            try:
                return logs.filter_log_events(logGroupName="/aws/lambda/subscriber", filterPattern=f'got "{word}"')["events"]
            except logs.exceptions.ResourceNotFoundException:
                return []

        topic = terraform.output("topic")
        sns.publish(TopicArn=topic, Message="m", MessageAttributes={"kind": {"DataType": "String", "StringValue": "first"}})
        until(lambda: lines("Records"), 30, "the message")
        logs.put_log_events(
            logGroupName="/app/first", logStreamName="stream", logEvents=[{"timestamp": 1_700_000_000_000, "message": "ERROR"}])
        until(lambda: lines("awslogs"), 30, "the log event")

        terraform.run("apply", "-auto-approve", "-input=false", name="second")
        terraform.assert_nothing_to_do(name="second")
        assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "second"

        terraform.run("destroy", "-auto-approve", "-input=false", name="second")
        assert sns.list_topics()["Topics"] == [] and sns.list_subscriptions()["Subscriptions"] == []
        assert logs.describe_log_groups(logGroupNamePrefix="/app")["logGroups"] == []
