"""SnapStart's copies: forked ahead, different where they must be, and healed when what they come from is lost."""

import concurrent.futures
import re

import pytest

from support import packages
from support.metrics import starts
from support.processes import descendants, is_in_sandbox, kill
from support.server import Server
from support.wait import until

SLOW = """
import os, random, secrets, ssl, tempfile, time, uuid
from time import sleep
begun = time.time()
sleep(1)
common = uuid.uuid4().hex
def handler(event, context):
    if event.get("wait"):
        sleep(event["wait"])
    if event.get("exit"):
        os._exit(3)
    own = [random.random(), str(uuid.uuid4()), secrets.token_hex(8), os.urandom(8).hex(), ssl.RAND_bytes(8).hex(), tempfile.mktemp()]
    return {"common": common, "own": own, "pid": os.getpid(), "now": time.time(), "begun": begun,
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "control": "TINDRA_SNAPSHOT" in os.environ,
            "descriptors": sorted(os.listdir("/proc/self/fd")), "stream": context.log_stream_name}
"""


@pytest.fixture(scope="module")
def machine():
    with Server() as running:
        yield running


@pytest.fixture
def publish(machine, deploy_on):
    """publish(source, …) → a function with SnapStart, and its version, which is active."""

    def make(source, server=machine, **members):
        members = {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Timeout": 30, **members}
        function = deploy_on(server, "python3.12", packages.python(source), **members)
        return function, function.publish()

    return make


def invoke(function, version, event=None, **members):
    return function.invoke(event or {}, Qualifier=version, **members)


def test_a_restore_does_not_repeat_the_init_phase(machine, publish):
    function, version = publish(SLOW)
    before = starts(machine, "copy")
    answer = invoke(function, version, LogType="Tail")
    seen = answer.ok()
    assert seen["type"] == "snap-start" and not seen["control"] and seen["stream"] is None
    assert starts(machine, "copy") == before + 1
    duration = float(re.search(r"RESTORE_REPORT Restore Duration: ([\d.]+) ms", answer.tail)[1])
    assert duration < 900, "the init phase takes a second"
    assert "Init Duration" not in answer.tail and "Billed Restore Duration" in answer.tail
    assert seen["now"] - seen["begun"] >= 1


def test_copies_differ_where_they_must(machine, publish):
    function, version = publish(SLOW)
    with concurrent.futures.ThreadPoolExecutor(10) as threads:
        seen = [f.result().ok() for f in [threads.submit(invoke, function, version, {"wait": 1}) for _ in range(10)]]
    assert len({one["common"] for one in seen}) == 1
    assert len({one["pid"] for one in seen}) == 10
    for column in zip(*(one["own"] for one in seen)):
        assert len(set(column)) == 10, column
    # What a copy holds open: its streams, its log, its connection, and the directory that is being listed.
    assert all(len(one["descriptors"]) <= 6 for one in seen), seen[0]["descriptors"]


@pytest.mark.parametrize("hindrance, word", [
    ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n", "threads are running"),
    ("import socket\nopen_socket = socket.socket()\n", "a socket is open"),
])
def test_what_no_fork_survives_is_started_plainly(machine, publish, hindrance, word):
    function, version = publish(hindrance + "def handler(event, context):\n    return 'served'\n")
    until(lambda: any(function.name in line and word in line for line in machine.output().splitlines()), 10, "the reason")
    before = starts(machine, "copy")
    answer = invoke(function, version, LogType="Tail")
    assert answer.ok() == "served"
    assert "RESTORE_REPORT Restore Duration" in answer.tail and "INIT_REPORT" in answer.tail
    assert starts(machine, "copy") == before


def test_a_copy_that_ends_is_followed_by_another(machine, publish):
    function, version = publish(SLOW)
    common = invoke(function, version).ok()["common"]
    answer = invoke(function, version, {"exit": True})
    assert answer.value["errorType"] == "Runtime.ExitError"
    assert invoke(function, version).ok()["common"] == common


def originals(server, function):
    pids = [pid for pid in descendants(server.process.pid) if is_in_sandbox(pid)]
    found = []
    for pid in pids:
        try:
            variables = open(f"/proc/{pid}/maps").read()
        except OSError:
            continue
        found.append((pid, variables))
    return [pid for pid, _ in found]


def test_a_snapshot_goes_with_its_version_and_heals(publish):
    with Server() as server:
        function, version = publish(SLOW, server=server)
        first = invoke(function, version).ok()["common"]
        # All processes in sandboxes: the original, its copies, spares.
        for pid in originals(server, function):
            kill(pid)
        until(lambda: invoke(function, version).error is None, 30, "a plain start")
        until(lambda: fresh(function, version) not in (None, first), 60, "a new snapshot")
        function.delete()
        server.stop()
        server.start()
        again, version = publish(SLOW, server=server)
        server.stop()
        server.start()
        assert starts(server, "copy") == 0
        invoke(again, version).ok()
        until(lambda: copied(again, version, server), 60, "the snapshot to be made anew")


def fresh(function, version):
    answer = invoke(function, version)
    return answer.value["common"] if answer.error is None else None


def copied(function, version, server, crowd=iter(range(2, 1000, 2))):
    """Asks with more callers each time, so that the environments of the time before do not do."""
    callers = next(crowd)
    with concurrent.futures.ThreadPoolExecutor(callers) as threads:
        for future in [threads.submit(invoke, function, version, {"wait": 0.3}) for _ in range(callers)]:
            future.result().ok()
    return starts(server, "copy") > 0
