"""Node.js 22, which machines rarely have: a build of it comes as a package, and is made ready once."""

import fcntl
import json
import subprocess

from support.server import BINARY, ROOT, RUNTIMES

BUILD = ROOT / "tests/.cache/node22"


def make_22_ready():
    """Makes nodejs22.x ready where the tests keep runtimes, unless it is. Runs beside each other wait for the first."""
    RUNTIMES.mkdir(parents=True, exist_ok=True)
    with open(RUNTIMES.parent / "node22.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listed = json.loads(runtime("list", "--json"))
        if any(entry["runtime"] == "nodejs22.x" and entry["ready"] for entry in listed):
            return
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-save", "--prefix", str(BUILD), "node@22"], timeout=600, check=True)
        runtime("install", "nodejs22.x", "--from-host", str(BUILD / "node_modules/node/bin/node"))


def runtime(action, *arguments):
    command = [str(BINARY), "runtime", action, "--runtimes", str(RUNTIMES), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout
