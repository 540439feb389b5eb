"""A hostile neighbour harms nobody: the victim answers rightly and in time, and the server stays well.

Nothing here is timed beyond the victim's own timeout; how much slower it gets is measured by `tindra-bench neighbours`.
"""

import concurrent.futures
import json
import pathlib

import pytest

from support import packages
from support.metrics import environments
from support.server import Function, Server
from support.wait import until

VICTIM = "def handler(event, context):\n    return event * 2\n"
INVOKES = 300
#: What the server itself may grow by beside the worst of them.
SERVER_MB_MAX = 200

NEIGHBOURS = {
    "forks": """
import os, time
def handler(event, context):
    end, made = time.monotonic() + 3, 0
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                while True:
                    try:
                        os.fork()
                    except OSError:
                        os.sched_yield()
            made += 1
        except OSError:
            os.sched_yield()
    return made
""",
    "spins": """
import threading, time
def handler(event, context):
    end = time.monotonic() + 3
    def spin():
        while time.monotonic() < end:
            pass
    threads = [threading.Thread(target=spin) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return len(threads)
""",
    "fills its disk": """
import os, time
def handler(event, context):
    end, written = time.monotonic() + 3, 0
    while time.monotonic() < end:
        with open('/tmp/filler', 'wb') as file:
            try:
                while time.monotonic() < end:
                    written += file.write(bytes(1 << 20))
            except OSError:
                pass
        os.unlink('/tmp/filler')
    return written
""",
    "floods its log": """
import os, time
def handler(event, context):
    end, written, line = time.monotonic() + 3, 0, b'x' * 65536
    while time.monotonic() < end:
        written += os.write(2, line)
    return written
""",
    "answers a hundred megabytes": """
def handler(event, context):
    return 'x' * 100_000_000
""",
}


def make(server, name, source, **members):
    return Function(server, name, "python3.12", packages.python(source), "app.handler", Timeout=10, **members).ready()


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def is_at_rest(server):
    return json.load(server.http("/_tindra/capacity"))["concurrency"]["running"] == 0


@pytest.fixture(scope="module")
def town():
    """One server with a victim, whose neighbours come one after the other."""
    with Server() as server:
        victim = make(server, "victim", VICTIM)
        assert victim.invoke(1).ok() == 2
        yield server, victim


@pytest.mark.parametrize("what", NEIGHBOURS)
def test_a_hostile_neighbour_harms_nobody(town, what):
    server, victim = town
    name = what.replace(" ", "-")
    neighbour = make(server, name, NEIGHBOURS[what], MemorySize=512)
    before_mb = resident_mb(server.process.pid)
    worst_mb, is_done = before_mb, False

    def be_hostile():
        client, kinds = server.client("lambda"), set()
        while True:
            answer = client.invoke(FunctionName=name)
            kinds.add(answer.get("FunctionError", "ok"))
            answer["Payload"].read()
            if is_done:
                return kinds

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        hostile = [pool.submit(be_hostile) for _ in range(3)]
        try:
            until(lambda: sum(one.get("function") == name for one in environments(server)) >= 2, 30)
            for number in range(INVOKES):
                assert victim.invoke(number).ok() == number * 2
                if number % 25 == 0:
                    assert server.http("/_tindra/health").status == 200
                    worst_mb = max(worst_mb, resident_mb(server.process.pid))
        finally:
            is_done = True
        kinds = set().union(*(one.result() for one in hostile))
    assert kinds <= ({"Unhandled"} if "answers" in what else {"ok", "Unhandled"}), kinds
    assert worst_mb - before_mb < SERVER_MB_MAX, f"the server grew from {before_mb:.0f} to {worst_mb:.0f} MB"
    neighbour.delete()
    until(lambda: all(one.get("function") != name for one in environments(server)), 30)
    until(lambda: is_at_rest(server), 10)
