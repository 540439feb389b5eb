"""Layers are published, shared, and laid over each other under /opt."""

import base64
import hashlib
import urllib.request
import uuid

import pytest

from support import packages
from support.errors import error_of
from support.server import ROLE

USES = "from greeting import WORD\ndef handler(event, context):\n    return WORD\n"


def layer_name():
    return f"layer-{uuid.uuid4().hex[:8]}"


def python_layer(**files):
    return packages.package({f"python/{name}.py": text for name, text in files.items()})


@pytest.fixture
def publish(client):
    """publish(zip, name, …) → the answer; every version of every layer goes at the end."""
    names = set()

    def make(zip_bytes, name=None, **members):
        name = name or layer_name()
        names.add(name)
        return client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_bytes}, **members)

    yield make
    for name in names:
        for version in client.list_layer_versions(LayerName=name)["LayerVersions"]:
            client.delete_layer_version(LayerName=name, VersionNumber=version["Version"])


def test_a_version_is_kept_and_shown(client, publish):
    content = python_layer(greeting="WORD = 'hello'\n")
    name = layer_name()
    made = publish(
        content, name, Description="greets", LicenseInfo="Apache-2.0",
        CompatibleRuntimes=["python3.12", "python3.11"], CompatibleArchitectures=["x86_64"],
    )
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (arn, f"{arn}:1", 1)
    assert (made["Description"], made["LicenseInfo"]) == ("greets", "Apache-2.0")
    assert made["CompatibleRuntimes"] == ["python3.12", "python3.11"]
    assert made["CompatibleArchitectures"] == ["x86_64"]
    assert made["Content"]["CodeSize"] == len(content)
    assert made["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()

    read = client.get_layer_version(LayerName=name, VersionNumber=1)
    by_arn = client.get_layer_version_by_arn(Arn=f"{arn}:1")
    for answer in (read, by_arn, client.get_layer_version(LayerName=arn, VersionNumber=1)):
        with urllib.request.urlopen(answer["Content"]["Location"], timeout=10) as download:
            assert download.read() == content
        for member in ("LayerArn", "LayerVersionArn", "Version", "Description", "CreatedDate", "CompatibleRuntimes"):
            assert answer[member] == made[member]


def test_numbers_are_never_reused(client, publish):
    name, content = layer_name(), python_layer(a="")
    assert [publish(content, name)["Version"] for _ in range(3)] == [1, 2, 3]
    client.delete_layer_version(LayerName=name, VersionNumber=3)
    answer = client.delete_layer_version(LayerName=name, VersionNumber=3)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert publish(content, name)["Version"] == 4
    for number in (1, 2, 4):
        client.delete_layer_version(LayerName=name, VersionNumber=number)
    assert name not in [layer["LayerName"] for layer in client.list_layers()["Layers"]]
    assert publish(content, name)["Version"] == 5


def test_lists_filter_and_page(client, publish):
    content = python_layer(a="")
    names = sorted(layer_name() for _ in range(5))
    for name in names:
        publish(content, name, CompatibleRuntimes=["python3.12"])
        publish(content, name, CompatibleRuntimes=["nodejs20.x"], CompatibleArchitectures=["arm64"])
    for size in (1, 2, 50):
        pages = client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": size})
        found = [layer for page in pages for layer in page["Layers"] if layer["LayerName"] in names]
        assert [layer["LayerName"] for layer in found] == names
        assert {layer["LatestMatchingVersion"]["Version"] for layer in found} == {2}
    found = client.list_layers(CompatibleRuntime="python3.12")["Layers"]
    found = [layer for layer in found if layer["LayerName"] in names]
    assert len(found) == 5 and {layer["LatestMatchingVersion"]["Version"] for layer in found} == {1}
    found = client.list_layers(CompatibleArchitecture="x86_64")["Layers"]
    assert not [layer for layer in found if layer["LayerName"] in names]

    for size in (1, 50):
        pages = client.get_paginator("list_layer_versions").paginate(
            LayerName=names[0], PaginationConfig={"PageSize": size}
        )
        assert [one["Version"] for page in pages for one in page["LayerVersions"]] == [2, 1]
    assert client.list_layer_versions(LayerName="missing")["LayerVersions"] == []


def test_what_is_refused(client, publish):
    name, content = layer_name(), python_layer(a="")
    missing = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    publish(content, name)
    assert error_of(client.get_layer_version, LayerName=name, VersionNumber=2) == missing
    assert error_of(client.get_layer_version, LayerName="missing", VersionNumber=1) == missing
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}"
    assert error_of(client.get_layer_version_by_arn, Arn=f"{arn}:9") == missing
    error = error_of(client.get_layer_version, LayerName=name, VersionNumber=0)
    assert error[:2] == ("InvalidParameterValueException", "Layer Version Cannot be less than 1")
    assert error_of(client.get_layer_version_by_arn, Arn=arn)[0] == "ValidationException"
    for bad in (b"no zip", b""):
        error = error_of(client.publish_layer_version, LayerName=name, Content={"ZipFile": bad})
        assert error[0] == "InvalidParameterValueException", bad
    error = error_of(client.publish_layer_version, LayerName="with space", Content={"ZipFile": content})
    assert error[0] == "ValidationException"
    error = error_of(
        client.publish_layer_version, LayerName=name, Content={"ZipFile": content}, CompatibleRuntimes=["cobol"]
    )
    assert error[0] == "ValidationException"


def test_permissions(client, server, publish):
    name = layer_name()
    arn = publish(python_layer(a=""), name)["LayerVersionArn"]
    where = {"LayerName": name, "VersionNumber": 1}
    other = server.client("lambda", account="999999999999")
    assert error_of(other.get_layer_version_by_arn, Arn=arn)[0] == "ResourceNotFoundException"
    assert error_of(client.get_layer_version_policy, **where)[0] == "ResourceNotFoundException"
    grant = {"Action": "lambda:GetLayerVersion", "Principal": "999999999999", "StatementId": "friend"}
    added = client.add_layer_version_permission(**where, **grant)
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201 and added["RevisionId"]
    assert '"Sid":"friend"' in added["Statement"] and "arn:aws:iam::999999999999:root" in added["Statement"]
    assert other.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    read = client.get_layer_version_policy(**where)
    assert read["RevisionId"] == added["RevisionId"] and arn in read["Policy"]
    assert error_of(client.add_layer_version_permission, **where, **grant)[0] == "ResourceConflictException"
    error = error_of(
        client.add_layer_version_permission, **where, **{**grant, "StatementId": "b"}, RevisionId=str(uuid.uuid4())
    )
    assert (error[0], error[2]) == ("PreconditionFailedException", 412)
    error = error_of(client.remove_layer_version_permission, **where, StatementId="nobody")
    assert error[0] == "ResourceNotFoundException"
    removed = client.remove_layer_version_permission(**where, StatementId="friend", RevisionId=read["RevisionId"])
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(other.get_layer_version_by_arn, Arn=arn)[0] == "ResourceNotFoundException"
    error = error_of(client.add_layer_version_permission, LayerName="missing", VersionNumber=1, **grant)
    assert error[0] == "ResourceNotFoundException"


def test_a_function_imports_from_its_layers_and_the_later_one_wins(deploy, publish):
    one = publish(python_layer(greeting="WORD = 'one'\n", extra="EXTRA = 1\n"))["LayerVersionArn"]
    two = publish(python_layer(greeting="WORD = 'two'\n"))["LayerVersionArn"]
    source = "import os\nimport extra\n" + USES.replace("return WORD", "return [WORD, extra.EXTRA, os.listdir('/opt')]")
    function = deploy("python3.12", packages.python(source), Layers=[one, two])
    assert [layer["Arn"] for layer in function.created["Layers"]] == [one, two]
    assert all(layer["CodeSize"] > 0 for layer in function.created["Layers"])
    assert function.invoke().ok() == ["two", 1, ["python"]]

    function.client.update_function_configuration(FunctionName=function.name, Layers=[two, one])
    assert function.updated().invoke().ok() == ["one", 1, ["python"]]
    function.client.update_function_configuration(FunctionName=function.name, Description="layers stay")
    assert function.updated().invoke().ok() == ["one", 1, ["python"]]
    function.client.update_function_configuration(FunctionName=function.name, Layers=[])
    answer = function.updated().invoke()
    assert answer.error and "extra" in answer.value["errorMessage"]
    assert "Layers" not in function.client.get_function_configuration(FunctionName=function.name)


def test_node_and_custom_runtimes_find_their_layers(deploy, publish):
    node = publish(packages.package({
        "nodejs/node_modules/greeting/package.json": '{"name": "greeting", "main": "index.js"}',
        "nodejs/node_modules/greeting/index.js": "exports.word = 'hello';\n",
    }))["LayerVersionArn"]
    source = (
        "import { createRequire } from 'module';\nconst require = createRequire('/var/task/');\n"
        "export const handler = async () => require('greeting').word;\n"
    )
    function = deploy("nodejs20.x", packages.node(source), "index.handler", Layers=[node])
    assert function.invoke().ok() == "hello"

    bootstrap = publish(packages.package({
        "bootstrap": (
            "#!/bin/sh\nwhile true; do\n  HEADERS=$(mktemp)\n"
            "  EVENT=$(curl -sS -D $HEADERS http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next)\n"
            "  ID=$(grep -i Lambda-Runtime-Aws-Request-Id $HEADERS | tr -d '[:space:]' | cut -d: -f2)\n"
            "  curl -sS -d \"$(cat /var/task/answer)\" "
            "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$ID/response > /dev/null\ndone\n"
        )
    }, modes={"bootstrap": 0o755}))["LayerVersionArn"]
    function = deploy(
        "provided.al2023", packages.package({"answer": '"from a layer"'}), "none", Layers=[bootstrap]
    )
    assert function.invoke().ok() == "from a layer"


def test_a_function_keeps_what_a_deleted_layer_was(deploy, publish, client):
    name = layer_name()
    arn = publish(python_layer(greeting="WORD = 'kept'\n"), name)["LayerVersionArn"]
    function = deploy("python3.12", packages.python(USES), Layers=[arn])
    client.delete_layer_version(LayerName=name, VersionNumber=1)
    assert function.invoke().ok() == "kept"
    client.update_function_configuration(FunctionName=function.name, Timeout=7)
    assert function.updated().invoke().ok() == "kept"
    error = error_of(client.update_function_configuration, FunctionName=function.name, Layers=[arn])
    assert error[:2] == ("InvalidParameterValueException", f"Layer version {arn} does not exist.")


def test_opt_is_read_only(deploy, publish):
    arn = publish(python_layer(greeting="WORD = 'x'\n"))["LayerVersionArn"]
    source = "def handler(event, context):\n    open('/opt/python/greeting.py', 'w')\n"
    answer = deploy("python3.12", packages.python(source), Layers=[arn]).invoke()
    assert answer.value["errorType"] in ("OSError", "PermissionError")


def test_limits_of_a_functions_layers(client, server, publish):
    arns = [publish(python_layer(**{f"m{number}": ""}))["LayerVersionArn"] for number in range(6)]

    def create(layers, lambda_client=client):
        return error_of(
            lambda_client.create_function, FunctionName="with-layers", Runtime="python3.12", Handler="app.handler",
            Role=ROLE, Code={"ZipFile": packages.python("")}, Layers=layers,
        )

    invalid = "InvalidParameterValueException"
    assert create(arns)[:2] == (invalid, "Cannot reference more than 5 layers.")
    name = arns[0].split(":")[6]
    again = publish(python_layer(a=""), name)["LayerVersionArn"]
    error = create([arns[0], again])
    assert error[0] == invalid and "Two different versions of the same layer" in error[1]
    assert create(["arn:aws:lambda:us-east-1:000000000000:layer:missing:1"])[:2] == (
        invalid,
        "Layer version arn:aws:lambda:us-east-1:000000000000:layer:missing:1 does not exist.",
    )
    error = create(["arn:aws:lambda:eu-west-1:000000000000:layer:missing:1"])
    assert error[0] == invalid and "same region" in error[1]
    error = create([arns[0]], server.client("lambda", account="999999999999"))
    assert error[0] == "AccessDeniedException"


def test_layers_count_as_unpacked_code(client, publish):
    half = packages.package({"zeros": b"\0" * 140_000_000})
    arns = [publish(half)["LayerVersionArn"] for _ in range(2)]
    members = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE}
    members["Code"] = {"ZipFile": packages.python("def handler(event, context):\n    return 1\n")}
    error = error_of(client.create_function, FunctionName="too-large", Layers=arns, **members)
    assert error[:2] == (
        "InvalidParameterValueException",
        "Layers consume more than the available size of 262144000 bytes",
    )
    client.create_function(FunctionName="just-right", Layers=arns[:1], **members)
    client.delete_function(FunctionName="just-right")


def test_code_and_layers_fill_the_limit_to_the_byte(client, publish):
    source = "def handler(event, context):\n    return 1\n"
    room = 262_144_000 - len(source)
    fits, too_large = (publish(packages.package({"zeros": b"\0" * size}))["LayerVersionArn"] for size in (room, room + 1))
    members = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE}
    members["Code"] = {"ZipFile": packages.python(source)}
    error = error_of(client.create_function, FunctionName="over-the-edge", Layers=[too_large], **members)
    assert error[:2] == (
        "InvalidParameterValueException",
        "Layers consume more than the available size of 262144000 bytes",
    )
    client.create_function(FunctionName="at-the-edge", Layers=[fits], **members)
    client.delete_function(FunctionName="at-the-edge")


def test_five_layers_one_of_another_account(server, client, publish, deploy):
    other = server.client("lambda", account="999999999999")
    name = layer_name()
    content = python_layer(shared="WORD = 'shared'\n")
    shared = other.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
    other.add_layer_version_permission(
        LayerName=name, VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
    )
    own = [publish(python_layer(**{f"own{number}": f"N = {number}\n"}))["LayerVersionArn"] for number in range(4)]
    source = "import own0, own1, own2, own3, shared\ndef handler(event, context):\n    return [own3.N, shared.WORD]\n"
    function = deploy("python3.12", packages.python(source), Layers=[*own, shared])
    assert function.invoke().ok() == [3, "shared"]
    other.delete_layer_version(LayerName=name, VersionNumber=1)
