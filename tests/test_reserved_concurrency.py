"""Reserved concurrency is a cap and a guarantee."""

import concurrent.futures
import json
import threading

from support import packages
from support.errors import error_of
from support.server import Function, Server


SLOW = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return 'done'\n"


def throttled(client, name, **members):
    try:
        client.invoke(FunctionName=name, **members)
    except client.exceptions.TooManyRequestsException as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
        return error.response["Reason"], error.response["Error"]["Message"]
    return None


def test_settings_are_kept_and_shown(deploy):
    function = deploy("python3.12", packages.python(SLOW))
    client, name = function.client, function.name
    before = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)
    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]
    put = client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    assert put["ReservedConcurrentExecutions"] == 7
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 7
    read = client.get_function(FunctionName=name)
    assert read["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert read["Configuration"]["RevisionId"] == revision
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before - 7
    deleted = client.delete_function_concurrency(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "Concurrency" not in client.get_function(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    function.delete()
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before


def test_a_hundred_stay_unreserved(deploy):
    one, two = deploy("python3.12", packages.python(SLOW)), deploy("python3.12", packages.python(SLOW))
    put = one.client.put_function_concurrency
    put(FunctionName=one.name, ReservedConcurrentExecutions=899)
    put(FunctionName=two.name, ReservedConcurrentExecutions=1)
    assert error_of(put, FunctionName=two.name, ReservedConcurrentExecutions=2) == (
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100].",
        400,
    )
    put(FunctionName=one.name, ReservedConcurrentExecutions=900 - 2)
    put(FunctionName=two.name, ReservedConcurrentExecutions=2)
    error = error_of(put, FunctionName=f"{one.name}:1", ReservedConcurrentExecutions=1)
    assert error[0] in ("ValidationException", "InvalidParameterValueException")
    assert error_of(put, FunctionName="missing", ReservedConcurrentExecutions=1)[0] == "ResourceNotFoundException"


def test_parallel_settings_never_break_the_limit(server, deploy):
    functions = [deploy("python3.12", packages.python(SLOW)) for _ in range(12)]
    start = threading.Barrier(len(functions))

    def reserve(function):
        client = server.client("lambda")
        start.wait(30)
        try:
            client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=200)
            return True
        except client.exceptions.InvalidParameterValueException:
            return False

    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        assert sum(pool.map(reserve, functions)) == 4
    unreserved = server.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert unreserved == 200


def test_zero_throttles_every_invoke(deploy):
    function = deploy("python3.12", packages.python(SLOW))
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    function.client.publish_version(FunctionName=function.name)
    for members in ({}, {"Qualifier": "1"}):
        refusal = throttled(function.client, function.name, Payload=b'{"seconds": 0}', **members)
        assert refusal == ("ReservedFunctionConcurrentInvocationLimitExceeded", "Rate Exceeded.")
    function.client.delete_function_concurrency(FunctionName=function.name)
    answer = function.client.invoke(FunctionName=function.name, Payload=b'{"seconds": 0}')
    assert json.loads(answer["Payload"].read()) == "done"


def test_the_reserve_caps_one_and_leaves_the_rest_to_others():
    with Server(config="account_concurrency = 103\n") as server:
        capped = Function(server, "capped", "python3.12", packages.python(SLOW), "app.handler").ready()
        other = Function(server, "other", "python3.12", packages.python(SLOW), "app.handler").ready()
        capped.client.put_function_concurrency(FunctionName="capped", ReservedConcurrentExecutions=2)

        def run(seconds):
            client = server.client("lambda")
            payload = json.dumps({"seconds": seconds}).encode()
            return throttled(client, "capped", Payload=payload)

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = list(pool.map(run, [3.0] * 6))
        refused = [result for result in results if result]
        assert len(refused) == 4, results
        assert {reason for reason, _ in refused} == {"ReservedFunctionConcurrentInvocationLimitExceeded"}
        answer = other.client.invoke(FunctionName="other", Payload=b'{"seconds": 0}')
        assert json.loads(answer["Payload"].read()) == "done"
        # The places come back.
        answer = capped.client.invoke(FunctionName="capped", Payload=b'{"seconds": 0}')
        assert json.loads(answer["Payload"].read()) == "done"
