"""The real AWS CLI over each group of Lambda's operations."""

import json

import pytest

from support import packages

HELLO = packages.python("def handler(event, context):\n    return 'hello'\n")


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A function with a version and an alias, made by the CLI, and a layer."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "code.zip").write_bytes(HELLO)
    (folder / "layer.zip").write_bytes(packages.package({"python/a.py": ""}))
    server.aws(
        "lambda", "create-function", "--function-name", "by-cli", "--runtime", "python3.12", "--handler", "app.handler",
        "--role", "arn:aws:iam::000000000000:role/r", "--zip-file", f"fileb://{folder}/code.zip", "--publish",
        "--tags", "team=green",
    )
    server.aws("lambda", "wait", "function-active-v2", "--function-name", "by-cli")
    server.aws("lambda", "create-alias", "--function-name", "by-cli", "--name", "live", "--function-version", "1")
    server.aws(
        "lambda", "publish-layer-version", "--layer-name", "cli-layer", "--zip-file", f"fileb://{folder}/layer.zip"
    )
    yield folder
    server.aws("lambda", "delete-layer-version", "--layer-name", "cli-layer", "--version-number", "1")
    server.aws("lambda", "delete-function", "--function-name", "by-cli")


FUNCTION = ("--function-name", "by-cli")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:by-cli"
STEPS = [
    (("get-function", *FUNCTION), "Configuration.State", "Active"),
    (("list-functions", "--max-items", "1000"), "Functions[?FunctionName=='by-cli'].Handler | [0]", "app.handler"),
    (("get-account-settings",), "AccountLimit.ConcurrentExecutions", 1000),
    (("update-function-configuration", *FUNCTION, "--timeout", "7"), "Timeout", 7),
    (("wait", "function-updated-v2", *FUNCTION), None, None),
    (("update-function-code", *FUNCTION, "--zip-file", "fileb://{folder}/code.zip", "--dry-run"), "Timeout", 7),
    (("publish-version", *FUNCTION), "Version", "2"),
    (("list-versions-by-function", *FUNCTION), "length(Versions)", 3),
    (("update-alias", *FUNCTION, "--name", "live", "--routing-config", "AdditionalVersionWeights={{2=0.5}}"),
     "RoutingConfig.AdditionalVersionWeights", {"2": 0.5}),
    (("list-aliases", *FUNCTION), "Aliases[0].Name", "live"),
    (("put-function-concurrency", *FUNCTION, "--reserved-concurrent-executions", "3"),
     "ReservedConcurrentExecutions", 3),
    (("put-provisioned-concurrency-config", *FUNCTION, "--qualifier", "2", "--provisioned-concurrent-executions", "1"),
     "Status", "IN_PROGRESS"),
    (("list-provisioned-concurrency-configs", *FUNCTION), "length(ProvisionedConcurrencyConfigs)", 1),
    (("invoke", *FUNCTION, "--qualifier", "2", "{folder}/answer"), "ExecutedVersion", "2"),
    (("put-function-event-invoke-config", *FUNCTION, "--maximum-retry-attempts", "1"), "MaximumRetryAttempts", 1),
    (("list-function-event-invoke-configs", *FUNCTION), "length(FunctionEventInvokeConfigs)", 1),
    (("create-event-source-mapping", *FUNCTION, "--event-source-arn", "arn:aws:sqs:us-east-1:000000000000:cli"),
     "BatchSize", 10),
    (("list-event-source-mappings", *FUNCTION), "length(EventSourceMappings)", 1),
    (("get-layer-version", "--layer-name", "cli-layer", "--version-number", "1"), "Version", 1),
    (("list-layers",), "length(Layers[?LayerName=='cli-layer'])", 1),
    (("create-function-url-config", *FUNCTION, "--auth-type", "NONE"), "AuthType", "NONE"),
    (("list-function-url-configs", *FUNCTION), "length(FunctionUrlConfigs)", 1),
    (("add-permission", *FUNCTION, "--statement-id", "s", "--action", "lambda:InvokeFunction", "--principal",
      "sns.amazonaws.com"), "contains(Statement, 'sns.amazonaws.com')", True),
    (("get-policy", *FUNCTION), "contains(Policy, 'sns.amazonaws.com')", True),
    (("tag-resource", "--resource", ARN, "--tags", "more=one"), None, None),
    (("list-tags", "--resource", ARN), "Tags", {"team": "green", "more": "one"}),
    (("get-function-code-signing-config", *FUNCTION), "FunctionName", "by-cli"),
    (("list-code-signing-configs",), "type(CodeSigningConfigs)", "array"),
    (("get-runtime-management-config", *FUNCTION), "UpdateRuntimeOn", "Auto"),
    (("put-function-recursion-config", *FUNCTION, "--recursive-loop", "Allow"), "RecursiveLoop", "Allow"),
    (("get-function-recursion-config", *FUNCTION), "RecursiveLoop", "Allow"),
    (("list-durable-executions-by-function", *FUNCTION), "DurableExecutions", []),
    (("list-capacity-providers",), "type(CapacityProviders)", "array"),
]


def test_each_group_answers(server, made):
    server.client("sqs").create_queue(QueueName="cli")
    for command, query, expected in STEPS:
        arguments = [part.format(folder=made) for part in command]
        arguments += ["--query", query, "--output", "json"] if query else []
        output = server.aws("lambda", *arguments).stdout
        if query:
            assert json.loads(output) == expected, arguments
    assert (made / "answer").read_text() == '"hello"'
    server.aws("lambda", "delete-event-source-mapping", "--uuid", mapping_of(server))


def mapping_of(server):
    listed = server.aws("lambda", "list-event-source-mappings", *FUNCTION, "--query", "EventSourceMappings[0].UUID")
    return json.loads(listed.stdout)


def test_an_error_is_an_exit_code_and_a_sentence(server):
    result = server.aws("lambda", "get-function", "--function-name", "missing", check=False)
    assert result.returncode == 254 or result.returncode == 255
    assert "ResourceNotFoundException" in result.stderr and "Function not found" in result.stderr
