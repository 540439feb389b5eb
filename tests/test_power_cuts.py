"""The power goes while events come in: what was not made durable is gone, and no accepted event with it.

The data directory is on a file system in a file. When the server has been killed, the file is copied as it is: what waits
in the kernel's memory to be written to that file system is not in the copy, as after a power cut.
"""

import os
import random
import time

import pytest

from support import images, packages
from support.event_history import SUCCESS, History, Seen, judge
from support.event_queue import printing, runs, until_empty
from support.event_senders import Senders
from support.moto import KEYS
from support.server import Function, Server
from support.told import ARN, Told
from support.wait import pause, until

SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261129"))
CUTS = 5
WORKING_MAX = 32
IMAGE_MB = 512


def test_a_power_cut_takes_what_was_not_made_durable(tmp_path):
    """The means of the next test: without it that test would prove nothing."""
    images.need_loop_devices()
    images.make(tmp_path / "image", 64)
    with images.mounted(tmp_path / "image", tmp_path / "before") as before:
        images.write(before / "lost", b"lost" * 1000, durably=False)
        images.write(before / "kept", b"kept" * 1000, durably=True)
        images.write(before / "lost-too", b"lost" * 1000, durably=False)
        images.copy(tmp_path / "image", tmp_path / "copy")
    with images.mounted(tmp_path / "copy", tmp_path / "after") as after:
        assert (after / "kept").read_bytes() == b"kept" * 1000
        for name in ("lost", "lost-too"):
            assert not (after / name).exists() or (after / name).read_bytes() == b""


@pytest.mark.parametrize("cut", range(CUTS))
def test_no_accepted_event_is_lost_in_a_power_cut(tmp_path, cut):
    images.need_loop_devices()
    choices = random.Random(SEED + cut)
    images.make(tmp_path / "image", IMAGE_MB)
    history = History()
    with Told() as told:
        config = f'account_concurrency = {WORKING_MAX}\nsqs_endpoint = "{told.url}"\n'
        with images.mounted(tmp_path / "image", tmp_path / "before") as before:
            send_until_the_cut(before, config, choices, history)
            images.copy(tmp_path / "image", tmp_path / "copy")
        with images.mounted(tmp_path / "copy", tmp_path / "after") as after:
            with Server(data=after, config=config, environment=KEYS) as server:
                until_empty(server, 60)
                # Lines of before the cut may be gone, so that of an event that ran twice one run may be known only.
                history.runs = list(runs(server, "counted"))
        history.told = [
            Seen(record["requestPayload"], record["requestContext"]["requestId"], at_s, SUCCESS) for at_s, record in told.all()
        ]
    verdict = judge(history, WORKING_MAX)
    waited = len({seen.number for seen in history.told if seen.at_s > history.kills_s[0]} & set(history.accepted))
    print(
        f"\nseed {SEED + cut}: {len(history.accepted)} accepted, of which {waited} were told after the cut; "
        f"told twice: {verdict.told_twice}"
    )
    assert len(history.accepted) > 50
    assert not verdict.faults, f"seed {SEED + cut}, {len(verdict.faults)} faults:\n" + "\n".join(verdict.faults[:20])


def send_until_the_cut(place, config, choices, history):
    server = Server(data=place, config=config, environment=KEYS).start()
    try:
        function = Function(server, "counted", "python3.12", packages.python(printing()), "app.handler").ready()
        function.client.put_function_event_invoke_config(
            FunctionName="counted", DestinationConfig={"OnSuccess": {"Destination": ARN}})
        senders = Senders(server, "counted", range(10**6)).start()
        until(lambda: len(senders.accepted) > 50, 30, "the first events to be accepted")
        pause(choices.uniform(0.0, 1.5))
    finally:
        server.kill()
    history.kills_s.append(time.time())
    senders.stop()
    senders.join()
    assert not senders.refused
    history.accepted, history.unanswered = senders.accepted, senders.unanswered
