"""The template of Python environments: an interpreter that has loaded the runtime client and is forked again and again.

The launcher starts it with its own power in a root of its own, where there is nothing but the runtime pack, and it runs no
code but the pack's. Descriptor 4 is its socket. First comes the list of system calls by which a child gives everything
up, decided by the launcher. Then, from process 1 of each new sandbox, a request with the sandbox's namespaces and pipes.
A child enters the sandbox, confines itself, and waits there until it is bound to a function (bootstrap.py).

TINDRA_TEMPLATE_PRELOAD names modules to load ahead, besides the client: boto3, for functions that use it.
"""

import array
import ctypes
import gc
import os
import signal
import socket
import struct
import sys

import bootstrap

_SOCKET = 4
_CLONE_INTO_CGROUP = 0x200000000
_CLONE_NEWUSER = 0x10000000
# Mount, control group, uts, ipc, pid and network.
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
# The same numbers on every architecture.
_SYS_CLONE3 = 435
_SYS_CLOSE_RANGE = 436
_PREPARING = "TINDRA_TEMPLATE_PRELOAD"

# Keeps the interpreter's lock during a call: after a raw clone there is nobody to give it back.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# Filled anew for each fork: a buffer for each would be a new type for each.
_clone_arguments = ctypes.create_string_buffer(88)

# After so many invokes the interpreter has adapted the code to what it works with, and writes no more to it.
_REHEARSALS = 9
# Objects of sizes between these, in steps, lie in pools of one size each (CPython's obmalloc.c); larger ones do not.
_OBJECT_BYTES_MIN, _OBJECT_BYTES_MAX, _OBJECT_BYTES_STEP = 48, 512, 16
# Of a bytes object, beside its bytes.
_BYTES_HEAD = sys.getsizeof(b"")
_POOL_BYTES, _POOL_HEAD = 16384, 48
# Gaps of one size that are filled, should the interpreter manage its memory in another way.
_FILLINGS_MAX = 4096
_fillings = []
# The C library's heap serves what is larger, up to this; gaps are filled with large pieces first.
_HEAP_BYTES = [65536 * 7**power // 8**power for power in range(36)] + list(range(512, 16, -16))


class _HeapFigures(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = [("others", ctypes.c_size_t * 9), ("end_bytes", ctypes.c_size_t)]


class _Refused(Exception):
    """A system call failed: the step that it belongs to, and the error number."""


class _Reader:
    def __init__(self, data):
        self._data = data
        self._at = 0

    def take(self, form):
        value = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return value[0]

    def bytes(self):
        length = self.take("I")
        self._at += length
        return self._data[self._at - length : self._at]


def _read_confinement(data):
    """The launcher's list: (step, may fail, number, arguments); see `confinement.rs`."""
    reader = _Reader(data)
    calls = []
    for _ in range(reader.take("I")):
        step, may_fail, number = reader.take("B"), reader.take("B") != 0, reader.take("Q")
        arguments = []
        for _ in range(reader.take("B")):
            kind = reader.take("B")
            if kind == 0:
                arguments.append(ctypes.c_ulong(reader.take("Q")))
            elif kind == 3:
                arguments.append(None)
            else:
                # Kept alive by being in the list; a program is a length and an address.
                memory = ctypes.create_string_buffer(reader.bytes())
                if kind == 2:
                    head = struct.pack("HxxxxxxQ", (len(memory) - 1) // 8, ctypes.addressof(memory))
                    arguments.append((ctypes.create_string_buffer(head), memory))
                else:
                    arguments.append((memory,))
        calls.append((step, may_fail, ctypes.c_long(number), arguments))
    return calls


def _confine(calls, rules):
    for step, may_fail, number, arguments in calls:
        if None in arguments and rules is None:
            continue
        values = []
        for argument in arguments:
            if argument is None:
                values.append(ctypes.c_ulong(rules))
            elif isinstance(argument, tuple):
                values.append(ctypes.byref(argument[0]))
            else:
                values.append(argument)
        if _libc.syscall(number, *values) < 0 and not may_fail:
            raise _Refused(step, ctypes.get_errno())


def _receive(connection):
    """One message and its descriptors; None when the launcher is gone."""
    descriptors = array.array("i")
    size = socket.CMSG_LEN(32 * descriptors.itemsize)
    data, ancillary, _, _ = connection.recvmsg(1 << 17, size)
    for level, kind, rights in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return (data, list(descriptors)) if data else None


class _Request:
    """What process 1 of a sandbox sends; see `fork_request.rs`."""

    def __init__(self, data, descriptors):
        self.sandbox, *has = struct.unpack("<QBBB", data)
        self.all = list(descriptors)
        rest = iter(descriptors)
        self.process, self.user, self.report = next(rest), next(rest), next(rest)
        self.stdout, self.stderr, self.log = next(rest), next(rest), next(rest)
        self.control, self.rules, self.group = [next(rest) if present else None for present in has]
        self.tasks = list(rest)


def _clone(group):
    """Forks, on v2 straight into a control group. Of the child nothing is asked but to fork again."""
    flags = 0 if group is None else _CLONE_INTO_CGROUP
    struct.pack_into("=11Q", _clone_arguments, 0, flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, group or 0)
    return _libc.syscall(ctypes.c_long(_SYS_CLONE3), _clone_arguments, ctypes.c_long(len(_clone_arguments)))


def _report(request, step, errno, subject=b""):
    os.write(request.report, struct.pack("<BBII", 1, step, errno, len(subject)) + subject)


def _enter(request, step):
    """In a process between template and child: into the sandbox, for whoever is forked next."""
    for tasks in request.tasks:
        os.write(tasks, b"0")
    for descriptor, kinds in ((request.process, _NAMESPACES), (request.user, _CLONE_NEWUSER)):
        if _libc.setns(descriptor, kinds) != 0:
            raise _Refused(step, ctypes.get_errno())
    # The interpreter's own fork, which runs its hooks: generators of random numbers are seeded anew.
    return os.fork()


def _arrange(request):
    """The child's descriptors: streams, log, control; besides them only the report and the rules, for a moment."""
    for descriptor, place in ((request.stdout, 1), (request.stderr, 2), (request.log, 3), (request.control, _SOCKET)):
        os.dup2(descriptor, place, inheritable=True)
    kept = sorted(descriptor for descriptor in (request.report, request.rules) if descriptor is not None)
    first = _SOCKET + 1
    for descriptor in kept + [0xFFFFFFFF]:
        if first < descriptor:
            last = descriptor if descriptor == 0xFFFFFFFF else descriptor - 1
            _libc.syscall(ctypes.c_long(_SYS_CLOSE_RANGE), ctypes.c_uint(first), ctypes.c_uint(last), ctypes.c_uint(0))
        first = descriptor + 1


def _become_child(request, calls):
    """Never returns to the template's loop."""
    _arrange(request)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    _confine(calls, request.rules)
    for descriptor in (request.report, request.rules):
        if descriptor is not None:
            os.close(descriptor)


def _fork(request, calls, fork_step):
    """In the process between: forks the child, tells the launcher, and ends. Returns in the child."""
    try:
        pid = _enter(request, fork_step)
        if pid != 0:
            os.write(_SOCKET, struct.pack("<QI", request.sandbox, pid))
            os._exit(0)
        _become_child(request, calls)
    except _Refused as refused:
        _report(request, *refused.args)
        os._exit(1)
    except OSError as error:
        _report(request, fork_step, error.errno or 5)
        os._exit(1)


def _serve(connection, calls, fork_step):
    """Forks a child for each request. Returns in children only."""
    while True:
        received = _receive(connection)
        if received is None:
            os._exit(0)
        request = _Request(*received)
        pid = _clone(request.group)
        if pid == 0:
            _fork(request, calls, fork_step)
            return
        if pid < 0:
            _report(request, fork_step, ctypes.get_errno())
        for descriptor in request.all:
            os.close(descriptor)


def _prepare(extra):
    """Does here, once, what children would do each for themselves: memory that they do not write to stays shared."""
    bootstrap.load_ahead(extra)
    for _ in range(_REHEARSALS):
        bootstrap.rehearse()
    gc.collect()
    _fill_holes()
    # A collection in a child does not write to what is here now.
    gc.freeze()


def _fill_holes():
    """Takes the gaps between the objects that are there, so that what a child makes comes to lie together, in memory that is
    not shared yet. Else it would lie in these gaps, and the child would copy a page for each."""
    for size in range(_OBJECT_BYTES_MIN, _OBJECT_BYTES_MAX + 1, _OBJECT_BYTES_STEP):
        for _ in range(_FILLINGS_MAX):
            filling = bytes(size - _BYTES_HEAD)
            _fillings.append(filling)
            if id(filling) % _POOL_BYTES == _POOL_HEAD:
                break  # The first of a new pool.
    if hasattr(_libc, "mallinfo2"):
        _fill_heap()


def _fill_heap():
    """The same for what is too large for pools. What comes from the end of the heap shows that no gap is left."""
    _libc.mallinfo2.restype = _HeapFigures
    _libc.malloc.restype = ctypes.c_void_p
    end_bytes = _libc.mallinfo2().end_bytes
    for size in _HEAP_BYTES:
        for _ in range(_FILLINGS_MAX):
            _libc.malloc(ctypes.c_size_t(size))
            before, end_bytes = end_bytes, _libc.mallinfo2().end_bytes
            if end_bytes != before:
                break


def _greet(failure):
    text = ("%s: %s" % (type(failure).__name__, failure)).encode()[:2000]
    os.write(_SOCKET, struct.pack("<BBII", 1, 255, 5, len(text)) + text)


def main():
    # What arrives over the socket lands above the places of a child's own descriptors.
    os.dup2(0, 3, inheritable=False)
    os.set_inheritable(_SOCKET, False)
    connection = socket.socket(fileno=_SOCKET)
    # Processes between template and child are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        data, _ = _receive(connection)
        fork_step, calls = data[0], _read_confinement(data[1:])
        _prepare([name for name in os.environ.pop(_PREPARING, "").split(",") if name])
    except BaseException as failure:
        _greet(failure)
        raise
    os.write(_SOCKET, b"\0")
    _serve(connection, calls, fork_step)
    # The connection's descriptor is the child's control socket now.
    connection.detach()
    bootstrap.wait_for_function(_SOCKET)


if __name__ == "__main__":
    main()
