"""Zips as the clients upload them."""

import io
import pathlib
import zipfile


def package(files, modes=None):
    """A zip of {path: text or bytes}; `modes` gives Unix modes, 0o644 otherwise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, date_time=(2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = ((modes or {}).get(path, 0o644) | 0o100000) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def package_folder(*folders):
    """A zip of everything below folders, with its modes; the last one with a path has its say."""
    files = {}
    for folder in map(pathlib.Path, folders):
        files.update((path.relative_to(folder), path) for path in sorted(folder.rglob("*")) if path.is_file())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, name)
    return buffer.getvalue()


def python(source):
    """A zip whose app.py is `source`."""
    return package({"app.py": source})


def node(source):
    """A zip whose index.mjs is `source`."""
    return package({"index.mjs": source})


def bootstrap(script):
    """A zip whose executable bootstrap is `script`."""
    return package({"bootstrap": script}, modes={"bootstrap": 0o755})


def slow_to_answer(source):
    """The source of a Python function whose handler first waits for as many seconds as its event says.

    For tests of what happens meanwhile. It waits inside its sandbox, where no test can signal.
    """
    return (
        f"{source}\nfrom time import sleep\nwithout_delay = handler\n"
        "def handler(event, context):\n    sleep(event)\n    return without_delay(event, context)\n"
    )


SLOW_HANDLER = slow_to_answer("def handler(event, context):\n    return event\n")


def slow_to_start(seconds, source):
    """The source of a Python function whose init phase takes this long."""
    return f"from time import sleep\nsleep({seconds})\n{source}"
