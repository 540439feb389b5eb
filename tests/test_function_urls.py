"""Configurations of function URLs: one for a function and one for each alias, each with an address of its own."""

import re

import pytest

from support import packages
from support.errors import error_of

HELLO = packages.python("def handler(event, context):\n    return 'hello'\n")
CORS = {
    "AllowCredentials": True, "AllowHeaders": ["x-one", "x-two"], "AllowMethods": ["GET", "POST"],
    "AllowOrigins": ["https://example.com"], "ExposeHeaders": ["x-three"], "MaxAge": 600,
}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
MISSING = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
NO_FUNCTION = ("ResourceNotFoundException", "Function does not exist", 404)


@pytest.fixture
def function(deploy):
    return deploy("python3.12", HELLO, Publish=True)


def arn(name):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def create(function, **members):
    return function.client.create_function_url_config(FunctionName=function.name, **{"AuthType": "NONE", **members})


def get(function, **members):
    return function.client.get_function_url_config(FunctionName=function.name, **members)


def alias(function, name="live"):
    function.client.create_alias(FunctionName=function.name, Name=name, FunctionVersion="1")
    return name


def test_a_url_has_an_address_that_stays(server, function):
    created = create(function)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    address = rf"http://[0-9a-z]{{32}}\.lambda-url\.us-east-1\.localhost:{server.port}/"
    assert re.fullmatch(address, created["FunctionUrl"])
    assert created["FunctionArn"] == arn(function.name) and created["AuthType"] == "NONE"
    assert STAMP.fullmatch(created["CreationTime"])
    assert "InvokeMode" not in created and "Cors" not in created

    read = get(function)
    assert read["FunctionUrl"] == created["FunctionUrl"] and read["CreationTime"] == created["CreationTime"]
    assert read["InvokeMode"] == "BUFFERED" and read["LastModifiedTime"] == read["CreationTime"]
    updated = function.client.update_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")
    assert updated["FunctionUrl"] == created["FunctionUrl"] and updated["AuthType"] == "AWS_IAM"
    assert updated["LastModifiedTime"] > updated["CreationTime"] == created["CreationTime"]


def test_a_function_has_one_url(function):
    create(function)
    assert error_of(create, function=function) == (
        "ResourceConflictException",
        f"Failed to create function url config for [functionArn = {arn(function.name)}]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function",
        409,
    )


def test_an_alias_has_its_own_url(function):
    live = alias(function)
    plain = create(function)
    created = create(function, Qualifier=live, InvokeMode="RESPONSE_STREAM")
    assert created["FunctionArn"] == arn(f"{function.name}:live") and created["InvokeMode"] == "RESPONSE_STREAM"
    assert created["FunctionUrl"] != plain["FunctionUrl"]
    assert get(function, Qualifier=live)["FunctionUrl"] == created["FunctionUrl"]
    by_name = function.client.get_function_url_config(FunctionName=f"{function.name}:live")
    assert by_name["FunctionUrl"] == created["FunctionUrl"]
    listed = function.client.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"]
    assert [url["FunctionArn"] for url in listed] == [arn(function.name), arn(f"{function.name}:live")]


def test_lists_come_in_pages(function):
    names = [alias(function, f"alias-{number}") for number in range(3)]
    for name in names:
        create(function, Qualifier=name)
    pages = function.client.get_paginator("list_function_url_configs").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 1}
    )
    assert [[url["FunctionArn"] for url in page["FunctionUrlConfigs"]] for page in pages] == [
        [arn(f"{function.name}:{name}")] for name in names
    ]


def test_cors_is_replaced_as_a_whole(function):
    assert create(function, Cors=CORS)["Cors"] == CORS
    update = function.client.update_function_url_config
    assert update(FunctionName=function.name, AuthType="NONE")["Cors"] == CORS
    assert update(FunctionName=function.name, Cors={"MaxAge": 1})["Cors"] == {"MaxAge": 1}
    assert get(function)["Cors"] == {"MaxAge": 1}
    assert "Cors" not in update(FunctionName=function.name, Cors={})
    assert "Cors" not in get(function)


@pytest.mark.parametrize(
    ("member", "largest", "larger"),
    [
        ("AllowHeaders", ["h"] * 100, ["h"] * 101),
        ("AllowHeaders", ["h" * 1024], ["h" * 1025]),
        ("AllowMethods", ["GET"] * 6, ["GET"] * 7),
        ("AllowMethods", ["DELETE"], ["OPTIONS"]),
        ("AllowOrigins", ["o"] * 100, ["o"] * 101),
        ("AllowOrigins", ["o" * 253], ["o" * 254]),
        ("ExposeHeaders", ["h"] * 100, ["h"] * 101),
        ("ExposeHeaders", ["h" * 1024], ["h" * 1025]),
        ("MaxAge", 86400, 86401),
        ("MaxAge", 0, -1),
    ],
)
def test_cors_has_limits(function, lax, member, largest, larger):
    assert create(function, Cors={member: largest})["Cors"] == {member: largest}
    code, message, status = error_of(
        lax.update_function_url_config, FunctionName=function.name, Cors={member: larger}
    )
    place = f"at 'cors.{member[0].lower()}{member[1:]}' failed to satisfy constraint"
    assert (code, status) == ("ValidationException", 400) and place in message
    assert get(function)["Cors"] == {member: largest}


@pytest.mark.parametrize("qualifier", ["1", "$LATEST"])
def test_versions_have_no_urls(function, lax, qualifier):
    expected = (
        "ValidationException",
        f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)",
        400,
    )
    name = {"FunctionName": function.name, "Qualifier": qualifier}
    assert error_of(lax.create_function_url_config, AuthType="NONE", **name) == expected
    assert error_of(lax.get_function_url_config, **name) == expected
    assert error_of(lax.update_function_url_config, **name) == expected
    assert error_of(lax.delete_function_url_config, **name) == expected
    code, _, _ = error_of(lax.get_function_url_config, FunctionName=f"{function.name}:{qualifier}")
    assert code == "ValidationException"


def test_wrong_values_are_named(function, lax):
    name = {"FunctionName": function.name}
    assert error_of(lax.create_function_url_config, **name) == (
        "ValidationException",
        "1 validation error detected: Value null at 'authType' failed to satisfy constraint: Member must not be null",
        400,
    )
    for members in ({"AuthType": "BASIC"}, {"AuthType": "NONE", "InvokeMode": "LATER"}):
        code, message, _ = error_of(lax.create_function_url_config, **name, **members)
        assert code == "ValidationException" and "Member must satisfy enum value set" in message
    assert error_of(get, function=function) == MISSING


def test_what_is_not_there(server, function):
    client = function.client
    for missing in ({"FunctionName": "nothing-here"}, {"FunctionName": function.name, "Qualifier": "nothing"}):
        assert error_of(client.create_function_url_config, AuthType="NONE", **missing) == NO_FUNCTION
        assert error_of(client.update_function_url_config, AuthType="NONE", **missing) == NO_FUNCTION
        assert error_of(client.get_function_url_config, **missing) == MISSING
        assert error_of(client.delete_function_url_config, **missing) == MISSING
    assert error_of(client.list_function_url_configs, FunctionName="nothing-here") == NO_FUNCTION
    assert client.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"] == []
    assert error_of(client.update_function_url_config, FunctionName=function.name, AuthType="NONE") == MISSING
    mismatch = {"FunctionName": f"{arn(function.name)}:one", "Qualifier": "two"}
    code, message, _ = error_of(client.get_function_url_config, **mismatch)
    assert (code, message) == (
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    )


def test_a_url_goes_with_what_it_belongs_to(deploy, function):
    first = create(function)["FunctionUrl"]
    deleted = function.client.delete_function_url_config(FunctionName=function.name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(get, function=function) == MISSING
    assert error_of(function.client.delete_function_url_config, FunctionName=function.name) == MISSING
    assert create(function)["FunctionUrl"] != first

    live = alias(function)
    create(function, Qualifier=live)
    function.client.delete_alias(FunctionName=function.name, Name=live)
    alias(function)
    assert error_of(get, function=function, Qualifier=live) == MISSING

    function.delete()
    again = deploy("python3.12", HELLO, name=function.name)
    assert error_of(get, function=again) == MISSING


def test_a_request_to_a_url_is_no_call_of_the_api(server):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    host = f"{'a' * 32}.lambda-url.us-east-1.localhost:{server.port}"
    connection.request("GET", "/2015-03-31/functions", headers={"Host": host})
    response = connection.getresponse()
    assert response.status == 403 and response.headers["Content-Type"] == "application/json"
    assert response.read() == b'{"Message":null}', "there is no such URL, and no list of functions"


def test_another_region_has_its_own(server, function):
    elsewhere = server.client("lambda", region="eu-west-1")
    create(function)
    code, message, _ = error_of(elsewhere.get_function_url_config, FunctionName=arn(function.name))
    assert (code, message) == (
        "ResourceNotFoundException",
        "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')",
    )
