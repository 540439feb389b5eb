"""A full machine lets invokes wait for room, in turns, and a machine that runs short starts nothing more; what runs goes on."""

import collections
import concurrent.futures
import json

import pytest

from support import packages
from support.metrics import environments, metric
from support.server import Function, Server
from support.wait import until

HOLD = """
import uuid
from time import sleep
ID = str(uuid.uuid4())
def handler(event, context):
    sleep(event.get('seconds', 0))
    return ID
"""


def make(server, name, source=HOLD, **members):
    members = {"Timeout": 30, **members}
    return Function(server, name, "python3.12", packages.python(source), "app.handler", **members).ready()


def invoke(server, name, seconds=0.0):
    """What the function says, or the refusal."""
    client = server.client("lambda")
    try:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"seconds": seconds}).encode())
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())
    except client.exceptions.TooManyRequestsException as error:
        assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
        assert error.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        return error


def capacity(server):
    return json.load(server.http("/_tindra/capacity"))


def is_at_rest(server):
    """Nothing runs, waits or is counted."""
    now = capacity(server)
    return now["concurrency"]["running"] == 0 and now["machine"]["waiting_invokes"]["used"] == 0


def test_on_a_full_machine_invokes_wait_and_share_what_is_there():
    with Server(config="environments_max = 2\nspares_max = 0\n") as server:
        make(server, "one")
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: invoke(server, "one", 0.3), range(12)))
        assert len(set(answers)) == 2, answers
        assert metric(server, "tindra_environments_evicted_total") == 0
        until(lambda: is_at_rest(server))


def test_functions_take_turns_on_a_full_machine():
    with Server(config="environments_max = 2\nspares_max = 0\n") as server:
        names = ["one", "two", "three", "four"]
        for name in names:
            make(server, name)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: invoke(server, names[number % 4], 0.2), range(32)))
        assert all(isinstance(answer, str) for answer in answers), collections.Counter(map(str, answers))
        assert len(environments(server)) <= 2
        until(lambda: is_at_rest(server))


def test_a_function_that_never_pauses_keeps_no_other_one_out():
    with Server(config="environments_max = 1\nspares_max = 0\n") as server:
        make(server, "greedy")
        make(server, "modest")
        done = False

        def go_on():
            while not done:
                assert isinstance(invoke(server, "greedy", 0.05), str)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            greedy = [pool.submit(go_on) for _ in range(3)]
            try:
                until(lambda: capacity(server)["machine"]["waiting_invokes"]["used"] > 0, what="greedy ones to wait")
                assert isinstance(invoke(server, "modest"), str)
            finally:
                done = True
            for one in greedy:
                one.result()
        until(lambda: is_at_rest(server))


def test_the_wait_for_room_ends_with_the_functions_timeout():
    with Server(config="environments_max = 1\nspares_max = 0\n") as server:
        make(server, "long")
        make(server, "hasty", Timeout=1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(invoke, server, "long", 4)
            until(lambda: capacity(server)["machine"]["environments"]["in_use"] == 1, what="the long one to run")
            refusal = invoke(server, "hasty")
            assert "within the function's timeout" in str(refusal), refusal
            assert not running.done(), "it was refused while the other one ran"
            assert isinstance(running.result(), str), "and that one was not harmed"
        assert isinstance(invoke(server, "hasty"), str), "an idle environment makes room at once"
        until(lambda: is_at_rest(server))


def test_no_more_than_so_many_wait():
    with Server(config="environments_max = 1\nspares_max = 0\nscaling_environments = 1000\n") as server:
        make(server, "long")
        most = capacity(server)["machine"]["waiting_invokes"]["max"]
        with concurrent.futures.ThreadPoolExecutor(most) as pool:
            answers = collections.Counter(
                isinstance(answer, str) for answer in pool.map(lambda _: invoke(server, "long", 0.02), range(most))
            )
        # One function leaves as much to the others as it takes.
        assert answers[True] >= most // 2, answers
        until(lambda: is_at_rest(server))


@pytest.fixture
def short_of_descriptors():
    # A sandbox that starts uses numbers from 512 on for a moment, so that nothing works with less.
    with Server(config="spares_max = 0\n", prefix=["prlimit", "--nofile=640:640"]) as server:
        yield server


def test_a_server_short_of_descriptors_starts_nothing_more_and_what_runs_goes_on(short_of_descriptors):
    server = short_of_descriptors
    make(server, "hold")
    limit = capacity(server)["machine"]["descriptors"]["max"]
    assert limit == 640
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        answers = list(pool.map(lambda _: invoke(server, "hold", 3), range(48)))
    refused = [str(answer) for answer in answers if not isinstance(answer, str)]
    assert 0 < len(refused) < 48, answers
    assert all("descriptors" in refusal for refusal in refused), refused
    until(lambda: is_at_rest(server))
    # Those that are there serve on.
    assert isinstance(invoke(server, "hold"), str)
    assert server.http("/_tindra/health").status == 200


def test_status_shows_what_is_used():
    with Server(config="environments_max = 7\nspares_max = 0\naccount_concurrency = 200\n") as server:
        function = make(server, "hold")
        function.client.put_function_concurrency(FunctionName="hold", ReservedConcurrentExecutions=20)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(invoke, server, "hold", 2)
            until(lambda: capacity(server)["concurrency"]["running"] == 1, what="the invoke to run")
            until(lambda: capacity(server)["machine"]["environments"]["in_use"] == 1)
            status = json.loads(server.tindra("status", "--json").stdout)["capacity"]
            running.result()
        assert status["concurrency"] == {
            "limit": 200, "running": 1, "unreserved_limit": 180, "unreserved_running": 0,
        }
        machine = status["machine"]
        assert machine["environments"] == {"in_use": 1, "idle": 0, "snapshots": 0, "max": 7}
        assert machine["spares"]["max"] == 0 and machine["shortage"] is None
        for what in ["memory_bytes", "processes", "descriptors"]:
            assert 0 < machine[what]["used"] < machine[what]["max"], what
        text = server.tindra("status").stdout
        for row in ["invokes", "unreserved", "environments in use", "memory", "processes", "descriptors", "seccomp"]:
            assert row in text, text
        for name in ["tindra_environments_max", "tindra_machine_memory_bytes", "tindra_machine_processes_max"]:
            assert metric(server, name) > 0, name
