"""Cold starts from spares: who gets one, what it may know, and that losing one loses nothing."""

import concurrent.futures
import json
import re

import pytest

from support import packages
from support.metrics import metric, starts
from support.processes import descendants, is_in_sandbox, kill
from support.server import Function, Server
from support.wait import until

HELLO = "def handler(event, context):\n    return event\n"


@pytest.fixture
def on(deploy_on):
    """on(server, runtime, files, …) → a function that goes away with the test."""

    def make(server, runtime, files, handler="app.handler", modes=None, **members):
        return deploy_on(server, runtime, packages.package(files, modes), handler, **members)

    return make


def wait_for_spares(server, runtime, count=1):
    until(lambda: metric(server, "tindra_spares", runtime=runtime) >= count, 60, f"a spare of {runtime}")


def source(runtime):
    if runtime.startswith("node"):
        return {"index.mjs": "export const handler = async (event) => event;\n"}, "index.handler", None
    if runtime.startswith("provided"):
        script = (
            "#!/bin/sh\napi=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\n"
            "while true; do\n  head=$(curl -sS -D - -o /tmp/event $api/next)\n"
            "  id=$(printf '%s' \"$head\" | tr -d '\\r' | sed -n 's/^lambda-runtime-aws-request-id: //Ip')\n"
            "  curl -sS -X POST --data-binary @/tmp/event $api/$id/response > /dev/null\ndone\n"
        )
        return {"bootstrap": script}, "any", {"bootstrap": 0o755}
    return {"app.py": HELLO}, "app.handler", None


@pytest.mark.parametrize("runtime", ["python3.8", "python3.11", "python3.12", "python3.13", "nodejs20.x"])
def test_a_cold_start_takes_a_spare(spares, on, runtime):
    files, handler, modes = source(runtime)
    function = on(spares, runtime, files, handler, modes)
    wait_for_spares(spares, runtime)
    before = starts(spares, "spare")
    assert function.invoke({"a": 1}).ok() == {"a": 1}
    assert starts(spares, "spare") == before + 1


def test_an_empty_sandbox_waits_for_a_custom_runtime(spares, on):
    script = "#!/bin/sh\necho started with $AWS_LAMBDA_FUNCTION_NAME in $PWD\nexit 3\n"
    function = on(spares, "provided.al2023", {"bootstrap": script}, "any", {"bootstrap": 0o755})
    wait_for_spares(spares, "provided.al2023")
    before = starts(spares, "spare")
    answer = function.invoke({}, LogType="Tail")
    assert answer.value["errorType"] == "Runtime.ExitError" and "exit status 3" in answer.value["errorMessage"]
    assert f"started with {function.name} in /var/task" in answer.tail
    assert starts(spares, "spare") == before + 1


SHOW = """
import os, resource, signal, sys
def handler(event, context):
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
    descriptors = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            descriptors[number] = os.readlink("/proc/self/fd/" + number).split(":")[0]
        except OSError:
            pass
    own = {name: value for name, value in os.environ.items() if "KEY" not in name and "TOKEN" not in name}
    for name in ("AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID"):
        own.pop(name, None)
    return {
        "environment": own,
        "descriptors": {number: kind for number, kind in descriptors.items() if not kind.startswith("/proc")},
        "path": sys.path, "argv": sys.argv, "cwd": os.getcwd(), "main": sys.modules["__main__"].__file__,
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), os.getpid(), os.getsid(0)],
        "limits": [resource.getrlimit(which) for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)],
        "status": {name: status[name].split() for name in
                   ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn", "SigCgt", "Groups")},
        "umask": os.umask(0o022), "tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"),
        "dumpable": os.access("/proc/self/environ", os.R_OK), "bootstrap": "bootstrap" in sys.modules,
        "flags": list(sys.flags), "streams": [type(sys.stdout).__name__, sys.stdout.encoding],
        "task": os.listdir("/var/task"), "written": _written(), "children": _children(),
    }
def _written():
    import importlib.machinery
    return [type(finder).__name__ for finder in sys.meta_path if not isinstance(finder, type)]
def _children():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.mark.parametrize("runtime", ["python3.11", "python3.13"])
def test_a_function_finds_what_a_plain_start_shows(spares, plain, on, runtime):
    members = {"Environment": {"Variables": {"TABLE": "x", "PATH_PREFIX": "/a b=c"}}, "MemorySize": 256}
    seen = []
    for server in (spares, plain):
        function = on(server, runtime, {"app.py": SHOW}, **members)
        if server is spares:
            wait_for_spares(server, runtime)
        before = starts(server, "spare")
        seen.append(function.invoke({}).ok())
        assert starts(server, "spare") == before + (server is spares)
    from_spare, from_plain = seen
    for show in seen:
        show["environment"].pop("AWS_LAMBDA_FUNCTION_NAME"), show["environment"].pop("AWS_LAMBDA_LOG_GROUP_NAME")
    assert from_spare == from_plain


SAY = """
import logging
logging.getLogger().warning("early")
def handler(event, context):
    logging.getLogger().warning("late")
    return context.aws_request_id
"""


@pytest.mark.parametrize("logging", ["Text", "JSON"])
@pytest.mark.parametrize("runtime", ["python3.11", "python3.13"])
def test_the_client_is_as_the_function_configures_it_and_knows_of_no_rehearsal(spares, on, runtime, logging):
    function = on(spares, runtime, {"app.py": SAY}, LoggingConfig={"LogFormat": logging})
    wait_for_spares(spares, runtime)
    before = starts(spares, "spare")
    request_id = function.invoke({}).ok()
    assert starts(spares, "spare") == before + 1
    until(lambda: any("late" in line for line in function.log_messages()), 30, "the log")
    early, late = (next(line for line in function.log_messages() if word in line) for word in ("early", "late"))
    if logging == "JSON":
        assert json.loads(early).get("requestId") is None and json.loads(late)["requestId"] == request_id
    else:
        assert early.split("\t")[2] == "" and late.split("\t")[2] == request_id


LEAVE = """
import os, sys, tempfile
def handler(event, context):
    open("/tmp/left", "w").write("secret")
    open("/dev/shm/left", "w").write("secret")
    os.environ["LEFT"] = "secret"
    sys.modules["left"] = sys
    return os.getpid()
"""
LOOK = """
import gc, os, sys
def handler(event, context):
    memory = []
    for line in open("/proc/self/maps"):
        if "rw-p" in line:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            with open("/proc/self/mem", "rb") as file:
                file.seek(start)
                memory.append(file.read(end - start))
    marker = "".join(["the-secret", "-of-another"]).encode()
    return {"tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"), "left": "LEFT" in os.environ or "left" in sys.modules,
            "own": open("/proc/self/environ", "rb").read().decode(), "found": sum(part.count(marker) for part in memory)}
"""


def test_successive_owners_of_a_template_share_nothing(spares, on):
    one = on(spares, "python3.12", {"app.py": LEAVE}, Environment={"Variables": {"SECRET": "the-secret-of-another"}})
    wait_for_spares(spares, "python3.12")
    one.invoke({}).ok()
    two = on(spares, "python3.12", {"app.py": LOOK}, MemorySize=512, Timeout=30)
    wait_for_spares(spares, "python3.12")
    seen = two.invoke({}).ok()
    assert seen["tmp"] == [] and seen["shm"] == [] and not seen["left"]
    assert "secret" not in seen["own"]
    assert seen["found"] == 0


DICE = """
import os, random, secrets, ssl, tempfile, time, uuid
def handler(event, context):
    return [random.random(), str(uuid.uuid4()), str(uuid.uuid1()), secrets.token_hex(8), os.urandom(8).hex(),
            ssl.RAND_bytes(8).hex(), tempfile.mktemp(), random.Random().random(), id(object()) and context.log_stream_name]
"""


def test_siblings_differ(spares, on):
    function = on(spares, "python3.12", {"app.py": packages.slow_to_answer(DICE)}, Timeout=30)
    wait_for_spares(spares, "python3.12")
    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        throws = [future.result().ok() for future in [threads.submit(function.invoke, 1) for _ in range(12)]]
    for column in zip(*throws):
        assert len(set(column)) == 12, column


START_ONLY = {
    "TZ": ("Asia/Tokyo", "import time\nvalue = time.tzname[0] == 'JST'"),
    "LANG": ("C", "import locale\nvalue = locale.getlocale()[0] in (None, 'C')"),
    "LD_BIND_NOW": ("1", "value = True"),
    "PYTHONHASHSEED": ("0", "value = hash('tindra') == hash('tindra') and __import__('sys').flags.hash_randomization == 0"),
    "PYTHONPATH": ("/var/task/lib", "import elsewhere\nvalue = elsewhere.value"),
    "MALLOC_ARENA_MAX": ("1", "value = True"),
    "GLIBC_TUNABLES": ("glibc.malloc.check=0", "value = True"),
    "OPENSSL_CONF": ("/dev/null", "value = True"),
    "TINDRA_OFFICIAL_TRANSPORT": ("1", "import runtime_client\nvalue = runtime_client.__file__.endswith('.so')"),
}


@pytest.mark.parametrize("name", START_ONLY)
def test_what_is_read_at_start_is_started_plainly(spares, on, name):
    setting, check = START_ONLY[name]
    files = {
        "app.py": f"import os\n{check}\ndef handler(event, context):\n    return [os.environ['{name}'], value]\n",
        "lib/elsewhere.py": "value = True\n",
    }
    function = on(spares, "python3.12", files, Environment={"Variables": {name: setting}})
    wait_for_spares(spares, "python3.12")
    before = starts(spares, "plain")
    assert function.invoke({}).ok() == [setting, True]
    assert starts(spares, "plain") == before + 1


def test_node_options_are_read_at_start(spares, on):
    files = {"index.mjs": "export const handler = async () => [process.title, process.env.NODE_OPTIONS];\n"}
    function = on(spares, "nodejs20.x", files, "index.handler", Environment={"Variables": {"NODE_OPTIONS": "--title=mine"}})
    before = starts(spares, "plain")
    assert function.invoke({}).ok() == ["mine", "--title=mine"]
    assert starts(spares, "plain") == before + 1


@pytest.mark.parametrize("runtime", ["python3.12", "nodejs20.x"])
def test_a_wrapper_script_starts_the_runtime(spares, on, runtime):
    files, handler, _ = source(runtime)
    files["wrap"] = "#!/bin/sh\necho wrapped $# $1\nexport WRAPPED=yes\nexec \"$@\"\n"
    function = on(spares, runtime, files, handler, {"wrap": 0o755},
                  Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}})
    answer = function.invoke({"a": 1}, LogType="Tail")
    assert answer.ok() == {"a": 1}
    assert re.search(r"^wrapped \d+ /var/lang/bin/(python3.12|node)$", answer.tail, re.M), answer.tail


def test_a_wrapper_that_is_not_there_is_named(spares, on):
    function = on(spares, "python3.12", {"app.py": HELLO},
                  Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/none"}})
    answer = function.invoke({}, LogType="Tail")
    assert answer.value["errorType"] == "Runtime.ExitError" and "exit status 127" in answer.value["errorMessage"]
    assert "/opt/none: does not exist" in answer.tail


OWN = {
    "bootstrap.py": "mine = True\n", "uuid.py": "mine = True\n", "simplejson.py": "mine = True\n", "template.py": "mine = True\n",
    "app.py": "import bootstrap, uuid, simplejson, template\n"
              "def handler(event, context):\n    return [m.mine for m in (bootstrap, uuid, simplejson, template)]\n",
}


def test_the_functions_own_modules_win(spares, on):
    function = on(spares, "python3.12", OWN)
    wait_for_spares(spares, "python3.12")
    before = starts(spares, "spare")
    assert function.invoke({}).ok() == [True] * 4
    assert starts(spares, "spare") == before + 1


def test_the_functions_own_sdk_wins(spares, on):
    app = "import boto3, botocore\ndef handler(event, context):\n    return [boto3.mine, botocore.mine]\n"
    own = {"app.py": app, "boto3/__init__.py": "mine = 1\n", "botocore/__init__.py": "mine = 2\n"}
    function = on(spares, "python3.12", own)
    assert function.invoke({}).ok() == [1, 2]
    # With a part of what the SDK needs, all of it is loaded anew, with that part.
    part = on(spares, "python3.12", {"app.py": "import boto3\n" + HELLO, "six.py": "mine = 1\n"})
    wait_for_spares(spares, "python3.12")
    answer = part.invoke({}).value
    assert answer["errorType"] == "Runtime.ImportModuleError" and "/var/task/six.py" in answer["errorMessage"]


def test_the_sdk_works_from_a_spare(spares, on):
    app = (
        "import boto3\ns3 = boto3.client('lambda')\n"
        "def handler(event, context):\n    return [f['FunctionName'] for f in s3.list_functions()['Functions']]\n"
    )
    function = on(spares, "python3.12", {"app.py": app}, Timeout=30, MemorySize=512)
    wait_for_spares(spares, "python3.12")
    answer = function.invoke({})
    assert function.name in (answer.ok() if not answer.error else [function.name]), answer.value


CHURN = {
    "nodejs20.x": ({"index.mjs": "export const handler = async () => { let kept = []; for (let i = 0; i < 400; i++) {"
                    " kept = [new Array(50000).fill(i), ...kept.slice(0, 20)]; } return kept.length; };\n"}, "index.handler"),
    "python3.12": ({"app.py": "def handler(event, context):\n    kept = []\n    for i in range(300):\n"
                    "        kept = [[i] * 100000] + kept[:20]\n    return len(kept)\n"}, "app.handler"),
}


@pytest.mark.parametrize("runtime", CHURN)
def test_a_small_function_survives_its_garbage(spares, on, runtime):
    files, handler = CHURN[runtime]
    function = on(spares, runtime, files, handler, MemorySize=128, Timeout=60)
    wait_for_spares(spares, runtime)
    before = starts(spares, "spare")
    assert function.invoke({}).ok() == 21
    assert starts(spares, "spare") == before + 1


def test_memory_ends_at_the_functions_own_limit(spares, on):
    app = "def handler(event, context):\n    return len(bytearray(event << 20))\n"
    small = on(spares, "python3.12", {"app.py": app}, MemorySize=128, Timeout=20)
    large = on(spares, "python3.12", {"app.py": app}, MemorySize=1024, Timeout=20)
    wait_for_spares(spares, "python3.12")
    assert small.invoke(300).value["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert large.invoke(800).ok() == 800 << 20


def test_a_burst_beyond_the_supply_is_forked(spares, on):
    function = on(spares, "python3.12", {"app.py": packages.SLOW_HANDLER}, Timeout=60)
    wait_for_spares(spares, "python3.12")
    before = starts(spares, "fork"), starts(spares, "plain")
    with concurrent.futures.ThreadPoolExecutor(40) as threads:
        answers = [future.result().ok() for future in [threads.submit(function.invoke, 2 + n / 1000) for n in range(40)]]
    assert answers == [2 + n / 1000 for n in range(40)]
    assert starts(spares, "fork") > before[0] and starts(spares, "plain") == before[1]


def of(server, *words):
    return {pid: line for pid, line in descendants(server.process.pid).items() if all(word in line for word in words)}


@pytest.mark.parametrize("victim", ["template", "spare", "both"])
def test_a_killed_template_or_spare_heals(on, victim):
    with Server() as server:
        name = f"victim-{victim}"
        function = Function(server, name, "python3.12", packages.python(HELLO), "app.handler").ready()
        wait_for_spares(server, "python3.12")
        running = of(server, "template.py")
        inside = {pid for pid in running if is_in_sandbox(pid)}
        victims = {"template": set(running) - inside, "spare": inside, "both": set(running)}[victim]
        assert victims
        for pid in victims:
            kill(pid)
        for number in range(5):
            assert function.invoke({"n": number}).ok() == {"n": number}
            function.client.update_function_configuration(FunctionName=name, Description=str(number))
            function.updated()
        until(lambda: {p for p in of(server, "template.py") if is_in_sandbox(p)} - inside, 60, "a new spare")
        before = starts(server, "spare")
        assert function.invoke({}).ok() == {}
        assert starts(server, "spare") == before + 1
