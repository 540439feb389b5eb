"""The launcher of sandboxes is killed, at any moment: functions answer again, and nothing is left behind."""

import pathlib
import random
import threading

import pytest

from support import packages
from support.metrics import metric
from support.processes import descendants, is_in_sandbox, kill, parent_of
from support.server import Function, Server
from support.wait import until

PYTHON = "def handler(event, context):\n    return event\n"
NODE = "export const handler = async (event) => event;\n"
# In the order in which the launcher starts them, before any sandbox.
HELPERS = ("remover", "maker", "attacher")


def launcher_of(server):
    """The launcher's id; none between two launchers."""
    for pid, line in descendants(server.process.pid).items():
        try:
            if "sandbox-launcher" in line and parent_of(pid) == server.process.pid:
                return pid
        except OSError:
            continue  # it has ended meanwhile
    return None


def helpers_of(server):
    launcher = launcher_of(server)
    lines = pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return dict(zip(HELPERS, (int(pid) for pid in lines)))


def restarts(server):
    return metric(server, "tindra_launcher_restarts_total")


class Caller(threading.Thread):
    """Invokes until it is told to stop; keeps the answers that are neither right nor the end of a killed environment."""

    def __init__(self, function, qualifier):
        super().__init__()
        self.function, self.qualifier = function, qualifier
        self.stopping = threading.Event()
        self.right, self.killed, self.wrong = 0, 0, []

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                answer = self.function.invoke(number, Qualifier=self.qualifier)
            except Exception as error:  # noqa: BLE001 what the client raises is the finding
                self.wrong.append(str(error))
                continue
            if answer.error is None and answer.value == number:
                self.right += 1
            elif answer.error == "Unhandled" and b"Runtime.ExitError" in answer.body:
                self.killed += 1
            else:
                self.wrong.append(answer.body)

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive(), "an invoke hangs"


def published(server, name, runtime, package, handler, **members):
    function = Function(server, name, runtime, package, handler, **members).ready()
    assert function.publish() == "1"
    return function


def available(function):
    config = function.client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier="1")
    return config.get("AvailableProvisionedConcurrentExecutions", 0) if config["Status"] == "READY" else 0


@pytest.fixture(scope="module")
def world():
    """A server with a function of each kind, and who calls them."""
    with Server() as server:
        python, node = packages.python(PYTHON), packages.node(NODE)
        functions = {
            "plain": Function(server, "plain", "python3.12", python, "app.handler").ready(),
            "node": Function(server, "node", "nodejs20.x", node, "index.handler").ready(),
            "ready": published(server, "ready", "python3.12", python, "app.handler"),
            "snapped": published(
                server, "snapped", "python3.12", python, "app.handler", SnapStart={"ApplyOn": "PublishedVersions"}
            ),
        }
        functions["ready"].client.put_provisioned_concurrency_config(
            FunctionName="ready", Qualifier="1", ProvisionedConcurrentExecutions=2
        )
        until(lambda: available(functions["ready"]) == 2, 60, "provisioned concurrency")
        yield server, functions
        launcher, helpers = launcher_of(server), helpers_of(server)
        server.stop()
        for pid in (launcher, *helpers.values()):
            until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 20, f"the end of process {pid}")
        groups = (server.data / "sandboxes" / "control-groups")
        for group in groups.read_text().splitlines() if groups.exists() else ():
            assert not pathlib.Path(group).exists(), f"{group} is left"


def qualifier_of(name):
    return "1" if name in ("ready", "snapped") else "$LATEST"


def well(world):
    """Every function answers, provisioned concurrency is back, and nothing says otherwise."""
    server, functions = world
    for name, function in functions.items():
        assert function.invoke("well", Qualifier=qualifier_of(name)).ok() == "well"
    until(lambda: available(functions["ready"]) == 2, 60, "provisioned concurrency again")
    assert "panicked" not in server.output()


def harm(world, victim):
    server, _ = world
    before, old = restarts(server), launcher_of(server)
    kill(victim(server))
    until(lambda: restarts(server) > before, 30, "another launcher")
    assert launcher_of(server) not in (None, old)


def test_a_killed_launcher(world):
    harm(world, launcher_of)
    well(world)


@pytest.mark.parametrize("helper", HELPERS)
def test_a_killed_helper(world, helper):
    harm(world, lambda server: helpers_of(server)[helper])
    well(world)


def test_while_functions_are_called(world):
    server, functions = world
    callers = [Caller(function, qualifier_of(name)) for name, function in functions.items() for _ in range(2)]
    for caller in callers:
        caller.start()
    chance = random.Random(20)
    for _ in range(4):
        # At a moment of the callers' work that is never the same.
        due = sum(caller.right for caller in callers) + chance.randrange(20, 200)
        until(lambda: sum(caller.right for caller in callers) >= due, 60, "invokes between two kills")
        harm(world, launcher_of)
    for caller in callers:
        caller.stop()
    wrong = [answer for caller in callers for answer in caller.wrong]
    assert not wrong, wrong[:3]
    # A caller has at most one invoke under way when everything is killed.
    assert all(caller.killed <= 4 for caller in callers), [caller.killed for caller in callers]
    well(world)


def test_what_waits_ends_with_the_launcher(world):
    """Environments, spares, templates and snapshots of the old one are gone, and new ones are made."""
    server, functions = world
    functions["plain"].invoke("once").ok()
    until(lambda: metric(server, "tindra_spares", runtime="python3.12") >= 2, 60, "spares")
    old = {pid for pid in descendants(server.process.pid) if is_in_sandbox(pid)}
    assert old
    harm(world, launcher_of)
    until(lambda: not old & set(descendants(server.process.pid)), 20, "the end of the old sandboxes")
    until(lambda: metric(server, "tindra_spares", runtime="python3.12") >= 2, 60, "spares again")
    assert functions["plain"].invoke("again").ok() == "again"
    listed = [line for line in server.tindra("environments").stdout.splitlines() if line.startswith("plain ")]
    assert len(listed) == 1, listed
