"""Java: the official client's behaviour on every JDK of the machine."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

from support import java, packages
from support.server import ROOT, RUNTIMES as PACKS
from support.wait import until

RUNTIMES = java.runtimes()
if not RUNTIMES:
    pytest.skip("LOUDLY SKIPPED: no JDK (or no Maven) on this machine", allow_module_level=True)

IMPORTS = ("package demo;\nimport com.amazonaws.services.lambda.runtime.*;\nimport java.io.*;\nimport java.util.*;\n")


@pytest.fixture(params=RUNTIMES)
def runtime(request):
    return request.param


@pytest.fixture
def handler(deploy, runtime):
    """handler(body of class Handler, …) → an Active function of that class."""

    def make(body, entry="demo.Handler", implements=" implements RequestHandler<Map<String, Object>, Object>", files=None, **members):
        source = f"{IMPORTS}public class Handler{implements} {{\n{body}\n}}\n"
        return deploy(runtime, java.package(runtime, {"Handler.java": source}, files), entry, **{"MemorySize": 512, "Timeout": 20, **members})

    return make


METHOD = "public Object handleRequest(Map<String, Object> event, Context context) {\n%s\n}"


def test_hello_and_what_is_kept_between_calls(handler, runtime):
    function = handler("static int calls;\n" + METHOD % (
        "return Map.of(\"event\", event, \"calls\", ++calls, \"version\", System.getProperty(\"java.specification.version\"),"
        " \"directory\", System.getProperty(\"user.dir\"), \"here\", new File(\".\").getAbsoluteFile().exists());"))
    for call in (1, 2, 3):
        assert function.invoke({"a": [1, 2.5, None, "ü\n"]}).ok() == {
            "event": {"a": [1, 2.5, None, "ü\n"]}, "calls": call, "version": runtime.removeprefix("java"),
            "directory": "/var/task", "here": True}
    first = re.compile(rf"INIT_START Runtime Version: java:{runtime.removeprefix('java')}\.")
    until(lambda: any(first.match(line) for line in function.log_messages()), 10, "the first line")


@pytest.mark.parametrize("official", ["0", "1"])
def test_the_context_tells_the_tenant(handler, official):
    function = handler(METHOD % "return String.valueOf(context.getTenantId());",
                       TenancyConfig={"TenantIsolationMode": "PER_TENANT"},
                       Environment={"Variables": {"TINDRA_OFFICIAL_TRANSPORT": official}})
    for tenant in ("blue", "x._:/=+-@ y"):
        assert function.invoke({}, TenantId=tenant).ok() == tenant


def test_a_method_by_name_with_plain_objects(handler):
    function = handler(
        "public static class Order { private String name; private int count; public String getName() { return name; }"
        " public void setName(String n) { name = n; } public int getCount() { return count; } public void setCount(int c) { count = c; } }\n"
        "public Order next(Order order, Context context) { order.setCount(order.getCount() + 1); return order; }",
        entry="demo.Handler::next", implements="")
    assert function.invoke({"name": "ö", "count": 1}).ok() == {"name": "ö", "count": 2}


def test_a_stream_handler_and_large_events(handler):
    function = handler(
        "public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException { in.transferTo(out); }",
        implements=" implements RequestStreamHandler")
    assert function.invoke({"a": 1}).ok() == {"a": 1}
    large = "é" * 700_000
    assert function.invoke(large).ok() == large
    assert function.invoke([]).ok() == []


def test_libraries_in_the_zip_and_in_a_layer_and_resources(deploy, runtime, server, tmp_path):
    jars = {}
    for name in ("One", "Two"):
        source = f"package lib;\npublic class {name} {{ public static String word() {{ return \"{name}\"; }} }}\n"
        jars[name] = tmp_path / f"{name}.jar"
        jars[name].write_bytes(packages.package(java.classes(runtime, {f"{name}.java": source})))
    source = (IMPORTS + "public class Handler { public String greet(String name) throws IOException {\n"
              "return name + lib.One.word() + lib.Two.word() + new String(getClass().getResourceAsStream(\"/words.txt\").readAllBytes()); } }\n")
    classes = java.classes(runtime, {"Handler.java": source}, jars.values())
    client = server.client("lambda")
    layer = packages.package({"java/lib/two.jar": jars["Two"].read_bytes()})
    arn = client.publish_layer_version(LayerName=f"two-{runtime}", Content={"ZipFile": layer})["LayerVersionArn"]
    code = packages.package({**classes, "lib/one.jar": jars["One"].read_bytes(), "words.txt": "!"})
    try:
        function = deploy(runtime, code, "demo.Handler::greet", MemorySize=512, Layers=[arn])
        assert function.invoke("you").ok() == "youOneTwo!"
    finally:
        client.delete_layer_version(LayerName=f"two-{runtime}", VersionNumber=int(arn.rsplit(":", 1)[1]))


def test_a_jar_as_the_jdks_tool_makes_it(deploy, runtime, tmp_path):
    source = IMPORTS + "public class Handler { public Map<String, Object> handle(Map<String, Object> event) { return event; } }\n"
    for path, content in java.classes(runtime, {"Handler.java": source}).items():
        (tmp_path / "classes" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "classes" / path).write_bytes(content)
    subprocess.run([str(java.home(runtime) / "bin/jar"), "cf", str(tmp_path / "code.jar"), "-C", str(tmp_path / "classes"), "."],
                   check=True, timeout=60)
    function = deploy(runtime, (tmp_path / "code.jar").read_bytes(), "demo.Handler::handle", MemorySize=512)
    assert function.invoke({"a": 1}).ok() == {"a": 1}


@pytest.mark.parametrize("official", ["0", "1"])
def test_errors_have_the_clients_shape_with_both_transports(handler, official):
    function = handler(METHOD % (
        "if (event.containsKey(\"fail\")) throw new IllegalStateException(\"lost\", new IOException(\"why\"));\nreturn event;"),
        Environment={"Variables": {"TINDRA_OFFICIAL_TRANSPORT": official}})
    assert function.invoke({"a": "ü"}).ok() == {"a": "ü"}
    answer = function.invoke({"fail": 1})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "java.lang.IllegalStateException"
    assert answer.value["errorMessage"] == "lost"
    assert answer.value["stackTrace"][0].startswith("demo.Handler.handleRequest(")
    assert not [line for line in function.log_messages() if "WARNING" in line]
    # The client reports first and logs then.
    line = "lost: java.lang.IllegalStateException\njava.lang.IllegalStateException: lost"
    until(lambda: any(line in message for message in function.log_messages()), 10, "the error in the log")
    assert function.invoke({"x": "y" * 2_000_000}).ok() == {"x": "y" * 2_000_000}


def test_a_class_that_is_not_there(handler):
    function = handler(METHOD % "return 1;", entry="demo.Missing")
    answer = function.invoke()
    assert answer.error == "Unhandled"
    assert answer.value["errorMessage"] == "Class not found: demo.Missing" and answer.value["errorType"] == "java.lang.ClassNotFoundException"


def test_a_class_that_fails_when_it_is_loaded(handler):
    function = handler("static { if (true) throw new IllegalStateException(\"at load\"); }\n" + METHOD % "return 1;")
    answer = function.invoke()
    assert answer.error == "Unhandled" and answer.value["errorType"] == "java.lang.ExceptionInInitializerError", answer.body
    assert answer.value["errorMessage"].startswith("Error loading class demo.Handler")


def test_log_lines_of_both_kinds(handler):
    function = handler(METHOD % (
        "System.out.println(\"printed ü\");\nSystem.err.println(\"complained\");\n"
        "context.getLogger().log(\"first\\nsecond\\nthird\");\nreturn null;"))
    answer = function.invoke({}, LogType="Tail")
    answer.ok()
    for line in ("printed ü", "complained", "first\nsecond\nthird"):
        assert line in answer.tail
    # One record, however many lines, because it arrives framed.
    until(lambda: "first\nsecond\nthird" in function.log_messages(), 10, "the record")
    assert not [line for line in function.log_messages() if "Picked up" in line or "[warning]" in line]


def test_json_logs(handler):
    function = handler(METHOD % (
        "context.getLogger().log(\"loud\", com.amazonaws.services.lambda.runtime.logging.LogLevel.ERROR);\n"
        "context.getLogger().log(\"quiet\", com.amazonaws.services.lambda.runtime.logging.LogLevel.DEBUG);\nreturn null;"),
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    answer = function.invoke({})
    answer.ok()
    records = until(lambda: [json.loads(line) for line in function.log_messages() if "loud" in line], 10, "the record")
    assert records[0]["level"] == "ERROR" and records[0]["message"] == "loud" and records[0]["AWSRequestId"] == answer.request_id
    assert not any("quiet" in line for line in function.log_messages())


def test_context_trace_and_environment(handler):
    function = handler(METHOD % (
        "Map<String, Object> all = new HashMap<>();\n"
        "all.put(\"id\", context.getAwsRequestId()); all.put(\"name\", context.getFunctionName()); all.put(\"version\", context.getFunctionVersion());\n"
        "all.put(\"arn\", context.getInvokedFunctionArn()); all.put(\"memory\", context.getMemoryLimitInMB());\n"
        "all.put(\"left\", context.getRemainingTimeInMillis()); all.put(\"group\", context.getLogGroupName()); all.put(\"stream\", context.getLogStreamName());\n"
        "all.put(\"custom\", context.getClientContext().getCustom());\n"
        "all.put(\"trace\", System.getProperty(\"com.amazonaws.xray.traceHeader\")); all.put(\"environment\", System.getenv());\n"
        "return all;"), Environment={"Variables": {"MINE": "ü=1"}})
    client_context = base64.b64encode(json.dumps({"custom": {"k": "v"}, "client": {}, "env": {}}).encode()).decode()
    answer = function.invoke({}, ClientContext=client_context)
    seen = answer.ok()
    assert seen["id"] == answer.request_id and seen["name"] == function.name and seen["version"] == "$LATEST"
    assert seen["arn"].endswith(f":function:{function.name}") and seen["memory"] == 512 and 0 < seen["left"] <= 20_000
    assert seen["group"] == f"/aws/lambda/{function.name}" and "[$LATEST]" in seen["stream"]
    assert seen["custom"] == {"k": "v"} and seen["trace"].startswith("Root=1-")
    environment = seen["environment"]
    assert environment["MINE"] == "ü=1" and environment["_HANDLER"] == "demo.Handler"
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{function.created['Runtime']}"


def test_an_exit_and_the_call_after_it(handler):
    function = handler(METHOD % "if (event.containsKey(\"leave\")) System.exit(3);\nreturn event;")
    assert function.invoke({"a": 1}).ok() == {"a": 1}
    answer = function.invoke({"leave": 1})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in answer.value["errorMessage"]
    assert function.invoke({"a": 2}).ok() == {"a": 2}


def test_a_full_heap_is_javas_own_error(handler):
    function = handler(METHOD % (
        "if (!event.containsKey(\"fill\")) return Runtime.getRuntime().maxMemory() >> 20;\n"
        "List<byte[]> all = new ArrayList<>();\nwhile (true) { byte[] some = new byte[1 << 20]; Arrays.fill(some, (byte) 1); all.add(some); }"),
        MemorySize=256)
    assert 150 < function.invoke({}).ok() < 256
    answer = function.invoke({"fill": 1})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "java.lang.OutOfMemoryError", answer.body
    assert function.invoke({}).ok() > 150


def test_garbage_is_collected_in_the_smallest_function(handler):
    function = handler(METHOD % (
        "long sum = 0;\nfor (int i = 0; i < 2000; i++) { byte[] some = new byte[1 << 20]; some[i] = 1; sum += some[i]; }\nreturn sum;"),
        MemorySize=128)
    assert function.invoke({}).ok() == 2000
    assert function.invoke({}).ok() == 2000


def test_the_virtual_machines_own_variable(handler):
    function = handler(METHOD % "return System.getProperty(\"mine\");", Environment={"Variables": {"JAVA_TOOL_OPTIONS": "-Dmine=yes"}})
    assert function.invoke({}).ok() == "yes"
    until(lambda: any("Picked up JAVA_TOOL_OPTIONS: -Dmine=yes" in line for line in function.log_messages()), 10, "the line")


def test_child_processes_threads_and_files(handler):
    function = handler(
        "public Object all(Map<String, Object> event, Context context) throws Exception {\n"
        "Process child = new ProcessBuilder(\"/bin/sh\", \"-c\", \"pwd; echo $MINE\").start();\n"
        "String said = new String(child.getInputStream().readAllBytes());\nchild.waitFor();\n"
        "java.nio.file.Files.writeString(java.nio.file.Path.of(\"/tmp/x\"), said);\n"
        "int sum = java.util.stream.IntStream.range(0, 1000).parallel().map(i -> i).sum();\n"
        "javax.net.ssl.SSLContext.getDefault();\n"
        "String zone = java.time.ZoneId.systemDefault().normalized().toString();\n"
        "return List.of(java.nio.file.Files.readString(java.nio.file.Path.of(\"/tmp/x\")), sum, zone, Locale.getDefault().toString()); }",
        entry="demo.Handler::all", implements="", Environment={"Variables": {"MINE": "here"}})
    assert function.invoke({}).ok() == ["/var/task\nhere\n", 499500, "Z", "en_US"]


def test_the_transport_and_the_spare_without_a_sandbox(runtime):
    java.pack(runtime)
    tests = ROOT / "runtimes/java/tests/test_java_client.py"
    done = subprocess.run([sys.executable, str(tests)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "TINDRA_JAVA_MANIFEST": str(PACKS / f"{runtime}.json")})
    assert done.returncode == 0, done.stderr
