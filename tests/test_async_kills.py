"""The server is killed at random moments while events come in and run: every accepted event ends as told, and none twice
without a kill.

    TINDRA_TEST_EVENTS=100000 TINDRA_TEST_KILLS=50 pytest tests/test_async_kills.py -s

is the long form, of about ten minutes; TINDRA_TEST_SEED repeats the moments of another run.
"""

import concurrent.futures
import json
import os
import random
import time

from support import packages
from support.event_history import FAILURE, SUCCESS, History, Seen, judge
from support.event_queue import printing, runs, until_empty
from support.event_senders import Senders
from support.moto import KEYS, Moto
from support.server import Function, Server
from support.told import ARN, Told
from support.wait import pause, until
from support.waiting import waiting

EVENTS = int(os.environ.get("TINDRA_TEST_EVENTS", "20000"))
KILLS = int(os.environ.get("TINDRA_TEST_KILLS", "20"))
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261129"))
WORKING_MAX = 32
"""Events and deliveries that the server works on at once."""
FAILS_EVERY = 100
BUCKET = "events-that-failed"


def test_random_kills_lose_no_accepted_event(tmp_path):
    print(f"\n{EVENTS} events, {KILLS} kills, seed {SEED}")
    with Moto() as moto, Told() as told:
        failures = moto.bucket(BUCKET)
        config = f'account_concurrency = {WORKING_MAX}\nsqs_endpoint = "{told.url}"\ns3_endpoint = "{moto.url}"\n'
        server = Server(data=tmp_path, config=config, environment=KEYS)
        try:
            history = kill_again_and_again(server.start(), failures)
            history.told += [*told_as_success(told), *told_as_failure(moto.s3)]
            server.stop()
        finally:
            if server.process is not None:
                server.kill()
    assert_good(history)


def kill_again_and_again(server, failures):
    """Sends all events while the server is killed; the history without what was told."""
    choices = random.Random(SEED)
    source = printing(f"range(0, {EVENTS}, {FAILS_EVERY})")
    function = Function(server, "counted", "python3.12", packages.python(source), "app.handler")
    function.ready().client.put_function_event_invoke_config(
        FunctionName="counted", MaximumRetryAttempts=0, DestinationConfig={
            "OnSuccess": {"Destination": ARN}, "OnFailure": {"Destination": failures}})
    history = History(fails=set(range(0, EVENTS, FAILS_EVERY)))
    started_s = time.monotonic()
    senders = Senders(server, "counted", range(EVENTS)).start()
    # Most while events come in, the others while what has come in is worked off.
    while_sending = KILLS * 3 // 4
    for accepted in sorted(choices.randrange(EVENTS) for _ in range(while_sending)):
        until(lambda: len(senders.accepted) >= accepted or senders.are_done(), 300, f"{accepted} events to be accepted", 0.001)
        kill_and_start(server, history, choices.uniform(0.0, 0.3))
    senders.join(300)
    for _ in range(KILLS - while_sending):
        kill_and_start(server, history, choices.uniform(0.1, 3.0))
    sent_s = time.monotonic() - started_s
    until_empty(server, 120 + EVENTS / 100)
    print(f"sent in {sent_s:.1f} s, done after {time.monotonic() - started_s:.1f} s")
    assert not senders.refused, list(senders.refused.items())[:3]
    history.accepted, history.unanswered = senders.accepted, senders.unanswered
    history.runs = list(runs(server, "counted"))
    history.waiting = {message["request_id"] for message in waiting(server, "counted")}
    return history


def kill_and_start(server, history, after_s):
    pause(after_s)
    server.kill()
    history.kills_s.append(time.time())
    server.start()


def told_as_success(told):
    for at_s, record in told.all():
        assert record["requestContext"]["condition"] == "Success", record
        yield Seen(record["requestPayload"], record["requestContext"]["requestId"], at_s, SUCCESS)


def told_as_failure(s3):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(key):
        stored = s3.get_object(Bucket=BUCKET, Key=key)
        record = json.load(stored["Body"])
        assert record["requestContext"]["condition"] == "RetriesExhausted", record
        return Seen(record["requestPayload"], record["requestContext"]["requestId"], stored["LastModified"].timestamp(), FAILURE)

    with concurrent.futures.ThreadPoolExecutor(4) as readers:
        told = {seen.number: seen for seen in readers.map(read, listed)}
    # S3's times are whole seconds, too coarse to say whether a kill was between two tellings.
    again = len(listed) - len(told)
    print(f"failures told again: {again}")
    assert again <= WORKING_MAX * KILLS
    return told.values()


def assert_good(history):
    verdict = judge(history, WORKING_MAX)
    ran = {seen.number for seen in history.runs}
    told = {seen.number for seen in history.told}
    print(
        f"{len(history.accepted)} accepted, {len(history.unanswered)} without an answer, of which {len(history.unanswered & told)} ran; "
        f"ran again after a kill: {sum(verdict.runs_twice.values())} {verdict.runs_twice}, "
        f"told again: {sum(verdict.told_twice.values())} {verdict.told_twice}; "
        f"told without a line in the log: {len(told - ran)}"
    )
    assert len(history.kills_s) == KILLS and len(history.accepted) + len(history.unanswered) == EVENTS
    assert not verdict.faults, f"seed {SEED}, {len(verdict.faults)} faults:\n" + "\n".join(verdict.faults[:20])
