"""File systems of the tests' own, in files behind loop devices: small ones, and ones that lose what was not made durable."""

import contextlib
import os
import shutil
import subprocess

import pytest

from support.wait import until


def need_loop_devices():
    """Skips the test where it may not mount."""
    if os.geteuid() != 0:
        pytest.skip("LOUDLY SKIPPED: mounting a file system of the test's own needs root")
    for program, package in (("losetup", "util-linux"), ("mkfs.ext4", "e2fsprogs")):
        if shutil.which(program) is None:
            pytest.skip(f"LOUDLY SKIPPED: making a file system of the test's own needs {program} (package {package})")
    if subprocess.run(["losetup", "--find"], capture_output=True).returncode != 0:
        pytest.skip("LOUDLY SKIPPED: this machine has no loop devices")


def make(image, megabytes):
    """Makes an ext4 file system in a sparse file, all of it for anybody."""
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    options = ["-q", "-m", "0", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", *options, str(image)], check=True)


@contextlib.contextmanager
def mounted(image, place):
    """Mounts an image at a place, which is made.

    Nothing is written back by itself for five minutes, and the space of removed files stays allocated in the image.
    """
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop,commit=300,nodiscard", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        unmount(place)


@contextlib.contextmanager
def memory(place, megabytes):
    """Mounts a file system in memory, of so many megabytes, at a place, which is made."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        unmount(place)


def unmount(place):
    """Unmounts, once the sandboxes of a server that was killed, and loop devices, have let go of it."""

    def is_unmounted():
        return subprocess.run(["umount", str(place)], capture_output=True).returncode == 0

    until(is_unmounted, 30, f"{place} to be unmounted", interval_s=0.05)


def copy(image, target):
    """Copies what a disk has been given of an image that is still mounted: what a power cut would leave."""
    subprocess.run(["cp", "--sparse=always", str(image), str(target)], check=True)


def fill(path):
    """Writes a file until nothing more fits on its file system."""
    with open(path, "wb", buffering=0) as file:
        for length in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * length)
        os.fsync(file.fileno())


def write(path, content, durably):
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        if durably:
            os.fsync(file.fileno())
