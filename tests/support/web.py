"""The applications in tests/web with their real third-party packages, installed once and kept in tests/.cache."""

import functools
import hashlib
import shutil
import subprocess
import sys

from support import packages
from support.server import ROOT

WEB = ROOT / "tests/web"
KEPT = ROOT / "tests/.cache/web"


@functools.cache
def python():
    """A zip for python3.12: Powertools, and app.py."""
    return zipped(WEB / "python", "requirements.txt", lambda folder: [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile",
        "--target", str(folder), "--only-binary", ":all:", "--python-version", "3.12", "--implementation", "cp",
        "-r", str(WEB / "python/requirements.txt"),
    ])


@functools.cache
def node():
    """A zip for Node.js: Express and Hono with what leads to them, and a module for each application."""

    def install(folder):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(WEB / "node" / name, folder)
        return ["npm", "ci", "--silent", "--omit=dev", "--ignore-scripts", "--prefix", str(folder)]

    return zipped(WEB / "node", "package-lock.json", install)


def zipped(source, lock, install):
    """The packages that a lock file names, and the source beside it. A changed lock file is installed anew."""
    digest = hashlib.sha256((source / lock).read_bytes()).hexdigest()[:16]
    kept = KEPT / f"{source.name}-{digest}"
    if not kept.is_dir():
        partial = kept.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        subprocess.run(install(partial), check=True, timeout=300)
        partial.rename(kept)
    return packages.package_folder(kept, source)
