"""Every interpreter found on the machine runs functions of exactly its version."""

import concurrent.futures
import json
import pathlib
import re
import subprocess

import pytest

from support import packages
from support.server import BINARY, RUNTIMES, Function

PYTHON = ("import sys, boto3\ndef handler(event, context):\n"
          "    return {'version': list(sys.version_info[:2]), 'executable': sys.executable, 'boto3': boto3.__version__, 'event': event}\n")
NODE = "export const handler = async (event) => ({ version: process.versions.node, event });\n"


def installed():
    """Runtimes that this machine can provide, as the binary itself finds them."""
    listing = subprocess.run([str(BINARY), "runtime", "list", "--json", "--runtimes", str(RUNTIMES)],
                             capture_output=True, text=True, timeout=60)
    assert listing.returncode == 0, listing.stderr
    return [entry["runtime"] for entry in json.loads(listing.stdout)
            if entry["ready"] or entry["interpreters"] or entry["runtime"].startswith("provided.")]


def test_the_list_names_what_is_there():
    runtimes = installed()
    assert any(name.startswith("python3.") for name in runtimes), runtimes
    assert any(name.startswith("nodejs") for name in runtimes), runtimes
    assert "provided.al2023" in runtimes and "provided.al2" in runtimes


def test_every_python_and_node_found(server):
    runtimes = [name for name in installed() if name.startswith(("python3.", "nodejs")) and not re.fullmatch(r"python3\.[67]", name)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = dict(zip(runtimes, pool.map(lambda name: run_one(server, name), runtimes)))
    for name, answer in answers.items():
        if name.startswith("python3."):
            assert answer["version"] == [3, int(name.removeprefix("python3."))], (name, answer)
            assert answer["executable"].startswith("/var/lang/bin/python3") and answer["boto3"]
        else:
            assert answer["version"].split(".")[0] == re.match(r"nodejs(\d+)", name)[1]
        assert answer["event"] == {"k": "v"}


def test_handlers_that_call_back_run_up_to_node_22(deploy):
    runtimes = [name for name in installed() if name.startswith("nodejs")]
    assert runtimes
    for runtime in runtimes:
        function = deploy(runtime, packages.node(
            "export const handler = (event, context, callback) => setTimeout(() => callback(null, { got: event }), 1);\n"), "index.handler")
        answer = function.invoke({"k": "v"})
        if int(re.match(r"nodejs(\d+)", runtime)[1]) <= 22:
            assert answer.ok() == {"got": {"k": "v"}}, runtime
        else:
            assert "callback-based function handlers" in f"{answer.value} {answer.tail}", runtime


def run_one(server, runtime):
    name = "run-" + runtime.replace(".", "-")
    is_python = runtime.startswith("python")
    function = Function(server, name, runtime, packages.python(PYTHON) if is_python else packages.node(NODE),
                        "app.handler" if is_python else "index.handler", MemorySize=512, Timeout=30).ready()
    try:
        return function.invoke({"k": "v"}).ok()
    finally:
        function.delete()


BOOTSTRAP = """#!/bin/bash
# The Runtime API by hand, as AWS's tutorial for custom runtimes does it.
while true; do
  head=$(mktemp)
  event=$(curl -sS -D "$head" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$head" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "{\\"echo\\": $event}" > /dev/null
done
"""


@pytest.mark.parametrize("runtime", ["provided.al2023", "provided.al2"])
def test_custom_runtime_in_shell(deploy, runtime):
    function = deploy(runtime, packages.bootstrap(BOOTSTRAP), "any", MemorySize=512)
    assert function.invoke({"a": 1}).ok() == {"echo": {"a": 1}}
    assert function.invoke([2]).ok() == {"echo": [2]}


@pytest.mark.parametrize("official", ["0", "1"])
def test_our_transport_and_the_official_one_give_the_same(deploy, official):
    function = deploy(
        "python3.12", packages.python(
            "import json\ndef handler(event, context):\n    if event == 'fail':\n        raise KeyError('lost')\n    return {'size': len(json.dumps(event)), 'ü': event}\n"),
        "app.handler", Environment={"Variables": {"TINDRA_OFFICIAL_TRANSPORT": official}}, MemorySize=512)
    assert function.invoke({"a": "ü"}).ok() == {"size": 15, "ü": {"a": "ü"}}
    assert function.invoke("x" * 2_000_000).ok()["size"] == 2_000_002
    answer = function.invoke("fail")
    assert answer.value["errorType"] == "KeyError" and answer.value["requestId"] == answer.request_id
    assert function.invoke(1).ok() == {"size": 1, "ü": 1}


def test_the_functions_own_packages_win(deploy):
    function = deploy("python3.12", packages.package({
        "app.py": "import boto3\ndef handler(event, context):\n    return boto3.__version__\n",
        "boto3/__init__.py": "__version__ = 'mine'\n"}))
    assert function.invoke().ok() == "mine"


def test_certificates_and_time_zones_are_in_the_pack(python_function):
    function = python_function(
        "import ssl, zoneinfo\ndef handler(event, context):\n"
        "    return [len(ssl.create_default_context().get_ca_certs()), str(zoneinfo.ZoneInfo('Europe/Oslo'))]\n")
    certificates, zone = function.invoke().ok()
    assert certificates > 20 and zone == "Europe/Oslo"


def test_nothing_of_the_hosts_site_packages_shows(python_function):
    function = python_function(
        "import importlib.metadata\ndef handler(event, context):\n    return sorted(d.name for d in importlib.metadata.distributions())\n")
    names = function.invoke().ok()
    assert "boto3" in names and "awslambdaric" in names
    assert "pytest" not in names and "pip" not in names


@pytest.mark.parametrize("official", ["0", "1"])
def test_node_context_console_and_callbacks(node_function, official):
    if official == "1":
        pytest.skip("LOUDLY SKIPPED: the official Node transport is a native add-on that needs a C++ toolchain to build")
    function = node_function(
        "export const handler = (event, context, callback) => {\n"
        "  console.error('to stderr');\n"
        "  callback(null, { id: context.awsRequestId, arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis(), event });\n};\n")
    answer = function.invoke({"é": 1}, LogType="Tail")
    value = answer.ok()
    assert value["id"] == answer.request_id and value["event"] == {"é": 1} and 0 < value["left"] <= 10_000
    assert "ERROR\tto stderr" in answer.tail


def test_node_streamed_answers_reach_a_buffered_caller(node_function):
    function = node_function(
        "export const handler = awslambda.streamifyResponse(async (event, stream) => {\n"
        "  for (let i = 0; i < 5; i++) stream.write(`part ${i};`);\n  stream.end();\n});\n")
    assert function.invoke().body == b"part 0;part 1;part 2;part 3;part 4;"


def test_install_from_a_host_interpreter(tmp_path):
    python = subprocess.run(["python3", "-c", "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"],
                            capture_output=True, text=True, check=True).stdout.split()
    runtime = f"python{python[1]}"
    done = subprocess.run([str(BINARY), "runtime", "install", runtime, "--from-host", python[0], "--runtimes", str(tmp_path)],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    listing = subprocess.run([str(BINARY), "runtime", "list", "--json", "--runtimes", str(tmp_path)], capture_output=True, text=True)
    assert [entry["ready"] for entry in json.loads(listing.stdout) if entry["runtime"] == runtime] == [True]


def test_install_from_a_host_interpreter_of_another_version_is_refused(tmp_path):
    python311 = next(iter(pathlib.Path("/root/.pyenv/versions").glob("3.11*/bin/python3.11")), None) if pathlib.Path("/root/.pyenv").exists() else None
    if python311 is None:
        pytest.skip("LOUDLY SKIPPED: no second Python interpreter on this machine")
    refused = subprocess.run([str(BINARY), "runtime", "install", "python3.12", "--from-host", str(python311), "--runtimes", str(tmp_path)],
                             capture_output=True, text=True, timeout=120)
    assert refused.returncode != 0 and "3.11" in refused.stderr and "3.12" in refused.stderr


