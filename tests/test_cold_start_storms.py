"""Functions that start at once do not wait for each other, and an invoke is not bound to the start that it caused."""

import concurrent.futures
import json

from support import packages
from support.server import Function, Server
from support.wait import until

WHO = """
import uuid
from time import sleep
ID = str(uuid.uuid4())
def handler(event, context):
    sleep(event)
    return ID
"""


def invoke(server, name, seconds=0):
    answer = server.client("lambda").invoke(FunctionName=name, Payload=json.dumps(seconds).encode())
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def test_a_hundred_functions_start_while_slow_ones_are_in_their_init_phase():
    with Server() as server:
        code, slow_code = packages.python(WHO), packages.python(packages.slow_to_start(8, WHO))
        names = [f"quick-{number}" for number in range(100)]
        members = {"Timeout": 60}
        functions = [Function(server, name, "python3.12", code, "app.handler", **members) for name in names]
        slow = [
            Function(server, f"slow-{number}", "python3.12", slow_code, "app.handler", **members) for number in range(8)
        ]
        for function in functions + slow:
            function.ready()
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answered, before_slow = [], []
            waiting = [pool.submit(invoke, server, function.name) for function in slow]
            for one in waiting:
                one.add_done_callback(lambda _: before_slow.append(len(answered)))

            def in_init():
                counted = server.http("/metrics").read().decode()
                return 'tindra_environments{state="initialising"} 8' in counted

            until(in_init, 8, "the slow ones to be in their init phase")
            list(pool.map(lambda name: answered.append(invoke(server, name)), names))
            assert len(set(answered)) == 100
            assert len({one.result() for one in waiting}) == 8
            # On a busy machine a hundred starts take longer than one slow one; if they had waited for it there would be none.
            assert before_slow[0] >= 20, "most did not wait for the slow ones"


def test_an_invoke_is_served_by_whichever_environment_is_ready_first(server, deploy):
    function = deploy("python3.12", packages.python(packages.slow_to_start(5, WHO)), Timeout=30)
    first = invoke(server, function.name)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        holder = pool.submit(invoke, server, function.name, 2)

        def is_busy():
            counted = json.load(server.http("/_tindra/environments"))["environments"]
            return any(one.get("function") == function.name and one["state"] == "busy" for one in counted)

        until(is_busy, what="the environment to be busy")
        # It causes a start of five seconds; the other environment comes back in two.
        assert invoke(server, function.name) == first
        assert holder.result() == first
