"""Synchronous invokes: answers, errors, context, reuse and concurrency."""

import base64
import concurrent.futures
import json
import re
import time

import botocore.exceptions
import pytest

from support.errors import error_of
from support import packages
from support.wait import until

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>[0-9a-f-]{36})\tDuration: (?P<duration>\d+\.\d\d) ms\tBilled Duration: (?P<billed>\d+) ms"
    r"\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB"
    r"(\tInit Duration: (?P<init>\d+\.\d\d) ms)?\t?(Status: (?P<status>\w+))?(\tError Type: (?P<type>[\w.]+))?\t?\n?$"
)


def report_of(text):
    lines = [line for line in text.splitlines() if line.startswith("REPORT ")]
    assert len(lines) == 1, text
    match = REPORT.match(lines[0])
    assert match, lines[0]
    return match


def test_event_and_answer_pass_through(python_function):
    function = python_function("def handler(event, context):\n    return {'got': event}\n")
    for event in ({"a": [1, 2.5, None, "ü\n"]}, [], "text", 7, True, {}):
        assert function.invoke(event).ok() == {"got": event}
    assert function.invoke().ok() == {"got": {}}


def test_context_is_what_the_official_client_makes_of_it(python_function):
    function = python_function(
        "def handler(event, context):\n"
        "    return {k: getattr(context, k) for k in ('function_name', 'function_version', 'invoked_function_arn',\n"
        "        'memory_limit_in_mb', 'aws_request_id', 'log_group_name', 'log_stream_name')} | {\n"
        "        'remaining': context.get_remaining_time_in_millis(),\n"
        "        'client': context.client_context and context.client_context.custom}\n",
        MemorySize=192,
        Timeout=7,
    )
    client_context = base64.b64encode(json.dumps({"custom": {"k": "v"}, "client": {}, "env": {}}).encode()).decode()
    answer = function.invoke({}, ClientContext=client_context)
    context = answer.ok()
    assert context["function_name"] == function.name and context["function_version"] == "$LATEST"
    assert context["invoked_function_arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    assert context["memory_limit_in_mb"] == "192"
    assert context["aws_request_id"] == answer.request_id
    assert context["log_group_name"] == f"/aws/lambda/{function.name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context["log_stream_name"])
    assert 0 < context["remaining"] <= 7000
    assert context["client"] == {"k": "v"}
    assert answer.version == "$LATEST"
    qualified = function.client.invoke(FunctionName=function.name, Qualifier="$LATEST")
    assert json.load(qualified["Payload"])["invoked_function_arn"].endswith(":$LATEST")


def test_code_outside_the_handler_runs_once_and_the_environment_is_reused(python_function):
    function = python_function(
        "import os, uuid\nborn = str(uuid.uuid4())\ncalls = 0\n"
        "def handler(event, context):\n    global calls\n    calls += 1\n    return [born, calls, os.getpid()]\n"
    )
    answers = [function.invoke().ok() for _ in range(5)]
    assert len({born for born, _, _ in answers}) == 1
    assert [calls for _, calls, _ in answers] == [1, 2, 3, 4, 5]


def test_two_invokes_at_once_get_two_environments(python_function):
    function = python_function(
        "import uuid\nborn = str(uuid.uuid4())\nimport time\n"
        "def handler(event, context):\n    time.sleep(0.5)\n    return born\n"
    )
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        births = list(pool.map(lambda _: function.invoke().ok(), range(4)))
    assert len(set(births)) == 4
    assert function.invoke().ok() in births, "a freed environment is used again"


def test_environment_variables_and_paths(python_function):
    function = python_function(
        "import os, sys\ndef handler(event, context):\n"
        "    return {'env': dict(os.environ), 'cwd': os.getcwd(), 'uid': os.getuid(), 'path': sys.path}\n",
        Environment={"Variables": {"COLOUR": "green"}},
    )
    answer = function.invoke().ok()
    environment = answer["env"]
    assert environment["COLOUR"] == "green"
    for name, value in {
        "AWS_LAMBDA_FUNCTION_NAME": function.name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime", "_HANDLER": "app.handler", "TZ": ":UTC",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
    }.items():
        assert environment.get(name) == value, name
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"):
        assert environment.get(name), name
    assert "LISTEN_FDS" not in environment and "CARGO" not in " ".join(environment)
    assert answer["cwd"] == "/var/task" and answer["uid"] != 0
    assert answer["path"][0] == "/var/task"


def test_handler_error_is_200_with_the_clients_own_error_object(python_function):
    function = python_function("def handler(event, context):\n    raise ValueError('no such luck')\n")
    answer = function.invoke({}, LogType="Tail")
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.value["errorType"] == "ValueError" and answer.value["errorMessage"] == "no such luck"
    assert any("app.py" in line for line in answer.value["stackTrace"])
    assert "[ERROR] ValueError: no such luck" in answer.tail
    function_again = function.invoke({})
    assert function_again.value["errorType"] == "ValueError", "an error leaves the environment usable"


def test_dry_run_runs_nothing(python_function):
    function = python_function("def handler(event, context):\n    return 1\n")
    answer = function.invoke({}, InvocationType="DryRun")
    assert answer.status == 204 and answer.body == b""
    assert not [line for line in log_lines(function) if line.startswith("START")]


def log_lines(function):
    try:
        return function.log_messages()
    except function.logs.exceptions.ResourceNotFoundException:
        return []


def test_an_event_is_accepted_and_run(python_function):
    function = python_function("def handler(event, context):\n    print('ran for', event)\n")
    answer = function.invoke("somebody", InvocationType="Event")
    assert (answer.status, answer.body, answer.version, answer.error) == (202, b"", None, None)
    lines = until(lambda: (lines := log_lines(function)) and "ran for somebody" in lines and lines, 20, "the run")
    assert any(line.startswith(f"START RequestId: {answer.request_id} ") for line in lines)


def test_payload_must_be_json(python_function):
    function = python_function("def handler(event, context):\n    return 1\n")
    for bad in (b"{", b"nope", b'{"a":1,}', b"\xff\xfe", b"{} {}"):
        code, message, status = error_of(function.client.invoke, FunctionName=function.name, Payload=bad)
        assert (code, status) == ("InvalidRequestContentException", 400), bad
        assert message.startswith("Could not parse request body into json: "), message
    deep = b"[" * 100_000 + b"]" * 100_000  # valid: it passes through, and what Python makes of it is Python's affair
    try:
        assert function.invoke(deep).error in (None, "Unhandled")
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert function.invoke().ok() == 1


def test_request_of_7_megabytes_is_too_large(python_function):
    function = python_function("def handler(event, context):\n    return len(event)\n")
    code, message, status = error_of(
        function.client.invoke, FunctionName=function.name, Payload=json.dumps("x" * 7_000_000)
    )
    assert (code, status) == ("RequestTooLargeException", 413)
    assert "6291456" in message
    assert function.invoke("x" * 6_000_000).ok() == 6_000_000


def test_large_answers(python_function):
    function = python_function("def handler(event, context):\n    return 'x' * event\n", Timeout=60, MemorySize=1024)
    assert len(function.invoke(6_000_000).ok()) == 6_000_000
    for size in (6_300_000, 100_000_000):
        answer = function.invoke(size)
        assert answer.error == "Unhandled"
        assert answer.value["errorType"] == "Function.ResponseSizeTooLarge"
        assert answer.value["errorMessage"] == (
            f"Response payload size ({size + 2} bytes) exceeded maximum allowed payload size (6291556 bytes)."
        )
    assert function.invoke(3).ok() == "xxx"


def test_log_tail_and_report(python_function):
    function = python_function("print('outside')\ndef handler(event, context):\n    print('inside')\n    return 1\n")
    cold = function.invoke({}, LogType="Tail")
    lines = cold.tail.splitlines()
    assert lines[0].startswith("INIT_START Runtime Version: python:3.12.")
    assert "\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:" in lines[0]
    assert lines[1] == "outside"
    assert lines[2] == f"START RequestId: {cold.request_id} Version: $LATEST"
    assert lines[3] == "inside"
    assert lines[4] == f"END RequestId: {cold.request_id}"
    report = report_of(cold.tail)
    assert report["id"] == cold.request_id and report["size"] == "128" and report["status"] is None
    assert 0 < int(report["used"]) <= 128
    assert int(report["billed"]) == -(-round((float(report["duration"]) + float(report["init"])) * 100) // 100)
    warm = function.invoke({}, LogType="Tail")
    assert warm.tail.splitlines()[0].startswith("START RequestId: ")
    assert report_of(warm.tail)["init"] is None
    assert function.invoke({}).tail is None


def test_log_tail_is_the_last_4_kilobytes(python_function):
    function = python_function("def handler(event, context):\n    print('y' * 20000)\n    return 1\n")
    answer = function.invoke({}, LogType="Tail")
    assert len(answer.tail) <= 4096 and "REPORT RequestId" in answer.tail


def test_trace_header_reaches_the_function(python_function, server):
    function = python_function("import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    response = server.http(
        f"/2015-03-31/functions/{function.name}/invocations", data=b"{}", headers={"X-Amzn-Trace-Id": trace}
    )
    assert json.load(response).startswith("Root=1-5759e988-bd862e3fe1be46a994272793")
    assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", function.invoke().ok())


def test_missing_function_state_conflict_while_pending(server):
    from support.server import Function

    function = Function(server, "pending-race", "python3.12",
                        packages.python("def handler(event, context):\n    return 1\n"), "app.handler")
    try:
        function.client.invoke(FunctionName="pending-race")
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceConflictException"
        assert "The operation cannot be performed at this time." in error.response["Error"]["Message"]
    function.ready()
    assert function.invoke().ok() == 1
    function.delete()


def test_throughput_of_parallel_callers_is_all_answered(python_function):
    function = python_function("def handler(event, context):\n    return event\n")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: function.invoke(number).ok(), range(400)))
    assert answers == list(range(400)), "every caller gets its own answer"


SLOW_TO_ASK = """#!/bin/bash
while true; do
  head=$(mktemp)
  curl -sS -D "$head" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" > /dev/null
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$head" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "\"$HOSTNAME\"" > /dev/null
  sleep 60
done
"""


def test_a_runtime_that_is_slow_to_ask_again_harms_no_other_invoke(deploy):
    function = deploy("provided.al2023", packages.bootstrap(SLOW_TO_ASK), "any", MemorySize=512, Timeout=3)
    for _ in range(4):
        started = time.monotonic()
        assert function.invoke().error is None
        assert time.monotonic() - started < 2.5, "the invoke waited for an environment that was still busy"


@pytest.mark.parametrize("function_format", ["Text", "JSON"])
def test_log_format(python_function, function_format):
    function = python_function(
        "import logging\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n    logging.info('a line\\nand another')\n    return 1\n",
        LoggingConfig={"LogFormat": function_format},
    )
    tail = function.invoke({}, LogType="Tail").tail
    if function_format == "JSON":
        records = [json.loads(line) for line in tail.splitlines()]
        types = [record["type"] for record in records if "type" in record]
        assert types[0] == "platform.initStart" and "platform.start" in types and types[-1] == "platform.report"
        report = [record for record in records if record.get("type") == "platform.report"][0]["record"]
        assert report["status"] == "success" and report["metrics"]["memorySizeMB"] == 128
        application = [record for record in records if record.get("message", "").startswith("a line")]
        assert application and application[0]["level"] == "INFO" and application[0]["requestId"]
    else:
        assert "a line\nand another" in tail.replace("\r", "\n")


def test_system_log_level_decides_what_the_platform_writes(python_function):
    source = "def handler(event, context):\n    if event:\n        import os\n        os._exit(1)\n    return 1\n"
    for level, expected in (("DEBUG", {"platform.start", "platform.runtimeDone", "platform.report"}),
                            ("INFO", {"platform.start", "platform.report"}), ("WARN", set())):
        function = python_function(source, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": level})
        types = {json.loads(line)["type"] for line in (function.invoke(0, LogType="Tail").tail or "").splitlines()}
        assert types - {"platform.initStart"} == expected, level
        types = {json.loads(line)["type"] for line in function.invoke(1, LogType="Tail").tail.splitlines()}
        assert "platform.report" in types, "what went wrong is written at every level"


def test_what_no_function_has_is_refused_and_not_ignored(python_function):
    function = python_function("def handler(event, context):\n    return 1\n")
    error = error_of(function.client.invoke, FunctionName=function.name, DurableExecutionName="one")
    assert (error[0], error[2]) == ("InvalidParameterValueException", 400)
    assert error[1].startswith("DurableExecutionName")


def test_an_actively_traced_function_is_sampled_and_others_are_not(python_function):
    source = (
        "import os\ndef handler(event, context):\n"
        "    return ';'.join(one for one in os.environ['_X_AMZN_TRACE_ID'].split(';') if one.startswith('Sampled='))\n"
    )
    active = python_function(source, TracingConfig={"Mode": "Active"})
    assert active.created["TracingConfig"] == {"Mode": "Active"}
    assert active.invoke().ok() == "Sampled=1"
    passing = python_function(source)
    assert passing.invoke().ok() == "Sampled=0"
    passing.client.update_function_configuration(FunctionName=passing.name, TracingConfig={"Mode": "Active"})
    assert passing.updated().invoke().ok() == "Sampled=1"
