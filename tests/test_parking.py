"""Idle environments cost the server two descriptors each, and lose nothing by it."""

import concurrent.futures
import os
import pathlib

import pytest

from support import packages
from support.metrics import environments
from support.processes import children_of, descendants, is_in_sandbox, kill
from support.server import Server
from support.wait import until

COUNT = 60
SLOW_S = 5
# Tells who it is, and what still works there. Slow, so that there are as many environments as callers.
PROBE = packages.slow_to_answer("""
import os, socket, uuid
START = uuid.uuid4().hex
def handler(event, context):
    known = open("/tmp/mark").read() if os.path.exists("/tmp/mark") else None
    with open("/tmp/mark", "w") as mark:
        mark.write(context.log_stream_name)
    socket.create_connection(("169.254.100.1", 4566), timeout=10).close()
    print("seen here")
    return {"stream": context.log_stream_name, "start": START, "known": known, "address": socket.gethostbyname("parked.test")}
""")


@pytest.fixture
def server():
    """Without spares, which hold descriptors, too, and come and go by themselves."""
    with Server(config='[hosts]\n"parked.test" = "192.0.2.7"\n', arguments=["--spares-max", "0"]) as running:
        yield running


@pytest.fixture
def probe(server, deploy_on):
    return deploy_on(server, "python3.12", packages.python(PROBE), Timeout=60)


def opened(server):
    """How many descriptors the server holds, those aside of its clients' connections and of log files."""
    listed = [pathlib.Path(f"/proc/net/{kind}").read_text().splitlines()[1:] for kind in ("tcp", "tcp6")]
    of_clients = {f"socket:[{line.split()[9]}]" for lines in listed for line in lines}
    found = 0
    for path in pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            target = os.readlink(path)
        except OSError:
            continue  # closed meanwhile
        found += target not in of_clients and "/logs/" not in target
    return found


def all_at_once(probe, slow_s=SLOW_S):
    """{start: answer} of as many callers as there are environments."""
    with concurrent.futures.ThreadPoolExecutor(COUNT) as threads:
        calls = [threads.submit(probe.invoke, slow_s) for _ in range(COUNT)]
        return {answer["start"]: answer for answer in (call.result().ok() for call in calls)}


def all_park(server, base):
    until(lambda: [each["state"] for each in environments(server)] == ["frozen"] * COUNT, 30, "all to be frozen")
    until(lambda: opened(server) <= base + 2 * COUNT, 30, f"{COUNT} environments to be parked")


def test_many_idle_environments_cost_two_descriptors_each_and_all_come_back(server, probe):
    base = opened(server)
    # None is there yet, and the machine may be busy.
    first = all_at_once(probe, 4 * SLOW_S)
    assert len(first) == COUNT
    all_park(server, base)

    second = all_at_once(probe)
    assert second.keys() == first.keys(), "not the same processes"
    assert all(answer["known"] == answer["stream"] for answer in second.values()), "a /tmp was lost"
    assert {answer["address"] for answer in second.values()} == {"192.0.2.7"}
    until(lambda: probe.log_messages().count("seen here") == 2 * COUNT, 30, "what they wrote")
    all_park(server, base)

    # One whose process ends meanwhile begins anew, and keeps its place.
    kill(next(pid for pid, command in descendants(server.process.pid).items() if is_in_sandbox(pid) and "python" in command))
    third = all_at_once(probe)
    assert len(third) == COUNT and len(third.keys() & first.keys()) == COUNT - 1
    assert {answer["stream"] for answer in third.values()} == {answer["stream"] for answer in first.values()}
    all_park(server, base)
    probe.delete()
    until(lambda: not environments(server), 30, "the environments to go")
    # Connections to the database come and go.
    until(lambda: opened(server) <= base + 20, 30, f"everything to be closed; {opened(server)} are open, {base} were")


def test_busy_environments_cost_fourteen_descriptors_each(server, probe):
    base = opened(server)
    with concurrent.futures.ThreadPoolExecutor(COUNT) as threads:
        calls = [threads.submit(probe.invoke, 2 * SLOW_S) for _ in range(COUNT)]
        until(lambda: [each["state"] for each in environments(server)] == ["busy"] * COUNT, 30, "all to be busy")
        # What starts may hold some more for a moment.
        until(lambda: opened(server) <= base + 14 * COUNT + 10, 10, f"few descriptors; {opened(server) - base} are held")
        launcher = children_of(server.process.pid)[0]
        held = len(os.listdir(f"/proc/{launcher}/fd"))
        assert held <= 2 * COUNT + 50, f"the launcher holds {held}"
        assert len({call.result().ok()["start"] for call in calls}) == COUNT


def test_waiting_spares_cost_two_descriptors_each_and_become_environments(server, deploy_on):
    with Server() as keeping:
        function = deploy_on(keeping, "python3.12", packages.python("def handler(event, context):\n    return 'here'\n"))

        def are_parked():
            listed = environments(keeping)
            waiting = [each for each in listed if each["state"] == "waiting"]
            others = 25 * (len(listed) - len(waiting))
            return len(waiting) >= 2 and opened(keeping) <= opened(server) + 2 * len(waiting) + others + 10

        until(are_parked, 60, "spares to wait and to be parked")
        assert function.invoke().ok() == "here"
        assert [each["start"] for each in environments(keeping) if each.get("function")] == ["spare"]
        until(are_parked, 30, "others to take its place")
