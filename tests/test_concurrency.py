"""How many invokes run at once and how many arrive: which limit refuses, in which order shares are used, and that counts return."""

import collections
import concurrent.futures
import json

import pytest

from support import packages
from support.metrics import metric
from support.server import Function, Server
from support.wait import until

HOLD = """
import os
from time import sleep
def handler(event, context):
    sleep(event.get('seconds', 0))
    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']
"""


def make(server, name, **members):
    return Function(server, name, "python3.12", packages.python(HOLD), "app.handler", Timeout=30, **members).ready()


def outcome(server, name, seconds=0, **members):
    """What the function says, or why it was not run."""
    client = server.client("lambda")
    try:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"seconds": seconds}).encode(), **members)
        return json.loads(answer["Payload"].read())
    except client.exceptions.TooManyRequestsException as error:
        assert int(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429 and error.response["Type"] == "User"
        return error.response["Reason"]


def outcomes(server, name, count, seconds, **members):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(outcome, server, name, seconds, **members) for _ in range(count)]
        return collections.Counter(answer.result() for answer in answers)


def provision(function, qualifier, count):
    client, names = function.client, {"FunctionName": function.name, "Qualifier": qualifier}
    client.put_provisioned_concurrency_config(**names, ProvisionedConcurrentExecutions=count)
    until(lambda: client.get_provisioned_concurrency_config(**names)["Status"] == "READY", timeout_s=30)


def counted(server, name, function):
    return metric(server, name, function=function)


def test_provisioned_first_then_on_demand_then_refused(server, deploy_on):
    function = deploy_on(server, "python3.12", packages.python(HOLD), name="spill-over", Timeout=30, Publish=True)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=3)
    provision(function, "1", 2)

    def as_counted():
        return outcomes(server, function.name, 5, 3, Qualifier="1") == {
            "provisioned-concurrency": 2,
            "on-demand": 1,
            "ReservedFunctionConcurrentInvocationLimitExceeded": 2,
        }

    # The record is ready a moment before the invoke path has heard of it.
    until(as_counted, timeout_s=30)
    assert counted(server, "tindra_provisioned_concurrency_invocations_total", function.name) >= 2
    assert counted(server, "tindra_provisioned_concurrency_spillover_invocations_total", function.name) >= 1
    # What is provisioned is not for the function's other versions.
    assert outcomes(server, function.name, 2, 3) == {
        "on-demand": 1,
        "ReservedFunctionConcurrentInvocationLimitExceeded": 1,
    }
    provision(function, "1", 3)
    refusal = "ReservedFunctionConcurrentInvocationLimitExceeded"
    until(lambda: outcome(server, function.name) == refusal, timeout_s=10)
    assert outcome(server, function.name, Qualifier="1") == "provisioned-concurrency"
    # Nothing is left counted.
    function.client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier="1")
    until(lambda: outcomes(server, function.name, 3, 2) == {"on-demand": 3}, timeout_s=20)


def test_provisioned_concurrency_leaves_a_hundred_to_others():
    with Server(config="account_concurrency = 110\n") as server:
        one, other = make(server, "one", Publish=True), make(server, "other", Publish=True)
        provision(one, "1", 4)
        with pytest.raises(other.client.exceptions.InvalidParameterValueException, match=r"\[6\]"):
            other.client.put_provisioned_concurrency_config(
                FunctionName="other", Qualifier="1", ProvisionedConcurrentExecutions=7
            )
        with pytest.raises(other.client.exceptions.InvalidParameterValueException, match="minimum value"):
            other.client.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=7)
        other.client.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=6)
        # A reserve that holds what is provisioned takes nothing more.
        with pytest.raises(other.client.exceptions.InvalidParameterValueException):
            one.client.put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=5)
        one.client.put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=4)


def test_requests_in_a_second_are_limited_as_the_concurrency_is():
    with Server(config="account_concurrency = 103\nrequests_per_s_per_concurrency = 1\n") as server:
        reserved, other = make(server, "reserved"), make(server, "other")
        reserved.client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=3)
        until(lambda: outcome(server, "reserved") == "ReservedFunctionInvocationRateLimitExceeded", timeout_s=20)
        assert outcome(server, "other") == "on-demand", "a function that comes too often is no burden to others"
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            client = server.client("lambda")

            def reasons(_):
                try:
                    client.invoke(FunctionName="other")
                    return None
                except client.exceptions.TooManyRequestsException as error:
                    return error.response["Reason"]

            def is_refused():
                return "FunctionInvocationRateLimitExceeded" in set(pool.map(reasons, range(150)))

            until(is_refused, timeout_s=30)
        until(lambda: outcome(server, "other") == "on-demand", timeout_s=10)


def test_the_environments_of_a_function_become_more_only_so_fast():
    with Server(config="scaling_environments = 2\n") as server:
        make(server, "burst")
        other = make(server, "other")
        assert outcomes(server, "burst", 6, 4) == {"on-demand": 2, "ConcurrentInvocationLimitExceeded": 4}
        assert outcome(server, other.name) == "on-demand", "each function has its own allowance"
        # Environments that are there are used without being counted.
        for _ in range(10):
            assert outcome(server, "burst") == "on-demand"
        # In time it may have more.
        until(lambda: outcomes(server, "burst", 3, 1)["on-demand"] == 3, timeout_s=30)
