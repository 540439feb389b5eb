"""Compiles Java handlers with the machine's JDKs, against the client that is in the runtime pack."""

import functools
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from support import packages
from support.server import BINARY, RUNTIMES


def listing():
    """What the binary says of each Java runtime."""
    done = subprocess.run([str(BINARY), "runtime", "list", "--json", "--runtimes", str(RUNTIMES)],
                          capture_output=True, text=True, timeout=60, check=True)
    return {entry["runtime"]: entry for entry in json.loads(done.stdout) if entry["runtime"].startswith("java")}


@functools.cache
def programs():
    """{runtime: path of its java}, for those whose `java` has a `javac` beside it."""
    found = {name: pathlib.Path(entry["interpreters"][0]["path"]) for name, entry in listing().items() if entry["interpreters"]}
    return {name: path for name, path in found.items() if re.fullmatch(r"java(11|17|21|25)", name) and (path.parent / "javac").exists()}


def runtimes():
    """The Java runtimes of this machine that are tested."""
    return sorted(programs()) if shutil.which("mvn") else []


def home(runtime):
    return programs()[runtime].parent.parent


@functools.cache
def pack(runtime):
    """The root of the runtime's pack, made when it is missing."""
    if not listing()[runtime]["ready"]:
        made = subprocess.run([str(BINARY), "runtime", "install", runtime, "--runtimes", str(RUNTIMES)],
                              capture_output=True, text=True, timeout=600)
        assert made.returncode == 0, made.stderr
    return RUNTIMES / json.loads((RUNTIMES / f"{runtime}.json").read_text())["directory"]


def classes(runtime, sources, class_path=()):
    """{path: bytes} of the classes of {file name: source}."""
    jars = [str(jar) for jar in (pack(runtime) / "var/runtime/lib").glob("*.jar")] + [str(path) for path in class_path]
    with tempfile.TemporaryDirectory(prefix="tindra-java-") as name:
        folder = pathlib.Path(name)
        for file, source in sources.items():
            (folder / file).write_text(source)
        done = subprocess.run([str(home(runtime) / "bin/javac"), "-nowarn", "-cp", ":".join(jars), "-d", str(folder / "out"),
                               *[str(folder / file) for file in sources]], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return {str(path.relative_to(folder / "out")): path.read_bytes()
                for path in (folder / "out").rglob("*.class")}


def package(runtime, sources, files=None):
    """A zip of the classes, as `jar` makes it, with more files."""
    return packages.package({**classes(runtime, sources), **(files or {})})
