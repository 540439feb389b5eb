"""With signatures verified: who may do what, by policies of identities and of functions."""

import itertools
import json

import pytest

from support import packages
from support.errors import error_of
from support.metrics import metric
from support.rest_apis import RestApi
from support.server import Server
from support.wait import until

ACCOUNT, OTHER = "000000000000", "210987654321"
OTHER_KEY = {"AccessKeyId": "AKIAOTHEROTHEROTHERO", "SecretAccessKey": "the-secret-of-another-account"}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
NUMBERS = itertools.count(1)

ECHO = packages.python("def handler(event, context):\n    return event\n")

# Asks Lambda as a function does: with the keys of its environment.
CALLER = packages.python('''
import datetime, hashlib, hmac, json, os, urllib.error, urllib.parse, urllib.request

def handler(event, context):
    url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    region, now = os.environ["AWS_REGION"], datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    body = json.dumps(event.get("body")).encode() if "body" in event else b""
    headers = {"host": url.netloc, "x-amz-date": now, "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(headers)
    digest = hashlib.sha256(body).hexdigest()
    lines = [event["method"], event["path"], ""] + [f"{name}:{value}" for name, value in headers.items()]
    canonical = "\\n".join(lines + ["", names, digest])
    scope = f"{now[:8]}/{region}/lambda/aws4_request"
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = os.environ["AWS_ACCESS_KEY_ID"] + "/" + scope
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}")
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + event["path"], data=body or None, headers=headers, method=event["method"])
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return {"status": answer.status, "text": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode()}
''')


def statement(effect="Allow", action="lambda:*", resource="*", **members):
    return {"Effect": effect, "Action": action, "Resource": resource, **members}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(**principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def secured():
    key = {"access_key_id": OTHER_KEY["AccessKeyId"], "secret_access_key": OTHER_KEY["SecretAccessKey"]}
    config = "[[access_keys]]\n" + "".join(f'{name} = "{value}"\n' for name, value in {**key, "account": OTHER}.items())
    with Server(arguments=["--auth", "sigv4"], config=config) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        root = {"AccessKeyId": values["aws_access_key_id"], "SecretAccessKey": values["aws_secret_access_key"]}

        def client(service, key=root):
            return server.client(
                service, account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"],
                aws_session_token=key.get("SessionToken"))

        server.with_key = client
        yield server


@pytest.fixture
def make_user(secured):
    """make_user(statement, …) → (ARN, key) of a user with these statements."""

    def make(*statements, by=None, **members):
        iam = secured.with_key("iam", by) if by else secured.with_key("iam")
        name = f"user-{next(NUMBERS)}"
        arn = iam.create_user(UserName=name, **members)["User"]["Arn"]
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        return arn, iam.create_access_key(UserName=name)["AccessKey"]

    return make


@pytest.fixture
def make_function(secured):
    client, made = secured.with_key("lambda"), []

    def make(zip_bytes=ECHO, role=f"arn:aws:iam::{ACCOUNT}:role/nobody"):
        name = f"guarded-{next(NUMBERS)}"
        arn = client.create_function(
            FunctionName=name, Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": zip_bytes},
            Timeout=20,
        )["FunctionArn"]
        made.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
        return name, arn

    yield make
    for name in made:
        client.delete_function(FunctionName=name)


def invoke(client, name, payload=b"1", **members):
    return json.loads(client.invoke(FunctionName=name, Payload=payload, **members)["Payload"].read())


def denied(user, action, resource, because):
    message = f"User: {user} is not authorized to perform: {action} on resource: {resource} {because}"
    return ("AccessDeniedException", message, 403)


def test_a_user_may_do_what_their_policies_allow(secured, make_user, make_function):
    (name, arn), (other, other_arn) = make_function(), make_function()
    user, key = make_user(statement(action="lambda:invoke*", resource=arn), Path="/team/")
    client = secured.with_key("lambda", key)
    assert invoke(client, name) == 1
    assert error_of(client.invoke, FunctionName=other) == denied(
        user, "lambda:InvokeFunction", other_arn, "because no identity-based policy allows the lambda:InvokeFunction action")
    assert error_of(client.get_function, FunctionName=name) == denied(
        user, "lambda:GetFunction", arn, "because no identity-based policy allows the lambda:GetFunction action")
    # A version is another resource than the function.
    assert error_of(client.invoke, FunctionName=name, Qualifier="$LATEST")[0] == "AccessDeniedException"


def test_a_denial_wins_and_is_named(secured, make_user, make_function):
    name, arn = make_function()
    user, key = make_user(statement(), statement("Deny", "lambda:Delete*"))
    client = secured.with_key("lambda", key)
    client.get_function(FunctionName=name)
    assert error_of(client.delete_function, FunctionName=name) == denied(
        user, "lambda:DeleteFunction", arn, "with an explicit deny in an identity-based policy")


def test_conditions_and_variables_are_read_from_the_request(secured, make_user, make_function):
    name, _ = make_function()
    only_here = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "Bool": {"aws:SecureTransport": "false"}}
    _, key = make_user(
        statement(action="lambda:GetFunction", Condition=only_here),
        statement(action="lambda:GetPolicy", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        statement(action="iam:*", resource=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"),
    )
    client, iam = secured.with_key("lambda", key), secured.with_key("iam", key)
    client.get_function(FunctionName=name)
    assert error_of(client.get_policy, FunctionName=name)[0] == "AccessDeniedException"
    own = iam.get_user()["User"]["UserName"]
    iam.list_access_keys(UserName=own)
    other = make_user()[0].rsplit("/", 1)[1]
    assert error_of(iam.list_access_keys, UserName=other)[0] == "AccessDenied"


def test_paths_of_users_count(secured, make_user):
    _, key = make_user(statement(action="iam:*"), statement("Deny", "iam:*", f"arn:aws:iam::{ACCOUNT}:user/chiefs/*"))
    iam = secured.with_key("iam", key)
    chief = make_user(Path="/chiefs/")[0].rsplit("/", 1)[1]
    assert error_of(iam.create_access_key, UserName=chief)[0] == "AccessDenied"
    iam.get_user(UserName=make_user()[0].rsplit("/", 1)[1])


def test_handing_out_policies_can_be_limited_to_some(secured, make_user):
    some = {"ArnEquals": {"iam:PolicyARN": BASIC}}
    _, key = make_user(statement(action="iam:AttachUserPolicy", Condition=some))
    iam, name = secured.with_key("iam", key), make_user()[0].rsplit("/", 1)[1]
    iam.attach_user_policy(UserName=name, PolicyArn=BASIC)
    refused = error_of(iam.attach_user_policy, UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert refused[::2] == ("AccessDenied", 403)


def test_a_boundary_bounds(secured, make_user, make_function):
    name, arn = make_function()
    root = secured.with_key("iam")
    boundary = root.create_policy(
        PolicyName="boundary", PolicyDocument=document(statement(action="lambda:Get*")))["Policy"]["Arn"]
    user, key = make_user(statement(), PermissionsBoundary=boundary)
    client = secured.with_key("lambda", key)
    client.get_function(FunctionName=name)
    assert error_of(client.invoke, FunctionName=name) == denied(
        user, "lambda:InvokeFunction", arn, "because no permissions boundary allows the lambda:InvokeFunction action")


def test_the_policy_of_a_function_lets_in_who_has_none(secured, make_user, make_function):
    name, arn = make_function()
    user, key = make_user()
    client, root = secured.with_key("lambda", key), secured.with_key("lambda")
    assert error_of(client.invoke, FunctionName=name)[0] == "AccessDeniedException"
    root.add_permission(FunctionName=name, StatementId="a", Action="lambda:InvokeFunction", Principal=user)
    assert invoke(client, name) == 1
    root.put_resource_policy(ResourceArn=arn, Policy=document(
        statement("Deny", "lambda:InvokeFunction", arn, Principal={"AWS": user})))
    assert error_of(client.invoke, FunctionName=name) == denied(
        user, "lambda:InvokeFunction", arn, "with an explicit deny in a resource-based policy")
    # The account's name in a policy leaves the decision to the account's own policies.
    root.put_resource_policy(ResourceArn=arn, Policy=document(
        statement("Allow", "lambda:*", arn, Principal={"AWS": ACCOUNT})))
    assert "no identity-based policy" in error_of(client.invoke, FunctionName=name)[1]


def test_between_accounts_both_must_allow(secured, make_user, make_function):
    name, arn = make_function()
    root, other = secured.with_key("lambda"), secured.with_key("lambda", OTHER_KEY)
    because = "because no resource-based policy allows the lambda:InvokeFunction action"
    assert error_of(other.invoke, FunctionName=arn) == denied(
        f"arn:aws:iam::{OTHER}:root", "lambda:InvokeFunction", arn, because)
    user, key = make_user(by=OTHER_KEY)
    client = secured.with_key("lambda", key)
    root.add_permission(FunctionName=name, StatementId="a", Action="lambda:InvokeFunction", Principal=OTHER)
    assert invoke(other, arn) == 1
    assert "no identity-based policy" in error_of(client.invoke, FunctionName=arn)[1]
    user, key = make_user(statement(action="lambda:*"), by=OTHER_KEY)
    client = secured.with_key("lambda", key)
    assert invoke(client, arn) == 1
    assert error_of(client.get_function, FunctionName=arn) == denied(
        user, "lambda:GetFunction", arn, "because no resource-based policy allows the lambda:GetFunction action")
    root.add_permission(FunctionName=name, StatementId="b", Action="lambda:GetFunction", Principal=user)
    assert client.get_function(FunctionName=arn)["Configuration"]["FunctionArn"] == arn
    assert error_of(client.invoke, FunctionName=name)[0] == "ResourceNotFoundException"


def test_a_role_must_be_passed(secured, make_user):
    role = f"arn:aws:iam::{ACCOUNT}:role/powerful"
    user, key = make_user(statement(action="lambda:*"), statement(action="iam:PassRole", resource=f"{role}-not"))
    client, name = secured.with_key("lambda", key), f"passing-{next(NUMBERS)}"
    members = {"Runtime": "python3.12", "Handler": "app.handler", "Code": {"ZipFile": ECHO}}
    because = "because no identity-based policy allows the iam:PassRole action"
    assert error_of(client.create_function, FunctionName=name, Role=role, **members) == denied(
        user, "iam:PassRole", role, because)
    client.create_function(FunctionName=name, Role=f"{role}-not", **members)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    assert error_of(client.update_function_configuration, FunctionName=name, Role=role) == denied(
        user, "iam:PassRole", role, because)
    client.update_function_configuration(FunctionName=name, Description="the role stays")
    client.delete_function(FunctionName=name)


def test_a_function_may_do_what_its_role_allows(secured, make_function):
    iam = secured.with_key("iam")
    role = iam.create_role(
        RoleName=f"role-{next(NUMBERS)}", Path="/some/", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]
    (target, target_arn), root = make_function(), secured.with_key("lambda")
    name, _ = make_function(CALLER, role["Arn"])
    ask = json.dumps({"method": "POST", "path": f"/2015-03-31/functions/{target}/invocations", "body": {"a": 1}}).encode()
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/{name}"

    answer = invoke(root, name, ask)
    assert answer["status"] == 403
    assert json.loads(answer["text"])["Message"] == denied(
        session, "lambda:InvokeFunction", target_arn,
        "because no identity-based policy allows the lambda:InvokeFunction action")[1]
    source = {"ArnLike": {"lambda:SourceFunctionArn": f"arn:aws:lambda:*:{ACCOUNT}:function:{name}"}}
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=document(
        statement(action="lambda:InvokeFunction", resource=target_arn, Condition=source)))
    assert invoke(root, name, ask) == {"status": 200, "text": '{"a": 1}'}

    # A role is its whole ARN: one of the same name under another path is another, which is not there.
    name, _ = make_function(CALLER, role["Arn"].replace("/some/", "/other/"))
    assert invoke(root, name, ask)["status"] == 403


def test_destinations_are_told_on_behalf_of_the_role(secured, make_function):
    iam, root = secured.with_key("iam"), secured.with_key("lambda")
    role = iam.create_role(RoleName=f"role-{next(NUMBERS)}", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]
    (told, told_arn), (name, _) = make_function(), make_function(ECHO, role["Arn"])
    root.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": told_arn}})
    root.invoke(FunctionName=name, InvocationType="Event", Payload=b"1")
    until(lambda: metric(secured, "tindra_destination_delivery_failures_total", function=name) >= 1, 20, "a refusal")
    assert metric(secured, "tindra_async_events_received_total", function=told) == 0
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/{name}"
    reason = denied(session, "lambda:InvokeFunction", told_arn, "because no identity-based policy allows the lambda:InvokeFunction action")
    assert reason[1] in secured.output()
    source = {"ArnLike": {"lambda:SourceFunctionArn": f"arn:aws:lambda:*:{ACCOUNT}:function:{name}"}}
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=document(
        statement(action="lambda:InvokeFunction", resource=told_arn, Condition=source)))
    until(lambda: metric(secured, "tindra_async_events_received_total", function=told) == 1, 20, "the function to be told")


def test_a_role_says_who_may_assume_it(secured, make_user):
    iam = secured.with_key("iam")
    ada, ada_key = make_user(statement(action="sts:AssumeRole"))
    bob, bob_key = make_user()
    eve, eve_key = make_user(statement(action="sts:AssumeRole"))
    name = f"role-{next(NUMBERS)}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=bob))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(statement()))

    def assume(key, **members):
        return secured.with_key("sts", key).assume_role(RoleArn=role, RoleSessionName="session", **members)["Credentials"]

    refused = f"User: {eve} is not authorized to perform: sts:AssumeRole on resource: {role}"
    assert error_of(assume, key=eve_key) == ("AccessDenied", refused, 403)
    secured.with_key("lambda", assume(bob_key)).list_functions()
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:root"))
    secured.with_key("lambda", assume(ada_key)).list_functions()
    assert error_of(assume, key=bob_key)[0] == "AccessDenied"
    bounded = secured.with_key("lambda", assume(ada_key, Policy=document(statement(action="lambda:GetFunction"))))
    code, message, _ = error_of(bounded.list_functions)
    assert code == "AccessDeniedException"
    assert message.endswith("because no session policy allows the lambda:ListFunctions action")


def test_logs_are_guarded_by_their_groups(secured, make_user):
    _, key = make_user(statement(action="logs:*", resource="arn:aws:logs:*:*:log-group:/mine/*:*"))
    user_logs, root = secured.with_key("logs", key), secured.with_key("logs")
    for group in ("/mine/a", "/yours/a"):
        root.create_log_group(logGroupName=group)
    user_logs.create_log_stream(logGroupName="/mine/a", logStreamName="s")
    code, message, _ = error_of(user_logs.create_log_stream, logGroupName="/yours/a", logStreamName="s")
    assert code == "AccessDeniedException"
    assert f"on resource: arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/yours/a:log-stream:s because" in message


def test_scaling_needs_its_own_actions_and_none_of_lambda(secured, make_user, make_function):
    name, _ = make_function()
    functions = secured.with_key("lambda")
    functions.publish_version(FunctionName=name)
    subject = {
        "ServiceNamespace": "lambda", "ResourceId": f"function:{name}:1",
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
    }
    user, key = make_user(statement(action=["application-autoscaling:Register*", "application-autoscaling:Describe*"]))
    scaling = secured.with_key("application-autoscaling", key)
    arn = scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **subject)["ScalableTargetARN"]
    # The service's own role changes what is provisioned.
    until(lambda: functions.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"], 30)
    assert scaling.describe_scaling_activities(ServiceNamespace="lambda")["ScalingActivities"]
    code, message, _ = error_of(scaling.deregister_scalable_target, **subject)
    assert code == "AccessDeniedException"
    assert f"User: {user} is not authorized to perform: application-autoscaling:DeregisterScalableTarget" in message
    assert f"on resource: {arn} because" in message
    _, key = make_user(statement(action="application-autoscaling:*", resource=arn))
    secured.with_key("application-autoscaling", key).deregister_scalable_target(**subject)


def test_without_signatures_a_policy_still_opens_a_function_to_another_account(server, deploy):
    function = deploy("python3.12", ECHO)
    arn = function.client.get_function_configuration(FunctionName=function.name)["FunctionArn"]
    other = server.client("lambda", account=OTHER)
    assert error_of(other.invoke, FunctionName=arn)[0] == "AccessDeniedException"
    function.client.add_permission(
        FunctionName=function.name, StatementId="a", Action="lambda:InvokeFunction", Principal=OTHER)
    assert invoke(other, arn) == 1
    assert error_of(other.get_function, FunctionName=arn)[0] == "AccessDeniedException"


def test_rest_apis_are_managed_by_methods_on_paths(secured, make_user):
    root = secured.with_key("apigateway")
    api, other = (root.create_rest_api(name=name) for name in ("one", "two"))
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api['id']}"
    user, key = make_user(
        statement(action="apigateway:GET", resource=[arn, arn + "/*"]),
        statement(action="apigateway:POST", resource=arn + "/resources/*"))
    client = secured.with_key("apigateway", key)
    client.get_rest_api(restApiId=api["id"])
    client.get_resources(restApiId=api["id"])
    client.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="a")
    assert error_of(client.delete_rest_api, restApiId=api["id"]) == denied(
        user, "apigateway:DELETE", arn, "because no identity-based policy allows the apigateway:DELETE action")
    for call, members in [
        (client.get_rest_api, {"restApiId": other["id"]}), (client.get_rest_apis, {}), (client.create_rest_api, {"name": "x"}),
        (client.create_deployment, {"restApiId": api["id"]}), (client.import_rest_api, {"body": "{}"}),
        (client.update_rest_api, {"restApiId": api["id"], "patchOperations": []}), (client.get_api_keys, {}),
    ]:
        assert error_of(call, **members)[::2] == ("AccessDeniedException", 403), members
    for made in (api, other):
        root.delete_rest_api(restApiId=made["id"])


PROXY = packages.python('def handler(event, context):\n    return {"statusCode": 200, "body": "in"}\n')


def test_a_function_lets_the_stages_in_that_its_policy_names(secured, make_function):
    name, arn = make_function(PROXY)
    functions = secured.with_key("lambda")
    with RestApi.create(secured, secured.with_key("apigateway")) as api:
        api.method("/pets/{id}", arn)
        api.deploy()
        api.deploy(stage="test")
        refused = api.ask("/pets/1")
        assert (refused.status, refused.json) == (500, {"message": "Internal server error"})
        functions.add_permission(
            FunctionName=name, StatementId="gateway", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/prod/GET/pets/*")
        assert api.ask("/pets/1").body == b"in"
        assert (api.ask("/pets/1", method="POST", body=b"").status, api.ask("/pets/1", stage="test").status) == (500, 500)


def test_streams_are_opened_by_their_arns(secured, make_user):
    root = secured.with_key("kinesis")
    for name in ("own", "other"):
        root.create_stream(StreamName=name, ShardCount=1)
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/own"
    user, key = make_user(statement(action=["kinesis:Put*", "kinesis:Get*"], resource=arn))
    client = secured.with_key("kinesis", key)
    shard = client.put_record(StreamName="own", PartitionKey="k", Data=b"1")["ShardId"]
    reading = {"ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = client.get_shard_iterator(StreamARN=arn, **reading)["ShardIterator"]
    assert [record["Data"] for record in client.get_records(ShardIterator=iterator)["Records"]] == [b"1"]
    code, message, _ = error_of(client.put_record, StreamName="other", PartitionKey="k", Data=b"1")
    assert (code, message) == denied(
        user, "kinesis:PutRecord", arn.replace("own", "other"), "because no identity-based policy allows the kinesis:PutRecord action")[:2]
    foreign = root.get_shard_iterator(StreamName="other", **reading)["ShardIterator"]
    for call, members in [
        (client.get_records, {"ShardIterator": foreign}), (client.list_streams, {}), (client.list_shards, {"StreamName": "own"}),
        (client.delete_stream, {"StreamName": "own"}), (client.register_stream_consumer, {"StreamARN": arn, "ConsumerName": "c"}),
    ]:
        assert error_of(call, **members)[0] == "AccessDeniedException", members
    # Another stream beside an iterator opens nothing.
    assert error_of(client.get_records, ShardIterator=foreign, StreamARN=arn)[0] == "InvalidArgumentException"
    for name in ("own", "other"):
        root.delete_stream(StreamName=name)
