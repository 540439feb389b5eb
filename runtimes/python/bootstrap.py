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


# Names of modules that a plain start would not have loaded by now.
_loaded_ahead = set()
# Code of the client's modules, which read the environment when they run and so wait for the function's.
_kept_code = {}


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


def load_client(official):
    """Imports the client; what it imports is not searched in the function's directories."""
    if not official:
        sys.path.insert(0, _RUNTIME + "/tindra_transport")
        import runtime_client  # noqa: F401  The client finds it in sys.modules.

        del sys.path[0]
    from awslambdaric import __main__ as client

    _plain.update(name.partition(".")[0] for name in sys.modules)
    return client


_plain = set()


def keep_client_for_later():
    """Takes the client's modules back out, and keeps their code. Notes what else has been loaded ahead."""
    for name in sorted(m for m in sys.modules if m.partition(".")[0] == _CLIENT):
        spec = sys.modules[name].__spec__
        code = spec.loader.get_code(name) if spec.loader is not None else None
        if code is not None:
            _kept_code[name] = (code, spec.origin, spec.submodule_search_locations is not None)
    _forget({_CLIENT})
    sys.modules["runtime_client"]._client = None
    names = {name.partition(".")[0] for name in sys.modules}
    _loaded_ahead.update(names - _plain - set(sys.builtin_module_names))


def wait_for_function(control):
    """In a spare: says that it is ready, waits for a function's environment, and runs the function."""
    os.write(control, b"R")
    variables = _receive(control)
    if variables is None:
        os._exit(0)
    os.close(control)
    os.environ.clear()
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environ[os.fsdecode(name)] = os.fsdecode(value)
    os.chdir(os.environ.get("LAMBDA_TASK_ROOT", "/var/task"))
    sys.argv[0] = _RUNTIME + "/bootstrap.py"
    # As after a plain start; a function may have a module of this name.
    sys.modules["__main__"] = sys.modules.pop("bootstrap")
    sys.meta_path.insert(0, _KeptCode())
    client = load_client(official=False)
    del sys.meta_path[0]
    _run(client, official=False)


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
        client.bootstrap.run(handler, client.LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"], False))


def main():
    official = os.environ.get("TINDRA_OFFICIAL_TRANSPORT", "0") not in ("", "0", "false")
    _run(load_client(official), official)


if __name__ == "__main__":
    main()
