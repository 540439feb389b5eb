"""Buckets of tests, and requests to S3 that no SDK would send."""

import itertools
import urllib.error
import urllib.request

import botocore.config

NUMBERS = itertools.count(1)


def client(server, style="path", account="test", region="us-east-1", **keys):
    """A client of S3 for a server; by host names the address is `localhost`, below which every name leads here."""
    import boto3

    url = server.url if style == "path" else f"http://s3.localhost:{server.port}"
    config = botocore.config.Config(
        s3={"addressing_style": style}, signature_version="s3v4", retries={"total_max_attempts": 1},
        read_timeout=120, max_pool_connections=64, parameter_validation=False,
    )
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "test", **keys}
    return boto3.client("s3", endpoint_url=url, region_name=region, config=config, **keys)


def bucket(s3, **members):
    """A new bucket."""
    name = f"bucket-{next(NUMBERS)}-of-tests"
    s3.create_bucket(Bucket=name, **members)
    return name


def empty(s3, name):
    """Removes a bucket with all that is in it."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
        if listed:
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in listed]
            assert "Errors" not in s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def send(url, method="GET", body=None, **headers):
    """A request as it is; underscores in names of headers stand for dashes."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())
