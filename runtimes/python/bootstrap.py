"""Starts AWS's Python runtime client with our transport.

TINDRA_OFFICIAL_TRANSPORT=1 leaves the client its own, compiled transport. The client and what it needs are
imported from here, before the function's directories are searched; what the function brings in its own copy
is forgotten again, so that its copy wins.
"""

import os
import sys

_RUNTIME = "/var/runtime"


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


def _forget_what_the_function_brings(directories):
    for name in ("simplejson", "snapshot_restore_py"):
        if name not in sys.modules:
            continue
        for directory in directories:
            path = "%s/%s" % (directory, name)
            if os.path.exists(path) or os.path.exists(path + ".py"):
                for module in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
                    del sys.modules[module]
                break


def main():
    official = os.environ.get("TINDRA_OFFICIAL_TRANSPORT", "0") not in ("", "0", "false")
    if not official:
        sys.path.insert(0, _RUNTIME + "/tindra_transport")
        import runtime_client  # noqa: F401  The client finds it in sys.modules.

        del sys.path[0]
    from awslambdaric import __main__ as client

    own, sys.path[:] = _search_path()
    _forget_what_the_function_brings(own)
    handler = os.environ["_HANDLER"]
    if official or "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ or not hasattr(client, "LambdaRuntimeClient"):
        client.main(["bootstrap", handler])
    else:
        # The compiled transport blocks signals while it waits, for which the client starts a thread for each
        # event. Ours does not, so the client runs as it does on the versions without that thread.
        client.bootstrap.run(handler, client.LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"], False))


if __name__ == "__main__":
    main()
