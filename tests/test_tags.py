"""Tags of functions and of event source mappings."""

import pytest

from support import packages
from support.errors import error_of, refused
from support.server import Function
from support.wait import until

HELLO = packages.python("def handler(event, context):\n    return 1\n")
HERE = "us-east-1:000000000000"
ARN = f"arn:aws:lambda:{HERE}"
TOO_MANY = "Number of tags exceeds resource tag limit."


@pytest.fixture
def client(server):
    # The server, not the client, is to refuse what is out of range.
    return server.client("lambda", parameter_validation=False)


@pytest.fixture
def function(deploy):
    return deploy("python3.12", HELLO, Tags={"key_a": "value_a"})


@pytest.fixture
def arn(function):
    return f"{ARN}:function:{function.name}"


@pytest.fixture(params=["function", "mapping"])
def tagged(request, server, client, function):
    """The ARN of a resource with one tag, of each kind in turn."""
    if request.param == "function":
        yield f"{ARN}:function:{function.name}"
        return
    server.client("sqs").create_queue(QueueName=f"of-{function.name}")
    source = f"arn:aws:sqs:{HERE}:of-{function.name}"
    mapping = client.create_event_source_mapping(
        FunctionName=function.name, EventSourceArn=source, Tags={"key_a": "value_a"}
    )
    yield mapping["EventSourceMappingArn"]
    uuid = mapping["UUID"]
    until(lambda: client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled", what="the mapping to settle")
    client.delete_event_source_mapping(UUID=uuid)


def tags_of(client, arn):
    return client.list_tags(Resource=arn)["Tags"]


def test_tags_are_added_changed_and_taken_away(client, tagged):
    assert tags_of(client, tagged) == {"key_a": "value_a"}
    added = client.tag_resource(Resource=tagged, Tags={"key_b": "value_b", "key_c": "", "a b/c:d=e+f-@_.": "ü"})
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 204
    client.tag_resource(Resource=tagged, Tags={"key_b": "changed"})
    assert tags_of(client, tagged) == {"key_a": "value_a", "key_b": "changed", "key_c": "", "a b/c:d=e+f-@_.": "ü"}
    removed = client.untag_resource(Resource=tagged, TagKeys=["key_a", "key_c", "a b/c:d=e+f-@_.", "nothing"])
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags_of(client, tagged) == {"key_b": "changed"}
    client.untag_resource(Resource=tagged, TagKeys=["key_b"])
    assert tags_of(client, tagged) == {}


def test_a_resource_has_fifty_tags_at_most(client, tagged):
    fifty = {f"key-{number}": "value" for number in range(50)}
    assert refused(client.tag_resource, Resource=tagged, Tags={**fifty, "more": ""}) == TOO_MANY
    assert refused(client.tag_resource, Resource=tagged, Tags=fifty) == TOO_MANY, "there is one already"
    client.untag_resource(Resource=tagged, TagKeys=["key_a"])
    client.tag_resource(Resource=tagged, Tags=fifty)
    assert tags_of(client, tagged) == fifty
    client.tag_resource(Resource=tagged, Tags={"key-0": "changed"})
    assert refused(client.tag_resource, Resource=tagged, Tags={"more": ""}) == TOO_MANY


def test_lengths_have_their_limits(client, tagged):
    client.tag_resource(Resource=tagged, Tags={"k" * 128: "v" * 256})
    assert tags_of(client, tagged)["k" * 128] == "v" * 256
    for tags in ({"k" * 129: ""}, {"k": "v" * 257}, {"": "v"}, {"k!": "v"}):
        code, _, status = error_of(client.tag_resource, Resource=tagged, Tags=tags)
        assert code in ("ValidationException", "InvalidParameterValueException") and status == 400
    assert "aws: is a reserved prefix" in refused(client.tag_resource, Resource=tagged, Tags={"aws:x": ""})


def test_requests_that_say_nothing(client, tagged):
    message = refused(client.tag_resource, Resource=tagged, Tags={})
    assert message == "An error occurred and the request cannot be processed."
    code, message, status = error_of(client.untag_resource, Resource=tagged, TagKeys=[])
    assert (code, status) == ("ValidationException", 400)
    assert message == (
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
    )


def test_functions_show_their_tags_and_get_a_new_revision(client, function, arn):
    before = client.get_function(FunctionName=function.name)
    assert before["Tags"] == {"key_a": "value_a"}
    client.tag_resource(Resource=arn, Tags={"key_b": "value_b"})
    after = client.get_function(FunctionName=function.name)
    assert after["Tags"] == {"key_a": "value_a", "key_b": "value_b"}
    assert after["Configuration"]["RevisionId"] != before["Configuration"]["RevisionId"]
    assert after["Configuration"]["LastModified"] == before["Configuration"]["LastModified"]
    client.untag_resource(Resource=arn, TagKeys=["key_a", "key_b"])
    assert "Tags" not in client.get_function(FunctionName=function.name)
    assert function.invoke().ok() == 1


def test_resources_that_cannot_be_tagged(client, function, arn):
    calls = (
        lambda resource: error_of(client.tag_resource, Resource=resource, Tags={"a": "b"}),
        lambda resource: error_of(client.untag_resource, Resource=resource, TagKeys=["a"]),
        lambda resource: error_of(client.list_tags, Resource=resource),
    )
    missing = f"{ARN}:function:nothing"
    qualified = "Tags on function aliases and versions are not supported. Please specify a function ARN."
    mapping = f"{ARN}:event-source-mapping:00000000-0000-4000-8000-000000000000"
    for call in calls:
        assert call(missing) == ("ResourceNotFoundException", f"Function not found: {missing}", 404)
        for end in ("$LATEST", "1", "live"):
            assert call(f"{arn}:{end}") == ("InvalidParameterValueException", qualified, 400)
        code, message, status = call("arn:aws:something")
        assert (code, status) == ("ValidationException", 400)
        assert message.startswith("1 validation error detected: Value 'arn:aws:something' at 'resource' failed")
        assert call(mapping) == ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        code, message, _ = call(arn.replace("us-east-1", "eu-west-1"))
        assert (code, message) == (
            "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        )
        assert call(arn.replace("000000000000", "111111111111"))[0] == "AccessDeniedException"
        assert call(mapping.replace("000000000000:", "111111111111:"))[0] == "AccessDeniedException"


def test_creation_takes_the_same_tags(server, client):
    fifty_one = {f"key-{number}": "" for number in range(51)}
    members = {"Runtime": "python3.12", "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/lambda"}
    message = refused(
        client.create_function, FunctionName="never", Code={"ZipFile": HELLO}, Tags=fifty_one, **members
    )
    assert message == TOO_MANY


def test_tags_are_gone_with_the_function(server):
    function = Function(server, "short-lived", "python3.12", HELLO, "app.handler", Tags={"a": "b"}).ready()
    arn = f"{ARN}:function:short-lived"
    function.delete()
    assert error_of(function.client.list_tags, Resource=arn) == (
        "ResourceNotFoundException", f"Function not found: {arn}", 404
    )
