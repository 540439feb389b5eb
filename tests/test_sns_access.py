"""With signatures verified: who may do what with topics, by policies of identities and of topics."""

import itertools
import json

import pytest

from support.errors import error_of
from support.server import Server
from support.subscribers import ALLOW, Endpoint, get

ACCOUNT, OTHER = "000000000000", "210987654321"
OTHER_KEY = {"AccessKeyId": "AKIAOTHEROTHEROTHERO", "SecretAccessKey": "the-secret-of-another-account"}
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def secured():
    key = {"access_key_id": OTHER_KEY["AccessKeyId"], "secret_access_key": OTHER_KEY["SecretAccessKey"]}
    config = ALLOW + "[[access_keys]]\n" + "".join(
        f'{name} = "{value}"\n' for name, value in {**key, "account": OTHER}.items())
    with Server(arguments=["--auth", "sigv4"], config=config) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        root = {"AccessKeyId": values["aws_access_key_id"], "SecretAccessKey": values["aws_secret_access_key"]}

        def client(service, key=root):
            return server.client(service, account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

        server.with_key = client
        yield server


@pytest.fixture
def sns(secured):
    return secured.with_key("sns")


@pytest.fixture
def other(secured):
    return secured.with_key("sns", OTHER_KEY)


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=f"guarded-{next(NUMBERS)}")["TopicArn"]


def user(secured, *statements):
    """A client of a user with these statements, and the user's ARN."""
    iam = secured.with_key("iam")
    name = f"user-{next(NUMBERS)}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": list(statements)}))
    return secured.with_key("sns", iam.create_access_key(UserName=name)["AccessKey"]), arn


def denied(who, action, resource, because):
    message = f"User: {who} is not authorized to perform: {action} on resource: {resource} {because}"
    return ("AuthorizationError", message, 403)


def test_a_user_may_do_what_their_policies_allow(secured, topic):
    client, arn = user(secured, {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic})
    assert client.publish(TopicArn=topic, Message="m")["MessageId"]
    because = "because no identity-based policy allows the sns:GetTopicAttributes action"
    assert error_of(client.get_topic_attributes, TopicArn=topic) == denied(arn, "sns:GetTopicAttributes", topic, because)
    assert error_of(client.create_topic, Name="mine")[0] == "AuthorizationError"
    assert error_of(client.list_topics)[0] == "AuthorizationError"


def test_the_policy_of_a_topic_opens_it_to_a_user_and_closes_it(secured, sns, topic):
    client, arn = user(secured)

    def set(effect, principal):
        statement = {"Effect": effect, "Principal": principal, "Action": "SNS:Publish", "Resource": topic}
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(
            {"Version": "2012-10-17", "Statement": [statement]}))

    assert error_of(client.publish, TopicArn=topic, Message="m")[0] == "AuthorizationError"
    set("Allow", {"AWS": arn})
    assert client.publish(TopicArn=topic, Message="m")["MessageId"]
    set("Deny", "*")
    assert "explicit deny in a resource-based policy" in error_of(client.publish, TopicArn=topic, Message="m")[1]


def test_another_account_needs_the_policy_of_the_topic(sns, other, topic):
    because = "because no resource-based policy allows the sns:Publish action"
    assert error_of(other.publish, TopicArn=topic, Message="m") == denied(
        f"arn:aws:iam::{OTHER}:root", "sns:Publish", topic, because)
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=[OTHER], ActionName=["Publish"])
    assert other.publish(TopicArn=topic, Message="m")["MessageId"]
    assert error_of(other.set_topic_attributes, TopicArn=topic, AttributeName="DisplayName", AttributeValue="x")[0] == (
        "AuthorizationError")
    assert error_of(other.delete_topic, TopicArn=topic)[0] == "AuthorizationError"
    sns.remove_permission(TopicArn=topic, Label="l")
    assert error_of(other.publish, TopicArn=topic, Message="m")[0] == "AuthorizationError"


def test_a_subscription_belongs_to_who_subscribed(sns, other, topic):
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=[OTHER], ActionName=["Subscribe"])
    with Endpoint() as endpoint:
        given = dict(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, ReturnSubscriptionArn=True)
        theirs = other.subscribe(**given)["SubscriptionArn"]
        # Nobody signs it, and it counts.
        get(json.loads(endpoint.wait(1)[0][1])["SubscribeURL"])
        shown = other.get_subscription_attributes(SubscriptionArn=theirs)["Attributes"]
        assert (shown["Owner"], shown["PendingConfirmation"]) == (OTHER, "false")
        own = sns.subscribe(**{**given, "Endpoint": endpoint.url + "2"})["SubscriptionArn"]
        assert error_of(other.unsubscribe, SubscriptionArn=own)[0] == "AuthorizationError"
        other.unsubscribe(SubscriptionArn=theirs)
        sns.unsubscribe(SubscriptionArn=own)
        assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_nobody_publishes_without_a_signature(secured, topic):
    import urllib.error
    import urllib.parse

    for method in ["GET", "POST"]:
        query = urllib.parse.urlencode({"Action": "Publish", "TopicArn": topic, "Message": "m", "Version": "2010-03-31"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            secured.http(f"/?{query}", method=method, data=b"" if method == "POST" else None)
        assert caught.value.code in (400, 403, 404)
