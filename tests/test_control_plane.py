"""Functions are made, read, changed and deleted as Lambda's own clients expect."""

import base64
import concurrent.futures
import hashlib
import re
import urllib.request

import botocore.exceptions
import pytest

from support import packages
from support.errors import error_of
from support.server import ROLE, Function

HELLO = packages.python("def handler(event, context):\n    return {'version': 1}\n")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_create_answers_pending_then_becomes_active(server, deploy):
    function = deploy("python3.12", HELLO, Description="says hello", Tags={"team": "green"})
    created = function.created
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["State"] == "Pending" and created["StateReasonCode"] == "Creating"
    assert created["StateReason"] == "The function is being created."
    assert "LastUpdateStatus" not in created

    read = function.client.get_function(FunctionName=function.name)
    configuration = read["Configuration"]
    assert configuration["State"] == "Active" and configuration["LastUpdateStatus"] == "Successful"
    assert "StateReason" not in configuration
    assert configuration["FunctionArn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    assert configuration["CodeSize"] == len(HELLO)
    assert configuration["CodeSha256"] == base64.b64encode(hashlib.sha256(HELLO).digest()).decode()
    assert configuration["Version"] == "$LATEST" and UUID.fullmatch(configuration["RevisionId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", configuration["LastModified"])
    assert configuration["MemorySize"] == 128 and configuration["EphemeralStorage"] == {"Size": 512}
    assert configuration["Architectures"] == ["x86_64"] and configuration["PackageType"] == "Zip"
    assert configuration["TracingConfig"] == {"Mode": "PassThrough"}
    assert configuration["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert configuration["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"}
    assert configuration["Description"] == "says hello"
    assert read["Tags"] == {"team": "green"}
    assert read["Code"]["RepositoryType"] == "S3"
    with urllib.request.urlopen(read["Code"]["Location"], timeout=10) as download:
        assert download.read() == HELLO


def test_get_function_configuration_is_the_bare_configuration(deploy):
    function = deploy("python3.12", HELLO)
    bare = function.client.get_function_configuration(FunctionName=function.name)
    full = function.client.get_function(FunctionName=function.name)["Configuration"]
    bare.pop("ResponseMetadata")
    assert bare == full


def test_names_arns_and_qualifiers_in_every_form(deploy):
    function = deploy("python3.12", HELLO)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    for form in (function.name, arn, f"000000000000:function:{function.name}", f"{function.name}:$LATEST",
                 f"{arn}:$LATEST", f"function:{function.name}"):
        read = function.client.get_function_configuration(FunctionName=form)
        assert read["FunctionName"] == function.name, form
        assert function.client.invoke(FunctionName=form)["StatusCode"] == 200, form
    code, message, _ = error_of(
        function.client.get_function, FunctionName=f"{function.name}:$LATEST", Qualifier="other"
    )
    assert (code, message) == (
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    )
    code, message, _ = error_of(
        function.client.get_function, FunctionName=arn.replace("us-east-1", "eu-west-1")
    )
    assert code == "ResourceNotFoundException"
    assert message == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    code, _, status = error_of(function.client.get_function, FunctionName=arn.replace("000000000000", "111111111111"))
    assert (code, status) == ("AccessDeniedException", 403)


def test_unknown_function(server):
    client = server.client("lambda")
    for call in (client.get_function, client.get_function_configuration, client.delete_function, client.invoke):
        assert error_of(call, FunctionName="nothing-here") == (
            "ResourceNotFoundException",
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nothing-here",
            404,
        )


def test_creating_twice_is_a_conflict(deploy):
    function = deploy("python3.12", HELLO)
    code, message, status = error_of(
        function.client.create_function, FunctionName=function.name, Runtime="python3.12", Role=ROLE,
        Handler="app.handler", Code={"ZipFile": HELLO},
    )
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == f"Function already exist: {function.name}"


def test_update_code_serves_the_old_until_the_new_is_ready(deploy):
    function = deploy("python3.12", HELLO)
    assert function.invoke().ok() == {"version": 1}
    before = function.client.get_function_configuration(FunctionName=function.name)
    newer = packages.python("def handler(event, context):\n    return {'version': 2}\n")
    updated = function.client.update_function_code(FunctionName=function.name, ZipFile=newer)
    assert updated["LastUpdateStatus"] == "InProgress" and updated["State"] == "Active"
    assert updated["RevisionId"] != before["RevisionId"]
    assert function.invoke().ok()["version"] in (1, 2)  # never an error in between
    function.updated()
    assert function.invoke().ok() == {"version": 2}
    after = function.client.get_function_configuration(FunctionName=function.name)
    assert after["CodeSha256"] == base64.b64encode(hashlib.sha256(newer).digest()).decode()


def test_failed_update_leaves_the_old_code_serving(deploy):
    function = deploy("python3.12", HELLO)
    function.client.update_function_configuration(FunctionName=function.name, Runtime="java21")
    function.client.get_waiter("function_updated_v2")
    status = wait_settled(function)
    assert status["LastUpdateStatus"] == "Failed" and status["State"] == "Active"
    assert status["LastUpdateStatusReasonCode"]
    assert function.invoke().ok() == {"version": 1}


def wait_settled(function):
    from support.wait import until

    def settled():
        read = function.client.get_function_configuration(FunctionName=function.name)
        return read if read.get("LastUpdateStatus") != "InProgress" else None

    return until(settled, 30, "the update to settle")


def test_update_configuration_changes_only_what_it_names(deploy):
    function = deploy(
        "python3.12", packages.python("import os\ndef handler(event, context):\n    return os.environ.get('COLOUR')\n"),
        Environment={"Variables": {"COLOUR": "blue"}}, Description="kept",
    )
    assert function.invoke().ok() == "blue"
    function.client.update_function_configuration(
        FunctionName=function.name, MemorySize=256, Environment={"Variables": {"COLOUR": "red"}}
    )
    function.updated()
    assert function.invoke().ok() == "red"
    read = function.client.get_function_configuration(FunctionName=function.name)
    assert (read["MemorySize"], read["Description"], read["Timeout"]) == (256, "kept", 10)


def test_stale_revision_is_refused(deploy):
    function = deploy("python3.12", HELLO)
    code, message, status = error_of(
        function.client.update_function_configuration, FunctionName=function.name, Description="new",
        RevisionId="00000000-0000-0000-0000-000000000000",
    )
    assert (code, status) == ("PreconditionFailedException", 412)
    assert "GetFunction" in message


def test_dry_run_of_a_code_update_changes_nothing(deploy):
    function = deploy("python3.12", HELLO)
    newer = packages.python("def handler(event, context):\n    return 2\n")
    would_be = function.client.update_function_code(FunctionName=function.name, ZipFile=newer, DryRun=True)
    assert would_be["CodeSha256"] == base64.b64encode(hashlib.sha256(newer).digest()).decode()
    assert function.invoke().ok() == {"version": 1}


def test_list_is_paged_and_complete(server):
    client = server.client("lambda", region="eu-central-1")
    names = sorted(f"paged-{number:02}" for number in range(12))
    functions = [Function(server, name, "python3.12", HELLO, "app.handler", client=client) for name in names]
    try:
        pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 5}))
        assert [len(page["Functions"]) for page in pages] == [5, 5, 2]
        assert sorted(f["FunctionName"] for page in pages for f in page["Functions"]) == names
        other_region = server.client("lambda", region="eu-west-3").list_functions()["Functions"]
        assert other_region == [], "regions must not see each other's functions"
        other_account = server.client("lambda", account="123456789012", region="eu-central-1").list_functions()
        assert other_account["Functions"] == [], "accounts must not see each other's functions"
    finally:
        for function in functions:
            function.delete()
    assert client.list_functions()["Functions"] == []


def test_delete_answers_204_and_recreation_starts_anew(server, deploy):
    function = deploy("python3.12", HELLO)
    assert function.client.delete_function(FunctionName=function.name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    again = deploy(
        "python3.12", packages.python("def handler(event, context):\n    return 'another'\n"), name=function.name
    )
    assert again.invoke().ok() == "another"


def test_account_settings_count_what_there_is(server):
    client = server.client("lambda", region="ap-south-1")
    empty = client.get_account_settings()
    assert empty["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    assert empty["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert empty["AccountLimit"]["CodeSizeZipped"] == 52428800
    assert empty["AccountLimit"]["CodeSizeUnzipped"] == 262144000
    function = Function(server, "counted", "python3.12", HELLO, "app.handler", client=client).ready()
    usage = client.get_account_settings()["AccountUsage"]
    function.delete()
    assert usage["FunctionCount"] == 1 and usage["TotalCodeSize"] > 0


def test_parallel_updates_are_serialised(deploy):
    function = deploy("python3.12", HELLO)

    def update(number):
        try:
            function.client.update_function_configuration(FunctionName=function.name, Description=f"number {number}")
            return "ok"
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        outcomes = set(pool.map(update, range(64)))
    assert "ok" in outcomes
    assert outcomes <= {"ok", "ResourceConflictException"}, outcomes
    function.updated()
    assert function.invoke().ok() == {"version": 1}


@pytest.mark.parametrize(
    "members, code, message",
    [
        ({"MemorySize": 100}, "ValidationException",
         "1 validation error detected: Value '100' at 'memorySize' failed to satisfy constraint: "
         "Member must have value greater than or equal to 128"),
        ({"Timeout": 0}, "ValidationException",
         "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
         "Member must have value greater than or equal to 1"),
        ({"Role": "nobody"}, "ValidationException", None),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException",
         "Lambda was unable to configure your environment variables because the environment variables you have "
         "provided contains reserved keys that are currently not supported for modification. "
         "Reserved keys used in this request: AWS_REGION"),
        ({"Environment": {"Variables": {"BIG": "x" * 5000}}}, "InvalidParameterValueException", None),
        ({"Timeout": 901}, "ValidationException",
         "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
         "Member must have value less than or equal to 900"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]}, "InvalidParameterValueException", None),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::failures"}},
         "InvalidParameterValueException", None),
        ({"FunctionName": "n" * 65}, "InvalidParameterValueException", None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_members_are_refused_with_a_clear_message(server, members, code, message):
    client = server.client("lambda", parameter_validation=False)
    request = {
        "FunctionName": "refused", "Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler",
        "Code": {"ZipFile": HELLO}, **members,
    }
    got_code, got_message, status = error_of(client.create_function, **request)
    assert (got_code, status) == (code, 400), got_message
    if message is not None:
        assert got_message == message
    assert len(got_message) > 20
    assert error_of(client.get_function, FunctionName="refused")[0] in ("ResourceNotFoundException",)


def test_several_violations_come_in_one_message(server):
    client = server.client("lambda", parameter_validation=False)
    code, message, _ = error_of(
        client.create_function, FunctionName="refused", Runtime="python3.12", Role="nobody", Handler="app.handler",
        Code={"ZipFile": HELLO}, MemorySize=1,
    )
    assert code == "ValidationException"
    assert message.startswith("2 validation errors detected: ") and "; Value '" in message


def test_errors_have_the_wire_form_that_clients_parse(server):
    import json
    import urllib.error

    with pytest.raises(urllib.error.HTTPError) as caught:
        server.http("/2015-03-31/functions/none", headers={"Authorization": ""})
    error = caught.value
    assert error.code == 404
    assert error.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert error.headers["x-amzn-RequestId"]
    body = json.load(error)
    assert body["Type"] == "User" and body["Message"].startswith("Function not found: ")


def test_trailing_slash_and_encoded_arn_are_accepted(server, deploy):
    import json
    import urllib.parse

    function = deploy("python3.12", HELLO)
    assert "Functions" in json.load(server.http("/2015-03-31/functions/"))
    arn = urllib.parse.quote(function.created["FunctionArn"], safe="")
    assert json.load(server.http(f"/2015-03-31/functions/{arn}/configuration"))["FunctionName"] == function.name
