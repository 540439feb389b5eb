"""What happens in a version with SnapStart: its hooks, its variables, its log lines, and restores that fail."""

import json
import re

import pytest

from support import packages
from support.errors import error_of
from support.wait import until

WITH = {"ApplyOn": "PublishedVersions"}

HOOKS = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
STEPS = ['init']
@register_before_snapshot
def before_last():
    STEPS.append('before, registered first')
@register_before_snapshot
def before_first():
    STEPS.append('before, registered last')
@register_after_restore
def after_first():
    STEPS.append('after, registered first')
@register_after_restore
def after_last():
    STEPS.append('after, registered last')
def handler(event, context):
    if event.get('exit'):
        os._exit(1)
    return {'steps': STEPS, 'names': sorted(os.environ), 'type': os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'],
            'stream': context.log_stream_name}
"""
STEPS = [
    "init",
    "before, registered last",
    "before, registered first",
    "after, registered first",
    "after, registered last",
]

FAILING = """
import os
from time import sleep
from snapshot_restore_py import register_after_restore
@register_after_restore
def after():
    {statement}
def handler(event, context):
    return 'reached'
"""


@pytest.fixture
def publish(deploy):
    """publish(source, …) → a function whose version 1 is active and has SnapStart."""

    def make(source, runtime="python3.12", **members):
        function = deploy(runtime, packages.python(source), SnapStart=WITH, Publish=True, **members)
        function.published("1")
        return function

    return make


def invoke(function, qualifier="1", **event):
    answer = function.client.invoke(FunctionName=function.name, Qualifier=qualifier, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read())


def lines(function, beginning):
    """The log lines that begin so, once there is one."""

    def look():
        try:
            return [line for line in function.log_messages() if line.startswith(beginning)]
        except function.logs.exceptions.ResourceNotFoundException:
            return []

    return until(look, what=beginning)


@pytest.mark.parametrize("transport", ["0", "1"])
@pytest.mark.parametrize("runtime", ["python3.12", "python3.13"])
def test_hooks_run_around_the_snapshot_in_their_order(publish, runtime, transport):
    function = publish(HOOKS, runtime, Environment={"Variables": {"TINDRA_OFFICIAL_TRANSPORT": transport}})
    answer = invoke(function)
    assert answer["steps"] == STEPS
    assert answer["type"] == "snap-start"
    assert invoke(function)["steps"] == STEPS, "once for each environment"
    latest = invoke(function, "$LATEST")
    assert (latest["steps"], latest["type"]) == (["init"], "on-demand")


def test_the_log_stream_is_not_among_the_variables(publish):
    function = publish(HOOKS)
    names = {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"}
    answer = invoke(function)
    assert names.isdisjoint(answer["names"]) and answer["stream"] is None
    assert {"AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_LAMBDA_FUNCTION_VERSION"} <= set(answer["names"])
    assert names <= set(invoke(function, "$LATEST")["names"])


def test_the_first_report_tells_of_the_restore(publish):
    function = publish(HOOKS)
    invoke(function)
    invoke(function)
    until(lambda: len(lines(function, "REPORT")) == 2, what="two reports")
    first, second = lines(function, "REPORT")
    figures = re.search(
        r"\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\t.*\tRestore Duration: ([\d.]+) ms\tBilled Restore Duration: (\d+) ms\t",
        first,
    )
    assert figures, first
    duration, billed, restore, billed_restore = map(float, figures.groups())
    assert billed == -(-duration // 1) + billed_restore
    assert billed_restore <= restore + 1
    assert "Restore" not in second
    assert not any("Init Duration" in report for report in (first, second))
    messages = function.log_messages()
    (start,) = lines(function, "RESTORE_START")
    assert re.fullmatch(r"RESTORE_START Runtime Version: python:3\.12\S*\tRuntime Version ARN: arn:aws:lambda:\S+", start)
    (report,) = lines(function, "RESTORE_REPORT")
    assert re.fullmatch(r"RESTORE_REPORT Restore Duration: [\d.]+ ms", report)
    request = next(index for index, line in enumerate(messages) if line.startswith("START"))
    assert messages.index(start) < messages.index(report) < request
    assert lines(function, "INIT_REPORT")


def test_the_lines_in_json(publish):
    function = publish(HOOKS, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
    invoke(function)

    def read():
        return {event["type"]: event["record"] for event in map(json.loads, lines(function, '{"time"'))}

    until(lambda: "platform.report" in read(), what="a report")
    events = read()
    metrics = events["platform.report"]["metrics"]
    assert metrics["restoreDurationMs"] >= 0 and "initDurationMs" not in metrics
    assert events["platform.initStart"]["initializationType"] == "snap-start"
    assert events["platform.restoreStart"]["functionVersion"] == "1"
    assert events["platform.restoreRuntimeDone"] == {"status": "success"}
    assert events["platform.restoreReport"]["status"] == "success"


@pytest.mark.parametrize(
    "statement, error_type",
    [("raise ValueError('no luck')", "Runtime.AfterRestoreError"), ("os._exit(3)", "Runtime.ExitError")],
)
def test_a_hook_that_fails_after_the_restore_fails_the_invoke(publish, statement, error_type):
    function = publish(FAILING.format(statement=statement))
    code, message, status = error_of(function.client.invoke, FunctionName=function.name, Qualifier="1", Payload=b"{}")
    assert (code, status) == ("SnapStartException", 400)
    assert message.startswith("The afterRestore() runtime hook encountered an error."), message
    assert lines(function, "RESTORE_REPORT")[0].endswith(f"ms\tStatus: error\tError Type: {error_type}")


def test_a_restore_has_ten_seconds(publish):
    function = publish(FAILING.format(statement="sleep(60)"))
    code, message, status = error_of(function.client.invoke, FunctionName=function.name, Qualifier="1", Payload=b"{}")
    assert (code, status) == ("SnapStartTimeoutException", 408)
    assert message == "Lambda couldn't restore the snapshot within the timeout limit."
    assert lines(function, "RESTORE_REPORT")[0].endswith("ms\tStatus: timeout")


def test_a_process_that_is_replaced_is_restored_again(publish):
    function = publish(HOOKS)
    assert invoke(function)["steps"] == STEPS
    assert invoke(function, exit=True)["errorType"] == "Runtime.ExitError"
    assert invoke(function)["steps"] == STEPS
