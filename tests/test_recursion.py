"""Functions that cause themselves are stopped after sixteen passes, unless they may go on."""

import json
import re
import urllib.error

import pytest

from support import packages
from support.metrics import metric
from support.wait import until
from support.waiting import advance, now_ms, queues, runs, send, settle, waiting

# Invokes itself, as often as its event says at most, with the client that is in the runtime pack.
CAUSES_ITSELF = """
import json, os, boto3
CLIENT = boto3.client("lambda")
def handler(event, context):
    print(json.dumps({"number": event["number"], "trace": os.environ["_X_AMZN_TRACE_ID"]}))
    if event["number"] < event["last"]:
        CLIENT.invoke(
            FunctionName=context.function_name, InvocationType="Event",
            Payload=json.dumps({**event, "number": event["number"] + 1}),
        )
    return event["number"]
"""
# The same, and waits for the answer.
WAITS_FOR_ITSELF = """
import json, boto3, botocore.exceptions
CLIENT = boto3.client("lambda")
def handler(event, context):
    try:
        answer = CLIENT.invoke(FunctionName=context.function_name, Payload=json.dumps(event + 1))
        return json.load(answer["Payload"])
    except botocore.exceptions.ClientError as error:
        response = error.response
        return [event, response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]]
"""
SHOWS_TRACE = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"
FAILS = """
import json, os
def handler(event, context):
    print(json.dumps({"trace": os.environ["_X_AMZN_TRACE_ID"]}))
    raise ValueError
"""
SAYS_SO = "import json\ndef handler(event, context):\n    print(json.dumps({'came': True}))\n    return 1\n"
TRACE = re.compile(r"(Root=1-[0-9a-f]{8}-[0-9a-f]{24});Parent=[0-9a-f]{16};Sampled=0;Lineage=0:([0-9a-f]{8}):(\d+)")
MESSAGE = re.compile(r"recursive|loop", re.IGNORECASE)


@pytest.fixture
def make(clocked, deploy_on):
    def deployed(source, **members):
        return deploy_on(clocked, "python3.12", packages.python(source), MemorySize=256, **members)

    return deployed


def stopped(server, function):
    return metric(server, "tindra_recursive_invocations_dropped_total", function=function.name)


def test_a_function_that_invokes_itself_is_stopped_after_sixteen_runs(clocked, make, moto):
    failures, letters = moto.queue("failures-of-loops"), moto.queue("letters-of-loops")
    function = make(CAUSES_ITSELF, DeadLetterConfig={"TargetArn": letters.arn})
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": failures.arn}}
    )
    send(function, {"number": 1, "last": 100})
    settle(clocked)
    seen = sorted(runs(function, 16), key=lambda run: run["number"])
    assert [run["number"] for run in seen] == list(range(1, 17))
    traces = [TRACE.fullmatch(run["trace"]).groups() for run in seen]
    assert {(root, resource) for root, resource, _ in traces} == {traces[0][:2]}, "one chain"
    assert [int(loops) for _, _, loops in traces] == list(range(16)), "the client passes the header on"

    event = {"number": 17, "last": 100}
    record, = failures.records()
    assert record["requestContext"]["condition"] == "RecursiveInvocation"
    assert record["requestContext"]["approximateInvokeCount"] == 0 and record["requestPayload"] == event
    assert record["responseContext"] is None and record["responsePayload"] is None
    letter, = letters.take()
    assert json.loads(letter["Body"]) == event
    values = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert values["RequestID"] == record["requestContext"]["requestId"] and values["ErrorCode"] == "400"
    assert MESSAGE.search(values["ErrorMessage"])
    assert stopped(clocked, function) == 1
    assert metric(clocked, "tindra_async_events_dropped_total", function=function.name) == 1
    advance(clocked, 600)
    assert waiting(clocked, function.name) == failures.take() == letters.take() == [], "it is not tried again"
    assert len(runs(function, 16)) == 16 and stopped(clocked, function) == 1


def test_a_function_that_may_goes_on(clocked, make, moto):
    failures = moto.queue("failures-of-allowed")
    function = make(CAUSES_ITSELF)
    function.client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": failures.arn}}
    )
    send(function, {"number": 1, "last": 20})
    settle(clocked)
    assert sorted(run["number"] for run in runs(function, 20)) == list(range(1, 21))
    assert stopped(clocked, function) == 0 and failures.take() == []


def test_a_loop_of_two_functions_through_destinations_is_stopped(clocked, make, moto):
    failures = moto.queue("failures-of-two")
    first, second = make(SAYS_SO), make(SAYS_SO)
    for function, other in ((first, second), (second, first)):
        function.client.put_function_event_invoke_config(
            FunctionName=function.name,
            DestinationConfig={
                "OnSuccess": {"Destination": other.created["FunctionArn"]}, "OnFailure": {"Destination": failures.arn},
            },
        )
    before_ms = now_ms(clocked)
    send(first, {})
    settle(clocked)
    assert len(runs(first, 16)) == len(runs(second, 16)) == 16
    record, = failures.records()
    assert record["requestContext"]["condition"] == "RecursiveInvocation"
    assert record["requestContext"]["functionArn"] == f"{first.created['FunctionArn']}:$LATEST"
    assert record["requestPayload"]["requestContext"]["condition"] == "Success", "the event is the other's record"
    assert (stopped(clocked, first), stopped(clocked, second)) == (1, 0)
    assert now_ms(clocked) == before_ms and not [one for one in queues(clocked) if one["function"] in (first.name, second.name)]


# Causes its next event by a service that has it for a target.
THROUGH = {
    "topic": """
import json, boto3
SNS = boto3.client("sns")
def handler(event, context):
    number = int(event["Records"][0]["Sns"]["Message"])
    print(json.dumps({"number": number}))
    if number < 100:
        SNS.publish(TopicArn=f"arn:aws:sns:us-east-1:000000000000:{context.function_name}", Message=str(number + 1))
""",
    "queue": """
import json, boto3
SQS = boto3.client("sqs")
def handler(event, context):
    number = int(event["Records"][0]["body"])
    print(json.dumps({"number": number}))
    if number < 100:
        SQS.send_message(QueueUrl=SQS.get_queue_url(QueueName=context.function_name)["QueueUrl"], MessageBody=str(number + 1))
""",
    "bucket": """
import json, boto3
S3 = boto3.client("s3")
def handler(event, context):
    number = int(event["Records"][0]["s3"]["object"]["key"])
    print(json.dumps({"number": number}))
    if number < 100:
        S3.put_object(Bucket=context.function_name, Key=str(number + 1), Body=b"x")
""",
}


def begin_through(server, function, service):
    if service == "topic":
        sns = server.client("sns")
        topic = sns.create_topic(Name=function.name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function.created["FunctionArn"])
        sns.publish(TopicArn=topic, Message="1")
    elif service == "queue":
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName=function.name)["QueueUrl"]
        function.client.create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=f"arn:aws:sqs:us-east-1:000000000000:{function.name}")
        sqs.send_message(QueueUrl=url, MessageBody="1")
    else:
        s3 = server.client("s3")
        s3.create_bucket(Bucket=function.name)
        rule = {"LambdaFunctionArn": function.created["FunctionArn"], "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=function.name, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]})
        s3.put_object(Bucket=function.name, Key="1", Body=b"x")


@pytest.mark.parametrize("service", THROUGH)
def test_a_loop_through_a_service_is_stopped(server, deploy, service):
    function = deploy("python3.12", packages.python(THROUGH[service]), MemorySize=256)
    begin_through(server, function, service)
    until(lambda: stopped(server, function), 60, "the loop to be stopped", 0.1)
    assert sorted(run["number"] for run in runs(function, 16)) == list(range(1, 17))


def test_retries_of_an_event_are_no_passes(clocked, make):
    function = make(FAILS)
    send(function, {})
    advance(clocked, 180)
    traces = [run["trace"] for run in runs(function, 3)]
    assert len(set(traces)) == 1 and TRACE.fullmatch(traces[0])[3] == "0"


def test_a_caller_that_waits_is_told(clocked, make):
    function = make(SHOWS_TRACE)
    path = f"/2015-03-31/functions/{function.name}/invocations"
    headers = {}
    for _ in range(16):
        trace = json.load(clocked.http(path, data=b"{}", headers=headers, method="POST"))
        headers = {"X-Amzn-Trace-Id": trace}
    with pytest.raises(urllib.error.HTTPError) as caught:
        clocked.http(path, data=b"{}", headers=headers, method="POST")
    assert caught.value.code == 400 and caught.value.headers["x-amzn-ErrorType"] == "RecursiveInvocationException"
    assert MESSAGE.search(json.load(caught.value)["Message"])
    assert stopped(clocked, function) == 1
    for _ in range(20):
        assert TRACE.fullmatch(function.invoke({}).ok())[3] == "0", "callers of their own begin anew"
    function.client.put_function_recursion_config(FunctionName=function.name, RecursiveLoop="Allow")
    again = json.load(clocked.http(path, data=b"{}", headers=headers, method="POST"))
    assert TRACE.fullmatch(again)[3] == "16" and stopped(clocked, function) == 1


def test_a_function_that_waits_for_itself_is_told(clocked, make):
    function = make(WAITS_FOR_ITSELF, Timeout=60)
    depth, code, status, message = function.invoke(1).ok()
    assert (depth, code, status) == (16, "RecursiveInvocationException", 400) and MESSAGE.search(message)
    assert stopped(clocked, function) == 1
