"""The disk of the data directory fills up: durable work is refused, all else goes on, and with space all is as before."""

import http.client
import json

import pytest

from support import images, packages
from support.event_history import SUCCESS, History, Seen, judge
from support.event_queue import printing, runs, until_empty
from support.event_senders import Senders, send
from support.moto import KEYS
from support.server import Function, Server
from support.told import ARN, Told
from support.wait import until

IMAGE_MB = 256
EVENTS_MAX = 50_000
"""Refusals must begin before: what the store had allocated holds fewer."""


@pytest.fixture
def on_small_disk(tmp_path):
    """(server, told, the data directory) of a server whose data directory is a small disk of its own."""
    images.need_loop_devices()
    images.make(tmp_path / "image", IMAGE_MB)
    with Told() as told, images.mounted(tmp_path / "image", tmp_path / "data") as disk:
        with Server(data=tmp_path, config=f'sqs_endpoint = "{told.url}"\n', environment=KEYS) as server:
            yield server, told, disk
    (tmp_path / "image").unlink()  # it is as large as it can be


def test_a_full_disk_refuses_events_until_there_is_space(on_small_disk):
    server, told, disk = on_small_disk
    function = Function(server, "counted", "python3.12", packages.python(printing()), "app.handler").ready()
    function.client.put_function_event_invoke_config(
        FunctionName="counted", DestinationConfig={"OnSuccess": {"Destination": ARN}})
    function.invoke(-1).ok()

    full = Senders(server, "counted", range(EVENTS_MAX), payload=with_ballast).start()
    until(lambda: len(full.accepted) >= 200, 30, "events to be accepted")
    images.fill(disk / "filler")
    until(lambda: len(full.refused) >= 100 or full.are_done(), 60, "events to be refused")
    for _ in range(10):
        function.invoke(-1).ok()
    full.stop()
    full.join()
    assert len(full.refused) >= 100 and not full.unanswered
    status, body = next(iter(full.refused.values()))
    print(f"\n{len(full.accepted)} accepted and {len(full.refused)} refused as the disk filled up: {status} {body.decode()}")
    assert {status for status, _ in full.refused.values()} <= set(range(500, 600))
    assert server.process.poll() is None
    assert "disk is full" in server.output()

    (disk / "filler").unlink()
    until(lambda: accepted_again(server, json.dumps(PROBE)), 30, "an event to be accepted again")
    with_space = Senders(server, "counted", range(EVENTS_MAX, EVENTS_MAX + 200), payload=with_ballast).start()
    with_space.join()
    assert len(with_space.accepted) == 200 and not with_space.refused
    until_empty(server, 60)
    function.client.update_function_configuration(FunctionName="counted", Description="there is space again")
    function.updated().invoke(-1).ok()

    history = History(accepted={**full.accepted, **with_space.accepted})
    history.told = [
        Seen(record["requestPayload"][0], record["requestContext"]["requestId"], at_s, SUCCESS)
        for at_s, record in told.all() if record["requestPayload"] != PROBE
    ]
    verdict = judge(history, working_max=0)
    assert not verdict.faults, f"{len(verdict.faults)} faults:\n" + "\n".join(verdict.faults[:20])


PROBE = ["probe"]


def with_ballast(number):
    return f'[{number}, "{"x" * 2_000}"]'


def accepted_again(server, payload):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    return send(connection, "counted", payload)[0] == 202


def test_a_server_whose_own_log_is_on_the_full_disk_recovers_too(tmp_path):
    images.need_loop_devices()
    images.make(tmp_path / "image", IMAGE_MB)
    with images.mounted(tmp_path / "image", tmp_path / "disk") as disk:
        with Server(data=disk) as server:
            function = Function(server, "counted", "python3.12", packages.python(printing()), "app.handler").ready()
            function.invoke(-1).ok()
            images.fill(disk / "filler")
            full = Senders(server, "counted", range(EVENTS_MAX), payload=str).start()
            until(lambda: len(full.refused) >= 100 or full.are_done(), 60, "events to be refused")
            for _ in range(20):
                function.invoke(-1).ok()
            full.stop()
            full.join()
            (disk / "filler").unlink()
            until(lambda: accepted_again(server, "-3"), 30, "an event to be accepted again")
            request_id = function.invoke(-2).request_id
            until(lambda: any(seen.request_id == request_id for seen in runs(server, "counted")), 20, "a line in the function's log")
            # Leaving the block is a part of it: the server ends when it is told to.
    (tmp_path / "image").unlink()
