"""Terraform's AWS provider makes queues, sees nothing left to do, updates them, and leaves nothing behind."""

import json
import pathlib
import shutil

import pytest

from support.server import Server
from test_terraform import Terraform

pytestmark = pytest.mark.beside

CONFIGURATION = pathlib.Path(__file__).parent / "terraform/sqs.tf"


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        sqs = server.client("sqs")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()
        url = terraform.output("jobs")
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert (told["VisibilityTimeout"], told["MaximumMessageSize"]) == ("45", "2048")
        assert json.loads(told["RedrivePolicy"])["maxReceiveCount"] == 4
        assert json.loads(told["Policy"])["Statement"][0]["Principal"] == {"Service": "sns.amazonaws.com"}

        terraform.run("apply", "-auto-approve", "-input=false", visibility="60")
        terraform.assert_nothing_to_do(visibility="60")
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        assert told == {"VisibilityTimeout": "60"}

        terraform.run("destroy", "-auto-approve", "-input=false", visibility="60")
        assert "QueueUrls" not in sqs.list_queues()
