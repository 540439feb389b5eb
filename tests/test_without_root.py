"""Started by an ordinary user it works in user namespaces, and says what is lost."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from support import packages
from support.server import BINARY, RUNTIMES, Function, Server

NOBODY = 65534


@pytest.fixture(scope="module")
def unprivileged():
    if os.geteuid() != 0:
        pytest.skip("LOUDLY SKIPPED: the suite itself runs without root; every other test covers this mode")
    if not shutil.which("setpriv"):
        pytest.skip("LOUDLY SKIPPED: setpriv is missing")
    with tempfile.TemporaryDirectory(prefix="tindra-user-", dir="/var/tmp") as path:
        base = pathlib.Path(path)
        binary = base / "tindra"
        shutil.copy(BINARY, binary)
        shutil.copytree(RUNTIMES, base / "runtimes", symlinks=True, ignore=lambda folder, names: [
            name for name in names if pathlib.Path(folder) == RUNTIMES and not name.startswith(("python3.12", "provided.al2023"))])
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", path], check=True)
        os.chmod(path, 0o755)
        yield base


def test_functions_run_and_the_table_is_honest(unprivileged, monkeypatch):
    import support.server as support_server

    monkeypatch.setattr(support_server, "BINARY", unprivileged / "tindra")
    monkeypatch.setattr(support_server, "RUNTIMES", unprivileged / "runtimes")
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    server = Server(data=unprivileged, prefix=prefix, environment={"HOME": str(unprivileged)})
    probe = subprocess.run(prefix + ["unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"LOUDLY SKIPPED: this kernel refuses user namespaces to ordinary users: {probe.stderr.strip()}")
    with server:
        function = Function(server, "rootless", "python3.12", packages.python(
            "import os\ndef handler(event, context):\n    return [event, os.getuid(), os.path.exists('/root')]\n"), "app.handler").ready()
        assert function.invoke(1).ok()[0] == 1
        assert function.invoke(2).ok()[0] == 2
        output = server.output().lower()
        assert "cgroup" in output and ("missing" in output or "no " in output)
        function.delete()
