"""SNS: topics and their subscriptions, and messages on their way to functions."""

import base64
import json

import pytest

from support.errors import error_of
from support.subscribers import check_signature
from support.wait import until
from support.waiting import printed, runs

EVENT = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
ACCOUNT = "000000000000"
MISSING = f"arn:aws:sns:us-east-1:{ACCOUNT}:missing"


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def topic(sns, request):
    arn = sns.create_topic(Name=f"t-{abs(hash(request.node.name))}")["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def subscribe(sns, topic, function, **attributes):
    return sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=function.created["FunctionArn"], Attributes=attributes)["SubscriptionArn"]


def attributes(sns, arn):
    return sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]


class TestTopics:
    def test_a_topic_is_made_shown_and_deleted(self, sns):
        arn = sns.create_topic(Name="shown", Attributes={"DisplayName": "Shown"}, Tags=[{"Key": "a", "Value": "1"}])["TopicArn"]
        assert arn == f"arn:aws:sns:us-east-1:{ACCOUNT}:shown"
        shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        policy = json.loads(shown.pop("Policy"))
        assert policy["Statement"][0]["Resource"] == arn
        effective = json.loads(shown.pop("EffectiveDeliveryPolicy"))
        assert effective["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
        assert shown == {
            "TopicArn": arn, "Owner": ACCOUNT, "DisplayName": "Shown", "SubscriptionsConfirmed": "0",
            "SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
        }
        assert {"TopicArn": arn} in sns.list_topics()["Topics"]
        assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
        sns.delete_topic(TopicArn=arn)
        sns.delete_topic(TopicArn=arn)
        assert error_of(sns.get_topic_attributes, TopicArn=arn) == ("NotFound", "Topic does not exist", 404)

    def test_making_one_again_answers_the_same_unless_it_is_another(self, sns, topic):
        name = topic.rsplit(":", 1)[1]
        assert sns.create_topic(Name=name)["TopicArn"] == topic
        code, message, _ = error_of(sns.create_topic, Name=name, Attributes={"DisplayName": "x"})
        assert (code, "different attributes" in message) == ("InvalidParameter", True)
        code, message, _ = error_of(sns.create_topic, Name=name, Tags=[{"Key": "a", "Value": "b"}])
        assert (code, "different tags" in message) == ("InvalidParameter", True)

    def test_more_than_a_hundred_come_in_pages(self, server):
        sns = server.client("sns", region="eu-west-1")
        made = {sns.create_topic(Name=f"many-{number:03}")["TopicArn"] for number in range(105)}
        pages = list(sns.get_paginator("list_topics").paginate())
        assert [len(page["Topics"]) for page in pages] == [100, 5]
        assert {topic["TopicArn"] for page in pages for topic in page["Topics"]} == made

    def test_attributes_are_set_checked_and_taken_away(self, sns, topic):
        def set(name, value):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)

        set("DisplayName", "New")
        set("SignatureVersion", "2")
        set("TracingConfig", "PassThrough")
        set("DeliveryPolicy", json.dumps({"http": {"defaultHealthyRetryPolicy": {"numRetries": 7}}}))
        shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        assert (shown["DisplayName"], shown["SignatureVersion"], shown["TracingConfig"]) == ("New", "2", "PassThrough")
        assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 7
        set("DisplayName", "")
        assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == ""
        for name, value in [
            ("TracingConfig", "Active"), ("SignatureVersion", "3"), ("KmsMasterKeyId", "alias/mine"), ("Nonsense", "x"),
            ("ArchivePolicy", '{"MessageRetentionPeriod": 3}'), ("Policy", "{}"), ("Policy", "no JSON"),
            ("LambdaSuccessFeedbackRoleArn", "arn:aws:iam::000000000000:role/x"), ("DeliveryPolicy", '{"http": {"x": 1}}'),
            ("DeliveryPolicy", '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 101}}}'),
        ]:
            assert error_of(sns.set_topic_attributes, TopicArn=topic, AttributeName=name, AttributeValue=value)[0] == "InvalidParameter"

    def test_tags(self, sns, topic):
        sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
        assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "b", "Value": "2"}]
        many = [{"Key": str(number), "Value": ""} for number in range(50)]
        assert error_of(sns.tag_resource, ResourceArn=topic, Tags=many)[0] == "TagLimitExceeded"
        assert error_of(sns.list_tags_for_resource, ResourceArn=MISSING)[0] == "ResourceNotFound"

    def test_permissions_are_statements_of_the_policy(self, sns, topic):
        add = dict(TopicArn=topic, Label="l", AWSAccountId=["111111111111"], ActionName=["Publish", "Subscribe"])
        sns.add_permission(**add)
        statements = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])["Statement"]
        assert statements[1] == {
            "Sid": "l", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": topic,
        }
        assert error_of(sns.add_permission, **add)[:2] == ("InvalidParameter", "Invalid parameter: Statement already exists")
        sns.remove_permission(TopicArn=topic, Label="l")
        assert len(json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])["Statement"]) == 1

    def test_names_and_arns_that_cannot_be(self, sns):
        for name in ["", "a b", "x" * 257, "a.fifo", "ü"]:
            assert error_of(sns.create_topic, Name=name)[:2] == ("InvalidParameter", "Invalid parameter: Topic Name")
        assert error_of(sns.create_topic, Name="a", Attributes={"FifoTopic": "true"})[0] == "InvalidParameter"
        message = "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
        assert error_of(sns.publish, TopicArn="nonsense", Message="m")[:2] == ("InvalidParameter", message)
        elsewhere = MISSING.replace("us-east-1", "eu-west-1")
        assert error_of(sns.publish, TopicArn=elsewhere, Message="m")[:2] == ("InvalidParameter", "Invalid parameter: TopicArn")
        assert error_of(sns.publish, TopicArn=MISSING, Message="m")[:2] == ("NotFound", "Topic does not exist")


class TestSubscriptions:
    def test_a_function_is_subscribed_at_once_and_once(self, sns, topic, python_function):
        function = python_function(EVENT)
        arn = subscribe(sns, topic, function)
        assert arn.startswith(f"{topic}:") and subscribe(sns, topic, function) == arn
        [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert listed == {
            "SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": "lambda", "Endpoint": function.created["FunctionArn"],
            "TopicArn": topic,
        }
        assert listed in sns.list_subscriptions()["Subscriptions"]
        shown = attributes(sns, arn)
        assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"], shown["RawMessageDelivery"]) == (
            "false", "true", "false")
        assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
        sns.unsubscribe(SubscriptionArn=arn)
        sns.unsubscribe(SubscriptionArn=arn)
        assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
        assert error_of(sns.get_subscription_attributes, SubscriptionArn=arn)[0] == "NotFound"

    def test_one_that_differs_is_refused(self, sns, topic, python_function):
        function = python_function(EVENT)
        subscribe(sns, topic, function)
        members = dict(TopicArn=topic, Protocol="lambda", Endpoint=function.created["FunctionArn"])
        code, message, _ = error_of(sns.subscribe, **members, Attributes={"FilterPolicy": '{"a": ["b"]}'})
        assert (code, "already exists with different attributes" in message) == ("InvalidParameter", True)

    @pytest.mark.parametrize("protocol, endpoint, word", [
        ("email", "a@example.com", "email"), ("sms", "+1", "sms"), ("firehose", "arn:x", "firehose"),
        ("pigeon", "x", "does not support this protocol string: pigeon"), ("lambda", "nonsense", "Lambda"),
        ("sqs", "http://queue", "SQS endpoint ARN"), ("https", "http://x", "must match"), ("http", "http://", "Endpoint"),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:q.fifo", "FIFO SQS Queues can not be subscribed"),
    ])
    def test_what_cannot_be_subscribed(self, sns, topic, protocol, endpoint, word):
        code, message, _ = error_of(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
        assert code == "InvalidParameter" and word in message

    def test_attributes_are_set_checked_and_taken_away(self, sns, topic, python_function):
        arn = subscribe(sns, topic, python_function(EVENT), FilterPolicy='{"a": ["b"]}')

        def set(name, value):
            return dict(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

        assert attributes(sns, arn)["FilterPolicyScope"] == "MessageAttributes"
        sns.set_subscription_attributes(**set("FilterPolicyScope", "MessageBody"))
        sns.set_subscription_attributes(**set("FilterPolicy", '{"a": {"b": ["c"]}}'))
        shown = attributes(sns, arn)
        assert (shown["FilterPolicy"], shown["FilterPolicyScope"]) == ('{"a": {"b": ["c"]}}', "MessageBody")
        dead = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"})
        sns.set_subscription_attributes(**set("RedrivePolicy", dead))
        assert attributes(sns, arn)["RedrivePolicy"] == dead
        sns.set_subscription_attributes(**set("RedrivePolicy", ""))
        sns.set_subscription_attributes(**set("FilterPolicy", "{}"))
        assert not {"RedrivePolicy", "FilterPolicy"} & set_of(attributes(sns, arn))
        for name, value in [
            ("RawMessageDelivery", "true"), ("RawMessageDelivery", "x"), ("FilterPolicy", "["), ("FilterPolicyScope", "x"),
            ("FilterPolicy", '{"a": ["b"], "b": "c"}'), ("RedrivePolicy", '{"deadLetterTargetArn": "x"}'), ("Nonsense", "x"),
            ("FilterPolicy", json.dumps({name: ["x"] for name in "abcdef"})), ("ReplayPolicy", "{}"),
            ("FilterPolicy", json.dumps({"a": [str(n) for n in range(151)]})), ("DeliveryPolicy", "{}"),
        ]:
            assert error_of(sns.set_subscription_attributes, **set(name, value))[0] == "InvalidParameter", (name, value)


def set_of(names):
    return {*names}


class TestFunctions:
    def test_a_function_gets_the_event_of_aws(self, sns, topic, python_function):
        function = python_function(EVENT)
        arn = subscribe(sns, topic, function)
        binary = {"DataType": "Binary", "BinaryValue": b"\x00\x01"}
        message_id = sns.publish(
            TopicArn=topic, Message="hällo\n", Subject="A subject",
            MessageAttributes={"n": {"DataType": "Number", "StringValue": "5"}, "b": binary},
        )["MessageId"]
        [event] = runs(function, 1)
        [record] = event["Records"]
        assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", arn)
        message = record["Sns"]
        check_signature(message)
        assert message["MessageAttributes"] == {
            "n": {"Type": "Number", "Value": "5"}, "b": {"Type": "Binary", "Value": base64.b64encode(b"\x00\x01").decode()}}
        assert (message["Message"], message["Subject"], message["MessageId"]) == ("hällo\n", "A subject", message_id)
        assert (message["TopicArn"], message["Type"], message["SignatureVersion"]) == (topic, "Notification", "1")
        assert sorted(message) == sorted([
            "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
            "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes"])

    def test_without_a_subject_and_with_the_newer_signature(self, sns, topic, python_function):
        function = python_function(EVENT)
        subscribe(sns, topic, function)
        sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
        sns.publish(TargetArn=topic, Message=json.dumps({"default": "d", "lambda": "for functions"}), MessageStructure="json")
        [event] = runs(function, 1)
        message = event["Records"][0]["Sns"]
        check_signature(message)
        assert (message["Subject"], message["Message"], message["SignatureVersion"]) == (None, "for functions", "2")

    def test_a_filter_chooses_by_attributes_and_a_change_counts_at_once(self, sns, topic, python_function):
        function = python_function(EVENT)
        arn = subscribe(sns, topic, function, FilterPolicy=json.dumps({"store": ["one"], "price": [{"numeric": [">=", 100]}]}))

        def publish(message, **values):
            kinds = {int: "Number", list: "String.Array", str: "String"}
            sns.publish(TopicArn=topic, Message=message, MessageAttributes={
                name: {"DataType": kinds[type(value)], "StringValue": value if isinstance(value, str) else json.dumps(value)}
                for name, value in values.items()})

        publish("1", store="one", price=99)
        publish("2", store="one", price=100)
        publish("3", store=["two", "one"], price=101)
        publish("4", price=100)
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
        publish("5", store="one", price=100)
        publish('{"store": "one", "price": 200}')
        events = runs(function, 3)
        got = {event["Records"][0]["Sns"]["Message"] for event in events}
        assert got == {"2", "3", '{"store": "one", "price": 200}'}

    def test_a_batch_says_of_each_message_what_came_of_it(self, sns, topic, python_function):
        function = python_function(EVENT)
        subscribe(sns, topic, function)
        answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
            {"Id": "a", "Message": "1"}, {"Id": "b", "Message": "2", "MessageDeduplicationId": "x"},
            {"Id": "c", "Message": "3", "MessageAttributes": {"x": {"DataType": "Nonsense", "StringValue": "x"}}},
            {"Id": "d", "Message": "4"},
        ])
        assert [one["Id"] for one in answer["Successful"]] == ["a", "d"]
        assert [(one["Id"], one["Code"], one["SenderFault"]) for one in answer["Failed"]] == [
            ("b", "InvalidParameter", True), ("c", "ParameterValueInvalid", True)]
        assert {event["Records"][0]["Sns"]["Message"] for event in runs(function, 2)} == {"1", "4"}

    def test_batches_that_cannot_be(self, sns, topic):
        def refused(*entries):
            return error_of(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=list(entries))[0]

        assert refused() == "EmptyBatchRequest"
        assert refused(*({"Id": str(n), "Message": "m"} for n in range(11))) == "TooManyEntriesInBatchRequest"
        assert refused({"Id": "a", "Message": "m"}, {"Id": "a", "Message": "m"}) == "BatchEntryIdsNotDistinct"
        assert refused({"Id": "a b", "Message": "m"}) == "InvalidBatchEntryId"
        assert refused(*({"Id": str(n), "Message": "m" * 150_000} for n in range(2))) == "BatchRequestTooLong"

    @pytest.mark.parametrize("members, code", [
        ({"Message": ""}, "InvalidParameter"), ({"Message": "m" * (256 * 1024 + 1)}, "InvalidParameter"),
        ({"Message": "m", "Subject": "s" * 101}, "InvalidParameter"), ({"Message": "m", "Subject": "a\nb"}, "InvalidParameter"),
        ({"Message": "m", "MessageStructure": "json"}, "InvalidParameter"),
        ({"Message": '{"lambda": "x"}', "MessageStructure": "json"}, "InvalidParameter"),
        ({"Message": "m", "MessageDeduplicationId": "x"}, "InvalidParameter"),
        ({"Message": "m", "MessageAttributes": {"x": {"DataType": "Number", "StringValue": "x"}}}, "ParameterValueInvalid"),
        ({"Message": "m", "MessageAttributes": {"x": {"DataType": "String", "StringValue": ""}}}, "ParameterValueInvalid"),
    ])
    def test_messages_that_cannot_be(self, sns, topic, members, code):
        assert error_of(sns.publish, TopicArn=topic, **members)[0] == code

    def test_a_message_of_256_kb_arrives(self, sns, topic, python_function):
        function = python_function("def handler(event, context):\n    print('{\"bytes\": %d}' % len(event['Records'][0]['Sns']['Message']))\n")
        subscribe(sns, topic, function)
        sns.publish(TopicArn=topic, Message="m" * (256 * 1024))
        assert runs(function, 1) == [{"bytes": 256 * 1024}]

    def test_many_subscriptions_of_one_topic(self, sns, topic):
        for number in range(200):
            sns.subscribe(TopicArn=topic, Protocol="lambda",
                          Endpoint=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:absent-{number}")
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        assert [len(page["Subscriptions"]) for page in pages] == [100, 100]
        assert sns.publish(TopicArn=topic, Message="m")["MessageId"]


class TestFifo:
    def test_a_message_is_taken_once_in_five_minutes(self, clocked):
        from support.waiting import advance

        sns = clocked.client("sns")
        topic = sns.create_topic(Name="once.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", "false")
        message = dict(TopicArn=topic, Message="m", MessageGroupId="g", MessageDeduplicationId="d")
        first = sns.publish(**message)
        again = sns.publish(**{**message, "Message": "other"})
        assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
        advance(clocked, seconds=301)
        later = sns.publish(**message)
        assert later["MessageId"] != first["MessageId"] and later["SequenceNumber"] > first["SequenceNumber"]
        batch = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
            {"Id": id, "Message": id, "MessageGroupId": "g", "MessageDeduplicationId": "same"} for id in "ab"])
        assert len({one["MessageId"] for one in batch["Successful"]}) == 1

    def test_what_it_needs(self, sns):
        topic = sns.create_topic(Name="needs.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        assert "MessageGroupId" in error_of(sns.publish, TopicArn=topic, Message="m")[1]
        assert "ContentBasedDeduplication" in error_of(sns.publish, TopicArn=topic, Message="m", MessageGroupId="g")[1]
        sns.set_topic_attributes(TopicArn=topic, AttributeName="ContentBasedDeduplication", AttributeValue="true")
        sent = {sns.publish(TopicArn=topic, Message="m", MessageGroupId=group)["MessageId"] for group in "ab"}
        assert len(sent) == 1
        sns.set_topic_attributes(TopicArn=topic, AttributeName="FifoThroughputScope", AttributeValue="MessageGroup")
        sent = {sns.publish(TopicArn=topic, Message="n", MessageGroupId=group)["MessageId"] for group in "ab"}
        assert len(sent) == 2
        refused = dict(TopicArn=topic, Protocol="lambda", Endpoint=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f")
        assert error_of(sns.subscribe, **refused)[0] == "InvalidParameter"


def test_topics_and_messages_outlive_the_server(tmp_path, deploy_on):
    from support.server import Server

    from support import packages

    server = Server(data=tmp_path / "server").start()
    sns = server.client("sns")
    function = deploy_on(server, "python3.12", packages.python(EVENT), name="outlives")
    topic = sns.create_topic(Name="outlives")["TopicArn"]
    subscribe(sns, topic, function)
    sns.publish(TopicArn=topic, Message="before")
    server.kill()
    server.start()
    try:
        sns = server.client("sns")
        assert sns.publish(TopicArn=topic, Message="after")["MessageId"]
        got = lambda: {event["Records"][0]["Sns"]["Message"] for event in printed(function)}
        until(lambda: got() == {"before", "after"}, 30, "both messages")
    finally:
        server.stop()


def test_the_command_line(server):
    topic = json.loads(server.aws("sns", "create-topic", "--name", "of-the-cli").stdout)["TopicArn"]
    sent = server.aws("sns", "publish", "--topic-arn", topic, "--message", "hi", "--message-attributes",
                      '{"a": {"DataType": "String", "StringValue": "b"}}')
    assert "MessageId" in sent.stdout
