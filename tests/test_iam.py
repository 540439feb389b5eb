"""Users, access keys, roles and policies as Terraform, SAM, Chalice and the AWS CLI ask for them."""

import concurrent.futures
import datetime
import itertools
import json
import re

import pytest

from support.errors import error_of

NUMBERS = itertools.count(1)
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def document(action="s3:GetObject", effect="Allow", **members):
    statement = {"Effect": effect, "Action": action, "Resource": "*", **members}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def iam(server):
    """A client of an account of its own, so that every list is the test's."""
    return server.client("iam", account=f"{next(NUMBERS):012d}")


@pytest.fixture
def account(iam):
    return iam._request_signer._credentials.access_key


def is_recent(time):
    age = datetime.datetime.now(datetime.timezone.utc) - time
    return abs(age.total_seconds()) < 600 and time.microsecond == 0


# Users.


def test_a_user_is_made_read_changed_and_deleted(iam, account):
    created = iam.create_user(UserName="Ada", Path="/people/", Tags=[{"Key": "team", "Value": "green"}])["User"]
    assert created["Arn"] == f"arn:aws:iam::{account}:user/people/Ada"
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", created["UserId"])
    assert (created["Path"], created["UserName"]) == ("/people/", "Ada")
    assert is_recent(created["CreateDate"])
    assert created["Tags"] == [{"Key": "team", "Value": "green"}]
    assert iam.get_user(UserName="Ada")["User"] == created

    iam.update_user(UserName="Ada", NewUserName="Grace", NewPath="/")
    renamed = iam.get_user(UserName="Grace")["User"]
    assert (renamed["Arn"], renamed["UserId"]) == (f"arn:aws:iam::{account}:user/Grace", created["UserId"])
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["Grace"]
    assert "Tags" not in iam.list_users()["Users"][0]
    iam.update_user(UserName="Grace", NewUserName="GRACE")
    iam.delete_user(UserName="GRACE")
    assert iam.list_users()["Users"] == []
    assert error_of(iam.delete_user, UserName="GRACE") == (
        "NoSuchEntity", "The user with name GRACE cannot be found.", 404)


def test_the_account_itself_is_a_user_without_a_name(iam, account):
    root = iam.get_user()["User"]
    assert (root["Arn"], root["UserId"]) == (f"arn:aws:iam::{account}:root", account)


def test_names_are_unique_whatever_their_case(iam):
    iam.create_user(UserName="ada")
    assert error_of(iam.create_user, UserName="Ada") == (
        "EntityAlreadyExists", "User with name Ada already exists.", 409)
    iam.create_user(UserName="bob")
    assert error_of(iam.update_user, UserName="bob", NewUserName="ADA")[0] == "EntityAlreadyExists"
    assert error_of(iam.get_user, UserName="ADA")[0] == "NoSuchEntity"


def test_accounts_share_nothing(server):
    one, other = (server.client("iam", account=f"{next(NUMBERS):012d}") for _ in range(2))
    one.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert error_of(other.get_role, RoleName="r")[0] == "NoSuchEntity"
    assert server.client("iam", account=one._request_signer._credentials.access_key, region="eu-west-1").get_role(RoleName="r")


def test_what_breaks_the_model_is_refused_in_aws_s_words(server, iam):
    lax = server.client("iam", parameter_validation=False)
    code, message, status = error_of(lax.create_user, UserName="a/b", Path="nowhere")
    assert (code, status) == ("ValidationError", 400)
    assert message.startswith("2 validation errors detected: ")
    assert "Value 'a/b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression" in message
    assert error_of(lax.create_role, RoleName="r")[1] == (
        "1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: "
        "Member must not be null")
    assert error_of(lax.get_role, RoleName="service-role/r") == (
        "ValidationError",
        "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the "
        "following: +=,.@_-", 400)
    assert error_of(iam.create_group, GroupName="g") == (
        "InvalidAction", "The requested operation is not known, or not served here.", 400)


def test_lists_come_in_pages(iam):
    for number in range(7):
        iam.create_user(UserName=f"user-{number}", Path="/a/" if number % 2 else "/b/")
    page = iam.list_users(MaxItems=3)
    assert page["IsTruncated"] and [user["UserName"] for user in page["Users"]] == ["user-0", "user-1", "user-2"]
    last = iam.list_users(MaxItems=4, Marker=page["Marker"])
    assert not last["IsTruncated"] and "Marker" not in last
    assert [user["UserName"] for user in last["Users"]] == ["user-3", "user-4", "user-5", "user-6"]
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/a/", PaginationConfig={"PageSize": 1}))
    assert [user["UserName"] for page in pages for user in page["Users"]] == ["user-1", "user-3", "user-5"]
    assert len(pages) == 3
    assert error_of(iam.list_users, Marker="!")[:2] == ("ValidationError", "Invalid Marker.")


@pytest.mark.parametrize("kind", ["user", "role", "policy"])
def test_tags(iam, kind):
    if kind == "user":
        iam.create_user(UserName="x")
        target = {"UserName": "x"}
    elif kind == "role":
        iam.create_role(RoleName="x", AssumeRolePolicyDocument=TRUST)
        target = {"RoleName": "x"}
    else:
        target = {"PolicyArn": iam.create_policy(PolicyName="x", PolicyDocument=json.dumps(document()))["Policy"]["Arn"]}
    tag, untag, tags = (getattr(iam, name) for name in (f"tag_{kind}", f"untag_{kind}", f"list_{kind}_tags"))
    tag(Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}], **target)
    tag(Tags=[{"Key": "B", "Value": "ü =+/@:"}], **target)
    assert tags(**target)["Tags"] == [{"Key": "B", "Value": "ü =+/@:"}, {"Key": "a", "Value": ""}]
    assert tags(MaxItems=1, **target)["IsTruncated"]
    untag(TagKeys=["b", "never"], **target)
    assert tags(**target)["Tags"] == [{"Key": "a", "Value": ""}]
    twice = [{"Key": "k", "Value": "1"}, {"Key": "K", "Value": "2"}]
    assert error_of(tag, Tags=twice, **target) == (
        "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.", 400)
    tag(Tags=[{"Key": f"k{number}", "Value": ""} for number in range(49)], **target)
    assert error_of(tag, Tags=[{"Key": "more", "Value": ""}], **target)[0] == "LimitExceeded"


# Access keys.


def test_access_keys(iam):
    iam.create_user(UserName="ada")
    first = iam.create_access_key(UserName="ada")["AccessKey"]
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", first["AccessKeyId"]) and len(first["SecretAccessKey"]) == 40
    assert (first["Status"], first["UserName"]) == ("Active", "ada") and is_recent(first["CreateDate"])
    second = iam.create_access_key(UserName="ada")["AccessKey"]
    assert error_of(iam.create_access_key, UserName="ada") == (
        "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)
    listed = iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]
    assert {key["AccessKeyId"] for key in listed} == {first["AccessKeyId"], second["AccessKeyId"]}
    assert all("SecretAccessKey" not in key for key in listed)
    iam.update_access_key(UserName="ada", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    states = {key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]}
    assert states == {first["AccessKeyId"]: "Inactive", second["AccessKeyId"]: "Active"}
    used = iam.get_access_key_last_used(AccessKeyId=first["AccessKeyId"])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == ("ada", "N/A")
    assert error_of(iam.delete_user, UserName="ada") == (
        "DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)
    iam.create_user(UserName="bob")
    assert error_of(iam.delete_access_key, UserName="bob", AccessKeyId=first["AccessKeyId"]) == (
        "NoSuchEntity", f"The Access Key with id {first['AccessKeyId']} cannot be found.", 404)
    iam.delete_access_key(AccessKeyId=first["AccessKeyId"])
    iam.delete_access_key(UserName="ada", AccessKeyId=second["AccessKeyId"])
    assert iam.list_access_keys(UserName="ada")["AccessKeyMetadata"] == []
    assert error_of(iam.get_access_key_last_used, AccessKeyId=second["AccessKeyId"])[0] == "NoSuchEntity"
    assert error_of(iam.create_access_key) == (
        "ValidationError", "Must specify userName when calling with non-User credentials", 400)
    iam.delete_user(UserName="ada")


# Roles.


def test_a_role_is_made_read_changed_and_deleted(iam, account):
    created = iam.create_role(
        RoleName="worker", Path="/service/", AssumeRolePolicyDocument=TRUST, Description="does <things>",
        MaxSessionDuration=7200, Tags=[{"Key": "a", "Value": "b"}],
    )["Role"]
    assert created["Arn"] == f"arn:aws:iam::{account}:role/service/worker"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", created["RoleId"])
    assert created["AssumeRolePolicyDocument"] == json.loads(TRUST)
    role = iam.get_role(RoleName="worker")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("does <things>", 7200)
    assert role["Tags"] == [{"Key": "a", "Value": "b"}] and is_recent(role["CreateDate"])

    iam.update_role(RoleName="worker", MaxSessionDuration=3600)
    assert iam.get_role(RoleName="worker")["Role"]["Description"] == "does <things>"
    iam.update_role(RoleName="worker", Description="")
    changed = iam.update_role_description(RoleName="worker", Description="new")["Role"]
    assert (changed["Description"], changed["MaxSessionDuration"]) == ("new", 3600)
    other = {**json.loads(TRUST), "Id": "x"}
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=json.dumps(other))
    assert iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"] == other
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/service/")["Roles"]] == ["worker"]
    assert iam.list_instance_profiles_for_role(RoleName="worker")["InstanceProfiles"] == []
    assert error_of(iam.create_role, RoleName="Worker", AssumeRolePolicyDocument=TRUST) == (
        "EntityAlreadyExists", "Role with name Worker already exists.", 409)
    iam.delete_role(RoleName="worker")
    for call in (iam.get_role, iam.delete_role, iam.list_role_tags, iam.list_role_policies,
                 iam.list_attached_role_policies, iam.list_instance_profiles_for_role):
        assert error_of(call, RoleName="worker") == (
            "NoSuchEntity", "The role with name worker cannot be found.", 404)


@pytest.mark.parametrize("trust, message", [
    ("not json", "This policy contains invalid Json"),
    ("[]", "This policy contains invalid Json"),
    ('{"Version": "2012-10-17"}', "Syntax errors in policy."),
    (json.dumps(document()), "Has prohibited field Resource"),
    ('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}',
     "Missing required field Principal"),
])
def test_a_trust_policy_must_be_one(iam, trust, message):
    assert error_of(iam.create_role, RoleName="r", AssumeRolePolicyDocument=trust) == (
        "MalformedPolicyDocument", message, 400)


def test_a_service_has_its_own_role(iam, account):
    role = iam.create_service_linked_role(AWSServiceName="replicator.lambda.amazonaws.com")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForLambdaReplicator"
    assert role["Path"] == "/aws-service-role/replicator.lambda.amazonaws.com/"
    assert error_of(iam.create_service_linked_role, AWSServiceName="replicator.lambda.amazonaws.com")[0] == "InvalidInput"
    name = {"RoleName": role["RoleName"]}
    assert error_of(iam.delete_role, **name)[0] == "UnmodifiableEntity"
    assert error_of(iam.attach_role_policy, PolicyArn=BASIC, **name)[0] == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(**name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert error_of(iam.get_role, **name)[0] == "NoSuchEntity"


# Policies.


@pytest.mark.parametrize("kind", ["user", "role"])
def test_inline_policies(iam, kind):
    make(iam, kind)
    name = {f"{kind.title()}Name": "x"}
    put, get, delete, names = (
        getattr(iam, call) for call in
        (f"put_{kind}_policy", f"get_{kind}_policy", f"delete_{kind}_policy", f"list_{kind}_policies"))
    odd = document(Condition={"StringLike": {"aws:PrincipalTag/ä": ["a b+c%20", "<&>"]}})
    for policy in ("second", "first", "third"):
        put(PolicyName=policy, PolicyDocument=json.dumps(odd, ensure_ascii=False, indent=2), **name)
    read = get(PolicyName="first", **name)
    assert (read["PolicyDocument"], read["PolicyName"]) == (odd, "first")
    put(PolicyName="first", PolicyDocument=json.dumps(document("s3:*")), **name)
    assert get(PolicyName="first", **name)["PolicyDocument"] == document("s3:*")
    assert names(**name)["PolicyNames"] == ["first", "second", "third"]
    page = names(MaxItems=2, **name)
    assert page["IsTruncated"] and names(Marker=page["Marker"], **name)["PolicyNames"] == ["third"]
    assert error_of(getattr(iam, f"delete_{kind}"), **name) == (
        "DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
    assert error_of(put, PolicyName="bad", PolicyDocument="{}", **name)[0] == "MalformedPolicyDocument"
    big = json.dumps(document([f"s3:Action{number:05d}" for number in range(1000)]))
    code, message, status = error_of(put, PolicyName="big", PolicyDocument=big, **name)
    assert (code, status) == ("LimitExceeded", 409) and message.endswith(f"bytes exceeded for {kind} x")
    for policy in ("first", "second", "third"):
        delete(PolicyName=policy, **name)
    for call in (get, delete):
        assert error_of(call, PolicyName="first", **name) == (
            "NoSuchEntity", f"The {kind} policy with name first cannot be found.", 404)


@pytest.mark.parametrize("kind", ["user", "role"])
def test_attached_policies(iam, kind):
    make(iam, kind)
    name = {f"{kind.title()}Name": "x"}
    attach, detach = (getattr(iam, f"{verb}_{kind}_policy") for verb in ("attach", "detach"))
    attached = iam.list_attached_user_policies if kind == "user" else iam.list_attached_role_policies
    own = iam.create_policy(PolicyName="own", Path="/team/", PolicyDocument=json.dumps(document()))["Policy"]
    for arn in (own["Arn"], BASIC, own["Arn"]):
        attach(PolicyArn=arn, **name)
    assert attached(**name)["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC},
        {"PolicyName": "own", "PolicyArn": own["Arn"]},
    ]
    assert [each["PolicyArn"] for each in attached(PathPrefix="/team/", **name)["AttachedPolicies"]] == [own["Arn"]]
    for arn in (own["Arn"], BASIC):
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
        entities = iam.list_entities_for_policy(PolicyArn=arn)
        assert [each[f"{kind.title()}Name"] for each in entities[f"Policy{kind.title()}s"]] == ["x"]
        assert entities["PolicyGroups"] == []
        other = "Role" if kind == "user" else "User"
        assert iam.list_entities_for_policy(PolicyArn=arn, EntityFilter=other)[f"Policy{other}s"] == []
    assert error_of(iam.delete_policy, PolicyArn=own["Arn"]) == (
        "DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    assert error_of(getattr(iam, f"delete_{kind}"), **name) == (
        "DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    missing = own["Arn"] + "-not"
    assert error_of(attach, PolicyArn=missing, **name) == (
        "NoSuchEntity", f"Policy {missing} does not exist or is not attachable.", 404)
    assert error_of(attach, PolicyArn="arn:aws:nonsense:here", **name)[0] == "InvalidInput"
    detach(PolicyArn=BASIC, **name)
    detach(PolicyArn=own["Arn"], **name)
    assert error_of(detach, PolicyArn=BASIC, **name) == ("NoSuchEntity", f"Policy {BASIC} was not found.", 404)
    assert iam.get_policy(PolicyArn=own["Arn"])["Policy"]["AttachmentCount"] == 0
    iam.delete_policy(PolicyArn=own["Arn"])
    getattr(iam, f"delete_{kind}")(**name)


def test_ten_policies_are_the_most(iam):
    make(iam, "role")
    for number in range(11):
        arn = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=json.dumps(document()))["Policy"]["Arn"]
        if number < 10:
            iam.attach_role_policy(RoleName="x", PolicyArn=arn)
    assert error_of(iam.attach_role_policy, RoleName="x", PolicyArn=arn) == (
        "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", 409)


def test_a_managed_policy_with_versions(iam, account):
    created = iam.create_policy(
        PolicyName="p", Path="/team/", Description="words", PolicyDocument=json.dumps(document("s3:1")),
    )["Policy"]
    arn = created["Arn"]
    assert arn == f"arn:aws:iam::{account}:policy/team/p" and re.fullmatch(r"ANPA[A-Z2-7]{17}", created["PolicyId"])
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["Description"] == "words" and policy["DefaultVersionId"] == "v1" and policy["IsAttachable"]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (0, 0)
    assert error_of(iam.create_policy, PolicyName="P", PolicyDocument=json.dumps(document())) == (
        "EntityAlreadyExists", "A policy called P already exists. Duplicate names are not allowed.", 409)

    for number in range(2, 6):
        version = iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=json.dumps(document(f"s3:{number}")), SetAsDefault=number == 3)["PolicyVersion"]
        assert (version["VersionId"], version["IsDefaultVersion"]) == (f"v{number}", number == 3)
    assert error_of(iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(document())) == (
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
        "version.", 409)
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in versions] == ["v5", "v4", "v3", "v2", "v1"]
    assert [version["IsDefaultVersion"] for version in versions] == [False, False, True, False, False]
    page = iam.list_policy_versions(PolicyArn=arn, MaxItems=3)
    rest = iam.list_policy_versions(PolicyArn=arn, Marker=page["Marker"])["Versions"]
    assert [version["VersionId"] for version in rest] == ["v2", "v1"]
    read = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert read["Document"] == document("s3:2") and not read["IsDefaultVersion"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"

    assert error_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == (
        "DeleteConflict", "Cannot delete the default version of a policy.", 409)
    assert error_of(iam.delete_policy, PolicyArn=arn)[:2] == (
        "DeleteConflict",
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
        "The default version is deleted with the policy.")
    for version in ("v1", "v3", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    for call in (iam.get_policy_version, iam.delete_policy_version, iam.set_default_policy_version):
        assert error_of(call, PolicyArn=arn, VersionId="v1") == (
            "NoSuchEntity", f"Policy {arn} version v1 does not exist or is not attachable.", 404)
    assert iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(document()))["PolicyVersion"]["VersionId"] == "v6"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v6")
    iam.delete_policy(PolicyArn=arn)
    for call in (iam.get_policy, iam.delete_policy, iam.list_policy_versions, iam.list_entities_for_policy):
        assert error_of(call, PolicyArn=arn) == ("NoSuchEntity", f"Policy {arn} was not found.", 404)


@pytest.mark.parametrize("text, message", [
    ("{", "This policy contains invalid Json"),
    ("{}", "Policy document must be version 2012-10-17 or greater."),
    ('{"Version": "2012-10-17", "Statement": []}', "Syntax errors in policy."),
    (json.dumps(document(effect="Maybe")), "Syntax errors in policy."),
    (json.dumps(document(Principal="*")), "Policy document should not specify a principal."),
    ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*"}}',
     "Policy statement must contain actions."),
    ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*"}}',
     "Policy statement must contain resources."),
])
def test_a_policy_must_be_one(iam, text, message):
    assert error_of(iam.create_policy, PolicyName="p", PolicyDocument=text) == ("MalformedPolicyDocument", message, 400)


def test_policies_of_aws_exist_and_stay_as_they_are(iam):
    policy = iam.get_policy(PolicyArn=BASIC)["Policy"]
    assert (policy["PolicyName"], policy["Path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    read = iam.get_policy_version(PolicyArn=BASIC, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert read["Statement"][0]["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    for name in ("AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess", "AWSLambda_FullAccess",
                 "AWSXRayDaemonWriteAccess", "AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AmazonSQSFullAccess",
                 "AmazonDynamoDBFullAccess", "service-role/AWSLambdaVPCAccessExecutionRole",
                 "service-role/AWSLambdaSQSQueueExecutionRole", "service-role/AWSLambdaKinesisExecutionRole",
                 "service-role/AWSLambdaDynamoDBExecutionRole"):
        iam.get_policy(PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    assert error_of(iam.delete_policy, PolicyArn=BASIC)[::2] == ("AccessDenied", 403)
    assert error_of(iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/Nonsense")[0] == "NoSuchEntity"


def test_policies_are_listed_by_scope_use_and_path(iam):
    make(iam, "role")
    for name in ("one", "two"):
        arn = iam.create_policy(PolicyName=name, Path=f"/{name}/", PolicyDocument=json.dumps(document()))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="x", PolicyArn=arn)
    iam.attach_role_policy(RoleName="x", PolicyArn=BASIC)

    def names(**members):
        pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 7}, **members)
        return [policy["PolicyName"] for page in pages for policy in page["Policies"]]

    assert names(Scope="Local") == ["one", "two"]
    assert names(Scope="Local", OnlyAttached=True) == ["two"]
    assert names(OnlyAttached=True) == ["two", "AWSLambdaBasicExecutionRole"]
    assert names(Scope="AWS", OnlyAttached=True) == ["AWSLambdaBasicExecutionRole"]
    assert names(PathPrefix="/one/") == ["one"]
    everything = names()
    assert len(everything) == len(set(everything)) > 40
    assert names(PolicyUsageFilter="PermissionsBoundary") == []


@pytest.mark.parametrize("kind", ["user", "role"])
def test_a_boundary_is_kept_and_counted(iam, kind):
    own = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(document()))["Policy"]["Arn"]
    make(iam, kind, PermissionsBoundary=own)
    name = {f"{kind.title()}Name": "x"}

    def read():
        return getattr(iam, f"get_{kind}")(**name)[kind.title()]

    assert read()["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": own}
    assert iam.get_policy(PolicyArn=own)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    assert error_of(iam.delete_policy, PolicyArn=own)[0] == "DeleteConflict"
    getattr(iam, f"put_{kind}_permissions_boundary")(PermissionsBoundary=BASIC, **name)
    assert read()["PermissionsBoundary"]["PermissionsBoundaryArn"] == BASIC
    assert iam.list_entities_for_policy(PolicyArn=BASIC, PolicyUsageFilter="PermissionsBoundary")[
        f"Policy{kind.title()}s"][0][f"{kind.title()}Name"] == "x"
    getattr(iam, f"delete_{kind}_permissions_boundary")(**name)
    assert "PermissionsBoundary" not in read()
    iam.delete_policy(PolicyArn=own)


def make(iam, kind, **members):
    if kind == "user":
        iam.create_user(UserName="x", **members)
    else:
        iam.create_role(RoleName="x", AssumeRolePolicyDocument=TRUST, **members)


def test_what_there_is_none_of_is_an_empty_list(iam):
    iam.create_user(UserName="x")
    assert iam.list_account_aliases()["AccountAliases"] == []
    assert iam.list_groups_for_user(UserName="x")["Groups"] == []
    assert iam.list_mfa_devices(UserName="x")["MFADevices"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_signing_certificates(UserName="x")["Certificates"] == []
    assert iam.list_ssh_public_keys(UserName="x")["SSHPublicKeys"] == []
    assert iam.list_service_specific_credentials(UserName="x")["ServiceSpecificCredentials"] == []
    for call in (iam.get_login_profile, iam.delete_login_profile):
        assert error_of(call, UserName="x")[0] == "NoSuchEntity"
    assert error_of(iam.list_groups_for_user, UserName="y")[0] == "NoSuchEntity"


# With others, and with another client.


def test_many_changes_at_once_lose_nothing(server):
    iam = server.client("iam", account=f"{next(NUMBERS):012d}")
    make(iam, "role")
    keys = [f"k{number}" for number in range(40)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: iam.tag_role(RoleName="x", Tags=[{"Key": key, "Value": ""}]), keys))
    assert sorted(tag["Key"] for tag in iam.list_role_tags(RoleName="x")["Tags"]) == sorted(keys)


def test_the_aws_cli(server):
    environment = {"AWS_ACCESS_KEY_ID": f"{next(NUMBERS):012d}"}

    def aws(*arguments):
        text = server.aws("--output", "json", *arguments, **environment).stdout
        return json.loads(text) if text.strip() else None

    aws("iam", "create-role", "--role-name", "cli", "--assume-role-policy-document", TRUST)
    aws("iam", "put-role-policy", "--role-name", "cli", "--policy-name", "p", "--policy-document", json.dumps(document()))
    aws("iam", "attach-role-policy", "--role-name", "cli", "--policy-arn", BASIC)
    assert aws("iam", "get-role", "--role-name", "cli")["Role"]["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert aws("iam", "list-attached-role-policies", "--role-name", "cli")["AttachedPolicies"][0]["PolicyArn"] == BASIC
    assert aws("iam", "list-role-policies", "--role-name", "cli")["PolicyNames"] == ["p"]
    assert aws("iam", "list-roles", "--max-items", "1")["Roles"][0]["RoleName"] == "cli"
    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{environment['AWS_ACCESS_KEY_ID']}:root"
    assert "NoSuchEntity" in server.aws("iam", "get-user", "--user-name", "x", check=False, **environment).stderr
