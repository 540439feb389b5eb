"""S3 as boto3 sees it: buckets, objects, versions, parts, checksums, links."""

import base64
import concurrent.futures
import datetime
import hashlib
import io
import re
import socket
import zlib

import pytest

from support import objects
from support.errors import error_of
from support.objects import send
from support.server import Server
from test_async_restarts import Dev

PART = 5 << 20


@pytest.fixture(scope="module")
def s3(server):
    return objects.client(server)


@pytest.fixture
def bucket(s3):
    name = objects.bucket(s3)
    yield name
    objects.empty(s3, name)


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def code(call, **members):
    return error_of(call, **members)[0]


def body(s3, bucket, key, **members):
    return s3.get_object(Bucket=bucket, Key=key, **members)["Body"].read()


def keys(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


# Buckets.


def test_buckets_are_made_listed_and_removed(server, s3):
    name = objects.bucket(s3)
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.create_bucket(Bucket=name)
    other = objects.client(server, account="111111111111")
    assert code(other.create_bucket, Bucket=name) == "BucketAlreadyExists"
    assert name not in [bucket["Name"] for bucket in other.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert code(s3.delete_bucket, Bucket=name) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert code(s3.list_objects_v2, Bucket=name) == "NoSuchBucket"
    assert code(s3.head_bucket, Bucket=name) == "404"


def test_buckets_have_regions(server, s3):
    west = objects.client(server, region="eu-west-1")
    name = objects.bucket(west, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    configuration = {"LocationConstraint": "eu-west-1"}
    assert code(west.create_bucket, Bucket=name, CreateBucketConfiguration=configuration) == "BucketAlreadyOwnedByYou"
    assert code(s3.create_bucket, Bucket="Not_A_Name") == "InvalidBucketName"
    west.delete_bucket(Bucket=name)


def test_buckets_may_be_in_the_host(server, bucket, monkeypatch):
    here = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: here(
        "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **named))
    s3 = objects.client(server, style="virtual")
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"by host")
    assert body(s3, bucket, "a/b") == b"by host"
    for host in [f"{bucket}.localhost", f"{bucket}.s3.localhost", f"{bucket}.s3.us-east-1.localhost"]:
        assert send(f"{server.url}/a/b", Host=f"{host}:{server.port}").body == b"by host"


# Objects.


def test_what_is_put_is_got(s3, bucket):
    expires = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü+.txt", Body=b"hello", ContentType="text/plain", CacheControl="no-cache", Expires=expires,
        ContentEncoding="gzip", ContentDisposition="inline", ContentLanguage="de", Metadata={"Colour": "red"},
        Tagging="a=1&b=2",
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="a b/ü+.txt")
    assert got["Body"].read() == b"hello"
    head = s3.head_object(Bucket=bucket, Key="a b/ü+.txt")
    for answer in got, head:
        assert answer["ETag"] == put["ETag"] and answer["ContentLength"] == 5
        assert (answer["ContentType"], answer["CacheControl"], answer["ContentEncoding"]) == ("text/plain", "no-cache", "gzip")
        assert (answer["ContentDisposition"], answer["ContentLanguage"]) == ("inline", "de")
        assert answer["Metadata"] == {"colour": "red"}
        assert answer["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert got["TagCount"] == 2
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert body(s3, bucket, "empty") == b""
    assert s3.head_object(Bucket=bucket, Key="empty")["ContentType"] == "binary/octet-stream"
    assert code(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
    assert code(s3.head_object, Bucket=bucket, Key="none") == "404"


def test_ranges_and_conditions(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    ranged = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (ranged["Body"].read(), ranged["ContentRange"], ranged["ContentLength"]) == (b"234", "bytes 2-4/10", 3)
    assert ranged["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert body(s3, bucket, "k", Range="bytes=-3") == b"789"
    assert body(s3, bucket, "k", Range="bytes=8-99") == b"89"
    assert code(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == "InvalidRange"
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=1-1")["ContentLength"] == 1
    etag, other = put["ETag"], '"00000000000000000000000000000000"'
    assert body(s3, bucket, "k", IfMatch=etag) == b"0123456789"
    assert code(s3.get_object, Bucket=bucket, Key="k", IfMatch=other) == "PreconditionFailed"
    assert code(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == "304"
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    hour = datetime.timedelta(hours=1)
    assert code(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified + hour) == "304"
    assert code(s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=modified - hour) == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfMatch=other) == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="new", Body=b"x", IfMatch=etag) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="new", Body=b"x", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"changed", IfMatch=etag)
    assert body(s3, bucket, "k") == b"changed"


def test_checksums_are_checked_kept_and_told(s3, bucket):
    crc32 = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    for algorithm in ["CRC32", "SHA1", "SHA256", "CRC32C", "CRC64NVME"]:
        try:
            put = s3.put_object(Bucket=bucket, Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
        except Exception as error:
            # Two of them the SDK computes only with its native library.
            assert "botocore[crt]" in str(error), error
            continue
        told = s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        assert told[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        assert told["ChecksumType"] == "FULL_OBJECT"
    assert s3.head_object(Bucket=bucket, Key="CRC32", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32
    assert "ChecksumCRC32" not in s3.head_object(Bucket=bucket, Key="CRC32")
    wrong = base64.b64encode(b"0000").decode()
    assert code(s3.put_object, Bucket=bucket, Key="bad", Body=b"hello", ChecksumCRC32=wrong) == "BadDigest"
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code(s3.put_object, Bucket=bucket, Key="bad", Body=b"hello", ContentMD5=md5) == "BadDigest"
    assert code(s3.get_object, Bucket=bucket, Key="bad") == "NoSuchKey"
    # Of a stream the SDK sends the checksum after the bytes, in AWS's chunks.
    s3.put_object(Bucket=bucket, Key="stream", Body=io.BytesIO(b"x" * 300_000), ChecksumAlgorithm="SHA256")
    told = s3.head_object(Bucket=bucket, Key="stream", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"x" * 300_000).digest()).decode()
    attributes = s3.get_object_attributes(Bucket=bucket, Key="stream", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"])
    assert attributes["ObjectSize"] == 300_000 and attributes["Checksum"]["ChecksumSHA256"] == told["ChecksumSHA256"]


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"hello", Metadata={"a": "1"}, ContentType="text/plain", Tagging="t=1")
    source = {"Bucket": bucket, "Key": "from"}
    copied = s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"], got["TagCount"]) == (b"hello", {"a": "1"}, "text/plain", 1)
    source = {"Bucket": bucket, "Key": "to"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"b": "2"}
    assert code(s3.copy_object, Bucket=bucket, Key="to", CopySource=source) == "InvalidRequest"
    assert code(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "none"}) == "NoSuchKey"
    failed = code(s3.copy_object, Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"0"')
    assert failed == "PreconditionFailed"


def test_tags_of_objects_and_buckets(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


def test_many_are_deleted_at_once(s3, bucket):
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    listed = [{"Key": f"k{number}"} for number in range(19)] + [{"Key": "none"}]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": listed})
    assert len(deleted["Deleted"]) == 20 and "Errors" not in deleted
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k19"]


# Listings.


def test_listings_have_prefixes_and_pages(s3, bucket):
    names = ["a/1", "a/2", "a/b/3", "b", "c/4", "d e+ü"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == names
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert keys(page) == ["b", "d e+ü"]
    assert [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["a/", "c/"]
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="a/")
    assert keys(page) == ["a/1", "a/2"] and [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["a/b/"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="a/2")) == names[2:]
    for delimiter, whole in ("", 6), ("/", 4):
        for size in 1, 2, 3:
            found = 0
            for operation in "list_objects_v2", "list_objects":
                found = 0
                members = {"Delimiter": delimiter} if delimiter else {}
                pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **members)
                for page in pages:
                    entries = len(page.get("Contents", [])) + len(page.get("CommonPrefixes", []))
                    assert entries <= size
                    found += entries
                assert found == whole, (operation, delimiter, size)
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0


# Versions.


def test_versions_are_kept(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"two")["VersionId"]
    assert body(s3, versioned, "k") == b"two" and body(s3, versioned, "k", VersionId=first) == b"one"
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] is True
    assert code(s3.get_object, Bucket=versioned, Key="k") == "NoSuchKey"
    assert code(s3.get_object, Bucket=versioned, Key="k", VersionId=marker["VersionId"]) == "MethodNotAllowed"
    assert keys(s3.list_objects_v2(Bucket=versioned)) == []
    listed = s3.list_object_versions(Bucket=versioned)
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["Versions"]] == [(second, False), (first, False)]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]] == [(marker["VersionId"], True)]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert body(s3, versioned, "k") == b"two"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert body(s3, versioned, "k") == b"one"
    assert code(s3.get_object, Bucket=versioned, Key="k", VersionId=second) == "NoSuchVersion"


def test_versioning_can_be_suspended(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    assert body(s3, bucket, "k", VersionId="null") == b"null"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    s3.put_object(Bucket=bucket, Key="k", Body=b"other null")
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [entry["VersionId"] for entry in listed] == ["null", kept]
    assert body(s3, bucket, "k", VersionId="null") == b"other null"
    s3.delete_object(Bucket=bucket, Key="k")
    listed = s3.list_object_versions(Bucket=bucket)
    assert [entry["VersionId"] for entry in listed["Versions"]] == [kept]
    assert [entry["VersionId"] for entry in listed["DeleteMarkers"]] == ["null"]


def test_versions_are_listed_in_pages(s3, versioned):
    expected = []
    for key in "a", "b", "c":
        versions = [s3.put_object(Bucket=versioned, Key=key, Body=b"x")["VersionId"] for _ in range(3)]
        expected += [(key, version) for version in reversed(versions)]
    for size in 1, 2, 4, 9:
        found = []
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": size}):
            assert len(page.get("Versions", [])) <= size
            found += [(entry["Key"], entry["VersionId"]) for entry in page.get("Versions", [])]
        assert found == expected, size


# Parts.


def test_objects_come_in_parts(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/plain", ChecksumAlgorithm="SHA256")["UploadId"]
    bodies = [b"a" * PART, b"b" * PART, b"c" * 10]
    parts = []
    for number, part in enumerate(bodies, 1):
        put = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": put["ETag"], "ChecksumSHA256": put["ChecksumSHA256"]})
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2)
    assert [part["Size"] for part in listed["Parts"]] == [PART, PART] and listed["IsTruncated"]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    md5s = b"".join(hashlib.md5(part).digest() for part in bodies)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert done["ChecksumSHA256"].endswith("-3") and done["ChecksumType"] == "COMPOSITE"
    assert body(s3, bucket, "k") == b"".join(bodies)
    assert body(s3, bucket, "k", Range=f"bytes={PART - 2}-{PART + 1}") == b"aabb"
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (b"c" * 10, 3)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert attributes["TotalPartsCount"] == 3 and [part["Size"] for part in attributes["Parts"]] == [PART, PART, 10]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"".join(bodies)).hexdigest()}"'


def test_parts_are_checked(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    members = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    small = s3.upload_part(**members, PartNumber=1, Body=b"small")["ETag"]
    last = s3.upload_part(**members, PartNumber=2, Body=b"last")["ETag"]

    def complete(*parts):
        named = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return code(s3.complete_multipart_upload, **members, MultipartUpload={"Parts": named})

    assert complete((1, small), (2, last)) == "EntityTooSmall"
    assert complete((2, last), (1, small)) == "InvalidPartOrder"
    assert complete((1, last)) == "InvalidPart" and complete((3, last)) == "InvalidPart"
    assert code(s3.upload_part, **members, PartNumber=0, Body=b"") == "InvalidArgument"
    assert code(s3.upload_part, **{**members, "UploadId": "nonsense"}, PartNumber=1, Body=b"") == "NoSuchUpload"
    s3.complete_multipart_upload(**members, MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": last}]})
    assert body(s3, bucket, "k") == b"last"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"gone")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert code(s3.list_parts, Bucket=bucket, Key="k", UploadId=upload) == "NoSuchUpload"
    assert body(s3, bucket, "k") == b"last"


def test_parts_may_be_copied(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"0123456789" * (PART // 10 + 1))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    members = {"Bucket": bucket, "Key": "to", "UploadId": upload, "CopySource": {"Bucket": bucket, "Key": "from"}}
    first = s3.upload_part_copy(**members, PartNumber=1)["CopyPartResult"]["ETag"]
    second = s3.upload_part_copy(**members, PartNumber=2, CopySourceRange="bytes=3-5")["CopyPartResult"]["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    s3.complete_multipart_upload(Bucket=bucket, Key="to", UploadId=upload, MultipartUpload={"Parts": parts})
    assert body(s3, bucket, "to", Range="bytes=-5") == b"89345"


def test_checksums_of_parts_become_one_of_the_whole(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    members = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    bodies = [b"a" * PART, b"bcd"]
    parts = []
    for number, part in enumerate(bodies, 1):
        put = s3.upload_part(**members, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": put["ETag"], "ChecksumCRC32": put["ChecksumCRC32"]})
    whole = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    complete = dict(**members, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")
    assert code(s3.complete_multipart_upload, **complete, ChecksumCRC32="AAAAAA==") == "BadDigest"
    assert s3.complete_multipart_upload(**complete, ChecksumCRC32=whole)["ChecksumCRC32"] == whole


# Links, strangers and browsers.


def test_links_work_until_they_expire(s3, bucket):
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert send(put, "PUT", b"by link").status == 200
    members = {"Bucket": bucket, "Key": "k", "ResponseContentType": "text/x", "ResponseContentDisposition": "attachment"}
    got = send(s3.generate_presigned_url("get_object", Params=members))
    assert (got.body, got.headers["Content-Type"], got.headers["Content-Disposition"]) == (b"by link", "text/x", "attachment")
    link = s3.generate_presigned_url("get_object", Params=members)
    expired = send(re.sub("X-Amz-Date=[0-9]{8}", "X-Amz-Date=20200101", link))
    assert expired.status == 403 and b"Request has expired" in expired.body
    assert got.headers["x-amz-request-id"] and got.headers["x-amz-id-2"]


def test_nobody_has_to_sign_with_auth_off(server, bucket):
    url = f"{server.url}/{bucket}/k"
    assert send(url, "PUT", b"unsigned").status == 200
    assert send(url).body == b"unsigned"
    head = send(url, "HEAD")
    assert head.headers["Content-Length"] == "8" and head.body == b""
    assert send(url, "DELETE").status == 204
    assert send(f"{server.url}/{bucket}?list-type=2").body.startswith(b"<?xml")


def test_browsers_are_let_in_by_cors(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url, origin = f"{server.url}/{bucket}/k", "https://app.example.com"
    assert code(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    assert send(url, Origin=origin).status == 403
    rule = {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    asked = send(url, "OPTIONS", Origin=origin, Access_Control_Request_Method="PUT", Access_Control_Request_Headers="x-amz-date")
    assert (asked.status, asked.headers["Access-Control-Allow-Origin"]) == (200, origin)
    assert asked.headers["Access-Control-Max-Age"] == "60"
    got = send(url, Origin=origin)
    assert (got.status, got.headers["Access-Control-Expose-Headers"]) == (200, "ETag")
    other = send(url, "OPTIONS", Origin="https://other.com", Access_Control_Request_Method="GET")
    assert other.status == 403 and b"AccessForbidden" in other.body


def test_clients_may_wait_for_leave_to_send(server, bucket):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


# Sub-resources.


def test_sub_resources_say_what_aws_says(s3, bucket):
    for call, expected in [
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ]:
        assert code(call, Bucket=bucket) == expected
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    assert code(s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=kms) == "NotImplemented"
    access = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert access == {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    public = f"""{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::{bucket}/*"}}]}}"""
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=public) == "AccessDenied"
    s3.delete_public_access_block(Bucket=bucket)
    assert code(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == public
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == "MalformedPolicy"
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert code(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    website = {"IndexDocument": {"Suffix": "index.html"}}
    assert code(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=website) == "NotImplemented"
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


# Many at once, much at once.


def test_of_many_writers_one_wins_whole(s3, bucket):
    bodies = [bytes([number]) * 200_000 for number in range(16)]
    with concurrent.futures.ThreadPoolExecutor(16) as writers:
        writes = [writers.submit(s3.put_object, Bucket=bucket, Key="k", Body=content) for content in bodies]
        reads = [writers.submit(lambda: body(s3, bucket, "k")) for _ in range(32)]
        [write.result() for write in writes]
        for read in reads:
            if not isinstance(read.exception(), s3.exceptions.NoSuchKey):
                assert read.result() in bodies
    assert body(s3, bucket, "k") in bodies


def test_a_reader_has_the_bytes_to_the_end(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old" * 10_000_000)
    reading = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = reading.read(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    s3.delete_object(Bucket=bucket, Key="k")
    assert first + reading.read() == b"old" * 10_000_000


def test_large_objects_need_no_memory():
    size = 1 << 30

    class Zeros(io.RawIOBase):
        def __init__(self):
            self.at = 0

        def read(self, count=-1):
            count = min(1 << 20 if count < 0 else count, size - self.at)
            self.at += count
            return bytes(count)

        def seekable(self):
            return True

        def seek(self, to, whence=0):
            self.at = to if whence == 0 else size + to if whence == 2 else self.at + to
            return self.at

        def tell(self):
            return self.at

    def rss(server):
        lines = open(f"/proc/{server.process.pid}/status").read().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) << 10

    with Server(arguments=["--spares-max", "0"]) as server:
        s3 = objects.client(server)
        s3.create_bucket(Bucket="large")
        before = rss(server)
        s3.put_object(Bucket="large", Key="k", Body=Zeros(), ContentLength=size)
        reading, length = s3.get_object(Bucket="large", Key="k")["Body"], 0
        while piece := reading.read(1 << 20):
            length += len(piece)
        assert length == size
        grown = rss(server) - before
        print(f"grew by {grown >> 20} MB")
        assert grown < 64 << 20


def test_a_reset_leaves_nothing(tmp_path):
    (tmp_path / "settings.toml").write_text(f'data = "{tmp_path}/data"\n')
    with Dev(arguments=["--config", str(tmp_path / "settings.toml")]) as server:
        s3 = objects.client(server)
        s3.create_bucket(Bucket="some")
        s3.put_object(Bucket="some", Key="k", Body=b"x" * 1000)
        def files():
            return [path for path in (tmp_path / "data").glob("dev/*/s3/??/*") if path.is_file()]

        assert len(files()) == 1
        assert send(f"{server.url}/_tindra/reset", "POST", b"").status < 300
        assert s3.list_buckets()["Buckets"] == [] and files() == []
