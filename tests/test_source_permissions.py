"""With signatures verified: a mapping is made only onto a source that the function's role may read, as on AWS."""

from support.errors import error_of
from support.wait import until
from test_authorisation import ACCOUNT, document, make_function, secured, statement, trust  # noqa: F401 (fixtures)

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:guarded"
STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/guarded"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/guarded/stream/2026-01-01T00:00:00.000"
REFUSED = "InvalidParameterValueException"


def on_queue(action):
    return (REFUSED, f"The provided execution role does not have permissions to call {action} on SQS", 400)


def on_stream(arn, actions):
    return (REFUSED, f"Cannot access stream {arn}. Please ensure the role can perform the {actions} Actions on your stream in IAM.", 400)


def test_the_role_of_the_function_must_be_allowed_to_read(secured, make_function):  # noqa: F811
    iam, client = secured.with_key("iam"), secured.with_key("lambda")
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]["Arn"]
    name, _ = make_function(role=role)
    secured.with_key("sqs").create_queue(QueueName="guarded", Attributes={"VisibilityTimeout": "60"})
    secured.with_key("kinesis").create_stream(StreamName="guarded", ShardCount=1)

    def allow(*statements):
        iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=document(*statements))

    def mapped(arn, **members):
        return error_of(client.create_event_source_mapping, FunctionName=name, EventSourceArn=arn, **members)

    latest = {"StartingPosition": "LATEST"}
    assert mapped(QUEUE) == on_queue("ReceiveMessage")
    allow(statement(action=["sqs:ReceiveMessage", "sqs:DeleteMessage"], resource=QUEUE))
    assert mapped(QUEUE) == on_queue("GetQueueAttributes")
    assert mapped(f"{QUEUE}-other") == on_queue("ReceiveMessage"), "it is not told whether there is such a queue"
    listing = "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams"
    assert mapped(STREAM, **latest) == on_stream(STREAM, listing)
    assert mapped(TABLE, **latest) == on_stream(TABLE, "GetRecords, GetShardIterator, DescribeStream, and ListStreams")

    allow(
        statement(action=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], resource=QUEUE),
        statement(action="kinesis:*", resource=STREAM))
    uuid = client.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)["UUID"]
    stream = client.create_event_source_mapping(FunctionName=name, EventSourceArn=STREAM, **latest)["UUID"]
    for one in (uuid, stream):
        until(lambda: client.get_event_source_mapping(UUID=one)["State"] == "Enabled", what="the mapping to settle")

    iam.delete_role_policy(RoleName="reader", PolicyName="reads")
    assert error_of(client.update_event_source_mapping, UUID=uuid, BatchSize=3) == on_queue("ReceiveMessage")
    assert client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling", "that is always allowed"
    until(lambda: client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled", what="the mapping to be off")
    for one in (uuid, stream):
        client.delete_event_source_mapping(UUID=one)


def test_a_role_that_is_not_there_may_nothing(secured, make_function):  # noqa: F811
    name, _ = make_function()
    assert error_of(secured.with_key("lambda").create_event_source_mapping, FunctionName=name, EventSourceArn=QUEUE) == on_queue("ReceiveMessage")
