"""Hosts of the tests' own making, in network namespaces."""

import contextlib
import os
import subprocess

import pytest


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def host(name, gateway, address, source):
    """A host that this machine reaches as `address` from `gateway`, over a link of 30 bits.

    It runs the Python `source`, which prints `ready` when it serves. Skips the test without root.
    """
    if os.geteuid() != 0:
        pytest.skip("LOUDLY SKIPPED: making a network namespace for the test's own host needs root")
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("addr", "add", f"{gateway}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "addr", "add", f"{address}/30", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        ip("-n", name, "link", "set", "lo", "up")
        servers = subprocess.Popen(
            ["ip", "netns", "exec", name, "python3", "-c", source], stdout=subprocess.PIPE, text=True
        )
        try:
            assert servers.stdout.readline().strip() == "ready"
            yield address
        finally:
            servers.kill()
            servers.wait()
    finally:
        ip("netns", "del", name)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", f"{name}a")
