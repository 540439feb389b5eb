"""What ran of asynchronous invokes, as the server shows it."""

from support.event_history import Seen
from support.wait import until
from support.waiting import queues

PRINTING = """
from time import sleep
def handler(event, context):
    print("ran", event, context.aws_request_id)
    sleep(0.005)  # so that some are in work at any moment
    if event in FAILS:
        raise ValueError(event)
"""


def printing(fails="()"):
    """The source of a function that prints the number that is its event, and fails on those `in` an expression."""
    return f"FAILS = {fails}\n{PRINTING}"


def until_empty(server, timeout_s):
    until(lambda: not queues(server), timeout_s, "nothing to be queued any more", interval_s=0.1)


def runs(server, function):
    """What a printing function has printed. Lines that a killed server had not stored are missing."""
    logs, group = server.client("logs"), f"/aws/lambda/{function}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return  # it has never run, as far as the server knows
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            words = event["message"].split()
            if words[:1] == ["ran"]:
                yield Seen(int(words[1]), words[2], event["timestamp"] / 1000, "ran")
