"""What waits in a server, and the clock that it waits by."""

import json
import urllib.parse

from support.metrics import environments
from support.wait import until

# Says what it sees; its event says what it does.
SEEN = """
import hashlib, json, os
from time import sleep, time
def handler(event, context):
    event = event if isinstance(event, dict) else {"bytes": len(event), "digest": hashlib.sha256(event.encode()).hexdigest()}
    print(json.dumps({
        "id": context.aws_request_id, "version": context.function_version, "arn": context.invoked_function_arn,
        "tenant": context.tenant_id, "code": os.environ.get("CODE"), **event,
    }))
    sleep(event.get("seconds", max(0, event.get("until", 0) - time())))
    if event.get("fail") and os.environ.get("CODE") != "mended":
        raise ValueError("no such luck")
    return {"ended": event}
"""
FAIL = {"fail": True}


def post(server, path, **parameters):
    return json.load(server.http(f"{path}?{urllib.parse.urlencode(parameters)}", method="POST", data=b""))


def now_ms(server):
    return json.load(server.http("/_tindra/clock"))["unix_ms"]


def advance(server, seconds=None, ms=None):
    """Moves the clock on; all that has become due is done then, however much it is. Returns what time it is."""
    by = urllib.parse.urlencode({"seconds": seconds} if ms is None else {"ms": ms})
    return json.load(server.http(f"/_tindra/clock/advance?{by}", timeout_s=120, method="POST", data=b""))["unix_ms"]


def settle(server):
    """Returns when all is done that was due, at the same time by the clock."""
    advance(server, ms=0)


def redrive(server, function, **parameters):
    """Makes what waits of a function due, and returns how many messages those were, when they were tried."""
    redriven = post(server, "/_tindra/queue/redrive", function=function, **parameters)["redriven"]
    settle(server)
    return redriven


def waiting(server, function):
    """The messages that wait of a function."""
    return json.load(server.http(f"/_tindra/queue?function={function}"))["messages"]


def waits(server, function):
    """The one message that waits of a function."""
    messages = waiting(server, function)
    assert len(messages) == 1, messages
    return messages[0]


def queues(server):
    return json.load(server.http("/_tindra/queue"))["queues"]


def send(function, event=None, **members):
    """Invokes a function asynchronously; returns the request id."""
    answer = function.invoke(event, InvocationType="Event", **members)
    assert (answer.status, answer.body, answer.error) == (202, b"", None)
    return answer.request_id


def said(records):
    """(condition, number of invokes) of each record."""
    contexts = [record["requestContext"] for record in records]
    return [(context["condition"], context["approximateInvokeCount"]) for context in contexts]


def running(server):
    """The functions that an environment is running now."""
    return [each.get("function") for each in environments(server) if each["state"] == "busy"]


def printed(function):
    """The JSON objects that a function has printed so far."""
    try:
        lines = function.log_messages()
    except function.logs.exceptions.ResourceNotFoundException:
        return []  # it has not run yet
    return [json.loads(line) for line in lines if line.startswith("{")]


def runs(function, count):
    """What a function has printed in its runs, once it was one object in each of as many; more are an error."""
    until(lambda: len(printed(function)) >= count, 20, f"{count} runs of {function.name}")
    found = printed(function)
    assert len(found) == count, found
    return found
