"""Asynchronous invokes through stops, kills and resets of the server: nothing that was accepted is lost."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import botocore.exceptions
import pytest

from support import packages
from support.metrics import metric
from support.moto import KEYS
from support.server import BINARY, ROOT, RUNTIMES, Function, Server
from support.wait import until
from support.waiting import FAIL, SEEN, advance, now_ms, queues, running, runs, said, send, settle, waiting, waits


@pytest.fixture
def server():
    """A server of the test's own, which it ends."""
    server = Server(arguments=["--clock", "manual", "--grace-period-s", "5"])
    with contextlib.ExitStack() as ends:
        ends.enter_context(server)
        yield server
        if server.process is None:
            server.start()


@pytest.fixture
def function(server):
    return Function(server, "lasting", "python3.12", packages.python(SEEN), "app.handler", Timeout=60).ready()


def test_attempts_and_due_times_survive_a_kill(server, function):
    request_id = send(function, FAIL)
    settle(server)
    advance(server, 7)
    before = waits(server, function.name)
    server.kill()
    server.start()
    assert waits(server, function.name) == before and before["attempts"] == 1
    advance(server, ms=before["due_ms"] - now_ms(server) - 1)
    assert waits(server, function.name)["attempts"] == 1
    advance(server, ms=1)
    waited = waits(server, function.name)
    assert (waited["attempts"], waited["due_ms"]) == (2, before["due_ms"] + 120_000)
    assert waited["request_id"] == request_id


def test_what_was_accepted_is_run_after_a_kill(server, function):
    ids = {send(function, {"until": time.time() + 3}) for _ in range(3)}
    until(lambda: running(server), 20, "a run")
    server.kill()
    server.start()
    until(lambda: waiting(server, function.name) == [], 30, "the events to be done")
    assert {seen["id"] for seen in until(lambda: finished(function, 3), 20, "the runs")} == ids


def test_nothing_of_many_is_lost_by_a_kill(server, function):
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(lambda _: send(function, {"seconds": 0.05}), range(150)))
    server.kill()
    server.start()
    until(lambda: waiting(server, function.name) == [], 60, "the events to be done")
    settle(server)
    assert metric(server, "tindra_async_events_dropped_total") == 0
    until(lambda: {run["id"] for run in finished(function, 1) or ()} >= ids, 20, "the runs")


def test_the_end_of_every_accepted_event_is_told_whenever_the_server_is_killed(server, function, moto):
    queue = moto.queue("of-kills")
    server.stop()
    server.config, server.environment = moto.config(), KEYS
    server.start()
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, MaximumRetryAttempts=1,
        DestinationConfig={name: {"Destination": queue.arn} for name in ("OnSuccess", "OnFailure")},
    )
    accepted, conditions = set(), {}

    def send_until_it_dies(thread):
        ours = set()
        with contextlib.suppress(botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError):
            while len(ours) < 20:
                ours.add(send(function, FAIL if len(ours) % 3 == thread else {}))
        return ours

    for told in (1, 30, 70):
        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            sending = [threads.submit(send_until_it_dies, thread) for thread in range(3)]
            until(lambda: collect(queue, conditions) or len(conditions) >= told, 30, f"{told} ends to be told")
            server.kill()
            for sent in sending:
                accepted |= sent.result()
        server.start()
    settle(server)
    # An attempt that a busy machine could not make is made later.
    advance(server, 600)
    collect(queue, conditions)
    assert queues(server) == []
    assert accepted <= set(conditions), accepted - set(conditions)
    assert set.union(*conditions.values()) == {("Success", 1), ("RetriesExhausted", 2)}


def test_what_ends_during_a_stop_is_told_once_afterwards(server, function, moto):
    queue = moto.queue("of-a-stop")
    server.stop()
    server.config, server.environment = moto.config(), KEYS
    server.start()
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": queue.arn}}
    )
    request_id = send(function, {"seconds": 2})
    until(lambda: running(server), 20, "the run")
    server.stop()
    server.start()
    settle(server)
    record, = queue.records()
    assert record["requestContext"]["requestId"] == request_id and waiting(server, function.name) == []
    server.stop()
    server.start()
    settle(server)
    assert queue.take() == []


def test_a_stop_waits_for_the_run(server, function):
    request_id = send(function, {"seconds": 2})
    until(lambda: running(server), 20, "the run")
    server.stop()
    server.start()
    settle(server)
    assert waiting(server, function.name) == []
    assert [seen["id"] for seen in runs(function, 1)] == [request_id]


def test_an_event_that_fails_during_a_stop_is_tried_again_afterwards(server, function):
    send(function, {"seconds": 2, **FAIL})
    until(lambda: running(server), 20, "the run")
    before = now_ms(server)
    server.stop()
    server.start()
    waited = waits(server, function.name)
    assert (waited["attempts"], waited["due_ms"]) == (1, before + 60_000)


def test_a_run_that_outlasts_the_stop_is_no_attempt(server, function):
    server.stop()
    server.arguments[-1] = "1"
    server.start()
    request_id = send(function, {"until": time.time() + 6, **FAIL})
    until(lambda: running(server), 20, "the run")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    server.start()
    waited = waits(server, function.name)
    assert (waited["request_id"], waited["attempts"], waited["refusals"]) == (request_id, 0, 0)
    settle(server)
    assert waits(server, function.name)["attempts"] == 1
    assert {seen["id"] for seen in until(lambda: finished(function, 1), 20, "the run's line")} == {request_id}


def collect(queue, conditions):
    """Puts what a queue has got into {request id: {(condition, number of invokes)}}."""
    for record in queue.records():
        said_now, = said([record])
        conditions.setdefault(record["requestContext"]["requestId"], set()).add(said_now)


class Dev(Server):
    """A server while somebody works; only that one can be emptied."""

    def start(self):
        folder = self.data.parent / "functions"
        shutil.copytree(ROOT / "examples/hello", folder)
        command = [str(BINARY), "dev", str(folder), "--listen", f"127.0.0.1:{self.port}", "--runtimes", str(RUNTIMES)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
            )
        until(lambda: "aws lambda invoke" in self.output(), 60, "what dev says when it is ready")
        return self


def test_a_reset_removes_what_waits():
    with Dev(arguments=["--clock", "manual"]) as server:
        for number, left in ((1, {**FAIL, "number": 1}), (2, {"number": 2})):
            function = Function(server, "emptied", "python3.12", packages.python(SEEN), "app.handler").ready()
            send(function, left)
            advance(server, 600 if number == 2 else 0)
            assert [run["number"] for run in runs(function, 1)] == [number], "the logs are emptied, too"
            assert len(waiting(server, function.name)) == 2 - number
            server.http("/_tindra/reset", data=b"", method="POST")
            assert queues(server) == []


def finished(function, count):
    """What runs have said that ended, once there are as many; a run that was cut off may have said it, too."""
    try:
        lines = function.log_messages()
    except function.logs.exceptions.ResourceNotFoundException:
        return None
    ended = {line.split()[2] for line in lines if line.startswith("REPORT RequestId: ")}
    seen = [json.loads(line) for line in lines if line.startswith("{")]
    found = [one for one in seen if one["id"] in ended]
    return found if len({one["id"] for one in found}) >= count else None
