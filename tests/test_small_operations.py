"""The small groups: runtime management, recursion, capacity providers, durable executions, the siblings of Invoke."""

import base64
import itertools
import json

import pytest

from support import packages
from support.errors import error_of

HELLO = packages.python("def handler(event, context):\n    return 'hello'\n")
BAD = "ValidationException"
ACCOUNTS = itertools.count(300000000000)


@pytest.fixture
def function(deploy):
    return deploy("python3.12", HELLO, Publish=True)


def arn(name):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def not_found(name="nothing-here"):
    return "ResourceNotFoundException", f"Function not found: {arn(name)}", 404


def bare(answer):
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


class TestRuntimeManagement:
    def test_every_version_has_its_own(self, client, function):
        name = {"FunctionName": function.name}
        assert bare(client.get_runtime_management_config(**name)) == {
            "UpdateRuntimeOn": "Auto", "FunctionArn": arn(function.name)
        }
        put = client.put_runtime_management_config(UpdateRuntimeOn="FunctionUpdate", Qualifier="1", **name)
        assert bare(put) == {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn(f"{function.name}:1")}
        assert bare(client.get_runtime_management_config(Qualifier="1", **name)) == bare(put)
        assert client.get_runtime_management_config(Qualifier="$LATEST", **name)["UpdateRuntimeOn"] == "Auto"
        client.put_runtime_management_config(UpdateRuntimeOn="Auto", Qualifier="1", **name)
        assert client.get_runtime_management_config(Qualifier="1", **name)["UpdateRuntimeOn"] == "Auto"
        assert function.invoke().ok() == "hello"

    def test_manual_is_for_the_version_in_use(self, client, function):
        name = {"FunctionName": function.name}
        version = client.get_function_configuration(**name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
        manual = client.put_runtime_management_config(UpdateRuntimeOn="Manual", RuntimeVersionArn=version, **name)
        assert manual["UpdateRuntimeOn"] == "Manual" and manual["RuntimeVersionArn"] == version
        assert bare(client.get_runtime_management_config(**name)) == bare(manual)

        other = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64
        for refused, part in (
            ({"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": other}, f"The runtime version {other} is not available"),
            ({"UpdateRuntimeOn": "Manual"}, "RuntimeVersionArn is required"),
            ({"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": version}, "allowed only when UpdateRuntimeOn is Manual"),
        ):
            code, message, status = error_of(client.put_runtime_management_config, **name, **refused)
            assert (code, status) == ("InvalidParameterValueException", 400) and part in message
        assert bare(client.get_runtime_management_config(**name)) == bare(manual)

    def test_what_cannot_be_managed(self, client, lax, function):
        client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
        aliases = (
            "InvalidParameterValueException",
            f"The provided function name {arn(function.name)}:live is invalid. Aliases are not allowed.",
            400,
        )
        name = {"FunctionName": function.name}
        put, get = client.put_runtime_management_config, client.get_runtime_management_config
        assert error_of(put, UpdateRuntimeOn="Auto", Qualifier="live", **name) == aliases
        assert error_of(get, FunctionName=f"{function.name}:live") == aliases
        assert error_of(get, FunctionName="nothing-here") == not_found()
        assert error_of(put, FunctionName="nothing-here", UpdateRuntimeOn="Auto") == not_found()
        assert error_of(get, Qualifier="7", **name) == not_found(f"{function.name}:7")
        code, message, _ = error_of(lax.put_runtime_management_config, UpdateRuntimeOn="Never", **name)
        assert code == BAD and "Member must satisfy enum value set: [" in message
        for text in ("arn:aws:lambda:us-east-1:", "nothing" * 4):
            code, message, _ = error_of(
                lax.put_runtime_management_config, UpdateRuntimeOn="Manual", RuntimeVersionArn=text, **name
            )
            assert code == BAD and "at 'runtimeVersionArn'" in message


class TestRecursion:
    def test_it_is_kept(self, client, function):
        name = {"FunctionName": function.name}
        assert bare(client.get_function_recursion_config(**name)) == {"RecursiveLoop": "Terminate"}
        for value in ("Allow", "Terminate", "Allow"):
            assert bare(client.put_function_recursion_config(RecursiveLoop=value, **name)) == {"RecursiveLoop": value}
            assert bare(client.get_function_recursion_config(**name)) == {"RecursiveLoop": value}

    def test_refusals(self, client, lax, function):
        get, put = client.get_function_recursion_config, client.put_function_recursion_config
        assert error_of(get, FunctionName="nothing-here") == not_found()
        assert error_of(put, FunctionName="nothing-here", RecursiveLoop="Allow") == not_found()
        code, message, _ = error_of(lax.put_function_recursion_config, FunctionName=function.name, RecursiveLoop="On")
        assert code == BAD and "at 'recursiveLoop'" in message
        code, message, _ = error_of(lax.put_function_recursion_config, FunctionName=function.name)
        assert code == BAD and "Member must not be null" in message
        assert error_of(get, FunctionName=f"{function.name}:1")[0] == BAD


PROVIDER = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": "arn:aws:iam::000000000000:role/operator"},
}
NUMBERS = itertools.count(1)


@pytest.fixture
def provider(client):
    name = f"provider-{next(NUMBERS)}"
    client.create_capacity_provider(CapacityProviderName=name, **PROVIDER)
    return name


class TestCapacityProviders:
    def test_its_life(self, client):
        scaling = {
            "MaxVCpuCount": 15000, "ScalingMode": "Manual",
            "ScalingPolicies": [
                {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 50.5}
            ],
        }
        members = {
            **PROVIDER, "InstanceRequirements": {"Architectures": ["arm64"], "AllowedInstanceTypes": ["m8g.*"]},
            "CapacityProviderScalingConfig": scaling, "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1",
        }
        created = client.create_capacity_provider(CapacityProviderName="ours", Tags={"team": "green"}, **members)
        assert created["ResponseMetadata"]["HTTPStatusCode"] == 202
        made = created["CapacityProvider"]
        provider_arn = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:ours"
        assert made["State"] == "Pending" and made["CapacityProviderArn"] == provider_arn
        assert {member: made[member] for member in members} == members

        assert client.list_tags(Resource=provider_arn)["Tags"] == {"team": "green"}
        client.tag_resource(Resource=provider_arn, Tags={"size": "small"})
        client.untag_resource(Resource=provider_arn, TagKeys=["team"])
        assert client.list_tags(Resource=provider_arn)["Tags"] == {"size": "small"}
        for text in ("ours", provider_arn):
            read = client.get_capacity_provider(CapacityProviderName=text)["CapacityProvider"]
            assert read == {**made, "State": "Active"}
            versions = client.list_function_versions_by_capacity_provider(CapacityProviderName=text)
            assert bare(versions) == {"CapacityProviderArn": provider_arn, "FunctionVersions": []}

        updated = client.update_capacity_provider(
            CapacityProviderName="ours", CapacityProviderScalingConfig={"MaxVCpuCount": 2},
            PropagateTags={"Mode": "Explicit", "ExplicitTags": {"a": "b"}},
            TelemetryConfig={"LoggingConfig": {"SystemLogLevel": "DEBUG"}},
        )
        assert updated["ResponseMetadata"]["HTTPStatusCode"] == 202
        changed = updated["CapacityProvider"]
        assert changed["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 2}
        assert changed["PropagateTags"] == {"Mode": "Explicit", "ExplicitTags": {"a": "b"}}
        assert changed["TelemetryConfig"] == {"LoggingConfig": {"SystemLogLevel": "DEBUG"}}
        assert changed["VpcConfig"] == members["VpcConfig"]
        assert client.get_capacity_provider(CapacityProviderName="ours")["CapacityProvider"] == changed

        deleted = client.delete_capacity_provider(CapacityProviderName="ours")
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 202
        assert deleted["CapacityProvider"]["State"] == "Deleting"
        assert error_of(client.get_capacity_provider, CapacityProviderName="ours") == (
            "ResourceNotFoundException", "Capacity provider not found: ours", 404
        )

    def test_lists(self, server):
        client = server.client("lambda", account=str(next(ACCOUNTS)))
        for name in ("c", "a", "b"):
            client.create_capacity_provider(CapacityProviderName=name, **PROVIDER)

        def names(**members):
            pages = client.get_paginator("list_capacity_providers").paginate(**members)
            return [
                [found["CapacityProviderArn"].rsplit(":")[-1] for found in page["CapacityProviders"]] for page in pages
            ]

        assert names() == [["a", "b", "c"]]
        assert names(PaginationConfig={"PageSize": 2}) == [["a", "b"], ["c"]]
        assert names(State="Active") == [["a", "b", "c"]] and names(State="Failed") == [[]]

    def test_refusals(self, client, lax, provider):
        assert error_of(client.create_capacity_provider, CapacityProviderName=provider, **PROVIDER) == (
            "ResourceConflictException",
            f"Capacity provider already exists: arn:aws:lambda:us-east-1:000000000000:capacity-provider:{provider}",
            409,
        )
        for missing in ("nothing", "arn:aws:lambda:eu-west-1:000000000000:capacity-provider:" + provider):
            for call in (
                client.get_capacity_provider, client.update_capacity_provider, client.delete_capacity_provider,
                client.list_function_versions_by_capacity_provider,
            ):
                assert error_of(call, CapacityProviderName=missing) == (
                    "ResourceNotFoundException", f"Capacity provider not found: {missing}", 404
                )
        both = {"AllowedInstanceTypes": ["a"], "ExcludedInstanceTypes": ["b"]}
        code, _, _ = error_of(
            client.create_capacity_provider, CapacityProviderName="both", InstanceRequirements=both, **PROVIDER
        )
        assert code == "InvalidParameterValueException"
        code, message, _ = error_of(lax.create_capacity_provider, CapacityProviderName="bare")
        assert code == BAD and "at 'vpcConfig'" in message and "at 'permissionsConfig'" in message

    @pytest.mark.parametrize(
        ("member", "largest", "larger"),
        [
            ("VpcConfig", {"SubnetIds": ["subnet-1"] * 16, "SecurityGroupIds": []},
             {"SubnetIds": ["subnet-1"] * 17, "SecurityGroupIds": []}),
            ("VpcConfig", {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"] * 5},
             {"SubnetIds": [], "SecurityGroupIds": ["sg-1"] * 6}),
            ("CapacityProviderScalingConfig", {"MaxVCpuCount": 2}, {"MaxVCpuCount": 1}),
            ("CapacityProviderScalingConfig", {"MaxVCpuCount": 15000}, {"MaxVCpuCount": 15001}),
            ("InstanceRequirements", {"Architectures": ["x86_64"]}, {"Architectures": ["x86_64", "arm64"]}),
            ("PropagateTags", {"ExplicitTags": {str(number): "" for number in range(40)}},
             {"ExplicitTags": {str(number): "" for number in range(41)}}),
        ],
    )
    def test_limits(self, lax, member, largest, larger):
        name = f"limits-{next(NUMBERS)}"
        code, message, _ = error_of(
            lax.create_capacity_provider, CapacityProviderName=name, **{**PROVIDER, member: larger}
        )
        assert code == BAD and f"at '{member[0].lower()}{member[1:]}." in message
        made = lax.create_capacity_provider(CapacityProviderName=name, **{**PROVIDER, member: largest})
        assert made["CapacityProvider"][member] == largest

    def test_functions_cannot_use_them(self, client, lax, function, provider):
        refused = (
            "AccessDeniedException",
            "The function provided by the arn does not contain a capacity provider configuration",
            403,
        )
        scaling = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2}
        name = {"FunctionName": function.name, "Qualifier": "1"}
        assert error_of(client.put_function_scaling_config, FunctionScalingConfig=scaling, **name) == refused
        assert bare(client.get_function_scaling_config(**name)) == {"FunctionArn": arn(f"{function.name}:1")}
        for qualifier in ("7", "$LATEST.PUBLISHED"):
            missing = {"FunctionName": function.name, "Qualifier": qualifier}
            for call in (client.put_function_scaling_config, client.get_function_scaling_config):
                assert error_of(call, **missing) == not_found(f"{function.name}:{qualifier}")
        code, message, _ = error_of(lax.get_function_scaling_config, FunctionName=function.name, Qualifier="live")
        assert code == BAD and "at 'qualifier'" in message
        code, message, _ = error_of(
            lax.put_function_scaling_config, FunctionScalingConfig={"MinExecutionEnvironments": 15001}, **name
        )
        assert code == BAD and "at 'functionScalingConfig.minExecutionEnvironments'" in message


EXECUTION = arn("durable:1/durable-execution/name/id")
CALLBACK = base64.b64encode(b"callback").decode()


class TestDurableExecutions:
    def test_a_function_has_none(self, client, lax, function):
        listed = client.list_durable_executions_by_function(FunctionName=function.name, Statuses=["RUNNING", "FAILED"])
        assert bare(listed) == {"DurableExecutions": []}
        assert error_of(client.list_durable_executions_by_function, FunctionName="nothing-here") == not_found()
        code, message, _ = error_of(
            lax.list_durable_executions_by_function, FunctionName=function.name, MaxItems=1001
        )
        assert code == BAD and "at 'maxItems'" in message

    @pytest.mark.parametrize(
        "operation",
        [
            "get_durable_execution", "get_durable_execution_history", "stop_durable_execution",
            "pause_durable_execution", "resume_durable_execution", "delete_durable_execution",
        ],
    )
    def test_none_can_be_found(self, client, lax, operation):
        assert error_of(getattr(client, operation), DurableExecutionArn=EXECUTION) == (
            "ResourceNotFoundException", f"Durable execution not found: {EXECUTION}", 404
        )
        code, message, _ = error_of(getattr(lax, operation), DurableExecutionArn="nothing")
        assert code == BAD and "at 'durableExecutionArn'" in message

    @pytest.mark.parametrize("operation", ["get_durable_execution_state", "checkpoint_durable_execution"])
    def test_none_can_be_continued(self, client, operation):
        members = {"DurableExecutionArn": EXECUTION, "CheckpointToken": CALLBACK}
        assert error_of(getattr(client, operation), **members) == (
            "InvalidParameterValueException", f"Durable execution not found: {EXECUTION}", 400
        )

    @pytest.mark.parametrize(
        ("operation", "members"),
        [
            ("send_durable_execution_callback_success", {"Result": b"{}"}),
            ("send_durable_execution_callback_failure", {"Error": {"ErrorType": "Oops"}}),
            ("send_durable_execution_callback_heartbeat", {}),
        ],
    )
    def test_no_callback_can_be_found(self, client, lax, operation, members):
        assert error_of(getattr(client, operation), CallbackId=CALLBACK, **members) == (
            "ResourceNotFoundException", f"Callback not found: {CALLBACK}", 404
        )
        code, message, _ = error_of(getattr(lax, operation), CallbackId="-", **members)
        assert code == BAD and "at 'callbackId'" in message


STREAM_SOURCE = """
def handler(event, context):
    print('seen')
    if event == 'fail':
        raise ValueError('no')
    if event == 'large':
        return 'x' * 6_000_000
    return {'got': event}
"""


def stream(client, name, event, **members):
    """(payload, the end, the answer) of a streamed invoke. The SDK checks the lengths and CRCs."""
    answer = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **members)
    events = list(answer["EventStream"])
    assert "InvokeComplete" in events[-1]
    payload = b"".join(event["PayloadChunk"]["Payload"] for event in events[:-1])
    return payload, events[-1]["InvokeComplete"], answer


class TestStream:
    @pytest.fixture
    def function(self, deploy):
        return deploy("python3.12", packages.python(STREAM_SOURCE), Publish=True)

    def test_an_answer_is_streamed(self, client, function):
        payload, end, answer = stream(client, function.name, {"a": 1})
        assert json.loads(payload) == {"got": {"a": 1}} and end == {}
        assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
        assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
        _, end, answer = stream(client, function.name, 1, Qualifier="1", LogType="Tail")
        assert answer["ExecutedVersion"] == "1"
        assert b"seen\n" in base64.b64decode(end["LogResult"])

    def test_a_large_answer_is_streamed(self, client, function):
        payload, _, _ = stream(client, function.name, "large")
        assert len(json.loads(payload)) == 6_000_000

    def test_a_function_error_is_told_at_the_end(self, client, function):
        payload, end, _ = stream(client, function.name, "fail", LogType="Tail")
        assert payload == b"" and end["ErrorCode"] == "Unhandled"
        assert json.loads(end["ErrorDetails"])["errorType"] == "ValueError"
        assert b"seen" in base64.b64decode(end["LogResult"])

    def test_what_is_refused_is_refused_as_for_invoke(self, client, function):
        call = client.invoke_with_response_stream
        assert error_of(call, FunctionName="nothing-here") == not_found()
        code, message, status = error_of(call, FunctionName=function.name, Payload=b"{")
        assert (code, status) == ("InvalidRequestContentException", 400)
        code, message, status = error_of(call, FunctionName=function.name, Payload=b" " * 6_291_457)
        assert (code, status) == ("RequestTooLargeException", 413)

    def test_a_dry_run_runs_nothing(self, client, function):
        answer = client.invoke_with_response_stream(FunctionName=function.name, InvocationType="DryRun")
        assert answer["StatusCode"] == 204


def test_invoke_async_is_accepted_like_an_event(client, function):
    answer = client.invoke(FunctionName=function.name, InvocationType="Event")
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert client.invoke_async(FunctionName=function.name, InvokeArgs=b"{}")["Status"] == 202
    expected = error_of(client.invoke, FunctionName=function.name, InvocationType="Event", Payload=b"{")
    assert expected[0] == "InvalidRequestContentException"
    assert error_of(client.invoke_async, FunctionName=function.name, InvokeArgs=b"{") == expected
    assert error_of(client.invoke_async, FunctionName="nothing-here", InvokeArgs=b"{}") == not_found()


def test_the_cli_speaks_each_group(server, function):
    name = ("--function-name", function.name)

    def aws(*arguments):
        return json.loads(server.aws("lambda", *arguments).stdout)

    assert aws("create-function-url-config", *name, "--auth-type", "NONE")["AuthType"] == "NONE"
    publishers = "SigningProfileVersionArns=arn:aws:signer:us-east-1:000000000000:/signing-profiles/a/b"
    config = aws("create-code-signing-config", "--allowed-publishers", publishers)["CodeSigningConfig"]
    signing = aws("get-code-signing-config", "--code-signing-config-arn", config["CodeSigningConfigArn"])
    assert signing["CodeSigningConfig"] == config
    managed = aws("put-runtime-management-config", *name, "--update-runtime-on", "FunctionUpdate")
    assert managed["UpdateRuntimeOn"] == "FunctionUpdate"
    assert aws("put-function-recursion-config", *name, "--recursive-loop", "Allow") == {"RecursiveLoop": "Allow"}
    provider = aws(
        "create-capacity-provider", "--capacity-provider-name", "from-the-cli",
        "--vpc-config", "SubnetIds=subnet-1,SecurityGroupIds=sg-1",
        "--permissions-config", "CapacityProviderOperatorRoleArn=arn:aws:iam::000000000000:role/operator",
    )
    assert provider["CapacityProvider"]["State"] == "Pending"
    assert aws("list-durable-executions-by-function", *name) == {"DurableExecutions": []}
