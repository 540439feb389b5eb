"""The processes of a server, found in /proc."""

import os
import pathlib


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(pid):
    """{pid: command line} of everything below a process."""
    children, found = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = parent_of(entry.name)
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(parent, []).append((int(entry.name), command))
    waiting = [pid]
    while waiting:
        for child, command in children.get(waiting.pop(), []):
            found[child] = command
            waiting.append(child)
    return found


def children_of(pid):
    return [child for child in descendants(pid) if parent_of(child) == pid]


def is_in_sandbox(pid):
    """Whether a process is in a process-id namespace of its own."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return len(line.split()) > 2


def kill(pid):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
