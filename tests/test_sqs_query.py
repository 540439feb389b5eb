"""SQS in the query protocol, as old clients and other people's tools speak it: forms in, XML out."""

import hashlib
import itertools
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import pytest

from support.server import Server

NUMBERS = itertools.count(1)
NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture(scope="module")
def queues():
    with Server() as server:
        yield Speaker(server)


class Speaker:
    def __init__(self, server):
        self.server = server

    def ask(self, action, path="/", signed=True, method="POST", **members):
        """The root of the answer, and its status."""
        form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **members})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if signed:
            scope = "test/20260101/us-east-1/sqs/aws4_request"
            headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        url = self.server.url + path
        body = form.encode()
        if method == "GET":
            url, body = f"{url}?{form}", None
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return xml.etree.ElementTree.fromstring(answer.read()), answer.status
        except urllib.error.HTTPError as error:
            return xml.etree.ElementTree.fromstring(error.read()), error.code

    def tell(self, action, path="/", **members):
        root, status = self.ask(action, path, **members)
        assert status == 200, xml.etree.ElementTree.tostring(root)
        assert root.tag == f"{NAMESPACE}{action}Response"
        assert root.find(f"{NAMESPACE}ResponseMetadata/{NAMESPACE}RequestId").text
        return root

    def new(self, **members):
        name = members.pop("name", f"old-{next(NUMBERS)}")
        root = self.tell("CreateQueue", QueueName=name, **members)
        return text(root, "CreateQueueResult/QueueUrl"), f"/000000000000/{name}"


def find(root, path):
    return root.findall("/".join(f"{NAMESPACE}{part}" for part in path.split("/")))


def text(root, path):
    [element] = find(root, path)
    return element.text


def entries(element, path, key="Name"):
    return {text(one, key): text(one, "Value") for one in find(element, path)}


def test_a_message_there_and_back(queues):
    url, path = queues.new(**{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "40"})
    assert url == queues.server.url + path
    sent = queues.tell("SendMessage", path, MessageBody="a & b < ü", **{
        "MessageAttribute.1.Name": "colour", "MessageAttribute.1.Value.StringValue": "red",
        "MessageAttribute.1.Value.DataType": "String"})
    digest = text(sent, "SendMessageResult/MD5OfMessageBody")
    assert digest == hashlib.md5("a & b < ü".encode()).hexdigest()
    received = queues.tell("ReceiveMessage", path, **{
        "AttributeName.1": "All", "MessageAttributeName.1": "All", "MaxNumberOfMessages": "10"})
    [message] = find(received, "ReceiveMessageResult/Message")
    assert (text(message, "Body"), text(message, "MD5OfBody")) == ("a & b < ü", digest)
    assert text(message, "MessageId") == text(sent, "SendMessageResult/MessageId")
    assert entries(message, "Attribute")["ApproximateReceiveCount"] == "1"
    assert text(message, "MessageAttribute/Name") == "colour"
    assert text(message, "MessageAttribute/Value/StringValue") == "red"
    handle = text(message, "ReceiptHandle")
    queues.tell("ChangeMessageVisibility", path, ReceiptHandle=handle, VisibilityTimeout="100")
    queues.tell("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    told = queues.tell("GetQueueAttributes", path, **{"AttributeName.1": "All"})
    attributes = entries(told, "GetQueueAttributesResult/Attribute")
    assert (attributes["VisibilityTimeout"], attributes["ApproximateNumberOfMessagesNotVisible"]) == ("40", "0")
    queues.tell("SetQueueAttributes", path, **{"Attribute.Name": "DelaySeconds", "Attribute.Value": "3"}
                | {"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "3"})
    told = queues.tell("GetQueueAttributes", path, **{"AttributeName.1": "DelaySeconds"})
    assert entries(told, "GetQueueAttributesResult/Attribute") == {"DelaySeconds": "3"}


def test_batches(queues):
    _, path = queues.new()
    form = {}
    for number in (1, 2):
        form |= {f"SendMessageBatchRequestEntry.{number}.Id": f"e{number}",
                 f"SendMessageBatchRequestEntry.{number}.MessageBody": f"body {number}"}
    form |= {"SendMessageBatchRequestEntry.3.Id": "bad", "SendMessageBatchRequestEntry.3.MessageBody": "\x01"}
    sent = queues.tell("SendMessageBatch", path, **form)
    assert [text(one, "Id") for one in find(sent, "SendMessageBatchResult/SendMessageBatchResultEntry")] == ["e1", "e2"]
    [failed] = find(sent, "SendMessageBatchResult/BatchResultErrorEntry")
    assert (text(failed, "Id"), text(failed, "SenderFault"), text(failed, "Code")) == ("bad", "true", "InvalidMessageContents")
    received = queues.tell("ReceiveMessage", path, MaxNumberOfMessages="10")
    handles = [text(message, "ReceiptHandle") for message in find(received, "ReceiveMessageResult/Message")]
    form = {}
    for number, handle in enumerate(handles, 1):
        form |= {f"DeleteMessageBatchRequestEntry.{number}.Id": str(number),
                 f"DeleteMessageBatchRequestEntry.{number}.ReceiptHandle": handle}
    deleted = queues.tell("DeleteMessageBatch", path, **form)
    assert len(find(deleted, "DeleteMessageBatchResult/DeleteMessageBatchResultEntry")) == 2


def test_queues_and_tags(queues):
    url, path = queues.new(name="listed-old", **{"Tag.1.Key": "team", "Tag.1.Value": "red"})
    listed = queues.tell("ListQueues", QueueNamePrefix="listed-")
    assert [one.text for one in find(listed, "ListQueuesResult/QueueUrl")] == [url]
    queues.tell("TagQueue", path, **{"Tag.1.Key": "stage", "Tag.1.Value": "test"})
    queues.tell("UntagQueue", path, **{"TagKey.1": "team"})
    told = queues.tell("ListQueueTags", path)
    assert entries(told, "ListQueueTagsResult/Tag", "Key") == {"stage": "test"}
    queues.tell("AddPermission", path, Label="l", **{"AWSAccountId.1": "111111111111", "ActionName.1": "SendMessage"})
    queues.tell("RemovePermission", path, Label="l")
    queues.tell("PurgeQueue", path)
    queues.tell("DeleteQueue", path)


def test_errors_have_the_codes_of_the_protocol(queues):
    root, status = queues.ask("GetQueueUrl", QueueName="nobody")
    assert (status, text(root, "Error/Code"), text(root, "Error/Type")) == (
        400, "AWS.SimpleQueueService.NonExistentQueue", "Sender")
    assert text(root, "RequestId")
    _, path = queues.new(name="twice")
    root, status = queues.ask("CreateQueue", QueueName="twice", **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "1"})
    assert (status, text(root, "Error/Code")) == (400, "QueueAlreadyExists")
    root, _ = queues.ask("SendMessage", path)
    assert text(root, "Error/Code") == "MissingParameter"
    root, status = queues.ask("DeleteMessage", path, ReceiptHandle="x")
    assert (status, text(root, "Error/Code")) == (404, "ReceiptHandleIsInvalid")
    root, _ = queues.ask("ReceiveMessage", path, MaxNumberOfMessages="11")
    assert text(root, "Error/Code") == "InvalidParameterValue"
    root, _ = queues.ask("NoSuchThing")
    assert text(root, "Error/Code") == "InvalidAction"


def test_requests_without_a_signature_and_by_get(queues):
    url, path = queues.new()
    assert queues.ask("SendMessage", path, signed=False, MessageBody="unsigned")[1] == 200
    assert queues.ask("SendMessage", path, signed=False, method="GET", MessageBody="by get")[1] == 200
    received, _ = queues.ask("ReceiveMessage", signed=False, QueueUrl=url, MaxNumberOfMessages="10")
    bodies = [text(message, "Body") for message in find(received, "ReceiveMessageResult/Message")]
    assert sorted(bodies) == ["by get", "unsigned"]
