"""The AWS SDK for JavaScript over the control plane: another serialiser than botocore's finds other faults."""

import base64
import json
import os
import pathlib
import subprocess

from support import packages
from support.server import ROOT, RUNTIMES, Server

SCRIPT = ROOT / "tests/javascript/control_plane.mjs"
SOURCE = """
import os
def handler(event, context):
    if event.get('fail'):
        raise ValueError('no')
    return [VERSION, os.environ['WORD'], event.get('say')]
"""


def encoded(zip_bytes):
    return base64.b64encode(zip_bytes).decode()


def test_the_main_operations_of_every_group(node_function):
    node_function("export const handler = async () => 1;\n")  # so that the runtime's pack, and the SDK in it, is there
    packs = sorted(pathlib.Path(RUNTIMES).glob("nodejs20.x-*/var/runtime/node_modules/@aws-sdk/client-lambda"))
    assert packs, f"no runtime pack in {RUNTIMES} has the SDK"
    with Server() as server:
        server.client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "900"})
        arguments = [server.url]
        arguments += [encoded(packages.python(f"VERSION = {number}\n{SOURCE}")) for number in (1, 2)]
        arguments += [encoded(packages.package({"python/a.py": ""}))]
        result = subprocess.run(
            ["node", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=180,
            env={**os.environ, "SDK_BASE": str(packs[-1].parents[1]) + "/"},
        )
    assert result.returncode == 0, result.stdout + result.stderr
    steps = [json.loads(line) for line in result.stdout.splitlines()]
    assert {step["step"]: step["seen"] for step in steps} == {
        "create": ["Pending", "1", 201],
        "get": ["Active", {"team": "green"}, {"WORD": "one"}],
        "invoke": [200, '[1, "one", "hi"]', True],
        "function error": ["Unhandled", "ValueError"],
        "publish": ["2", "second", 256],
        "versions": ["$LATEST", "1", "2"],
        "alias": ["1", {"2": 1}],
        "routed": ["2", '[2, "two", null]'],
        "moved": ["2", None, True],
        "layer": [1, True, ["python3.12"]],
        "policy": ["s3", {"Service": "s3.amazonaws.com"}, {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}],
        "concurrency": ["IN_PROGRESS", 202, 5],
        "not provisioned": ["ProvisionedConcurrencyConfigNotFoundException", 404, True],
        "event invoke config": [0, True],
        "mapping": ["Creating", 5, 202],
        "url": ["NONE", ["*"], True],
        "tags": {"team": "green", "more": "é ü"},
        "code signing": "Warn",
        "stream": '[2, "two", "streamed"]',
        "missing": ["ResourceNotFoundException", 404, True],
        "taken": ["ResourceConflictException", 409, True],
        "stale": ["PreconditionFailedException", 412, True],
        "invalid": ["ValidationException", 400, True],
        "delete": 204,
    }
