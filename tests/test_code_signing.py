"""Code signing configurations: kept, shown and used by functions, as long as they only warn."""

import itertools
import re

import pytest

from support import packages
from support.errors import error_of
from support.server import ROLE

HELLO = packages.python("def handler(event, context):\n    return 'hello'\n")
PUBLISHER = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/team/abcdefghij"
MISSING_ARN = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdefg"
ACCOUNTS = itertools.count(200000000000)
NOT_FOUND = (
    "ResourceNotFoundException", f"The Lambda code signing configuration {MISSING_ARN} can not be found.", 404
)
CANNOT_USE = (
    "CodeSigningConfigNotFoundException",
    "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
    f"{MISSING_ARN}.",
    404,
)


def create(client, **members):
    members = {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER]}, **members}
    return client.create_code_signing_config(**members)["CodeSigningConfig"]


def test_a_configuration_is_kept(client):
    created = client.create_code_signing_config(
        Description="ours", AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]}, Tags={"team": "green"}
    )
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    config = created["CodeSigningConfig"]
    assert re.fullmatch(r"csc-[a-z0-9]{17}", config["CodeSigningConfigId"])
    arn = f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{config['CodeSigningConfigId']}"
    assert config["CodeSigningConfigArn"] == arn and config["Description"] == "ours"
    assert config["AllowedPublishers"] == {"SigningProfileVersionArns": [PUBLISHER]}
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", config["LastModified"])
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == config
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "green"}
    client.tag_resource(Resource=arn, Tags={"size": "small"})
    client.untag_resource(Resource=arn, TagKeys=["team"])
    assert client.list_tags(Resource=arn)["Tags"] == {"size": "small"}

    updated = client.update_code_signing_config(CodeSigningConfigArn=arn, Description="theirs")["CodeSigningConfig"]
    assert updated["Description"] == "theirs" and updated["AllowedPublishers"] == config["AllowedPublishers"]
    others = {"SigningProfileVersionArns": [PUBLISHER, PUBLISHER + "2"]}
    updated = client.update_code_signing_config(CodeSigningConfigArn=arn, AllowedPublishers=others)
    assert updated["CodeSigningConfig"]["AllowedPublishers"] == others
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]["Description"] == "theirs"

    deleted = client.delete_code_signing_config(CodeSigningConfigArn=arn)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    code, message, status = error_of(client.get_code_signing_config, CodeSigningConfigArn=arn)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == f"The Lambda code signing configuration {arn} can not be found."
    assert error_of(client.list_tags, Resource=arn) == (code, message, status)


def test_enforcing_is_refused(client):
    enforce = {"UntrustedArtifactOnDeployment": "Enforce"}
    code, message, status = error_of(
        client.create_code_signing_config, CodeSigningPolicies=enforce,
        AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]},
    )
    assert (code, status) == ("InvalidParameterValueException", 400) and "verifies no signatures" in message
    warn = {"UntrustedArtifactOnDeployment": "Warn"}
    arn = create(client, CodeSigningPolicies=warn)["CodeSigningConfigArn"]
    code, _, _ = error_of(client.update_code_signing_config, CodeSigningConfigArn=arn, CodeSigningPolicies=enforce)
    assert code == "InvalidParameterValueException"
    client.update_code_signing_config(CodeSigningConfigArn=arn, CodeSigningPolicies=warn)


@pytest.mark.parametrize(
    ("largest", "larger", "place"),
    [
        ({"Description": "d" * 256}, {"Description": "d" * 257}, "description"),
        (
            {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER] * 20}},
            {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER] * 21}},
            "allowedPublishers.signingProfileVersionArns",
        ),
        (
            {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER]}},
            {"AllowedPublishers": {"SigningProfileVersionArns": []}},
            "allowedPublishers.signingProfileVersionArns",
        ),
        (
            {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER]}},
            {"AllowedPublishers": {"SigningProfileVersionArns": ["nobody"]}},
            "allowedPublishers.signingProfileVersionArns",
        ),
    ],
)
def test_limits(lax, largest, larger, place):
    create(lax, **largest)
    code, message, status = error_of(create, client=lax, **larger)
    assert (code, status) == ("ValidationException", 400) and f"at '{place}'" in message


def test_what_is_not_there(client, lax):
    for call in (
        client.get_code_signing_config, client.update_code_signing_config, client.delete_code_signing_config,
        client.list_functions_by_code_signing_config,
    ):
        assert error_of(call, CodeSigningConfigArn=MISSING_ARN) == NOT_FOUND
        code, message, _ = error_of(getattr(lax, call.__name__), CodeSigningConfigArn="nothing")
        assert code == "ValidationException" and "at 'codeSigningConfigArn'" in message


def test_lists_come_in_pages(server):
    client = server.client("lambda", account=str(next(ACCOUNTS)))
    arns = sorted(create(client)["CodeSigningConfigArn"] for _ in range(3))
    pages = client.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 2})
    listed = [[config["CodeSigningConfigArn"] for config in page["CodeSigningConfigs"]] for page in pages]
    assert listed == [arns[:2], arns[2:]]
    other = server.client("lambda", account=str(next(ACCOUNTS)))
    assert other.list_code_signing_configs()["CodeSigningConfigs"] == []
    code, _, _ = error_of(other.get_code_signing_config, CodeSigningConfigArn=arns[0])
    assert code == "ResourceNotFoundException"


def test_functions_use_configurations(deploy, client):
    function = deploy("python3.12", HELLO)
    name = {"FunctionName": function.name}
    unset = client.get_function_code_signing_config(**name)
    assert unset.pop("ResponseMetadata")["HTTPStatusCode"] == 200 and unset == {"FunctionName": function.name}

    one, two = (create(client)["CodeSigningConfigArn"] for _ in range(2))
    before = client.get_function_configuration(**name)["RevisionId"]
    for arn in (one, two):
        put = client.put_function_code_signing_config(CodeSigningConfigArn=arn, **name)
        put.pop("ResponseMetadata")
        assert put == {"CodeSigningConfigArn": arn, "FunctionName": function.name}
        read = client.get_function_code_signing_config(**name)
        read.pop("ResponseMetadata")
        assert read == put
    assert client.get_function_configuration(**name)["RevisionId"] == before
    assert client.list_functions_by_code_signing_config(CodeSigningConfigArn=one)["FunctionArns"] == []
    users = client.list_functions_by_code_signing_config(CodeSigningConfigArn=two)["FunctionArns"]
    assert users == [f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"]

    client.delete_code_signing_config(CodeSigningConfigArn=one)
    code, message, status = error_of(client.delete_code_signing_config, CodeSigningConfigArn=two)
    assert (code, status) == ("ResourceConflictException", 409) and "in use by functions" in message
    for _ in range(2):
        removed = client.delete_function_code_signing_config(**name)
        assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "CodeSigningConfigArn" not in client.get_function_code_signing_config(**name)
    client.delete_code_signing_config(CodeSigningConfigArn=two)


def test_a_function_is_made_with_a_configuration(deploy, client):
    arn = create(client)["CodeSigningConfigArn"]
    function = deploy("python3.12", HELLO, CodeSigningConfigArn=arn, Publish=True)
    read = client.get_function_code_signing_config(FunctionName=function.name)
    assert read["CodeSigningConfigArn"] == arn
    assert function.invoke().ok() == "hello"
    assert error_of(client.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == "ResourceConflictException"
    function.delete()
    assert client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == []
    client.delete_code_signing_config(CodeSigningConfigArn=arn)


def test_functions_cannot_use_what_is_not_there(deploy, client):
    create_function = dict(
        FunctionName="unsigned", Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": HELLO},
        CodeSigningConfigArn=MISSING_ARN,
    )
    assert error_of(client.create_function, **create_function) == CANNOT_USE
    assert error_of(client.get_function, FunctionName="unsigned")[0] == "ResourceNotFoundException"
    function = deploy("python3.12", HELLO)
    put = client.put_function_code_signing_config
    assert error_of(put, FunctionName=function.name, CodeSigningConfigArn=MISSING_ARN) == CANNOT_USE

    arn = create(client)["CodeSigningConfigArn"]
    not_found = (
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nothing-here",
        404,
    )
    assert error_of(put, FunctionName="nothing-here", CodeSigningConfigArn=arn) == not_found
    assert error_of(client.get_function_code_signing_config, FunctionName="nothing-here") == not_found
    assert error_of(client.delete_function_code_signing_config, FunctionName="nothing-here") == not_found
    code, message, _ = error_of(put, FunctionName=f"{function.name}:1", CodeSigningConfigArn=arn)
    assert code == "InvalidParameterValueException" and message.startswith("This operation is permitted on Lambda")
