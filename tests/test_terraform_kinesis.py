"""Terraform's AWS provider makes streams, consumers and mappings, sees nothing left to do, and leaves nothing behind."""

import pathlib
import shutil

import pytest

from support import packages
from support.server import Server
from test_terraform import Terraform

pytestmark = pytest.mark.beside

READS = "def handler(event, context):\n    print('READS', len(event['Records']))\n"
CONFIGURATION = pathlib.Path(__file__).parent / "terraform/kinesis.tf"


def test_apply_plan_destroy(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    (tmp_path / "reads.zip").write_bytes(packages.python(READS))
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        kinesis = server.client("kinesis")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.assert_nothing_to_do()
        told = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]
        assert (told["OpenShardCount"], told["RetentionPeriodHours"]) == (2, 24)
        assert kinesis.describe_stream_summary(StreamName="views")["StreamDescriptionSummary"]["ConsumerCount"] == 1

        terraform.run("destroy", "-auto-approve", "-input=false")
        assert kinesis.list_streams()["StreamNames"] == []
