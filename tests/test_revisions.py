"""RevisionId: of changes made at once by those who looked, none is lost. And botocore's own waiters, as they are."""

import concurrent.futures
import time

import botocore.exceptions
import pytest

from support import packages

HELLO = packages.python("def handler(event, context):\n    return 1\n")


def count_up(server, read, write, changes, callers, retried):
    """Adds one to the number in a description, `changes` times, `callers` at once; tells how many were refused."""

    def add_one(_):
        client, refused = server.client("lambda"), 0
        while True:
            now = read(client)
            try:
                write(client, str(int(now["Description"]) + 1), now["RevisionId"])
                return refused
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] in retried, error
                refused += 1

    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(add_one, range(changes)))


@pytest.mark.beside
def test_two_thousand_changes_of_one_alias_are_all_there(server, deploy):
    function = deploy("python3.12", HELLO, Publish=True)
    where = {"FunctionName": function.name, "Name": "live"}
    function.client.create_alias(**where, FunctionVersion="1", Description="0")
    refused = count_up(
        server,
        lambda client: client.get_alias(**where),
        lambda client, text, revision: client.update_alias(**where, Description=text, RevisionId=revision),
        changes=2_000, callers=16, retried={"PreconditionFailedException"},
    )
    assert function.client.get_alias(**where)["Description"] == "2000"
    assert refused > 0, "they never met"


def test_changes_of_a_function_are_all_there(server, deploy):
    function = deploy("python3.12", HELLO, Description="0")
    count_up(
        server,
        lambda client: client.get_function_configuration(FunctionName=function.name),
        lambda client, text, revision: client.update_function_configuration(
            FunctionName=function.name, Description=text, RevisionId=revision
        ),
        changes=100, callers=8, retried={"PreconditionFailedException", "ResourceConflictException"},
    )
    function.updated()
    assert function.client.get_function_configuration(FunctionName=function.name)["Description"] == "100"


def test_waiters_work_at_their_default_delays(deploy):
    function = deploy("python3.12", HELLO, Publish=True)
    client, name = function.client, function.name
    client.update_function_configuration(FunctionName=name, Timeout=9)
    started = time.monotonic()
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2"):
        client.get_waiter(waiter).wait(FunctionName=name)
    client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    assert time.monotonic() - started < 15, "a waiter had to look more often than once or twice"
    missing = client.get_waiter("function_exists")
    with pytest.raises(botocore.exceptions.WaiterError):
        missing.wait(FunctionName="missing", WaiterConfig={"Delay": 1, "MaxAttempts": 2})


def test_a_waiter_ends_when_the_creation_has_failed(server):
    client = server.client("lambda")
    client.create_function(
        FunctionName="no-such-runtime", Runtime="ruby3.3", Handler="a.b", Code={"ZipFile": HELLO},
        Role="arn:aws:iam::000000000000:role/r",
    )
    with pytest.raises(botocore.exceptions.WaiterError) as caught:
        client.get_waiter("function_active_v2").wait(FunctionName="no-such-runtime")
    assert "Failed" in str(caught.value)
    client.delete_function(FunctionName="no-such-runtime")
