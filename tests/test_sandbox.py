"""What hostile code can reach from inside: its own function, and nothing else."""

import pytest

PROBE = '''
import ctypes, errno, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return "allowed" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())

def attempt(action):
    try:
        value = action()
        return value if isinstance(value, (str, int, list, dict)) else "allowed"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def handler(event, context):
    return eval(event["probe"], globals())
'''


@pytest.fixture(scope="module")
def probe(server):
    from support import packages
    from support.server import Function

    function = Function(server, "sandbox-probe", "python3.12", packages.python(PROBE), "app.handler", MemorySize=512).ready()
    yield lambda expression: function.invoke({"probe": expression}).ok()
    function.delete()


def test_identity_and_privileges(probe):
    status = dict(
        line.split(":\t", 1) for line in probe("open('/proc/self/status').read()").splitlines() if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["Uid"].split() == ["993"] * 4 and status["Groups"].strip() in ("", "993")


def test_never_the_hosts_root(probe):
    maps = [line.split() for line in probe("open('/proc/self/uid_map').read()").splitlines()]
    assert maps and all(int(outside) != 0 or int(inside) != 0 for inside, outside, _ in maps)


@pytest.mark.parametrize("path", ["/etc/shadow", "/work", "/var/lib/tindra", "/sys/fs/cgroup/memory",
                                  "/dev/mem", "/dev/kvm", "/dev/vda", "/dev/fuse", "/dev/loop0", "/boot", "/run/docker.sock"])
def test_host_paths_are_not_there(probe, path):
    assert probe(f"attempt(lambda: os.stat({path!r}) and 'allowed')") in ("ENOENT", "EACCES")


@pytest.mark.parametrize("path", ["/root", "/home", "/opt", "/var/lib", "/run"])
def test_system_directories_are_the_packs_own(probe, path):
    assert probe(f"attempt(lambda: os.listdir({path!r}))") in ([], "ENOENT", "EACCES")


@pytest.mark.parametrize("path", ["/var/task/x", "/opt/x", "/var/runtime/x", "/x", "/etc/x", "/var/lang/x"])
def test_everything_but_tmp_is_read_only(probe, path):
    assert probe(f"attempt(lambda: open({path!r}, 'w'))") in ("EROFS", "EACCES", "ENOENT")


@pytest.mark.parametrize("path", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe",
                                  "/proc/1/mem", "/proc/kcore", "/proc/sys/kernel/hostname"])
def test_kernel_settings_cannot_be_written(probe, path):
    # Where the kernel has a file that acts on the whole machine, the null device lies over it.
    is_masked = probe(f"attempt(lambda: int(os.stat({path!r}).st_rdev == os.makedev(1, 3)))") == 1
    assert is_masked or probe(f"attempt(lambda: open({path!r}, 'w'))") in ("EROFS", "EACCES", "EPERM", "ENOENT")


@pytest.mark.parametrize("path", ["/proc/1/environ", "/proc/1/root", "/proc/1/cwd", "/proc/1/maps", "/proc/1/fd"])
def test_process_one_is_closed(probe, path):
    result = probe(f"attempt(lambda: open({path!r}).read() if {path!r}.endswith(('environ', 'maps')) else os.listdir({path!r}))")
    assert result in ("EACCES", "EPERM", "ENOENT", "")


def test_only_own_descriptors(probe):
    links = probe("[os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')]")
    assert all(link.startswith(("pipe:", "socket:", "/dev/null", "/proc/", "anon_inode:")) for link in links), links


@pytest.mark.parametrize("number, name", [
    (101, "ptrace"), (165, "mount"), (166, "umount2"), (155, "pivot_root"), (161, "chroot"), (272, "unshare"),
    (308, "setns"), (310, "process_vm_readv"), (311, "process_vm_writev"), (321, "bpf"), (298, "perf_event_open"),
    (248, "add_key"), (250, "keyctl"), (425, "io_uring_setup"), (323, "userfaultfd"), (246, "kexec_load"),
    (175, "init_module"), (313, "finit_module"), (169, "reboot"), (304, "open_by_handle_at"), (430, "fsopen"),
    (429, "move_mount"), (428, "open_tree"), (163, "acct"), (167, "swapon"), (312, "kcmp"), (438, "pidfd_getfd"),
])
def test_dangerous_calls_are_refused(probe, number, name):
    assert probe(f"call({number}, 0, 0, 0, 0, 0)") in ("EPERM", "ENOSYS", "EACCES"), name


@pytest.mark.parametrize("family", [38, 40, 17, 15, 30])
def test_socket_families_are_refused(probe, family):
    assert probe(f"attempt(lambda: socket.socket({family}, socket.SOCK_DGRAM))") in (
        "EPERM", "EACCES", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT")


def test_raw_sockets_are_refused(probe):
    assert probe("attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))") in ("EPERM", "EACCES")


def test_new_namespaces_are_refused(probe):
    assert probe("call(56, 0x10000000 | 17, 0, 0, 0, 0)") in ("EPERM", "ENOSYS", "EINVAL")


def test_killing_everything_ends_only_this_environment(server, probe):
    from support import packages
    from support.server import Function

    function = Function(server, "kill-all", "python3.12", packages.python(
        "import os, signal\ndef handler(event, context):\n    if event == 'kill':\n        os.kill(-1, signal.SIGKILL)\n        os._exit(1)\n    return 'alive'\n"
    ), "app.handler", Timeout=5).ready()
    assert function.invoke("kill").error == "Unhandled"
    assert function.invoke("look").ok() == "alive"
    assert probe("'still here'") == "still here"
    function.delete()


def test_stopping_process_one_does_not_stop_the_timeout(server):
    from support import packages
    from support.server import Function

    function = Function(server, "stop-init", "python3.12", packages.python(
        "import os, signal, time\ndef handler(event, context):\n    try:\n        os.kill(1, signal.SIGSTOP)\n    except OSError:\n        pass\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"), "app.handler", Timeout=1).ready()
    answer = function.invoke()
    function.delete()
    assert answer.value["errorType"] == "Sandbox.Timedout"


def test_functions_do_not_see_each_other(server, probe):
    from support import packages
    from support.server import Function

    secret = Function(server, "has-a-secret", "python3.12", packages.python(
        "import time\nopen('/tmp/secret', 'w').write('s3cret')\ndef handler(event, context):\n    return 1\n"), "app.handler",
        Environment={"Variables": {"SECRET": "s3cret"}}).ready()
    secret.invoke().ok()
    assert probe("os.listdir('/tmp')") == []
    pids = probe("[p for p in os.listdir('/proc') if p.isdigit()]")
    assert len(pids) <= 3
    assert "s3cret" not in probe("''.join(open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit() and p != '1')")
    secret.delete()


def test_host_name_is_not_the_hosts(probe):
    import socket

    assert probe("socket.gethostname()") != socket.gethostname()
