"""A server whose records and queues lie in PostgreSQL."""

import botocore.exceptions
import pytest

from support import packages
from support.errors import error_of
from support.postgres import Postgres
from support.server import Function, Server
from support.wait import until
from support.waiting import FAIL, SEEN, advance, now_ms, printed, send, settle, waiting, waits


@pytest.fixture(scope="module")
def database():
    with Postgres() as database:
        yield database


@pytest.fixture
def server(database):
    """On the database that the tests share, with a directory of its own."""
    with Server(arguments=["--clock", "manual", "--store", database.url]) as server:
        yield server
        for function in server.client("lambda").list_functions()["Functions"]:
            server.client("lambda").delete_function(FunctionName=function["FunctionName"])


@pytest.fixture
def function(server):
    return Function(server, "kept-elsewhere", "python3.12", packages.python(SEEN), "app.handler").ready()


def test_functions_and_events_survive_a_kill(server, function):
    ids = {send(function, {}) for _ in range(20)}
    request_id = send(function, FAIL)
    settle(server)
    before = waits(server, function.name)
    assert (before["request_id"], before["attempts"]) == (request_id, 1)
    server.kill()
    server.start()
    assert waits(server, function.name) == before
    advance(server, ms=before["due_ms"] - now_ms(server))
    assert waits(server, function.name)["attempts"] == 2
    advance(server, 120)
    assert waiting(server, function.name) == []
    assert ids <= {line["id"] for line in printed(function)}


def test_while_the_database_is_away_nothing_is_promised_and_what_is_known_runs(database, server, function):
    function.invoke({}).ok()
    database.stop()
    try:
        code, _, status = error_of(function.client.invoke, FunctionName=function.name, InvocationType="Event", Payload=b"{}")
        assert (code, status) == ("ServiceException", 500)
        function.invoke({}).ok()
    finally:
        database.start()
    until(lambda: is_accepted(function), 30, "an event to be accepted again")
    settle(server)
    until(lambda: waiting(server, function.name) == [], 30, "the events to be done")


def is_accepted(function):
    try:
        return bool(send(function, {}))
    except botocore.exceptions.ClientError:
        return False


def test_an_address_that_leads_nowhere_is_told_at_the_start(tmp_path):
    server = Server(data=tmp_path, arguments=["--store", f"postgres://tindra@localhost/postgres?host={tmp_path}"])
    with pytest.raises(AssertionError):
        server.start()
    assert "PostgreSQL" in server.output() and "SANDBOX LAYER" in server.output(), server.output()
