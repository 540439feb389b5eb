"""Published versions: immutable, numbered once, invocable."""

import concurrent.futures
import json

from support import packages
from support.errors import error_of
from support.server import ROLE

ECHO = """
import os
WHAT = {what!r}
def handler(event, context):
    return {{'what': WHAT, 'version': context.function_version, 'arn': context.invoked_function_arn,
            'environment': os.environ['AWS_LAMBDA_FUNCTION_VERSION'], 'color': os.environ.get('COLOR')}}
"""


def code(what):
    return packages.python(ECHO.format(what=what))


def invoke(function, qualifier=None):
    members = {"Qualifier": qualifier} if qualifier else {}
    answer = function.client.invoke(FunctionName=function.name, Payload=b"{}", **members)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return answer["ExecutedVersion"], json.loads(answer["Payload"].read())


def publish(function, **members):
    return function.client.publish_version(FunctionName=function.name, **members)


def update_code(function, what, **members):
    answer = function.client.update_function_code(FunctionName=function.name, ZipFile=code(what), **members)
    function.updated()
    return answer


def test_a_version_keeps_its_code_and_configuration(deploy):
    function = deploy("python3.12", code("one"), Environment={"Variables": {"COLOR": "red"}}, Description="first")
    first = publish(function, Description="the first")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["FunctionArn"], first["Description"]) == ("1", f"{arn}:1", "the first")
    function.published("1")

    update_code(function, "two")
    function.client.update_function_configuration(
        FunctionName=function.name, Environment={"Variables": {"COLOR": "blue"}}
    )
    function.updated()
    second = publish(function)
    assert (second["Version"], second["Description"]) == ("2", "first")
    assert second["RevisionId"] not in (first["RevisionId"], function.created["RevisionId"])

    assert invoke(function) == (
        "$LATEST",
        {"what": "two", "version": "$LATEST", "arn": arn, "environment": "$LATEST", "color": "blue"},
    )
    assert invoke(function, "1") == (
        "1",
        {"what": "one", "version": "1", "arn": f"{arn}:1", "environment": "1", "color": "red"},
    )
    assert invoke(function, "2")[1]["what"] == "two"
    read = function.client.get_function(FunctionName=f"{function.name}:1")
    assert read["Configuration"]["CodeSha256"] == first["CodeSha256"] != second["CodeSha256"]
    assert read["Configuration"]["FunctionArn"] == f"{arn}:1"


def test_versions_are_listed_in_order_and_in_pages(deploy):
    function = deploy("python3.12", code("zero"))
    for number in range(1, 13):
        update_code(function, f"number {number}")
        assert publish(function)["Version"] == str(number)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    expected = ["$LATEST", *map(str, range(1, 13))]
    for page_size in (1, 2, 5, 12, 13, 50):
        pages = function.client.get_paginator("list_versions_by_function").paginate(
            FunctionName=function.name, PaginationConfig={"PageSize": page_size}
        )
        versions = [version for page in pages for version in page["Versions"]]
        assert [version["Version"] for version in versions] == expected, page_size
        assert [version["FunctionArn"] for version in versions] == [f"{arn}:{version}" for version in expected]
    pages = function.client.get_paginator("list_functions").paginate(
        FunctionVersion="ALL", PaginationConfig={"PageSize": 3}
    )
    mine = [one["Version"] for page in pages for one in page["Functions"] if one["FunctionName"] == function.name]
    assert mine == expected
    pages = function.client.get_paginator("list_functions").paginate()
    mine = [one for page in pages for one in page["Functions"] if one["FunctionName"] == function.name]
    assert [(one["Version"], one["FunctionArn"]) for one in mine] == [("$LATEST", arn)]


def test_an_unchanged_function_is_not_published_again(deploy):
    function = deploy("python3.12", code("one"))
    first = publish(function, Description="a")
    again = publish(function, Description="b")
    assert (again["Version"], again["RevisionId"], again["Description"]) == ("1", first["RevisionId"], "a")
    function.client.update_function_configuration(FunctionName=function.name, Timeout=4)
    function.updated()
    assert publish(function)["Version"] == "2"


def test_create_and_update_can_publish(server, deploy):
    function = deploy("python3.12", code("one"), Publish=True)
    assert function.created["Version"] == "1"
    assert invoke(function, "1")[1]["what"] == "one"
    updated = update_code(function, "two", Publish=True)
    assert updated["Version"] == "2" and updated["FunctionArn"].endswith(f":{function.name}:2")
    function.published("2")
    assert invoke(function, "2")[1]["what"] == "two"


def test_preconditions_of_publishing(deploy):
    function = deploy("python3.12", code("one"))
    current = function.client.get_function_configuration(FunctionName=function.name)
    wrong = "A" * 43 + "="
    assert error_of(function.client.publish_version, FunctionName=function.name, CodeSha256=wrong) == (
        "InvalidParameterValueException",
        f"CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({current['CodeSha256']}). "
        "Please try again with the CodeSHA256 in $LATEST.",
        400,
    )
    error = error_of(function.client.publish_version, FunctionName=function.name, RevisionId="stale")
    assert (error[0], error[2]) == ("PreconditionFailedException", 412)
    published = publish(function, CodeSha256=current["CodeSha256"], RevisionId=current["RevisionId"])
    assert published["Version"] == "1"
    error = error_of(function.client.publish_version, FunctionName=f"{function.name}:1")
    assert error[0] == "InvalidParameterValueException"
    error = error_of(function.client.publish_version, FunctionName="missing")
    assert error[0] == "ResourceNotFoundException"


def test_numbers_are_never_reused(server, deploy):
    function = deploy("python3.12", code("one"))
    publish(function)
    update_code(function, "two")
    publish(function)
    function.client.delete_function(FunctionName=function.name, Qualifier="2")
    error = error_of(function.client.get_function, FunctionName=function.name, Qualifier="2")
    assert error == (
        "ResourceNotFoundException",
        f"Function not found: arn:aws:lambda:us-east-1:000000000000:function:{function.name}:2",
        404,
    )
    assert error_of(function.client.invoke, FunctionName=function.name, Qualifier="2")[0] == "ResourceNotFoundException"
    assert publish(function)["Version"] == "3"
    function.delete()
    again = deploy("python3.12", code("anew"), name=function.name)
    listed = again.client.list_versions_by_function(FunctionName=again.name)["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST"]
    assert publish(again)["Version"] == "4"


def test_many_publish_at_once_and_each_number_is_given_once(server, deploy):
    function = deploy("python3.12", code("zero"))

    def change_and_publish(number):
        client = server.client("lambda")
        try:
            client.update_function_configuration(FunctionName=function.name, Description=f"change {number}")
        except client.exceptions.ResourceConflictException:
            return None
        client.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 0.05})
        try:
            return client.publish_version(FunctionName=function.name)["Version"]
        except client.exceptions.ResourceConflictException:
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        given = {version for version in pool.map(change_and_publish, range(40)) if version}
    listed = function.client.list_versions_by_function(FunctionName=function.name)["Versions"]
    assert sorted(map(int, given)) == list(range(1, len(given) + 1))
    assert [version["Version"] for version in listed] == ["$LATEST", *map(str, range(1, len(given) + 1))]


def test_what_cannot_be_deleted(deploy):
    function = deploy("python3.12", code("one"))
    publish(function)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    assert error_of(function.client.delete_function, FunctionName=function.name, Qualifier="1") == (
        "ResourceConflictException",
        "Unable to delete version because the following aliases reference it: [live]",
        409,
    )
    error = error_of(function.client.delete_function, FunctionName=function.name, Qualifier="$LATEST")
    assert error[:2] == (
        "InvalidParameterValueException",
        "$LATEST version cannot be deleted without deleting the function.",
    )
    error = error_of(function.client.delete_function, FunctionName=function.name, Qualifier="live")
    assert error[0] == "InvalidParameterValueException"
    error = error_of(function.client.delete_function, FunctionName=function.name, Qualifier="9")
    assert error[0] == "ResourceNotFoundException"


def test_versions_survive_a_restart(tmp_path):
    from support.server import Function, Server

    with Server(data=tmp_path) as server:
        function = Function(server, "kept", "python3.12", code("one"), "app.handler").ready()
        publish(function)
        function.client.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
        update_code(function, "two")
    with Server(data=tmp_path) as server:
        client = server.client("lambda")
        for qualifier, what in (("1", "one"), ("live", "one"), ("$LATEST", "two")):
            answer = client.invoke(FunctionName="kept", Qualifier=qualifier)
            assert json.loads(answer["Payload"].read())["what"] == what


def test_role_is_kept_in_versions(deploy):
    function = deploy("python3.12", code("one"))
    assert publish(function)["Role"] == ROLE
