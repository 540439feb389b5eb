"""What waits in a server, and the clock that it waits by."""

import json
import urllib.parse

from support.wait import until


def post(server, path, **parameters):
    return json.load(server.http(f"{path}?{urllib.parse.urlencode(parameters)}", method="POST", data=b""))


def now_ms(server):
    return json.load(server.http("/_tindra/clock"))["unix_ms"]


def advance(server, seconds=None, ms=None):
    """Moves the clock on; all that has become due is done then. Returns what time it is."""
    by = {"seconds": seconds} if ms is None else {"ms": ms}
    return post(server, "/_tindra/clock/advance", **by)["unix_ms"]


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


def runs(function, count):
    """The JSON objects that a function has printed in its runs so far, once there are as many; more are an error."""

    def printed():
        try:
            lines = function.log_messages()
        except function.logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(line) for line in lines if line.startswith("{")]

    found = until(lambda: (len(seen := printed()) >= count) and seen or None, 20, f"{count} runs of {function.name}") if count else printed()
    assert len(found) == count, found
    return found
