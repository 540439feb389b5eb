"""Restarts, crashes and shutdowns: everything is still there, and nothing is left behind."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from support import packages
from support.metrics import environments
from support.server import BINARY, Function, Server, free_port
from support.wait import until

HELLO = packages.python("import os\ndef handler(event, context):\n    print('hello log')\n    return 'hello'\n")


# At most, while it is being made; two when it waits.
DESCRIPTORS_OF_A_SPARE = 25


def leftovers():
    """Everything on the machine that could be ours: processes, cgroups, mounts, loop devices, namespaces."""
    processes = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "exe").startswith(str(BINARY)) or "/var/lang" in os.readlink(path / "exe"):
                processes.add(path.name)
        except OSError:
            pass
    cgroups = {folder for folder, _, _ in os.walk("/sys/fs/cgroup", onerror=None) if "tindra-" in folder}
    mounts = {line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if "tindra" in line}
    loops = set(subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout.splitlines())
    namespaces = set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()
    links = {path.name for path in pathlib.Path("/sys/class/net").iterdir()}
    return {"processes": processes, "cgroups": cgroups, "mounts": mounts, "loops": loops, "namespaces": namespaces, "links": links}


def new_since(before):
    after = leftovers()
    return {kind: sorted(after[kind] - before[kind]) for kind in after if after[kind] - before[kind]}


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="tindra-test-") as path:
        yield path


def test_everything_is_still_there_after_a_restart(directory):
    server = Server(data=directory).start()
    function = Function(server, "kept", "python3.12", HELLO, "app.handler", Description="kept", MemorySize=256).ready()
    assert function.invoke().ok() == "hello"
    before = function.client.get_function_configuration(FunctionName="kept")
    until(lambda: "hello log" in function.log_messages(), what="the log line")
    server.stop()
    server.start()
    after = function.client.get_function_configuration(FunctionName="kept")
    before.pop("ResponseMetadata"), after.pop("ResponseMetadata")
    assert after == before
    assert function.invoke().ok() == "hello"
    assert function.log_messages().count("hello log") >= 1
    server.stop()


def test_shutdown_leaves_nothing_behind(directory):
    before = leftovers()
    server = Server(data=directory).start()
    function = Function(server, "gone", "python3.12", HELLO, "app.handler").ready()
    assert function.invoke().ok() == "hello"
    server.stop()
    until(lambda: not new_since(before), 15, "everything to be gone") if new_since(before) else None
    assert new_since(before) == {}


def test_delete_leaves_nothing_of_the_function(directory):
    # Without spares, which come and go by themselves: what is left is the function's.
    with Server(data=directory, arguments=["--spares-max", "0"]) as server:
        Function(server, "first", "python3.12", HELLO, "app.handler").ready().invoke().ok()
        before = leftovers()
        function = Function(server, "deleted", "python3.12", packages.python(
            "import subprocess\nsubprocess.Popen(['sleep', '600'])\ndef handler(event, context):\n    return 1\n"), "app.handler").ready()
        function.invoke().ok()
        function.delete()

        def environments_gone():
            after = leftovers()
            return len(after["processes"]) <= len(before["processes"]) and len(after["cgroups"]) <= len(before["cgroups"])

        until(environments_gone, 15, "the deleted function's environment to go")


def test_a_thousand_environments_leave_nothing_behind(directory):
    before = leftovers()
    with Server(data=directory) as server:
        function = Function(server, "many", "python3.12", packages.python(packages.SLOW_HANDLER), "app.handler", Timeout=60).ready()
        files = pathlib.Path(f"/proc/{server.process.pid}/fd")

        def a_round(number):
            """Fifty environments at once, whose deployment is replaced afterwards."""
            with concurrent.futures.ThreadPoolExecutor(50) as threads:
                answers = [future.result() for future in [threads.submit(function.invoke, 0.3) for _ in range(50)]]
            assert all(answer.ok() == 0.3 for answer in answers)
            function.client.update_function_configuration(FunctionName="many", Description=str(number))
            function.updated()

        def only_spares():
            return not [each for each in environments(server) if each["state"] != "waiting"]

        def opened():
            """What the server holds open, and how many spares hold some of it."""
            return len(list(files.iterdir())), len(environments(server))

        a_round(0)
        until(only_spares, 30, "the first environments to go")
        open_files, spares = opened()
        for number in range(1, 20):
            a_round(number)
        until(only_spares, 30, "all environments to go")

        def is_closed():
            now, spares_now = opened()
            return now <= open_files + 100 + DESCRIPTORS_OF_A_SPARE * max(spares_now - spares, 0)

        until(is_closed, 30, "what was opened to be closed")
    until(lambda: not new_since(before), 30, f"everything to be gone, but {new_since(before)}")


def test_a_crash_leaves_nothing_after_the_next_start_and_loses_nothing(directory):
    before = leftovers()
    server = Server(data=directory).start()
    function = Function(server, "survivor", "python3.12", packages.python(
        "import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(600)\ndef handler(event, context):\n    return 'hello'\n"),
        "app.handler").ready()
    assert function.invoke().ok() == "hello"
    server.kill()
    until(lambda: not new_since(before).get("processes"), 15, "the orphans to die with the server")
    server.start()
    assert function.invoke().ok() == "hello"
    server.stop()
    until(lambda: not new_since(before), 15, "everything to be gone") if new_since(before) else None
    assert new_since(before) == {}


def test_a_crash_during_creation_resolves(directory):
    server = Server(data=directory).start()
    functions = [Function(server, f"torn-{number}", "python3.12", HELLO, "app.handler") for number in range(20)]
    server.kill()
    server.start()
    for function in functions:
        function.ready()
        assert function.invoke().ok() == "hello"
    server.stop()


def test_a_second_server_on_the_same_data_is_refused(directory):
    with Server(data=directory) as first:
        second = subprocess.run(
            [str(BINARY), "serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(first.data)],
            capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert str(first.data) in second.stderr and len(second.stderr.strip().splitlines()) <= 12


def test_auth_off_on_an_open_address_is_refused_in_one_clear_line(directory):
    refused = subprocess.run(
        [str(BINARY), "serve", "--listen", f"0.0.0.0:{free_port()}", "--data", directory], capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and refused.stdout == ""
    lines = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "--auth sigv4" in refused.stderr and "127.0.0.1" in refused.stderr


def test_an_address_in_use_is_named(directory):
    with Server(data=directory) as server, tempfile.TemporaryDirectory() as other:
        second = subprocess.run(
            [str(BINARY), "serve", "--listen", f"127.0.0.1:{server.port}", "--data", other], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0 and f"127.0.0.1:{server.port}" in second.stderr


def test_the_start_prints_which_layers_hold(server):
    output = server.output()
    for layer in ("namespaces", "seccomp", "landlock", "memory limit", "network isolation", "private /tmp"):
        assert layer in output.lower(), layer


def test_sigv4_is_verified(directory):
    import botocore.exceptions

    with Server(data=directory, arguments=["--auth", "sigv4"]) as server:
        code_of = lambda client: pytest.raises(botocore.exceptions.ClientError, client.list_functions).value.response["Error"]["Code"]  # noqa: E731
        assert code_of(server.client("lambda")) == "UnrecognizedClientException"
        credentials = dict(
            line.split("=", 1) for line in (server.data / "credentials").read_text().replace(" ", "").splitlines() if "=" in line)
        key, secret = credentials["aws_access_key_id"], credentials["aws_secret_access_key"]
        assert server.client("lambda", aws_access_key_id=key, aws_secret_access_key=secret).list_functions()["Functions"] == []
        assert code_of(server.client("lambda", aws_access_key_id=key, aws_secret_access_key="wrong")) == "InvalidSignatureException"
        assert (server.data / "credentials").stat().st_mode & 0o077 == 0


def test_metrics_and_health(server, python_function):
    import json

    python_function("def handler(event, context):\n    return 1\n").invoke().ok()
    assert json.load(server.http("/_tindra/health"))["version"]
    metrics = server.http("/metrics").read().decode()
    for name in ("tindra_invocations_total", "tindra_environments", "tindra_cold_starts_total", "tindra_init_duration_seconds"):
        assert f"# TYPE {name}" in metrics, name
