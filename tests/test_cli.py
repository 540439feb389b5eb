"""The binary as a client, and the real AWS CLI against the same server."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

from support import packages
from support.server import BINARY, ROOT, RUNTIMES, Function, free_port
from support.wait import until
from support.waiting import advance, send, waits

HELLO = {"app.py": "def handler(event, context):\n    print('said hello to', event.get('name'))\n    return {'hello': event.get('name')}\n"}


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="tindra-test-") as path:
        target = pathlib.Path(path) / "greeter"
        target.mkdir()
        (target / "app.py").write_text(HELLO["app.py"])
        yield target


def test_deploy_invoke_logs_list_delete(server, folder):
    deployed = server.tindra("deploy", str(folder))
    assert "greeter" in deployed.stdout + deployed.stderr
    assert json.loads(server.tindra("invoke", "greeter", "--payload", '{"name": "Ada"}').stdout) == {"hello": "Ada"}
    from_stdin = server.tindra("invoke", "greeter", "--payload", "-", input='{"name": "pipe"}')
    assert json.loads(from_stdin.stdout) == {"hello": "pipe"}
    assert "greeter" in server.tindra("list").stdout
    until(lambda: "said hello to Ada" in server.tindra("logs", "greeter").stdout, what="the log line")
    server.tindra("deploy", str(folder))  # again: an update, not an error
    server.tindra("delete", "greeter", "--yes")
    assert "greeter" not in server.tindra("list").stdout
    missing = server.tindra("invoke", "greeter", check=False)
    assert missing.returncode != 0 and missing.stdout == "" and "hint" in missing.stderr


def test_function_error_has_its_own_exit_code(server, folder):
    (folder / "app.py").write_text("def handler(event, context):\n    raise ValueError('no')\n")
    server.tindra("deploy", str(folder))
    failed = server.tindra("invoke", "greeter", check=False)
    server.tindra("delete", "greeter", "--yes")
    assert failed.returncode not in (0, 1, 2)
    assert json.loads(failed.stdout)["errorType"] == "ValueError"


def test_logs_follow_shows_new_lines(server, folder):
    server.tindra("deploy", str(folder))
    server.tindra("invoke", "greeter")
    follower = subprocess.Popen(
        [str(BINARY), "logs", "-f", "greeter"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1"})
    try:
        server.tindra("invoke", "greeter", "--payload", '{"name": "later"}')
        for line in follower.stdout:
            if "said hello to later" in line:
                break
        else:
            raise AssertionError("the follower ended before the line came")
    finally:
        follower.kill()
        follower.wait()
        server.tindra("delete", "greeter", "--yes")


def test_aws_cli_round_trip(server, folder, tmp_path):
    package = tmp_path / "code.zip"
    package.write_bytes(packages.package(HELLO))
    server.aws("lambda", "create-function", "--function-name", "by-cli", "--runtime", "python3.12", "--handler", "app.handler",
               "--role", "arn:aws:iam::000000000000:role/lambda", "--zip-file", f"fileb://{package}")
    server.aws("lambda", "wait", "function-active-v2", "--function-name", "by-cli")
    out = tmp_path / "out.json"
    invoked = json.loads(server.aws("lambda", "invoke", "--function-name", "by-cli", "--payload", '{"name":"CLI"}',
                                    "--log-type", "Tail", str(out)).stdout)
    assert invoked["StatusCode"] == 200 and json.loads(out.read_text()) == {"hello": "CLI"}
    listed = json.loads(server.aws("lambda", "list-functions").stdout)
    assert "by-cli" in [function["FunctionName"] for function in listed["Functions"]]
    until(lambda: "said hello to CLI" in server.aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/by-cli").stdout,
          30, "the log line", interval_s=0.2)
    group = json.loads(server.aws("logs", "describe-log-groups", "--log-group-name-prefix", "/aws/lambda/by-cli").stdout)
    assert group["logGroups"][0]["logGroupName"] == "/aws/lambda/by-cli"
    stream = json.loads(server.aws("logs", "describe-log-streams", "--log-group-name", "/aws/lambda/by-cli").stdout)["logStreams"][0]
    events = json.loads(server.aws("logs", "get-log-events", "--log-group-name", "/aws/lambda/by-cli",
                                   "--log-stream-name", stream["logStreamName"], "--start-from-head").stdout)["events"]
    server.aws("lambda", "delete-function", "--function-name", "by-cli")
    messages = [event["message"].rstrip("\n") for event in events]
    assert messages[0].startswith("INIT_START ") and "said hello to CLI" in messages
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)


def test_queue_shows_what_waits_and_makes_it_due(clocked):
    source = "def handler(event, context):\n    raise ValueError('no such luck')\n"
    function = Function(clocked, "waits", "python3.12", packages.python(source), "app.handler").ready()
    try:
        assert clocked.tindra("queue", function.name).stderr == "nothing waits\n"
        send(function)
        advance(clocked, 7)
        heading, *rows = clocked.tindra("queue").stdout.splitlines()
        row, = (row for row in rows if row.split()[0] == function.name)
        assert heading.split()[0] == "FUNCTION"
        assert row.split() == ["waits", "event", "-", "1", "7", "s", "in", "53", "s"]
        heading, row = clocked.tindra("queue", function.name).stdout.splitlines()
        waited = waits(clocked, function.name)
        assert row.split() == [waited["id"], "event", "-", "-", "7", "s", "1", "in", "53", "s", "no", "such", "luck"]
        assert json.loads(clocked.tindra("queue", function.name, "--json").stdout)["messages"] == [waited]
        assert clocked.tindra("queue", function.name, "--redrive", "--id", waited["id"]).stdout == "1 made due now\n"
        advance(clocked, ms=0)
        assert waits(clocked, function.name)["attempts"] == 2
        assert clocked.tindra("queue", function.name, "--redrive").stdout == "1 made due now\n"
        advance(clocked, ms=0)
        assert clocked.tindra("queue", function.name).stderr == "nothing waits\n"
        wrong = clocked.tindra("queue", function.name, "--redrive", "--id", "x", check=False)
        assert wrong.returncode == 1 and "/_tindra/queue?function=NAME" in wrong.stderr
    finally:
        function.delete()


def test_logs_filter_pattern(server, python_function):
    function = python_function("def handler(event, context):\n    print('needle', event)\n    print('hay')\n    return 1\n")
    function.invoke("one").ok()
    function.invoke("two").ok()
    group = f"/aws/lambda/{function.name}"
    until(lambda: len(function.logs.filter_log_events(logGroupName=group, filterPattern="needle")["events"]) == 2, what="two lines")
    with pytest.raises(function.logs.exceptions.ResourceNotFoundException):
        function.logs.filter_log_events(logGroupName="/aws/lambda/no-such-function")


@pytest.mark.parametrize("example", ["hello", "hello-node"])
def test_dev_runs_an_example_in_one_command(example, tmp_path):
    port = free_port()
    process = subprocess.Popen(
        [str(BINARY), "dev", str(ROOT / "examples" / example), "--listen", f"127.0.0.1:{port}", "--runtimes", str(RUNTIMES)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "NO_COLOR": "1"})
    seen = []
    try:
        for line in process.stdout:
            seen.append(line)
            if "aws lambda invoke" in line:
                break
        output = "".join(seen)
        assert "aws lambda invoke" in output, output
        assert "Hello, Tindra!" in output, output
        assert "greeting Tindra" in output, "the log is shown"
        assert re.search(r"cold", output) and re.search(r"warm", output), output
        pasted = re.search(r"aws lambda invoke .*", output)[0]
        command = pasted.replace("aws ", "", 1).split()
        assert "--endpoint-url" in command and f"http://127.0.0.1:{port}" in command
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0, rest


def test_dev_pasted_line_really_works(tmp_path):
    import shlex
    import sys

    port = free_port()
    process = subprocess.Popen(
        [str(BINARY), "dev", str(ROOT / "examples/hello"), "--listen", f"127.0.0.1:{port}", "--runtimes", str(RUNTIMES)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "NO_COLOR": "1"})
    try:
        pasted = next(line for line in process.stdout if "aws lambda invoke" in line)
        words = shlex.split(pasted[pasted.index("aws lambda invoke"):])
        words = words[: words.index("/dev/stdout") + 1] if "/dev/stdout" in words else words
        result = subprocess.run([sys.executable, "-m", "awscli", *words[1:]], capture_output=True, text=True, cwd=tmp_path,
                                env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_PAGER": ""})
        assert result.returncode == 0, result.stderr
        assert "200" in result.stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_reset_empties_a_dev_server_and_only_that(server, tmp_path):
    import urllib.error

    with pytest.raises(urllib.error.HTTPError):
        server.http("/_tindra/reset", data=b"", method="POST")


def test_help_and_usage_errors():
    assert "serve" in subprocess.run([str(BINARY), "--help"], capture_output=True, text=True).stdout
    wrong = subprocess.run([str(BINARY), "no-such-command"], capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stdout == ""


def test_invoke_by_tindra_matches_aws(server, python_function):
    function = python_function("def handler(event, context):\n    return {'n': event}\n")
    assert json.loads(server.tindra("invoke", function.name, "--payload", "5").stdout) == {"n": 5}
