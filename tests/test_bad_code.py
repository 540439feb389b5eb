"""Code packages that are broken or hostile: refused with AWS's error, or made harmless."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

from support import packages
from support.server import ROLE
from test_control_plane import error_of

GOOD = {"app.py": "import os\ndef handler(event, context):\n    return sorted(os.listdir('/var/task'))\n"}


def refusal(server, zip_bytes):
    client = server.client("lambda")
    try:
        return error_of(client.create_function, FunctionName="bad-code", Runtime="python3.12", Role=ROLE,
                        Handler="app.handler", Code={"ZipFile": zip_bytes})
    finally:
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName="bad-code")


@pytest.mark.parametrize("zip_bytes", [
    b"not a zip", packages.package(GOOD)[:-30], packages.package(GOOD)[:40], b"PK\x05\x06" + b"\0" * 18 + b"x",
], ids=["text", "truncated", "head only", "empty with rubbish"])
def test_broken_zip(server, zip_bytes):
    code, message, status = refusal(server, zip_bytes)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message.startswith((
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
        "Uploaded file must be a non-empty zip",
    ))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "..", "evil\0.py"])
def test_names_that_leave_the_package(server, deploy, name):
    zip_bytes = packages.package({**GOOD, name: "x"})
    client = server.client("lambda")
    try:
        function = deploy("python3.12", zip_bytes)
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException"
        return
    listing = function.invoke().ok()
    assert ".." not in listing and all("/" not in entry for entry in listing), "neutralised: it may only lie in /var/task"


def symlink_package(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return open('/var/task/link').read()\n")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target)
    return buffer.getvalue()


def test_symlink_to_the_host_shows_nothing_of_the_host(server, deploy):
    client = server.client("lambda")
    try:
        function = deploy("python3.12", symlink_package("/etc/shadow"))
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException"
        return
    assert function.invoke().error == "Unhandled"


def test_zip_bomb_is_counted_by_its_real_bytes(server):
    """262 MB and a bit of zeros that claim, in both headers, to be ten bytes."""
    blank = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = b"\0" * 1_000_000
    body = b"".join(blank.compress(chunk) for _ in range(300)) + blank.flush()
    name = b"big"
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, 0, len(body), 10, len(name), 0) + name + body
    central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 0, 0, len(body), 10, len(name), 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), len(local), 0)
    code, _, status = refusal(server, local + central + end)
    assert (code, status) == ("InvalidParameterValueException", 400)


def test_honest_but_too_big_unzipped(server):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(9):
            archive.writestr(f"big{number}", b"\0" * 30_000_000)
    code, message, status = refusal(server, buffer.getvalue())
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "Unzipped size must be smaller than 262144000 bytes" in message


def test_zip_of_more_than_50_megabytes(server):
    import os

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("big", os.urandom(52_500_000))
    code, message, status = refusal(server, buffer.getvalue())
    assert status in (400, 413)
    assert code in ("RequestEntityTooLargeException", "InvalidParameterValueException"), (code, message)


def test_setuid_bits_are_dropped(deploy):
    function = deploy("python3.12", packages.package(
        {"app.py": "import os\ndef handler(event, context):\n    return oct(os.stat('/var/task/tool').st_mode)\n", "tool": "x"},
        modes={"tool": 0o4755},
    ))
    assert function.invoke().ok() == "0o100755"


def test_package_is_read_only_and_modes_are_kept(deploy):
    function = deploy("python3.12", packages.package(
        {"app.py": "import os, subprocess\ndef handler(event, context):\n"
                   "    try:\n        open('/var/task/new', 'w')\n        writable = True\n"
                   "    except OSError as error:\n        writable = error.errno\n"
                   "    return [writable, subprocess.run(['/var/task/tool'], capture_output=True, text=True).stdout]\n",
         "tool": "#!/bin/sh\necho ran\n"}, modes={"tool": 0o755},
    ))
    writable, ran = function.invoke().ok()
    assert writable == 30, "EROFS"
    assert ran == "ran\n"
