"""Starts AWS's Python runtime client with our transport.

TINDRA_OFFICIAL_TRANSPORT=1 leaves the client its own, compiled transport. The client and what it needs are
imported from here, before the function's directories are searched; what the function brings in its own copy
is forgotten again, so that its copy wins.

A process that a template has forked comes here by `wait_for_function`; a plain start by `main`.
"""

import os
import struct
import sys

_RUNTIME = "/var/runtime"
_CLIENT = "awslambdaric"
# Of /var/runtime, so that a function's own copy is nothing unusual.
_OF_THE_CLIENT = ("simplejson", "snapshot_restore_py")


def _search_path():
    """The directories that come before the runtime's own (AWS: "Search path for Python runtimes")."""
    version = "python%d.%d" % sys.version_info[:2]
    own = [os.environ.get("LAMBDA_TASK_ROOT", "/var/task")]
    if "PYTHONPATH" not in os.environ:
        own += ["/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    packages = ["/var/lang/lib/%s/site-packages" % version, _RUNTIME]
    rest = [path for path in sys.path if path not in own and path not in packages]
    # Directories of PYTHONPATH stand before the SDK, so that a copy there wins too.
    named = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path in rest]
    return own, own + named + packages + [path for path in rest if path not in named]


def _forget(names):
    if not names:
        return
    for module in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[module]


def _forget_what_the_function_brings(directories):
    brought = set()
    for directory in directories:
        try:
            brought.update(entry.partition(".")[0] for entry in os.listdir(directory))
        except OSError:
            pass  # Not there, or not readable: then nothing is imported from it either.
    _forget(brought.intersection(_OF_THE_CLIENT))
    # What was loaded ahead belongs together: with one part of the function's own, all are loaded anew.
    if not brought.isdisjoint(_loaded_ahead):
        _forget(_loaded_ahead)
    _loaded_ahead.clear()


# Names of modules that a plain start has loaded by the time it searches the function's directories.
_plain = set()
# Names of modules that it has not, but a template has.
_loaded_ahead = set()
# Code of the client's modules that read the environment when they are loaded: they are loaded anew with the function's
# when that differs in what they read.
_kept_code = {}
# What they were told of it.
_told = {}
# Stands in it for the whole environment; a name that no variable has.
_EVERYTHING = "="


class _KeptCode:
    """Imports the client's modules from code that was read ahead."""

    def find_spec(self, name, path=None, target=None):
        if name not in _kept_code:
            return None
        _, origin, is_package = _kept_code[name]
        spec = type(__spec__)(name, self, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(_kept_code[module.__name__][0], module.__dict__)


class _WatchedEnvironment:
    """Stands before os.environ and notes which of the client's modules look at it, and what they are told."""

    def __init__(self, environment):
        self._environment = environment
        self.readers = set()
        # Values by name, None for what is not there.
        self.told = {}
        self.has_told_all = False

    def _is_read_by_client(self):
        frame, is_read = sys._getframe(2), False
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.partition(".")[0] == _CLIENT:
                self.readers.add(name)
                is_read = True
            frame = frame.f_back
        return is_read

    def get(self, name, default=None):
        if self._is_read_by_client():
            self.told[name] = self._environment.get(name)
        return self._environment.get(name, default)

    def __getitem__(self, name):
        if self._is_read_by_client():
            self.told[name] = self._environment.get(name)
        return self._environment[name]

    def __contains__(self, name):
        if self._is_read_by_client():
            self.told[name] = self._environment.get(name)
        return name in self._environment

    def __getattr__(self, name):
        self.has_told_all |= self._is_read_by_client()
        return getattr(self._environment, name)

    def __iter__(self):
        self.has_told_all |= self._is_read_by_client()
        return iter(self._environment)

    def __len__(self):
        self.has_told_all |= self._is_read_by_client()
        return len(self._environment)


def load_client(official):
    """Imports the client; what it imports is not searched in the function's directories."""
    if not official:
        sys.path.insert(0, _RUNTIME + "/tindra_transport")
        import runtime_client  # noqa: F401  The client finds it in sys.modules.

        del sys.path[0]
    from awslambdaric import __main__ as client

    return client


def load_ahead(extra):
    """In a template: loads the client and the modules of `extra`, and finds out for which functions it holds."""
    os.environ.update(_REHEARSAL)
    os.environ = watched = _WatchedEnvironment(os.environ)
    try:
        load_client(official=False)
    finally:
        os.environ = watched._environment
    _plain.update(name.partition(".")[0] for name in sys.modules)
    # These too are only loaded at some point of the client's life.
    for name in ("awslambdaric.lambda_literals", "encodings.idna") + tuple(extra):
        try:
            __import__(name)
        except ImportError:
            if name in extra:
                raise
    _keep_code_of(_with_importers(watched.readers))
    _told.update(watched.told)
    if watched.has_told_all:
        _told[_EVERYTHING] = ""
    names = {name.partition(".")[0] for name in sys.modules}
    _loaded_ahead.update(names - _plain - set(sys.builtin_module_names))
    os.environ.clear()


def _with_importers(names):
    """Adds the client's modules that hold something of the named ones."""
    names = set(names)
    client = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _CLIENT}
    while True:
        more = set()
        for name, module in client.items():
            for value in vars(module).values():
                owner = getattr(value, "__module__", None) or getattr(value, "__name__", None)
                if owner in names and name != _CLIENT:
                    more.add(name)
        if more <= names:
            return names
        names |= more


def _keep_code_of(names):
    for name in names:
        spec = sys.modules[name].__spec__
        _kept_code[name] = (spec.loader.get_code(name), spec.origin, spec.submodule_search_locations is not None)


def _forget_kept():
    for name in _kept_code:
        parent, _, child = name.rpartition(".")
        sys.modules.pop(name, None)
        # `from parent import child` is satisfied with what the parent has.
        vars(sys.modules.get(parent, sys)).pop(child, None)
    sys.modules["runtime_client"]._client = None


def _load_for_function():
    """The client, for the environment that there is now: as it was loaded ahead if it would be told the same again, else anew."""
    if all(os.environ.get(name) == value for name, value in _told.items()):
        return sys.modules[_CLIENT + ".__main__"]
    _forget_kept()
    sys.meta_path.insert(0, _KeptCode())
    try:
        return load_client(official=False)
    finally:
        del sys.meta_path[0]


# As many and as long as a function's are.
_REHEARSAL = {"TINDRA_REHEARSAL_%d" % number: "/" * 60 for number in range(30)}
# What nearly all functions are told, so that the client is loaded ahead as they need it.
_REHEARSAL.update(
    AWS_LAMBDA_RUNTIME_API="169.254.100.1:9001",
    AWS_EXECUTION_ENV="AWS_Lambda_python%d.%d" % sys.version_info[:2],
    AWS_LAMBDA_LOG_FORMAT="Text",
)
_REHEARSED = """
import json
import os

class Rehearsed:
    def method(self, *arguments, **named):
        return [f"{value!r}" for value in arguments]

def handler(event, context):
    return json.loads(json.dumps({"a": Rehearsed().method(1, "b"), "c": context.aws_request_id, "event": event}))
"""
# An event, the answer to its result, and no event.
_ANSWERS = b"""HTTP/1.1 200 OK\r
content-type: application/json\r
lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r
lambda-runtime-deadline-ms: 1542409706888\r
lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:rehearsal\r
lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r
content-length: 8\r
\r
{"a": 1}HTTP/1.1 202 Accepted\r
content-length: 0\r
\r
HTTP/1.1 500 Internal Server Error\r
content-length: 0\r
\r
"""


def rehearse():
    """Goes once through what comes after the bind, a whole invoke included. In a template it leaves the interpreter as
    invokes find it, in a spare the memory that an invoke touches is its own from here on, instead of being copied page by
    page while a caller waits. Leaves nothing else behind."""
    # Nothing that the client has not loaded: it would be loaded in each spare.
    logging, socket = sys.modules["logging"], sys.modules["socket"]
    streams, path = (sys.stdout, sys.stderr), list(sys.path)
    root = logging.getLogger()
    directory, source = "/dev/shm/rehearsal", "/dev/shm/rehearsal/rehearsed.py"
    os.environ.update(_REHEARSAL)
    before = _state_of_client()
    sys.dont_write_bytecode, writes_none = True, sys.dont_write_bytecode
    os.mkdir(directory)
    with open(source, "w") as file:
        file.write(_REHEARSED)
    try:
        client = _load_for_function()
        sys.path.insert(0, directory)
        ours, theirs = socket.socketpair()
        theirs.sendall(_ANSWERS)
        runtime_client = client.LambdaRuntimeClient("127.0.0.1:1", False)
        sys.modules["runtime_client"]._client._socket = ours
        client.bootstrap.run("rehearsed.handler", runtime_client)
    except Exception:
        pass  # That there is no second event, or a client that goes another way: then less is warm.
    sys.dont_write_bytecode = writes_none
    sys.stdout, sys.stderr = streams
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    sys.path[:] = path
    sys.path_importer_cache.pop(directory, None)
    _restore_client(before)
    sys.modules.pop("rehearsed", None)
    for remove, left in ((os.remove, source), (os.rmdir, directory)):
        try:
            remove(left)
        except OSError:
            pass  # It was never made.
    _connect_to_nobody(socket.socket())
    os.environ.clear()


def _state_of_client():
    return [(vars(sys.modules[name]), dict(vars(sys.modules[name]))) for name in _kept_code]


def _restore_client(before):
    """What a rehearsal has set in the client's modules. What is as it was is not written to: code that was adapted to it
    would have to be adapted again."""
    for variables, earlier in before:
        for name in [name for name in variables if name not in earlier]:
            del variables[name]
        for name, value in earlier.items():
            if variables.get(name) is not value:
                variables[name] = value
    sys.modules["runtime_client"]._client.reset()


def _connect_to_nobody(connection):
    try:
        connection.connect((b"127.0.0.1", 1))
    except OSError:
        pass
    connection.close()


def wait_for_function(control):
    """In a spare: says that it is ready, waits for a function's environment, and runs the function."""
    if os.read(control, 1) == b"A":
        # It is made ahead of need.
        rehearse()
    os.write(control, b"R")
    variables = _receive(control)
    if variables is None:
        os._exit(0)
    os.environ.clear()
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environ[os.fsdecode(name)] = os.fsdecode(value)
    if os.environ.pop("TINDRA_SNAPSHOT", None) is None:
        os.close(control)
    else:
        _become_original(control, official=False)
    os.chdir(os.environ.get("LAMBDA_TASK_ROOT", "/var/task"))
    sys.argv[0] = _RUNTIME + "/bootstrap.py"
    # As after a plain start; a function may have a module of this name.
    sys.modules["__main__"] = sys.modules.pop("bootstrap")
    _run(_load_for_function(), official=False)


def _become_original(control, official):
    """This process is to be copied when it has come to its snapshot, by our transport, so its control socket stays."""
    if official:
        os.close(control)
        return
    os.set_inheritable(control, False)
    sys.modules["runtime_client"].original_control = control


def _receive(control):
    """`NAME=value` of each variable; None when nobody will send any."""
    head = _read(control, 4)
    data = _read(control, struct.unpack("<I", head)[0]) if head else None
    return data.split(b"\0")[:-1] if data is not None else None


def _read(control, length):
    parts = []
    while length > 0:
        part = os.read(control, length)
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _run(client, official):
    own, sys.path[:] = _search_path()
    _forget_what_the_function_brings(own)
    handler = os.environ["_HANDLER"]
    if official or "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ or not hasattr(client, "LambdaRuntimeClient"):
        client.main(["bootstrap", handler])
    else:
        # The compiled transport blocks signals while it waits, for which the client starts a thread for each
        # event. Ours does not, so the client runs as it does on the versions without that thread.
        runtime = client.LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"], False)
        # Spares every copy of a snapshot the modules of HTTP and TLS.
        transport = sys.modules["runtime_client"]
        runtime.restore_next = transport.restore_next
        if transport.original_control is not None:
            # A copy is known by its connection.
            runtime.report_restore_error = transport.report_restore_error
        client.bootstrap.run(handler, runtime)


def main():
    official = os.environ.get("TINDRA_OFFICIAL_TRANSPORT", "0") not in ("", "0", "false")
    client = load_client(official)
    if os.environ.pop("TINDRA_SNAPSHOT", None) is not None:
        _become_original(4, official)
    _run(client, official)


if __name__ == "__main__":
    main()
