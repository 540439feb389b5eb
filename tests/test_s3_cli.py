"""S3 as the AWS CLI uses it: cp, sync, ls, rm, presign, and large files in parts."""

import hashlib
import json
import os

import pytest

from support.objects import send

OLD_S = 1_700_000_000


@pytest.fixture
def s3(server, tmp_path):
    """`aws s3 …` in a folder of the test's own."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments, check=True):
        return server.aws("s3", *arguments, check=check, HOME=str(home), AWS_REGION="us-east-1")

    return run


@pytest.fixture
def bucket(server, s3, request):
    name = "cli-" + request.node.name.replace("_", "-").removeprefix("test-")[:50].rstrip("-")
    s3("mb", f"s3://{name}")
    yield name
    s3("rb", f"s3://{name}", "--force")


def test_files_go_there_and_back(s3, bucket, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    s3("cp", str(tmp_path / "a.txt"), f"s3://{bucket}/folder/a b.txt")
    assert "folder/a b.txt" in s3("ls", f"s3://{bucket}", "--recursive").stdout
    assert "PRE folder/" in s3("ls", f"s3://{bucket}").stdout
    assert bucket in s3("ls").stdout
    s3("cp", f"s3://{bucket}/folder/a b.txt", str(tmp_path / "b.txt"))
    assert (tmp_path / "b.txt").read_text() == "hello"
    s3("mv", f"s3://{bucket}/folder/a b.txt", f"s3://{bucket}/moved.txt")
    assert s3("ls", f"s3://{bucket}/folder/", check=False).returncode == 1
    s3("rm", f"s3://{bucket}/moved.txt")
    assert s3("ls", f"s3://{bucket}").stdout == ""


def test_large_files_go_in_parts(server, s3, bucket, tmp_path):
    content = os.urandom(1 << 20) * 40
    (tmp_path / "large").write_bytes(content)
    s3("cp", str(tmp_path / "large"), f"s3://{bucket}/large")
    head = json.loads(server.aws("s3api", "head-object", "--bucket", bucket, "--key", "large", "--output", "json").stdout)
    assert head["ETag"].endswith('-5"') and head["ContentLength"] == len(content)
    s3("cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    s3("cp", f"s3://{bucket}/copy", str(tmp_path / "back"))
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_folders_are_synced(s3, bucket, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for number in range(30):
        path = here / f"d{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
        # Times of objects are whole seconds: a file that is younger than its object is synced again.
        os.utime(path, (OLD_S, OLD_S))
    s3("sync", str(here), f"s3://{bucket}/x")
    assert s3("sync", str(here), f"s3://{bucket}/x").stdout == ""
    (here / "d0/0.txt").unlink()
    (here / "d1/1.txt").write_text("changed")
    s3("sync", str(here), f"s3://{bucket}/x", "--delete")
    s3("sync", f"s3://{bucket}/x", str(there))
    names = sorted(str(path.relative_to(there)) for path in there.rglob("*.txt"))
    assert len(names) == 29 and (there / "d1/1.txt").read_text() == "changed"


def test_links_are_made(s3, bucket, tmp_path):
    (tmp_path / "a.txt").write_text("linked")
    s3("cp", str(tmp_path / "a.txt"), f"s3://{bucket}/a.txt")
    link = s3("presign", f"s3://{bucket}/a.txt").stdout.strip()
    answer = send(link)
    assert (answer.body, answer.headers["Content-Type"]) == (b"linked", "text/plain")


def test_single_operations(server, s3, bucket, tmp_path):
    answer = server.aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", __file__, "--checksum-algorithm", "SHA256")
    assert "ChecksumSHA256" in answer.stdout
    listed = json.loads(server.aws("s3api", "list-objects-v2", "--bucket", bucket, "--output", "json").stdout)
    assert [entry["Key"] for entry in listed["Contents"]] == ["k"]
