"""S3 with signatures verified: whose keys open what, by policies of identities and of buckets."""

import io
import json
import re

import boto3
import botocore.config
import pytest

from support import objects, packages
from support.errors import error_of
from support.objects import send
from support.server import Server

ACCOUNT, OTHER = "000000000000", "210987654321"
OTHER_KEY = {"aws_access_key_id": "AKIAOTHEROTHEROTHERO", "aws_secret_access_key": "the-secret-of-another-account"}
USES_S3 = """
import boto3
def handler(event, context):
    s3 = boto3.client("s3")
    try:
        if "put" in event:
            s3.put_object(Bucket=event["bucket"], Key=event["key"], Body=event["put"].encode())
        return s3.get_object(Bucket=event["bucket"], Key=event["key"])["Body"].read().decode()
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
"""


class Secured:
    def __init__(self, server):
        self.server = server
        lines = (server.data / "credentials").read_text().splitlines()
        pairs = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
        self.root = {name: pairs[name] for name in ("aws_access_key_id", "aws_secret_access_key")}

    def client(self, service, **keys):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **keys.pop("more", {}))
        return boto3.client(service, endpoint_url=self.server.url, region_name="us-east-1", config=config, **(keys or self.root))

    def user(self, name, *statements):
        """The keys of a new user with these rights."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


@pytest.fixture(scope="module")
def secured():
    names = {"access_key_id": OTHER_KEY["aws_access_key_id"], "secret_access_key": OTHER_KEY["aws_secret_access_key"], "account": OTHER}
    config = "[[access_keys]]\n" + "".join(f'{name} = "{value}"\n' for name, value in names.items())
    with Server(arguments=["--auth", "sigv4"], config=config) as server:
        yield Secured(server)


@pytest.fixture
def s3(secured):
    return secured.client("s3")


@pytest.fixture
def bucket(s3):
    name = objects.bucket(s3)
    yield name
    s3.delete_bucket_policy(Bucket=name)
    objects.empty(s3, name)


def allow(action, resource, **members):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **members}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_signatures_are_verified(secured, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"signed")
    # Chunks with their checksum after them, and chunks that are signed one by one.
    s3.put_object(Bucket=bucket, Key="stream", Body=io.BytesIO(b"x" * 200_000), ChecksumAlgorithm="SHA256")
    signed = secured.client("s3", more={"request_checksum_calculation": "when_required"}, **secured.root)
    signed.put_object(Bucket=bucket, Key="plain", Body=b"y" * 200_000)
    assert s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == b"signed"
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == b"x" * 200_000
    wrong = secured.client("s3", **{**secured.root, "aws_secret_access_key": "wrong"})
    assert error_of(wrong.get_object, Bucket=bucket, Key="stream")[0] == "SignatureDoesNotMatch"
    unknown = secured.client("s3", aws_access_key_id="AKIANOBODYNOBODYNOBO", aws_secret_access_key="x")
    assert error_of(unknown.list_buckets)[0] == "InvalidAccessKeyId"
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    assert send(link).body == b"signed"
    fourth = secured.client("s3", more={"signature_version": "s3v4"}, **secured.root)
    assert send(fourth.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"})).body == b"signed"
    assert send(link.replace(bucket, "other-bucket")).status in (403, 404)
    assert send(re.sub("Signature=..", "Signature=00", link)).status == 403
    assert send(f"{secured.server.url}/{bucket}/stream").status == 403


def test_users_may_do_what_their_policies_allow(secured, s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    reader = secured.client("s3", **secured.user("reader", allow("s3:GetObject", f"{arn}/open/*"), allow("s3:ListBucket", arn, Condition={"StringLike": {"s3:prefix": "open/*"}})))
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="closed/k", Body=b"x")
    assert reader.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"x"
    code, message, status = error_of(reader.get_object, Bucket=bucket, Key="closed/k")
    assert (code, status) == ("AccessDenied", 403) and "s3:GetObject" in message and f"{arn}/closed/k" in message
    assert error_of(reader.put_object, Bucket=bucket, Key="open/k", Body=b"")[0] == "AccessDenied"
    assert reader.list_objects_v2(Bucket=bucket, Prefix="open/")["KeyCount"] == 1
    assert error_of(reader.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    deleted = reader.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "open/k"}]})
    assert [error["Code"] for error in deleted["Errors"]] == ["AccessDenied"]
    copy = {"Bucket": bucket, "Key": "closed/k"}
    writer = secured.client("s3", **secured.user("writer", allow("s3:PutObject", f"{arn}/*")))
    assert error_of(writer.copy_object, Bucket=bucket, Key="open/copy", CopySource=copy)[0] == "AccessDenied"


def test_policies_of_buckets_open_and_close(secured, s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    other = secured.client("s3", **OTHER_KEY)
    assert error_of(other.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    to_other = allow("s3:GetObject", f"{arn}/*", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(to_other))
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    url, to_all = f"{secured.server.url}/{bucket}/k", allow("s3:GetObject", f"{arn}/*", Principal="*")
    assert error_of(s3.put_bucket_policy, Bucket=bucket, Policy=policy(to_all))[0] == "AccessDenied"
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(to_all))
    assert send(url).body == b"x"
    assert send(url, "PUT", b"y").status == 403
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert send(url).status == 403
    denied = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"{arn}/*", "Principal": "*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(denied))
    assert error_of(s3.delete_object, Bucket=bucket, Key="k")[0] == "AccessDenied"


def test_functions_use_s3_as_their_roles_may(secured, s3, bucket):
    iam, client = secured.client("iam"), secured.client("lambda")
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}})
    role = iam.create_role(RoleName="uses-s3", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    may = policy(allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/mine/*"))
    iam.put_role_policy(RoleName="uses-s3", PolicyName="p", PolicyDocument=may)
    client.create_function(
        FunctionName="uses-s3", Runtime="python3.12", Handler="app.handler", Role=role, Timeout=30,
        Code={"ZipFile": packages.python(USES_S3)})
    client.get_waiter("function_active_v2").wait(FunctionName="uses-s3", WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})

    def run(**event):
        return json.loads(client.invoke(FunctionName="uses-s3", Payload=json.dumps(event))["Payload"].read())

    assert run(bucket=bucket, key="mine/k", put="from a function") == "from a function"
    assert s3.get_object(Bucket=bucket, Key="mine/k")["Body"].read() == b"from a function"
    assert run(bucket=bucket, key="other/k", put="x") == "AccessDenied"


def test_code_is_read_by_those_who_may(secured, s3, bucket):
    s3.put_object(Bucket=bucket, Key="code.zip", Body=packages.python("def handler(event, context):\n    return 'from s3'\n"))
    iam = secured.client("iam")
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}})
    role = iam.create_role(RoleName="deployed", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    deploys = [allow("lambda:*", "*"), allow("iam:PassRole", role)]
    members = {"FunctionName": "deployed", "Runtime": "python3.12", "Handler": "app.handler", "Role": role,
               "Code": {"S3Bucket": bucket, "S3Key": "code.zip"}}
    blind = secured.client("lambda", **secured.user("blind", *deploys))
    assert error_of(blind.create_function, **members)[0] == "AccessDeniedException"
    seeing = secured.client("lambda", **secured.user("seeing", *deploys, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")))
    seeing.create_function(**members)
    seeing.get_waiter("function_active_v2").wait(FunctionName="deployed", WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    assert seeing.invoke(FunctionName="deployed")["Payload"].read() == b'"from s3"'
    refused = error_of(seeing.update_function_code, FunctionName="deployed", S3Bucket=bucket, S3Key="none")
    assert refused[0] in ("AccessDeniedException", "InvalidParameterValueException") and "NoSuchKey" in refused[1]
