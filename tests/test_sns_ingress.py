"""Messages of an SNS elsewhere come to a topic here: from moto's without a signature, from another server's with one."""

import json
import urllib.error
import urllib.request

import pytest

from support import packages
from support.server import Function, Server
from support.subscribers import ALLOW, Endpoint, subscribed
from support.wait import until
from support.waiting import runs

EVENT = packages.python("import json\ndef handler(event, context):\n    print(json.dumps(event))\n")
ACCOUNT, MOTO = "000000000000", "123456789012"
HERE = f"arn:aws:sns:us-east-1:{ACCOUNT}:here"
PATH = f"/_tindra/sns/{ACCOUNT}/us-east-1/here"


def ingress(source, **members):
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in members.items())
    return f'{ALLOW}[[sns_ingress]]\ntopic = "{HERE}"\nfrom = "{source}"\n{lines}'


def receiving(server, **attributes):
    """A function that is subscribed to the topic here."""
    function = Function(server, "here", "python3.12", EVENT, "app.handler").ready()
    sns = server.client("sns")
    sns.create_topic(Name="here")
    sns.subscribe(TopicArn=HERE, Protocol="lambda", Endpoint=function.created["FunctionArn"], Attributes=attributes)
    return function


def post(server, message, path=PATH):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    request = urllib.request.Request(server.url + path, data=body, headers={"content-type": "text/plain; charset=UTF-8"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_from_moto_to_a_function(moto):
    topic = moto.sns.create_topic(Name="elsewhere")["TopicArn"]
    with Server(config=ingress(topic, verify=False)) as server:
        function = receiving(server)
        moto.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=server.url + PATH)
        moto.sns.publish(TopicArn=topic, Message="over there", Subject="s")
        [event] = runs(function, 1)
        message = event["Records"][0]["Sns"]
        assert (message["Message"], message["Subject"], message["TopicArn"]) == ("over there", "s", HERE)


@pytest.mark.parametrize("version", ["1", "2"])
def test_from_another_server_with_signatures(version):
    with Server(config=ALLOW) as elsewhere:
        sns = elsewhere.client("sns")
        topic = sns.create_topic(Name="elsewhere", Attributes={"SignatureVersion": version})["TopicArn"]
        host = elsewhere.url.removeprefix("http://")
        with Server(config=ingress(topic, cert_host=host)) as server, Endpoint() as witness:
            function = receiving(server)
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=server.url + PATH)
            listed = lambda: sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            until(lambda: listed()[0]["SubscriptionArn"] != "PendingConfirmation", 20, "the subscription to be confirmed")
            subscribed(sns, topic, witness)
            sns.publish(TopicArn=topic, Message="signed", Subject="s", MessageAttributes={
                "n": {"DataType": "Number", "StringValue": "7"}})
            [event] = runs(function, 1)
            got = event["Records"][0]["Sns"]
            assert (got["Message"], got["Subject"], got["TopicArn"]) == ("signed", "s", HERE)
            assert got["MessageAttributes"] == {"n": {"Type": "Number", "Value": "7"}}

            message = json.loads(witness.wait(2)[1][1])
            assert post(server, message) == 200
            assert post(server, {**message, "Message": "forged"}) == 403
            assert post(server, {**message, "SigningCertURL": "http://127.0.0.1:1/x.pem"}) == 403
            assert post(server, {**message, "Signature": "AAAA"}) == 403
            assert post(server, {**message, "TopicArn": topic + "x"}) == 403


def test_what_is_no_message_and_where_no_topic_is():
    source = f"arn:aws:sns:us-east-1:{MOTO}:elsewhere"
    message = {"Type": "Notification", "TopicArn": source, "MessageId": "1", "Message": "m"}
    with Server(config=ingress(source, verify=False)) as server:
        assert post(server, message) == 503, "the topic here is yet to be made"
        server.client("sns").create_topic(Name="here")
        assert post(server, message) == 200
        assert post(server, b"no JSON") == post(server, {**message, "Type": "x"}) == 400
        assert post(server, {**message, "TopicArn": HERE}) == 403
        assert post(server, message, PATH + "x") == post(server, message, PATH + "/x") == 404


def test_with_signatures_wanted_and_none_there():
    source = f"arn:aws:sns:us-east-1:{MOTO}:elsewhere"
    with Server(config=ingress(source)) as server:
        server.client("sns").create_topic(Name="here")
        message = {"Type": "Notification", "TopicArn": source, "MessageId": "1", "Message": "m"}
        assert post(server, message) == 403
        link = {"Type": "SubscriptionConfirmation", "TopicArn": source, "SubscribeURL": server.url, "Token": "t"}
        assert post(server, link) == 403


@pytest.mark.parametrize("line", ['topic = "x"', 'from = "x"', 'nonsense = 1'])
def test_settings_that_cannot_be(line):
    name = line.split(" = ")[0]
    lines = [f'topic = "{HERE}"', f'from = "{HERE}2"']
    lines = [old for old in lines if not old.startswith(name)] + [line]
    server = Server(config="[[sns_ingress]]\n" + "\n".join(lines) + "\n")
    with pytest.raises(AssertionError, match="sns_ingress|nonsense"):
        server.start()
