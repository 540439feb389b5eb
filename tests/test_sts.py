"""Who the caller is, sessions, and signatures with the keys of IAM."""

import json
import time
import urllib.request

import pytest

from support import packages
from support.errors import error_of
from support.server import Function, Server
from test_iam import TRUST, document

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ROLE_ARN = "arn:aws:iam::000000000000:role/service/assumed"

CALLER = """
import os, urllib.request

def handler(event, context):
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"], data=b"Action=GetCallerIdentity&Version=2011-06-15",
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    return urllib.request.urlopen(request, timeout=10).read().decode()
"""

SIGNER = """
import boto3, botocore.exceptions

def handler(event, context):
    refusal = None
    try:
        boto3.client("iam").list_roles()
    except botocore.exceptions.ClientError as error:
        refusal = error.response["Error"]["Message"]
    return {"arn": boto3.client("sts").get_caller_identity()["Arn"], "refusal": refusal}
"""


@pytest.fixture(scope="module")
def secured():
    """A server that verifies signatures; `secured.root` makes clients with the operator's key."""
    with Server(arguments=["--auth", "sigv4"]) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)

        def client(service, key=None, secret=None, token=None):
            return server.client(
                service, account=key or values["aws_access_key_id"],
                aws_secret_access_key=secret or values["aws_secret_access_key"], aws_session_token=token)

        server.root = client
        server.root_key = values["aws_access_key_id"]
        yield server


def with_key(secured, service, key):
    return secured.root(service, key["AccessKeyId"], key["SecretAccessKey"], key.get("SessionToken"))


@pytest.fixture
def user(secured, request):
    """A user with a key, and no policies."""
    iam = secured.root("iam")
    name = request.node.name.replace("[", "-").replace("]", "")
    iam.create_user(UserName=name, Path="/p/")
    return name, iam.create_access_key(UserName=name)["AccessKey"]


# With auth off.


def test_without_signatures_everybody_is_the_account(server):
    identity = server.client("sts").get_caller_identity()
    assert (identity["Account"], identity["UserId"]) == ("000000000000", "000000000000")
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"
    other = server.client("sts", account="123456789012").get_caller_identity()
    assert other["Arn"] == "arn:aws:iam::123456789012:root"


def test_a_function_is_a_session_of_its_role(python_function):
    function = python_function(CALLER)
    text = function.invoke().ok()
    assert f"<Arn>arn:aws:sts::000000000000:assumed-role/lambda/{function.name}</Arn>" in text
    assert f":{function.name}</UserId>" in text and "<UserId>AROA" in text


def test_a_role_is_assumed(server):
    iam, sts = server.client("iam"), server.client("sts")
    role = iam.create_role(RoleName="assumed", Path="/service/", AssumeRolePolicyDocument=TRUST)["Role"]
    answer = sts.assume_role(
        RoleArn=ROLE_ARN, RoleSessionName="me", DurationSeconds=900, Policy=json.dumps(document()), SourceIdentity="ada")
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA") and len(credentials["AccessKeyId"]) == 20
    assert len(credentials["SecretAccessKey"]) == 40
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role['RoleId']}:me", "Arn": "arn:aws:sts::000000000000:assumed-role/assumed/me"}
    assert 0 < answer["PackedPolicySize"] <= 100 and answer["SourceIdentity"] == "ada"
    left = credentials["Expiration"].timestamp() - time.time()
    assert 890 < left <= 901

    session = server.client(
        "sts", account=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"])
    identity = session.get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert session.get_access_key_info(AccessKeyId=credentials["AccessKeyId"])["Account"] == "000000000000"
    assert error_of(session.get_session_token)[:2] == (
        "AccessDenied", "Cannot call GetSessionToken with session credentials")

    assert error_of(sts.assume_role, RoleArn=ROLE_ARN, RoleSessionName="me", DurationSeconds=3601) == (
        "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", 400)
    assert error_of(sts.assume_role, RoleArn=ROLE_ARN + "-not", RoleSessionName="me") == (
        "AccessDenied",
        "User: arn:aws:iam::000000000000:root is not authorized to perform: sts:AssumeRole on resource: "
        f"{ROLE_ARN}-not", 403)
    assert error_of(sts.assume_role, RoleArn=ROLE_ARN, RoleSessionName="me", Policy="{}")[0] == "MalformedPolicyDocument"
    assert error_of(sts.assume_role, RoleArn="arn:aws:iam::000000000000:user/x", RoleSessionName="me")[0] == "ValidationError"
    mfa = {"SerialNumber": "arn:aws:iam::000000000000:mfa/x", "TokenCode": "123456"}
    assert error_of(sts.assume_role, RoleArn=ROLE_ARN, RoleSessionName="me", **mfa)[0] == "AccessDenied"
    iam.delete_role(RoleName="assumed")


def test_web_identities_are_refused_clearly(server):
    code, message, _ = error_of(
        server.client("sts").assume_role_with_web_identity,
        RoleArn=ROLE_ARN, RoleSessionName="me", WebIdentityToken="token")
    assert code == "InvalidIdentityToken" and "OpenID Connect" in message


def test_nobody_knows_every_key(server):
    sts = server.client("sts", account="123456789012")
    assert error_of(sts.get_access_key_info, AccessKeyId="AKIAABCDEFGHIJKLMNOP")[0] == "ValidationError"


# With signatures.


def test_the_operators_key_is_the_account(secured):
    identity = secured.root("sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"
    assert secured.root("sts").get_access_key_info(AccessKeyId=secured.root_key)["Account"] == "000000000000"


def test_a_user_signs_with_the_key_that_was_made(secured, user):
    name, key = user
    sts = with_key(secured, "sts", key)
    identity = sts.get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::000000000000:user/p/{name}" and identity["UserId"].startswith("AIDA")
    wrong = {**key, "SecretAccessKey": "x" * 40}
    assert error_of(with_key(secured, "sts", wrong).get_caller_identity)[::2] == ("SignatureDoesNotMatch", 403)
    unknown = {**key, "AccessKeyId": "AKIAABCDEFGHIJKLMNOP"}
    assert error_of(with_key(secured, "sts", unknown).get_caller_identity) == (
        "InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    assert error_of(with_key(secured, "lambda", unknown).list_functions)[::2] == ("UnrecognizedClientException", 403)
    used = secured.root("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
    assert used["ServiceName"] == "sts" and used["LastUsedDate"]


def test_a_user_may_do_what_an_attached_policy_allows(secured, user):
    name, key = user
    functions, iam = with_key(secured, "lambda", key), with_key(secured, "iam", key)
    code, message, status = error_of(functions.list_functions)
    assert (code, status) == ("AccessDeniedException", 403)
    assert message == (
        f"User: arn:aws:iam::000000000000:user/p/{name} is not authorized to perform: lambda:ListFunctions on resource: *"
        " because no identity-based policy allows the lambda:ListFunctions action")
    assert error_of(iam.get_user)[::2] == ("AccessDenied", 403)
    secured.root("iam").attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
    functions.list_functions()
    assert iam.get_user()["User"]["UserName"] == name
    assert [each["AccessKeyId"] for each in iam.list_access_keys()["AccessKeyMetadata"]] == [key["AccessKeyId"]]
    secured.root("iam").detach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
    assert error_of(functions.list_functions)[2] == 403


def test_a_key_can_be_switched_off_and_deleted(secured, user):
    name, key = user
    root, sts = secured.root("iam"), with_key(secured, "sts", key)
    sts.get_caller_identity()
    root.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert error_of(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    root.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    root.update_user(UserName=name, NewUserName=f"{name}-renamed")
    assert sts.get_caller_identity()["Arn"].endswith(f"/{name}-renamed")
    root.delete_access_key(AccessKeyId=key["AccessKeyId"])
    assert error_of(sts.get_caller_identity)[0] == "InvalidClientTokenId"


def test_sessions_sign_with_their_token(secured, user):
    name, key = user
    session = with_key(secured, "sts", key).get_session_token(DurationSeconds=900)["Credentials"]
    assert with_key(secured, "sts", session).get_caller_identity()["Arn"].endswith(f"user/p/{name}")
    for token in (None, session["SessionToken"][:-4] + "AAAA"):
        stolen = {**session, "SessionToken": token}
        assert error_of(with_key(secured, "sts", stolen).get_caller_identity)[0] == "InvalidClientTokenId"

    secured.root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    arn = f"arn:aws:iam::000000000000:role/{name}"
    assert error_of(with_key(secured, "sts", key).assume_role, RoleArn=arn, RoleSessionName="session")[0] == "AccessDenied"
    assumed = secured.root("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    assert with_key(secured, "sts", assumed).get_caller_identity()["Arn"].endswith(f":assumed-role/{name}/session")
    functions = with_key(secured, "lambda", assumed)
    assert error_of(functions.list_functions)[0] == "AccessDeniedException"
    secured.root("iam").attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
    functions.list_functions()
    elsewhere = arn.replace("000000000000", "111111111111")
    assert error_of(secured.root("sts").assume_role, RoleArn=elsewhere, RoleSessionName="session")[0] == "AccessDenied"


def test_a_function_signs_with_the_keys_in_its_environment(secured):
    function = Function(
        secured, "signer", "python3.12", packages.python(SIGNER), "app.handler",
        client=secured.root("lambda")).ready()
    answer = function.invoke().ok()
    assert answer["arn"] == "arn:aws:sts::000000000000:assumed-role/lambda/signer"
    assert answer["refusal"].startswith(
        "User: arn:aws:sts::000000000000:assumed-role/lambda/signer is not authorized to perform: iam:ListRoles on "
        "resource: arn:aws:iam::000000000000:role/ because no identity-based policy allows the iam:ListRoles action")
    secured.root("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument=TRUST)
    secured.root("iam").attach_role_policy(RoleName="lambda", PolicyArn=ADMINISTRATOR)
    answer = function.invoke().ok()
    assert answer["refusal"] is None
    function.delete()


def test_a_presigned_request_tells_who_made_it(secured, user):
    name, key = user
    url = with_key(secured, "sts", key).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    assert f"user/p/{name}</Arn>" in text


def test_keys_and_roles_outlive_the_server(tmp_path):
    server = Server(data=tmp_path, arguments=["--auth", "sigv4"])
    server.start()
    lines = (server.data / "credentials").read_text().splitlines()
    values = dict(line.split(" = ") for line in lines if " = " in line)
    root = {"account": values["aws_access_key_id"], "aws_secret_access_key": values["aws_secret_access_key"]}
    server.client("iam", **root).create_user(UserName="ada")
    key = server.client("iam", **root).create_access_key(UserName="ada")["AccessKey"]
    server.kill()
    server.start()
    sts = server.client("sts", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/ada"
    server.stop()
