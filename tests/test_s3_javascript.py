"""The AWS SDK for JavaScript over S3."""

import json
import os
import pathlib
import subprocess

from support.server import ROOT, RUNTIMES

SCRIPT = ROOT / "tests/javascript/s3.mjs"


def test_objects_are_put_got_and_linked(server, node_function):
    node_function("export const handler = async () => 1;\n")  # so that the runtime's pack, and the SDK in it, is there
    packs = sorted(pathlib.Path(RUNTIMES).glob("nodejs20.x-*/var/runtime/node_modules/@aws-sdk/client-s3"))
    assert packs, f"no runtime pack in {RUNTIMES} has the SDK"
    result = subprocess.run(
        ["node", str(SCRIPT), server.url], capture_output=True, text=True, timeout=120,
        env={**os.environ, "SDK_BASE": str(packs[-1].parents[1]) + "/"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    steps = [json.loads(line) for line in result.stdout.splitlines()]
    assert {step["step"]: step["seen"] for step in steps} == {
        "put": ['"5d41402abc4b2a76b9719d911017c592"', "AES256"],
        "get": ["hello", "text/plain", {"colour": "red"}],
        "stream": 300000,
        "list": [["a b/ü.txt", 5], ["stream", 300000]],
        "link": "hello",
        "refusal": ["NoSuchKey", 404],
        "delete": False,
    }
