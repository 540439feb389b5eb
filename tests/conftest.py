"""One server for the tests that can share one, and functions that clean up after themselves."""

import functools
import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import node, packages  # noqa: E402
from support.moto import KEYS, Moto  # noqa: E402
from support.server import Function, Server  # noqa: E402

NUMBERS = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "beside: takes long, or waits for programs of others, and minds no company: run beside the other tests")


@pytest.fixture(scope="session", autouse=True)
def node_22():
    node.make_22_ready()


@pytest.fixture(scope="session")
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def spares():
    """A server whose spares are this file's own."""
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def plain():
    """A server without spares: what a function finds there is right."""
    with Server(arguments=["--spares-max", "0"]) as running:
        yield running


@pytest.fixture(scope="session")
def moto():
    """The services beside Lambda. Whoever stops it takes one of his own."""
    with Moto() as running:
        yield running


@pytest.fixture(scope="session")
def clocked(moto):
    """A server whose clock the tests move, and whose destinations are moto's."""
    with Server(config=moto.config(), arguments=["--clock", "manual"], environment=KEYS) as running:
        yield running


@pytest.fixture
def client(server):
    return server.client("lambda")


@pytest.fixture
def lax(server):
    """A client that lets the server find what is wrong."""
    return server.client("lambda", parameter_validation=False)


@pytest.fixture
def deploy_on():
    """deploy_on(server, runtime, zip, handler, …) → a Function of this server that is Active."""
    functions = []

    def make(server, runtime, zip_bytes, handler="app.handler", name=None, **members):
        name = name or f"function-{next(NUMBERS)}"
        function = Function(server, name, runtime, zip_bytes, handler, **members)
        functions.append((server, function))
        return function.ready()

    yield make
    for server, function in functions:
        if server.process is None:
            continue  # the test ended its server
        try:
            function.delete()
        except function.client.exceptions.ResourceNotFoundException:
            pass  # the test deleted it itself


@pytest.fixture
def deploy(server, deploy_on):
    """deploy(runtime, zip, handler, …) → a Function of the shared server that is Active."""
    return functools.partial(deploy_on, server)


@pytest.fixture
def python_function(deploy):
    """python_function(source, …) → an Active Python function whose app.handler is in the source."""

    def make(source, runtime="python3.12", **members):
        return deploy(runtime, packages.python(source), "app.handler", **members)

    return make


@pytest.fixture
def node_function(deploy):
    """node_function(source, …) → an Active Node function whose index.handler is in the source."""

    def make(source, runtime="nodejs20.x", **members):
        return deploy(runtime, packages.node(source), "index.handler", **members)

    return make
