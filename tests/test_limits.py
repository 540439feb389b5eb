"""The limits hold exactly, and only inside the sandbox that meets them."""

import concurrent.futures
import errno
import time

from support.wait import until


def test_processes(python_function):
    function = python_function(
        "import os, time\ndef handler(event, context):\n    n = 0\n    try:\n        while True:\n"
        "            if os.fork() == 0:\n                time.sleep(30); os._exit(0)\n            n += 1\n"
        "    except OSError as error:\n        return [n, error.errno]\n", MemorySize=2048, Timeout=60)
    children, number = function.invoke().ok()
    assert number == errno.EAGAIN
    assert 1000 <= children <= 1024, "1,024 processes, the runtime itself among them"


def test_open_files(python_function):
    function = python_function(
        "import os\ndef handler(event, context):\n    n = len(os.listdir('/proc/self/fd')) - 1\n    try:\n        while True:\n"
        "            os.dup(0); n += 1\n    except OSError as error:\n        return [n, error.errno]\n")
    assert function.invoke().ok() == [1024, errno.EMFILE]


def test_temporary_storage(python_function):
    function = python_function(
        "import os\ndef handler(event, context):\n    written = 0\n    try:\n        with open('/tmp/fill', 'wb', buffering=0) as f:\n"
        "            while True:\n                written += f.write(b'x' * (1 << 20))\n"
        "    except OSError as error:\n        result = [written >> 20, error.errno]\n    os.unlink('/tmp/fill')\n    return result\n",
        MemorySize=256, Timeout=60)
    megabytes, number = function.invoke().ok()
    assert number == errno.ENOSPC
    assert 440 <= megabytes <= 512, "512 MB less what the filesystem needs; and more than the memory limit"
    larger = python_function(
        "import os\ndef handler(event, context):\n    s = os.statvfs('/tmp')\n    return s.f_blocks * s.f_frsize >> 20\n",
        EphemeralStorage={"Size": 1024})
    assert 900 <= larger.invoke().ok() <= 1024


def test_temporary_storage_inodes(python_function):
    function = python_function(
        "import os\ndef handler(event, context):\n    n = 0\n    os.mkdir('/tmp/many')\n    try:\n        while n < 2_000_000:\n"
        "            os.mknod(f'/tmp/many/{n}'); n += 1\n    except OSError as error:\n        return [n, error.errno]\n    return [n, 0]\n",
        Timeout=120, MemorySize=1769)
    files, number = function.invoke().ok()
    assert number == errno.ENOSPC and files < 2_000_000


def test_cpu_follows_memory(python_function):
    """Work that needs a fixed amount of CPU takes about four times as long with a quarter of the memory."""
    source = (
        "import time\ndef work(n):\n    total = 0\n    for number in range(n):\n        total += number * number\n    return total\n"
        "def handler(event, context):\n    wall, cpu = time.perf_counter(), time.process_time()\n    work(event)\n"
        "    return [time.perf_counter() - wall, time.process_time() - cpu]\n"
    )
    small = python_function(source, MemorySize=442, Timeout=60)  # a quarter of a vCPU
    small.invoke(1).ok()
    wall_s, cpu_s = small.invoke(6_000_000).ok()
    share = cpu_s / wall_s
    assert 0.15 < share < 0.35, f"442 MB buys a quarter of a processor, it got {share:.2f}"


def test_timeout_kills_the_whole_process_tree(python_function):
    function = python_function(
        "import os, time\ndef handler(event, context):\n"
        "    if event == 'look':\n        return [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "    for _ in range(20):\n        if os.fork() == 0:\n            os.setsid()\n            if os.fork() == 0:\n"
        "                time.sleep(600)\n            os._exit(0)\n    time.sleep(60)\n", Timeout=1)
    before = processes_named("app-survivor")
    assert function.invoke("fork").value["errorType"] == "Sandbox.Timedout"
    assert len(function.invoke("look").ok()) <= 3
    assert processes_named("app-survivor") == before


def processes_named(name):
    import pathlib

    return sum(name in path.read_text(errors="replace") for path in pathlib.Path("/proc").glob("[0-9]*/comm") if path.exists())


def test_an_idle_environment_uses_no_cpu(python_function):
    function = python_function(
        "import threading, time\nticks = 0\ndef spin():\n    global ticks\n    while True:\n        ticks += 1\n        time.sleep(0.001)\n"
        "threading.Thread(target=spin, daemon=True).start()\ndef handler(event, context):\n    return ticks\n", MemorySize=1769)
    function.invoke().ok()
    started = time.monotonic()
    until(lambda: time.monotonic() - started > 1.0, 5, "a second to pass")
    first = function.invoke().ok()
    until(lambda: time.monotonic() - started > 2.0, 5, "another second to pass")
    second = function.invoke().ok()
    assert second - first < 500, f"{second - first} ticks of a background thread in a second in which nothing was invoked"


def test_a_bomb_does_not_harm_its_neighbour(python_function):
    bomb = python_function(
        "import os\ndef handler(event, context):\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            pass\n",
        Timeout=3, MemorySize=3008)
    neighbour = python_function("def handler(event, context):\n    return event\n")
    neighbour.invoke(0).ok()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(bomb.invoke)
        answered = 0
        while not running.done():
            assert neighbour.invoke(answered).ok() == answered
            answered += 1
        assert running.result().value["errorType"] == "Sandbox.Timedout"
    assert answered > 20, f"the neighbour got {answered} answers in 3 s"
