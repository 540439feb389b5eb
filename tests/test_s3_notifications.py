"""What a bucket tells: a function is run with AWS's record of each change."""

import json
import urllib.parse

import pytest

from support import objects, packages
from support.errors import error_of
from support.server import Function
from support.wait import until

SEEN = "import json\ndef handler(event, context):\n    print('SEEN ' + json.dumps(event))\n"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:queue"


@pytest.fixture(scope="module")
def s3(server):
    return objects.client(server)


@pytest.fixture
def bucket(s3):
    name = objects.bucket(s3)
    yield name
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={})
    objects.empty(s3, name)


@pytest.fixture
def function(server):
    made = Function(server, f"told-{next(objects.NUMBERS)}", "python3.12", packages.python(SEEN), "app.handler").ready()
    yield made
    made.delete()


def records(function):
    try:
        lines = function.log_messages()
    except function.logs.exceptions.ResourceNotFoundException:
        return []
    seen = [json.loads(line[5:]) for line in lines if line.startswith("SEEN ")]
    return [record for event in seen for record in event["Records"]]


def arrived(function, count):
    until(lambda: len(records(function)) >= count, 30, f"{count} records")
    found = records(function)
    assert len(found) == count, found
    return sorted(found, key=lambda record: record["s3"]["object"]["sequencer"])


def tell(s3, bucket, function, events, rules=(), **members):
    one = {"LambdaFunctionArn": function.created["FunctionArn"], "Events": events, **members}
    if rules:
        one["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [one]})


def test_a_function_is_told_what_is_put(server, s3, bucket, function, tmp_path):
    tell(s3, bucket, function, ["s3:ObjectCreated:*"], [("prefix", "in/"), ("suffix", ".txt")], Id="rule")
    (tmp_path / "a.txt").write_text("hello")
    server.aws("s3", "cp", str(tmp_path / "a.txt"), f"s3://{bucket}/in/a b+ü.txt")
    s3.put_object(Bucket=bucket, Key="out/a.txt", Body=b"")
    s3.put_object(Bucket=bucket, Key="in/a.png", Body=b"")
    put = s3.put_object(Bucket=bucket, Key="in/b.txt", Body=b"longer than before")
    first, second = arrived(function, 2)
    assert (first["eventVersion"], first["eventSource"], first["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert first["eventName"] == "ObjectCreated:Put" and len(first["eventTime"]) == 24
    assert first["userIdentity"]["principalId"] and first["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert second["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert second["responseElements"]["x-amz-id-2"] == put["ResponseMetadata"]["HostId"]
    told = first["s3"]
    assert (told["s3SchemaVersion"], told["configurationId"]) == ("1.0", "rule")
    assert told["bucket"]["name"] == bucket and told["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    assert told["bucket"]["ownerIdentity"]["principalId"]
    assert told["object"]["key"] == "in/a+b%2B%C3%BC.txt" and told["object"]["size"] == 5
    assert urllib.parse.unquote_plus(told["object"]["key"]) == "in/a b+ü.txt"
    assert told["object"]["eTag"] == "5d41402abc4b2a76b9719d911017c592" and "versionId" not in told["object"]
    assert second["s3"]["object"]["sequencer"] > told["object"]["sequencer"]


def test_every_kind_of_change_is_told(s3, bucket, function):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    tell(s3, bucket, function, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"])
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    told = arrived(function, 7)
    assert [record["eventName"] for record in told] == [
        "ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
        "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete",
    ]
    assert told[0]["s3"]["object"]["versionId"] == told[6]["s3"]["object"]["versionId"] == version


def test_configurations_are_told_back_and_checked(s3, bucket, function):
    arn = function.created["FunctionArn"]
    one = {"Id": "one", "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:Put"],
           "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a/"}]}}}
    put = s3.put_bucket_notification_configuration

    def refused(**configuration):
        return error_of(put, Bucket=bucket, NotificationConfiguration=configuration)[:2]

    put(Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [one], "EventBridgeConfiguration": {}})
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert told["LambdaFunctionConfigurations"] == [one] and told["EventBridgeConfiguration"] == {}
    every = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    code, message = refused(LambdaFunctionConfigurations=[one, every])
    assert code == "InvalidArgument" and "ambiguously defined" in message
    assert refused(QueueConfigurations=[{"QueueArn": "nonsense", "Events": ["s3:ObjectCreated:*"]}])[0] == "InvalidArgument"
    assert refused(QueueConfigurations=[{"QueueArn": QUEUE, "Events": ["s3:Nonsense"]}])[0] == "InvalidArgument"
    elsewhere = QUEUE.replace("us-east-1", "eu-west-1")
    assert refused(QueueConfigurations=[{"QueueArn": elsewhere, "Events": ["s3:ObjectCreated:*"]}])[0] == "InvalidArgument"
    assert refused(QueueConfigurations=[{"QueueArn": QUEUE, "Events": ["s3:ObjectRestore:Post"]}])[0] == "NotImplemented"
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"] == [one]


def test_targets_are_asked_first(server, s3, bucket):
    arns = {kind: f"arn:aws:{kind.lower()}:us-east-1:000000000000:{name}"
            for kind, name in [("Lambda", "function:nobody"), ("SQS", "nobodys"), ("SNS", "nobodys")]}
    for member, name, kind in [("LambdaFunctionConfigurations", "LambdaFunctionArn", "Lambda"), ("QueueConfigurations", "QueueArn", "SQS"),
                               ("TopicConfigurations", "TopicArn", "SNS")]:
        configuration = {member: [{name: arns[kind], "Events": ["s3:ObjectCreated:*"]}]}
        with pytest.raises(s3.exceptions.ClientError, match="Unable to validate the following destination configurations") as refused:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
        assert refused.value.response["Error"]["Code"] == "InvalidArgument"
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True)
        # What is there already is not asked again.
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=s3_told(s3, bucket))


def s3_told(s3, bucket):
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in told.items() if name != "ResponseMetadata"}


def test_a_function_that_fails_on_purpose_puts_its_record_into_a_bucket(server, s3, bucket):
    failing = Function(server, "fails-into-s3", "python3.12", packages.python("def handler(event, context):\n    raise ValueError('no')\n"), "app.handler").ready()
    failing.client.put_function_event_invoke_config(
        FunctionName="fails-into-s3", MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}})
    failing.client.invoke(FunctionName="fails-into-s3", InvocationType="Event", Payload=b'{"n": 1}')
    until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, 30, "the record")
    [entry] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert entry["Key"].startswith("aws/lambda/async/fails-into-s3/")
    record = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    assert record["requestPayload"] == {"n": 1} and record["requestContext"]["condition"] == "RetriesExhausted"
    failing.delete()


def test_code_lies_in_a_bucket(server, s3, bucket):
    versioning = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    code = [packages.python(f"def handler(event, context):\n    return {word!r}\n") for word in ("old", "new")]
    old, _ = [s3.put_object(Bucket=bucket, Key="a b.zip", Body=body)["VersionId"] for body in code]
    client = server.client("lambda")
    members = {"Runtime": "python3.12", "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/r"}
    location = {"S3Bucket": bucket, "S3Key": "a b.zip"}
    client.create_function(FunctionName="from-own-s3", **members, Code=location)
    client.get_waiter("function_active_v2").wait(FunctionName="from-own-s3", WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    assert client.invoke(FunctionName="from-own-s3")["Payload"].read() == b'"new"'
    client.update_function_code(FunctionName="from-own-s3", **location, S3ObjectVersion=old)
    client.get_waiter("function_updated_v2").wait(FunctionName="from-own-s3", WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    assert client.invoke(FunctionName="from-own-s3")["Payload"].read() == b'"old"'
    code, message, _ = error_of(client.update_function_code, FunctionName="from-own-s3", S3Bucket=bucket, S3Key="none")
    assert code == "InvalidParameterValueException"
    assert message == "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    message = error_of(client.update_function_code, FunctionName="from-own-s3", S3Bucket="no-such-bucket", S3Key="k")[1]
    assert "S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist" in message
    client.delete_function(FunctionName="from-own-s3")


def queue_of(server, name, *sources):
    """A queue that S3, or a bus, may send to: its URL and its ARN."""
    sqs, arn = server.client("sqs"), QUEUE.replace(":queue", f":{name}")
    statement = {"Effect": "Allow", "Principal": {"Service": list(sources)}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], arn


def read(server, url, count):
    """The bodies of that many messages of a queue."""
    sqs, bodies = server.client("sqs"), []

    def more():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(bodies) >= count

    until(more, 30, f"{count} messages")
    return bodies


def test_a_queue_is_told(server, s3, bucket):
    url, arn = queue_of(server, "told-by-s3", "s3.amazonaws.com")
    rule = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [rule]})
    [test] = read(server, url, 1)
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    assert set(test) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    [told] = read(server, url, 1)
    assert told["Records"][0]["s3"]["object"]["key"] == "k"
    server.client("sqs").delete_queue(QueueUrl=url)


def test_a_topic_is_told(server, s3, bucket):
    """What changes in the bucket is published, and comes to the topic's subscriber."""
    sns = server.client("sns")
    topic = sns.create_topic(Name="told-by-s3")["TopicArn"]
    url, arn = queue_of(server, "told-by-a-topic", "sns.amazonaws.com")
    rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    configuration = {"TopicConfigurations": [rule]}
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic,
         "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}}}]}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    test, told = sorted(read(server, url, 2), key=lambda envelope: "Records" in envelope["Message"])
    assert (told["Type"], told["TopicArn"], told["Subject"]) == ("Notification", topic, "Amazon S3 Notification")
    assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
    [record] = json.loads(told["Message"])["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "k")
    sns.delete_topic(TopicArn=topic)
    server.client("sqs").delete_queue(QueueUrl=url)


def test_a_bus_is_told(server, s3, bucket):
    events = server.client("events")
    url, arn = queue_of(server, "told-by-a-bus", "events.amazonaws.com")
    pattern = json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
    events.put_rule(Name="of-s3", EventPattern=pattern)
    events.put_targets(Rule="of-s3", Targets=[{"Id": "queue", "Arn": arn}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    s3.delete_object(Bucket=bucket, Key="a b")
    made, gone = sorted(read(server, url, 2), key=lambda event: event["detail-type"])
    assert (made["source"], made["detail-type"], made["resources"]) == ("aws.s3", "Object Created", [f"arn:aws:s3:::{bucket}"])
    detail = made["detail"]
    assert (detail["version"], detail["bucket"], detail["reason"]) == ("0", {"name": bucket}, "PutObject")
    assert (detail["object"]["key"], detail["object"]["size"]) == ("a b", 5)
    assert detail["object"]["etag"] and detail["object"]["sequencer"] and detail["requester"] == "000000000000"
    assert (gone["detail-type"], gone["detail"]["deletion-type"]) == ("Object Deleted", "Permanently Deleted")
    events.remove_targets(Rule="of-s3", Ids=["queue"])
    events.delete_rule(Name="of-s3")
    server.client("sqs").delete_queue(QueueUrl=url)
