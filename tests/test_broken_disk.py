"""The disk stops making data durable: nothing is promised any more, and the server ends and says why.

The data directory is on a file system in a file on another one, in a file in memory that is filled up: the outer one takes
writes until it is told to make them durable, and then the inner one's fsync fails with EIO and it turns read-only.
"""

import errno
import time

import pytest

from support import images, packages
from support.event_history import SUCCESS, History, Seen, judge
from support.event_queue import printing, until_empty
from support.event_senders import Senders
from support.moto import KEYS
from support.server import Function, Server
from support.told import ARN, Told
from support.wait import until

CLIENTS = 8


@pytest.fixture
def breaking(tmp_path):
    """(a file system, what breaks its disk)."""
    images.need_loop_devices()
    with images.memory(tmp_path / "memory", 96) as memory:
        images.make(memory / "image", 512)
        with images.mounted(memory / "image", tmp_path / "outer") as outer:
            images.make(outer / "image", 256)
            with images.mounted(outer / "image", tmp_path / "data") as disk:
                yield disk, lambda: images.fill(memory / "filler")


def test_the_disk_breaks_as_wanted(breaking):
    """The means of the next tests: without it they would prove nothing."""
    disk, break_disk = breaking
    images.write(disk / "before", b"x" * 10_000, durably=True)
    break_disk()
    with pytest.raises(OSError) as caught:
        images.write(disk / "after", b"x" * 10_000, durably=True)
    assert caught.value.errno == errno.EIO


@pytest.fixture
def broken(breaking, tmp_path):
    """(server, its clients, its destination) of a server whose disk broke while events came in: one has been refused."""
    _, break_disk = breaking
    with Told() as told:
        server = Server(data=tmp_path, config=f'sqs_endpoint = "{told.url}"\n', environment=KEYS).start()
        try:
            function = Function(server, "counted", "python3.12", packages.python(printing()), "app.handler").ready()
            function.client.put_function_event_invoke_config(
                FunctionName="counted", DestinationConfig={"OnSuccess": {"Destination": ARN}})
            senders = Senders(server, "counted", range(10**6), threads=CLIENTS).start()
            until(lambda: len(senders.accepted) >= 200, 30, "events to be accepted")
            break_disk()
            until(lambda: senders.refused or senders.unanswered, 30, "an event to be refused")
            yield server, senders, told
            senders.stop()
            senders.join()
        finally:
            if server.process is not None:
                server.kill()


def test_no_event_is_accepted_once_an_fsync_has_failed(broken):
    server, senders, _ = broken
    accepted = len(senders.accepted)
    until(lambda: len(senders.refused) >= 200 or server.process.poll() is not None, 30, "many events to be refused")
    # Each client may have been told last of one that was made durable before.
    assert len(senders.accepted) - accepted <= CLIENTS
    assert {status for status, _ in senders.refused.values()} <= set(range(500, 600))
    assert "the disk no longer takes writes" in server.output()


def test_what_was_accepted_before_is_on_the_disk(broken, tmp_path):
    server, senders, told = broken
    senders.stop()
    senders.join()
    server.kill()
    history = History(accepted=senders.accepted, unanswered=senders.unanswered | set(senders.refused), kills_s=[time.time()])
    images.copy(tmp_path / "memory" / "image", tmp_path / "copy")
    with images.mounted(tmp_path / "copy", tmp_path / "outer-after") as outer:
        (tmp_path / "after").mkdir()
        with images.mounted(outer / "image", tmp_path / "after" / "data"):
            with Server(data=tmp_path / "after", config=server.config, environment=KEYS) as after:
                until_empty(after, 60)
    history.told = [
        Seen(record["requestPayload"], record["requestContext"]["requestId"], at_s, SUCCESS) for at_s, record in told.all()
    ]
    after_s = sum(seen.at_s > history.kills_s[0] for seen in history.told)
    print(f"\n{len(history.accepted)} accepted, {after_s} told after the server was started on what the disk has")
    verdict = judge(history, working_max=1_000)
    assert not verdict.faults, f"{len(verdict.faults)} faults:\n" + "\n".join(verdict.faults[:20])


def test_the_server_ends_and_says_why(broken):
    """A supervisor starts it again, perhaps elsewhere; one that stays would refuse every durable request for ever."""
    server, _, _ = broken
    until(lambda: server.process.poll() is not None, 20, "the server to end")
    assert server.process.returncode > 0, server.process.returncode
    last_words = server.output().rpartition("\nerror: ")[2]
    assert last_words != server.output() and "disk" in last_words, server.output()[-2000:]
