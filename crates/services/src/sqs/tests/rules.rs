//! The rules of SQS one by one.

use bytes::Bytes;
use serde_json::json;
use tindra_core::push::{Attribute as PushAttribute, Content, Push, PushPolicy, QueueMessage, Source};
use uuid::Uuid;

use super::super::message::{Attribute, Message};
use super::super::{digest, names};
use super::Place;
use crate::receive::Receive as _;

fn attribute(name: &str, data_type: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), data_type: data_type.to_owned(), value: value.to_owned() }
}

#[test]
fn digests_are_those_of_aws() {
    assert_eq!(digest::of_body(b"This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
    let stamp = |data_type: &str| digest::of_attributes([attribute("timestamp", data_type, "1493147359900")].iter());
    assert_eq!(stamp("Number").as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
    assert_eq!(stamp("Number.java.lang.Long").as_deref(), Some("2e2e4876d8e0bd6b8c2c8f556831c349"));
    assert_eq!(digest::of_attributes([].iter()), None);
    let one = [attribute("a", "String", "x"), attribute("b", "Binary", "AAEC")];
    let other = [one[1].clone(), one[0].clone()];
    assert_eq!(digest::of_attributes(one.iter()), digest::of_attributes(other.iter()), "the order does not count");
}

#[test]
fn urls_lead_to_queues_whatever_their_host() {
    for url in [
        "http://127.0.0.1:4566/000000000000/q",
        "https://sqs.eu-west-1.amazonaws.com/000000000000/q",
        "https://eu-west-1.queue.amazonaws.com/000000000000/q/",
        "http://localhost/queue/eu-west-1/000000000000/q",
        "/000000000000/q",
    ] {
        assert_eq!(names::of_url(url), Some(("000000000000", "q")), "{url}");
    }
    for url in
        ["", "q", "http://000000000000/q", "http://host/q", "http://host/00000000000x/q", "http://host/000000000000/"]
    {
        assert_eq!(names::of_url(url), None, "{url}");
    }
    assert!(names::of_arn("arn:aws:sqs:eu-west-1:000000000000:q").is_some());
    for arn in ["arn:aws:sns:eu-west-1:000000000000:q", "arn:aws:sqs:eu-west-1:000000000000:", "q"] {
        assert!(names::of_arn(arn).is_none(), "{arn}");
    }
}

#[test]
fn names_fit_their_kind() {
    for (name, is_fifo) in [("a", false), ("a-_9", false), ("a.fifo", true)] {
        assert!(names::check(name, is_fifo).is_ok(), "{name}");
    }
    let long = "a".repeat(81);
    for (name, is_fifo) in
        [("", false), ("a.b", false), ("a.fifo", false), ("a", true), (".fifo", true), (&*long, false)]
    {
        assert!(names::check(name, is_fifo).is_err(), "{name}");
    }
}

#[test]
fn bytes_of_attributes_count() {
    let input =
        json!({"MessageBody": "abc", "MessageAttributes": {"name": {"DataType": "Binary", "BinaryValue": "AAEC"}}});
    let message = Message::read(&input, "me").unwrap();
    assert_eq!(message.bytes(), 3 + 4 + 6 + 3);
}

fn push(arn: String, message: QueueMessage) -> Push {
    Push {
        source: Source {
            principal: "sns.amazonaws.com".to_owned(),
            arn: "arn:aws:sns:us-east-1:123456789012:topic".to_owned(),
            scope: tindra_testkit::scope(),
        },
        target_arn: arn,
        role_arn: None,
        content: Content::Queue(message),
        policy: PushPolicy::default(),
        dead_letter: None,
        trace_id: None,
        at_ms: 0,
        attempts: 0,
        last_error: None,
    }
}

#[tokio::test]
async fn a_push_arrives_once_with_what_it_brings() {
    let place = Place::new(false);
    let url = place.create("q.fifo", json!({"FifoQueue": "true"})).await;
    let message = QueueMessage {
        attributes: vec![PushAttribute::string("kind", "test")],
        group_id: Some("g".to_owned()),
        deduplication_id: Some("d".to_owned()),
    };
    let push = push(names::arn(&place.scope, "q.fifo"), message);
    let (id, body) = (Uuid::now_v7(), Bytes::from_static(b"pushed"));
    for _ in 0..2 {
        let received = place.sqs.receive(&push, id, &body).await.unwrap();
        place.test.store.metadata.commit(received.batch).await.unwrap();
    }
    let [message] = &place.receive(&url, 10).await[..] else { panic!("one message") };
    assert_eq!((&message["MessageId"], &message["Body"]), (&json!(id.to_string()), &json!("pushed")));
    assert_eq!(message["Attributes"]["MessageGroupId"], "g");
}

#[tokio::test]
async fn what_cannot_be_pushed_is_told_for_good() {
    let place = Place::new(true);
    place.create("q", json!({"MaximumMessageSize": "1024"})).await;
    let arn = names::arn(&place.scope, "q");
    let code = async |push: Push, body: Vec<u8>| {
        let error = place.sqs.receive(&push, Uuid::now_v7(), &body.into()).await.unwrap_err();
        assert!(error.is_final);
        error.code
    };
    let plain = |arn: &str| push(arn.to_owned(), QueueMessage::default());
    assert_eq!(code(plain(&names::arn(&place.scope, "none")), vec![]).await, "NO_RESOURCE");
    assert_eq!(code(plain("nonsense"), vec![]).await, "INVALID_PARAMETER");
    assert_eq!(code(plain(&arn), vec![b'x']).await, "NO_PERMISSIONS");
    let with_role = Push { role_arn: Some("arn:aws:iam::123456789012:role/r".to_owned()), ..plain(&arn) };
    assert_eq!(code(with_role.clone(), vec![b'x'; 1_025]).await, "INVALID_PARAMETER");
    assert!(place.sqs.receive(&with_role, Uuid::now_v7(), &Bytes::from_static(b"x")).await.is_ok());
    let statement = json!({
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": plain(&arn).source.arn}},
    });
    let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let url = format!("http://here/{}/q", place.scope.account);
    place.ask("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"Policy": policy}})).await.unwrap();
    assert!(place.sqs.receive(&plain(&arn), Uuid::now_v7(), &Bytes::from_static(b"x")).await.is_ok());
    let mut of_others = plain(&arn);
    of_others.source.arn.push('x');
    assert_eq!(code(of_others, vec![b'x']).await, "NO_PERMISSIONS");
}

#[tokio::test]
async fn what_a_purge_and_a_deletion_leave_behind_is_cleared() {
    let place = Place::new(false);
    let url = place.create("q", json!({})).await;
    for _ in 0..3 {
        place.ask("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await.unwrap();
    }
    place.ask("PurgeQueue", json!({"QueueUrl": url})).await.unwrap();
    assert_eq!(place.ask("PurgeQueue", json!({"QueueUrl": url})).await.unwrap_err(), "PurgeQueueInProgress");
    place.ask("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await.unwrap();
    place.ask("DeleteQueue", json!({"QueueUrl": url})).await.unwrap();
    let is_clear = async || place.test.store.mailboxes.mailboxes("", 9).await.unwrap().is_empty();
    for _ in 0..1_000 {
        if is_clear().await {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(is_clear().await);
}
