"""Terraform's AWS provider makes a bucket with everything beside it, sees nothing left to do, updates, and leaves nothing behind."""

import pathlib
import shutil

import pytest

from support import objects, packages
from support.server import Server
from support.wait import until
from test_terraform import Terraform

pytestmark = pytest.mark.beside

CONFIGURATION = pathlib.Path(__file__).parent / "terraform/s3.tf"
TOLD = packages.python("def handler(event, context):\n    print('TOLD ' + event['Records'][0]['s3']['object']['key'])\n")


def told(server):
    logs = server.client("logs")
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/told-by-s3")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].strip() for event in events if event["message"].startswith("TOLD ")]


def test_apply_plan_update_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "told.zip").write_bytes(TOLD)
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    with Server() as server:
        terraform, s3 = Terraform(tmp_path, server), objects.client(server)
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()
        s3.put_object(Bucket="photos-of-terraform", Key="in/a.jpg", Body=b"x")
        until(lambda: told(server) == ["TOLD in/a.jpg"], 30, "the function to be told")

        terraform.run("apply", "-auto-approve", "-input=false", colour="blue")
        terraform.assert_nothing_to_do(colour="blue")
        tags = s3.get_bucket_tagging(Bucket="photos-of-terraform")["TagSet"]
        assert tags == [{"Key": "colour", "Value": "blue"}]

        terraform.run("destroy", "-auto-approve", "-input=false", colour="blue")
        assert s3.list_buckets()["Buckets"] == []
        assert not [path for path in (server.data / "s3").glob("*/*") if path.is_file()]
