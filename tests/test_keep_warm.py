"""How long idle environments stay, and which one goes when there is no room."""

import time

from support import packages
from support.metrics import metric
from support.server import Function, Server
from support.wait import until

SOURCE = "import os, uuid\nME = str(uuid.uuid4())\ndef handler(event, context):\n    return ME\n"


def environments(server):
    return metric(server, "tindra_environments")


def deploy(server, name, source=SOURCE, **members):
    return Function(server, name, "python3.12", packages.python(source), "app.handler", **members).ready()


def at(moment):
    """Waits for a moment of the monotonic clock."""
    until(lambda: time.monotonic() >= moment, 60, "the moment")


def test_an_idle_environment_goes_at_the_timeout():
    with Server(config="idle_timeout_s = 2") as server:
        function = deploy(server, "brief")
        first = function.invoke().ok()
        assert function.invoke().ok() == first
        began = time.monotonic()
        until(lambda: environments(server) == 0, 20, "the end of the environment")
        assert time.monotonic() - began > 1.5
        assert function.invoke().ok() != first


def test_what_is_called_every_second_stays_warm():
    with Server(config="idle_timeout_s = 3\nkeep_warm_min_s = 2\nkeep_warm_max_s = 20") as server:
        function = deploy(server, "regular")
        began = time.monotonic()
        seen = set()
        for second in range(8):
            at(began + second)
            seen.add(function.invoke().ok())
        assert len(seen) == 1
        ended = time.monotonic()
        until(lambda: environments(server) == 0, 40, "the end of the environment")
        assert 2 <= time.monotonic() - ended < 25


def test_all_stay_for_the_least_time_though_memory_is_dear():
    with Server(config="keep_warm_min_s = 3\nkeep_warm_max_s = 3\nidle_memory_mb = 0") as server:
        function = deploy(server, "kept")
        first = function.invoke().ok()
        began = time.monotonic()
        at(began + 2)
        assert function.invoke().ok() == first


def test_an_old_environment_is_not_used_again():
    with Server(config="environment_max_age_s = 2") as server:
        function = deploy(server, "ages")
        first = function.invoke().ok()
        until(lambda: function.invoke().ok() != first, 20, "a younger environment", interval_s=0.2)


def test_the_cheapest_goes_when_the_machine_is_full():
    with Server(config="environments_max = 2", arguments=["--spares-max", "0"]) as server:
        dear, cheap = deploy(server, "dear", packages.slow_to_start(1.5, SOURCE)), deploy(server, "cheap")
        other = deploy(server, "other")
        kept = dear.invoke().ok()
        for _ in range(3):
            dear.invoke().ok()
        cheap.invoke().ok()
        # So that its runtime asks for the next event, and it is idle.
        at(time.monotonic() + 1)
        # The oldest is the dear one; the cheap one goes.
        other.invoke().ok()
        assert metric(server, "tindra_environments_evicted_total", reason="full") == 1
        assert dear.invoke().ok() == kept


def test_a_busy_environment_outlives_the_timeout():
    with Server(config="idle_timeout_s = 1") as server:
        function = deploy(server, "busy", packages.slow_to_answer(SOURCE))
        assert function.invoke(3).ok() == function.invoke(0).ok()
        until(lambda: environments(server) == 0, 20, "the end of the environment")
