"""Many events wait for one function: another's are not delayed, and what waits is not in memory."""

import os
import pathlib
import time

from support import packages
from support.event_queue import printing, runs
from support.event_senders import send_all
from support.server import Function, Server
from support.wait import until
from support.waiting import queues

WAITING = int(os.environ.get("TINDRA_TEST_WAITING", "50000"))
PAYLOAD_BYTES = 4_000
"""Of each event that waits: 50,000 of them are 200 MB."""
GROWTH_MB_MAX = 96
"""Of the server's memory, while they come in: what is kept of new events in memory is 64 MB at most."""
DELIVERED_WITHIN_S = 5
SLOW = "from time import sleep\ndef handler(event, context):\n    sleep(20)\n"


def has_run(server, number):
    return any(seen.number == number for seen in runs(server, "other"))


def resident_mb(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) >> 10


def with_ballast(number):
    return f'"{number} {"x" * PAYLOAD_BYTES}"'


def test_many_events_of_a_function_delay_no_other():
    with Server(config="grace_period_s = 1\n") as own:
        many_wait_and_one_does_not(own)


def many_wait_and_one_does_not(own):
    busy = Function(own, "busy", "python3.12", packages.python(SLOW), "app.handler", Timeout=60).ready()
    # One at a time: all others are throttled.
    busy.client.put_function_concurrency(FunctionName="busy", ReservedConcurrentExecutions=1)
    other = Function(own, "other", "python3.12", packages.python(printing()), "app.handler").ready()
    other.invoke(-1).ok()

    first = WAITING // 10
    started_s = time.monotonic()
    send_all(own, "busy", range(first), payload=with_ballast)
    before_mb = resident_mb(own)
    send_all(own, "busy", range(first, WAITING), payload=with_ballast)
    sent_s = time.monotonic() - started_s
    after_mb = resident_mb(own)
    queue = next(queue for queue in queues(own) if queue["function"] == "busy")
    assert queue["messages"] >= WAITING * 0.99

    took_s = []
    for number in range(5):
        sent_at_s = time.monotonic()
        send_all(own, "other", [number], threads=1)
        until(lambda: has_run(own, number), DELIVERED_WITHIN_S, "the other function's event to run")
        took_s.append(time.monotonic() - sent_at_s)
    peak_mb = resident_mb(own)
    print(
        f"\n{queue['messages']} wait, sent in {sent_s:.1f} s; "
        f"resident {before_mb} MB with {first}, {after_mb} MB with all, {peak_mb} MB later; "
        f"the other function's events ran after {', '.join(f'{seconds:.3f}' for seconds in took_s)} s"
    )
    assert max(after_mb, peak_mb) - before_mb < GROWTH_MB_MAX
