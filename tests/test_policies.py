"""Resource policies: who else may use a function, as Lambda's own clients set and read it."""

import json
import re

import botocore.exceptions
import pytest

from support import packages

HELLO = packages.python("def handler(event, context):\n    return {'version': 1}\n")
STALE = "8f5d6c1a-0000-4000-8000-000000000000"


def error_of(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def function(deploy):
    return deploy("python3.12", HELLO)


def arn_of(function, end=""):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}{end}"


def add(function, sid, **members):
    members = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", **members}
    return function.client.add_permission(FunctionName=function.name, StatementId=sid, **members)


def document(function, **members):
    return json.loads(function.client.get_policy(FunctionName=function.name, **members)["Policy"])


def test_add_permission_answers_the_statement_that_get_policy_shows(function):
    answer = add(function, "bucket", SourceArn="arn:aws:s3:::bucket", SourceAccount="123456789012")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = {
        "Sid": "bucket",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn_of(function),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "123456789012"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(answer["Statement"]) == statement
    assert document(function) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}


@pytest.mark.parametrize(
    ("members", "principal", "condition"),
    [
        ({"Principal": "210987654321"}, {"AWS": "arn:aws:iam::210987654321:root"}, None),
        ({"Principal": "arn:aws:iam::210987654321:role/r"}, {"AWS": "arn:aws:iam::210987654321:role/r"}, None),
        (
            {"Principal": "*", "PrincipalOrgID": "o-a1b2c3d4e5"}, "*",
            {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
        ),
        (
            {"Principal": "*", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}, "*",
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        ),
        (
            {"Principal": "*", "InvokedViaFunctionUrl": True}, "*",
            {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        ),
        (
            {"Principal": "alexa-appkit.amazon.com", "EventSourceToken": "amzn1.ask.skill.x"},
            {"Service": "alexa-appkit.amazon.com"},
            {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask.skill.x"}},
        ),
    ],
)
def test_each_member_has_its_place_in_the_statement(function, members, principal, condition):
    statement = json.loads(add(function, "one", **members)["Statement"])
    assert statement["Principal"] == principal
    assert statement.get("Condition") == condition


def test_versions_and_aliases_have_policies_of_their_own(function):
    function.client.publish_version(FunctionName=function.name)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    for qualifier in ["1", "live"]:
        add(function, "same", Qualifier=qualifier)
        statement, = document(function, Qualifier=qualifier)["Statement"]
        assert statement["Resource"] == arn_of(function, f":{qualifier}")
    missing = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    assert error_of(function.client.get_policy, FunctionName=function.name) == missing
    function.client.remove_permission(FunctionName=function.name, StatementId="same", Qualifier="live")
    assert error_of(function.client.get_policy, FunctionName=function.name, Qualifier="live") == missing
    assert document(function, Qualifier="1")["Statement"]


def test_what_is_wrong_is_said_in_the_words_of_aws(function):
    client, name = function.client, function.name
    missing = error_of(client.get_policy, FunctionName=name)
    assert missing == ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    missing = error_of(client.remove_permission, FunctionName=name, StatementId="a")
    assert missing == ("ResourceNotFoundException", "No policy is associated with the given resource.", 404)

    assert add(function, "a")
    missing = error_of(client.remove_permission, FunctionName=name, StatementId="b")
    assert missing == ("ResourceNotFoundException", "Statement b is not found in resource policy.", 404)
    conflict = error_of(add, function=function, sid="a")
    assert conflict == (
        "ResourceConflictException",
        "The statement id (a) provided already exists. Please provide a new statement id, or remove the existing"
        " statement.",
        409,
    )
    refused = error_of(add, function=function, sid="b", Qualifier="$LATEST")
    message = "We currently do not support adding policies for $LATEST."
    assert refused == ("InvalidParameterValueException", message, 400)
    refused = error_of(add, function=function, sid="b", Principal="nobody.example.com")
    message = "The provided principal was invalid. Please check the principal and try again."
    assert refused == ("InvalidParameterValueException", message, 400)
    refused = error_of(add, function=function, sid="b", FunctionUrlAuthType="NONE")
    message = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
    assert refused == ("InvalidParameterValueException", message, 400)
    code, message, status = error_of(add, function=function, sid="b c")
    assert (code, status) == ("ValidationException", 400) and "'statementId'" in message
    code, message, status = error_of(add, function=function, sid="b", Action="s3:GetObject")
    assert (code, status) == ("ValidationException", 400) and "'action'" in message

    missing = error_of(add, function=function, sid="b", Qualifier="7")
    assert missing == ("ResourceNotFoundException", f"Function not found: {arn_of(function, ':7')}", 404)
    missing = error_of(client.get_policy, FunctionName="no-such-function")
    message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:no-such-function"
    assert missing == ("ResourceNotFoundException", message, 404)


def test_a_change_can_depend_on_the_revision_that_was_read(function):
    client, name = function.client, function.name
    seen = client.get_function_configuration(FunctionName=name)["RevisionId"]
    add(function, "a", RevisionId=seen)
    code, message, status = error_of(add, function=function, sid="b", RevisionId=seen)
    assert (code, status) == ("PreconditionFailedException", 412)
    assert message == (
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the"
        " latest Revision Id"
    )
    code, _, status = error_of(client.remove_permission, FunctionName=name, StatementId="a", RevisionId=STALE)
    assert (code, status) == ("PreconditionFailedException", 412)
    seen = client.get_policy(FunctionName=name)["RevisionId"]
    assert re.fullmatch(r"[0-9a-f-]{36}", seen)
    answer = client.remove_permission(FunctionName=name, StatementId="a", RevisionId=seen)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_policy_may_not_grow_past_its_limit(function):
    with pytest.raises(function.client.exceptions.PolicyLengthExceededException) as caught:
        for number in range(60):
            add(function, f"s{number}", SourceArn="arn:aws:s3:::" + "b" * 600)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(json.dumps(document(function))) < 22_000


def test_whole_documents_are_the_same_policy(function):
    client, arn = function.client, arn_of(function)
    missing = error_of(client.get_resource_policy, ResourceArn=arn)
    assert missing == ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    add(function, "a")
    assert json.loads(client.get_resource_policy(ResourceArn=arn)["Policy"]) == document(function)

    statement = {"Sid": "b", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "lambda:*", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    put = client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))
    assert json.loads(put["Policy"]) == policy == document(function)
    assert client.get_policy(FunctionName=function.name)["RevisionId"] == put["RevisionId"]

    for call, members in [(client.put_resource_policy, {"Policy": json.dumps(policy)}), (client.delete_resource_policy, {})]:
        code, message, status = error_of(call, ResourceArn=arn, RevisionId=STALE, **members)
        assert (code, status) == ("PreconditionFailedException", 412) and "GetResourcePolicy" in message
    refused = error_of(client.put_resource_policy, ResourceArn=arn, Policy='{"Statement":{"Effect":"Maybe"}}')
    message = 'The provided policy is not valid: Statement[0].Effect: must be "Allow" or "Deny", not "Maybe"'
    assert refused == ("InvalidParameterValueException", message, 400)

    answer = client.delete_resource_policy(ResourceArn=arn, RevisionId=put["RevisionId"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(client.delete_resource_policy, ResourceArn=arn) == missing
    assert error_of(client.get_policy, FunctionName=function.name) == missing


def test_a_function_made_again_has_no_policy(deploy):
    function = deploy("python3.12", HELLO, name="made-again")
    add(function, "a")
    function.delete()
    again = deploy("python3.12", HELLO, name="made-again")
    assert error_of(again.client.get_policy, FunctionName="made-again")[0] == "ResourceNotFoundException"


def test_the_command_line_adds_and_removes_permissions(server, function):
    server.aws(
        "lambda", "add-permission", "--function-name", function.name, "--statement-id", "cli",
        "--action", "lambda:InvokeFunction", "--principal", "sns.amazonaws.com",
    )
    assert document(function)["Statement"][0]["Principal"] == {"Service": "sns.amazonaws.com"}
    server.aws("lambda", "remove-permission", "--function-name", function.name, "--statement-id", "cli")
