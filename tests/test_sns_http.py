"""SNS and HTTP endpoints: confirmation, signatures, retries, the pace, and the policy of topics."""

import json
import urllib.error

import pytest

from support.errors import error_of
from support.server import Server
from support.subscribers import ALLOW, Endpoint, check_signature, get, subscribed
from support.waiting import advance, settle


@pytest.fixture(scope="module")
def server():
    with Server(config=ALLOW, arguments=["--clock", "manual"]) as running:
        yield running


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def topic(sns, request):
    arn = sns.create_topic(Name=f"t-{abs(hash(request.node.name))}")["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.fixture
def endpoint():
    with Endpoint() as running:
        yield running


def test_an_endpoint_confirms_gets_messages_and_unsubscribes(sns, topic, endpoint):
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    [(headers, body)] = endpoint.wait(1)
    message = json.loads(body)
    check_signature(message)
    assert (message["Type"], message["TopicArn"], headers["x-amz-sns-message-type"]) == (
        "SubscriptionConfirmation", topic, "SubscriptionConfirmation")
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    sns.publish(TopicArn=topic, Message="nobody gets this")
    arn = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"

    confirmed = get(message["SubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = listed["SubscriptionArn"]
    assert f"<SubscriptionArn>{arn}</SubscriptionArn>" in confirmed and arn in get(message["SubscribeURL"])
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("false", "false")

    message_id = sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes={
        "a": {"DataType": "String", "StringValue": "b"}})["MessageId"]
    headers, body = endpoint.wait(2)[1]
    message = json.loads(body)
    check_signature(message)
    assert (message["Message"], message["Subject"], message["MessageId"]) == ("hello", "s", message_id)
    assert message["MessageAttributes"] == {"a": {"Type": "String", "Value": "b"}}
    assert {name: headers[name] for name in headers if name.startswith("x-amz")} == {
        "x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": message_id, "x-amz-sns-topic-arn": topic,
        "x-amz-sns-subscription-arn": arn,
    }
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"

    get(message["UnsubscribeURL"])
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_a_wrong_token_and_one_that_is_too_old(server, sns, topic, endpoint):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    token = json.loads(endpoint.wait(1)[0][1])["Token"]
    assert error_of(sns.confirm_subscription, TopicArn=topic, Token="x")[:2] == (
        "InvalidParameter", "Invalid parameter: Invalid token")
    advance(server, seconds=2 * 86_400 + 1)
    assert error_of(sns.confirm_subscription, TopicArn=topic, Token=token)[0] == "InvalidParameter"
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_who_confirms_with_a_signature_can_keep_others_from_unsubscribing(sns, topic, endpoint):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    token = json.loads(endpoint.wait(1)[0][1])["Token"]
    arn = sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ConfirmationWasAuthenticated"] == "true"
    sns.publish(TopicArn=topic, Message="m")
    link = json.loads(endpoint.wait(2)[1][1])["UnsubscribeURL"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(link)
    assert caught.value.code == 403
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_raw_messages(sns, topic, endpoint):
    subscribed(sns, topic, endpoint, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message='{"default": "d", "http": "for http"}', MessageStructure="json")
    headers, body = endpoint.wait(2)[1]
    assert (body, headers["x-amz-sns-rawdelivery"]) == ("for http", "true")


def test_it_is_tried_three_times_more_twenty_seconds_apart(server, sns, topic, endpoint):
    subscribed(sns, topic, endpoint)
    endpoint.statuses = [500] * 10
    sns.publish(TopicArn=topic, Message="m")
    settle(server)
    tries = [len(endpoint.requests) - 1]
    for _ in range(5):
        advance(server, seconds=19)
        tries.append(len(endpoint.requests) - 1)
        advance(server, seconds=1)
        tries.append(len(endpoint.requests) - 1)
    assert tries == [1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4]
    ids = {json.loads(body)["MessageId"] for _, body in endpoint.requests[1:]}
    assert len(ids) == 1


def test_what_is_refused_is_not_tried_again_but_for_too_many_requests(server, sns, topic, endpoint):
    subscribed(sns, topic, endpoint)
    endpoint.statuses = [404]
    sns.publish(TopicArn=topic, Message="m")
    advance(server, seconds=600)
    assert len(endpoint.requests) == 2
    endpoint.statuses = [429]
    sns.publish(TopicArn=topic, Message="m")
    advance(server, seconds=600)
    assert len(endpoint.requests) == 4


def test_delivery_policies_of_subscription_and_topic(server, sns, topic, endpoint):
    retries = {"minDelayTarget": 1, "maxDelayTarget": 5, "numRetries": 4, "numNoDelayRetries": 2, "backoffFunction": "linear"}
    own = {"healthyRetryPolicy": retries, "requestPolicy": {"headerContentType": "application/json"}}
    arn = subscribed(sns, topic, endpoint, Attributes={"DeliveryPolicy": json.dumps(own)})
    effective = json.loads(sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["EffectiveDeliveryPolicy"])
    assert effective["healthyRetryPolicy"] == {**retries, "numMaxDelayRetries": 0, "numMinDelayRetries": 0}
    endpoint.statuses = [503] * 10
    sns.publish(TopicArn=topic, Message="m")
    advance(server, seconds=60)
    assert len(endpoint.requests) == 6
    assert endpoint.requests[1][0]["content-type"] == "application/json"

    of_topic = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 0}, "disableSubscriptionOverrides": True}}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(of_topic))
    sns.publish(TopicArn=topic, Message="m")
    advance(server, seconds=600)
    assert len(endpoint.requests) == 7 and endpoint.requests[6][0]["content-type"].startswith("text/plain")


def test_no_more_a_second_than_the_policy_says(sns, topic, endpoint):
    import time

    policy = {"throttlePolicy": {"maxReceivesPerSecond": 10}}
    subscribed(sns, topic, endpoint, Attributes={"DeliveryPolicy": json.dumps(policy)})
    begun = time.monotonic()
    for number in range(6):
        sns.publish(TopicArn=topic, Message=str(number))
    endpoint.wait(7)
    assert time.monotonic() - begun >= 0.5


def test_where_functions_may_not_connect_no_message_goes():
    with Server(arguments=["--clock", "manual"]) as closed, Endpoint() as endpoint:
        sns = closed.client("sns")
        topic = sns.create_topic(Name="closed")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
        advance(closed, seconds=600)
        assert endpoint.requests == []


def test_no_certificate_by_another_name(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.http("/SimpleNotificationService-x.pem")
    assert caught.value.code == 404
