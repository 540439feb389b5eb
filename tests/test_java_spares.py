"""Java from spares: a function cannot tell that its virtual machine was there before it."""

import re

import pytest

from support import java
from support.metrics import metric
from support.server import Function, Server
from support.wait import until

RUNTIMES = java.runtimes()
if not RUNTIMES:
    pytest.skip("LOUDLY SKIPPED: no JDK (or no Maven) on this machine", allow_module_level=True)

SOURCE = """
package demo;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;

public class Handler implements RequestHandler<Map<String, Object>, Object> {
    static String run(String... command) throws Exception {
        Process child = new ProcessBuilder(command).start();
        return new String(child.getInputStream().readAllBytes()).trim();
    }

    static List<String> names(String directory) throws IOException {
        try (Stream<Path> paths = Files.list(Path.of(directory))) {
            return paths.map(path -> path.getFileName().toString()).sorted().collect(Collectors.toList());
        }
    }

    static boolean opens(Class<?> type, String field) {
        try {
            type.getDeclaredField(field).setAccessible(true);
            return true;
        } catch (RuntimeException | ReflectiveOperationException closed) {
            return false;
        }
    }

    public Object handleRequest(Map<String, Object> event, Context context) {
        try {
            if (event.containsKey("churn")) {
                long sum = 0;
                for (int i = 0; i < 2000; i++) {
                    byte[] some = new byte[1 << 20];
                    some[i] = 1;
                    sum += some[i];
                }
                return sum;
            }
            Map<String, Object> all = new TreeMap<>();
            all.put("environment", System.getenv());
            all.put("childs", run("/usr/bin/env"));
            all.put("directory", run("/bin/pwd") + new File("x").getAbsolutePath() + Path.of("x").toAbsolutePath());
            all.put("relative", new FileInputStream("demo/Handler.class").read() + names(".").toString());
            all.put("properties", System.getProperties());
            all.put("tmp", names("/tmp"));
            all.put("connections", Files.readAllLines(Path.of("/proc/self/net/tcp")).size());
            all.put("descriptors", names("/proc/self/fd").stream().filter(name -> Integer.parseInt(name) < 5).collect(Collectors.toList()));
            all.put("threads", Thread.getAllStackTraces().keySet().stream().map(Thread::getName).sorted().collect(Collectors.toList()));
            all.put("opened", List.of(opens(String.class, "value"), opens(FileDescriptor.class, "fd"), opens(HashMap.class, "table")));
            all.put("heap", Runtime.getRuntime().maxMemory());
            all.put("random", new Random().nextLong() + " " + UUID.randomUUID() + " " + Math.random());
            return all;
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }
}
"""


@pytest.fixture(params=RUNTIMES)
def runtime(request):
    return request.param


def function_on(server, runtime, name, **members):
    members = {"MemorySize": 512, "Timeout": 20, **members}
    return Function(server, name, runtime, java.package(runtime, {"Handler.java": SOURCE}), "demo.Handler", **members).ready()


def invoked_from_a_spare(server, runtime, function, event):
    until(lambda: metric(server, "tindra_spares", runtime=runtime) >= 1, 60, "a spare")
    before = metric(server, "tindra_cold_starts_total", start="spare")
    answer = function.invoke(event).ok()
    assert metric(server, "tindra_cold_starts_total", start="spare") == before + 1
    return answer


def without_what_differs(seen):
    """What is another's in every environment: keys, the stream's name."""
    own = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID")
    seen["environment"] = {name: value for name, value in seen["environment"].items() if name not in own}
    seen["childs"] = sorted(line for line in seen["childs"].splitlines() if not line.startswith(own + ("_=", "PWD=", "OLDPWD=", "SHLVL=")))
    assert seen["properties"].pop("sun.java.command") in ("tindra.Start", "tindra.Spare")
    assert re.match(r"Root=1-", seen["properties"].pop("com.amazonaws.xray.traceHeader"))
    return seen


def test_a_spare_leaves_no_trace_of_itself(spares, plain, runtime):
    name = f"trace-{runtime}"
    function = function_on(spares, runtime, name, Environment={"Variables": {"MINE": "ü"}})
    other = function_on(plain, runtime, name, Environment={"Variables": {"MINE": "ü"}})
    found = invoked_from_a_spare(spares, runtime, function, {})
    expected = other.invoke({}).ok()
    assert found.pop("random") != expected.pop("random")
    found, expected = without_what_differs(found), without_what_differs(expected)
    assert found == expected
    assert found["environment"]["MINE"] == "ü" and "TINDRA_SPARE" not in found["environment"]
    assert found["tmp"] == [] and found["opened"] == [False, True, False]
    function.delete()
    other.delete()


def test_the_smallest_spare_collects_its_garbage(runtime):
    # A server of its own, whose only spare is of this size.
    with Server() as server:
        function = function_on(server, runtime, f"churn-{runtime}", MemorySize=128)
        assert invoked_from_a_spare(server, runtime, function, {"churn": 1}) == 2000
        assert function.invoke({"churn": 1}).ok() == 2000
