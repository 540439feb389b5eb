//! Publishing over a real store: what comes out as pushes.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_core::push::{Content, PushError, QueueMessage, Source, TopicMessage};
use tindra_testkit::{FakeClock, TestStore, scope};
use uuid::Uuid;

use super::*;
use crate::iam::Identity;
use crate::outbox::Outbox;
use crate::receive::Received;

#[derive(Debug)]
struct Time(FakeClock);

impl Clock for Time {
    fn unix_ms(&self) -> UnixMs {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Timer for Time {
    fn wait_until(&self, _: UnixMs) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Keeps what was handed on.
#[derive(Debug)]
struct Kept {
    store: tindra_store::Store,
    messages: Mutex<Vec<Message>>,
}

impl Outbox for Kept {
    fn commit(&self, batch: Batch, messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let revision = self.store.metadata.commit(batch).await?;
            self.messages.lock().unwrap().extend(messages);
            Ok(revision)
        })
    }
}

#[derive(Debug)]
struct Anywhere;

impl tindra_outside::anywhere::Reach for Anywhere {
    fn check(&self, _: std::net::IpAddr) -> Result<(), String> {
        Ok(())
    }
}

/// Queues that take messages, but for those that are away.
#[derive(Debug, Default)]
struct Queues(Mutex<Vec<(String, String)>>);

impl Receive for Queues {
    fn receive<'a>(&'a self, push: &'a Push, id: Uuid, _: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            if push.target_arn.ends_with("away.fifo") {
                return Err(PushError::passing("SDK_CLIENT_ERROR", "away"));
            }
            let Content::Queue(message) = &push.content else { panic!("{push:?}") };
            let group = message.group_id.clone().unwrap_or_default();
            self.0.lock().unwrap().push((push.target_arn.clone(), group));
            let batch = Batch::default().put(format!("taken/{id}"), tindra_store::Precondition::None, "{}");
            Ok(Received { batch, messages: Vec::new() })
        })
    }

    fn admit<'a>(&'a self, _: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Place {
    sns: SnsService,
    kept: Arc<Kept>,
    time: Arc<Time>,
    store: TestStore,
}

impl Place {
    async fn new(is_checked: bool) -> Self {
        let store = tindra_testkit::store();
        let time = Arc::new(Time(FakeClock::at(1_700_000_000_000)));
        let kept = Arc::new(Kept { store: store.store.clone(), messages: Mutex::default() });
        let around = Surroundings {
            store: store.store.clone(),
            timer: Arc::clone(&time) as _,
            outbox: Arc::clone(&kept) as _,
            reach: Arc::new(Anywhere),
            is_checked,
        };
        Self { sns: SnsService::start(around).await.unwrap(), kept, time, store }
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let (scope, identity) = (scope(), Identity::root(scope().account));
        let asker =
            Asker { scope: &scope, identity: &identity, endpoint: "http://here", request_id: "r", trace_id: None };
        self.sns.answer(asker, operation, input).await
    }

    async fn topic(&self, name: &str, attributes: Value) -> String {
        let made = self.ask("CreateTopic", json!({ "Name": name, "Attributes": attributes })).await.unwrap();
        made["TopicArn"].as_str().unwrap().to_owned()
    }

    async fn subscribe(&self, topic: &str, queue: &str, attributes: Value) -> String {
        let endpoint = queue_arn(queue);
        let input = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint, "Attributes": attributes });
        let made = self.ask("Subscribe", input).await.unwrap();
        made["SubscriptionArn"].as_str().unwrap().to_owned()
    }

    /// The pushes that were handed on since the last look, with their bodies.
    fn pushes(&self) -> Vec<(Push, String)> {
        let messages = std::mem::take(&mut *self.kept.messages.lock().unwrap());
        let pushes = messages.iter().filter(|message| message.queue.starts_with("push/"));
        let read = |message: &Message| {
            let push = serde_json::from_slice(&message.head).unwrap();
            (push, String::from_utf8(message.body.to_vec()).unwrap())
        };
        pushes.map(read).collect()
    }
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", scope().region, scope().account)
}

#[tokio::test]
async fn queues_get_the_envelope_or_the_message_itself() {
    let place = Place::new(false).await;
    let topic = place.topic("t", json!({})).await;
    let dead = json!({ "deadLetterTargetArn": queue_arn("dead") }).to_string();
    place.subscribe(&topic, "wrapped", json!({ "RedrivePolicy": dead })).await;
    place.subscribe(&topic, "raw", json!({ "RawMessageDelivery": "true" })).await;
    place
        .ask(
            "Publish",
            json!({
                "TopicArn": topic, "Message": "hello", "Subject": "s", "MessageGroupId": "g",
                "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "7" } },
            }),
        )
        .await
        .unwrap();
    let mut pushes = place.pushes();
    pushes.sort_by_key(|(push, _)| push.target_arn.clone());
    let [(raw, raw_body), (wrapped, wrapped_body)] = pushes.as_slice() else { panic!("{pushes:?}") };
    assert_eq!((raw.target_arn.as_str(), raw_body.as_str()), (queue_arn("raw").as_str(), "hello"));
    let Content::Queue(QueueMessage { attributes, group_id, deduplication_id }) = &raw.content else { panic!() };
    assert_eq!((attributes.len(), attributes[0].name.as_str(), attributes[0].value.as_str()), (1, "n", "7"));
    assert_eq!((group_id.as_deref(), deduplication_id), (Some("g"), &None));
    let envelope: Value = serde_json::from_str(wrapped_body).unwrap();
    assert_eq!(
        (&envelope["Message"], &envelope["Subject"], &envelope["Type"]),
        (&json!("hello"), &json!("s"), &json!("Notification"))
    );
    assert_eq!(envelope["MessageAttributes"], json!({ "n": { "Type": "Number", "Value": "7" } }));
    assert!(
        envelope["UnsubscribeURL"].as_str().unwrap().starts_with("http://here/?Action=Unsubscribe&SubscriptionArn=arn")
    );
    assert_eq!(envelope["Timestamp"], "2023-11-14T22:13:20.000Z");
    assert_eq!((wrapped.policy.retries_max, wrapped.source.principal.as_str()), (100_015, "sns.amazonaws.com"));
    let letter = wrapped.dead_letter.as_ref().unwrap();
    assert_eq!((letter.queue_arn.as_str(), &letter.body), (queue_arn("dead").as_str(), &None));
    assert!(raw.dead_letter.is_none());
}

#[tokio::test]
async fn a_raw_message_with_more_attributes_than_a_queue_takes_is_dropped() {
    let place = Place::new(false).await;
    let topic = place.topic("t", json!({})).await;
    place.subscribe(&topic, "raw", json!({ "RawMessageDelivery": "true" })).await;
    let attributes: Value =
        (0..11).map(|n| (n.to_string(), json!({ "DataType": "String", "StringValue": "x" }))).collect();
    place.ask("Publish", json!({ "TopicArn": topic, "Message": "m", "MessageAttributes": attributes })).await.unwrap();
    assert_eq!(place.pushes(), []);
}

#[tokio::test]
async fn a_topic_that_keeps_an_order_gives_its_messages_to_queues_here_in_its_own_commit() {
    let place = Place::new(false).await;
    let queues = Arc::new(Queues::default());
    place.sns.deliver_to(Arc::clone(&queues) as _);
    let topic = place.topic("t.fifo", json!({ "FifoTopic": "true", "ContentBasedDeduplication": "true" })).await;
    place.subscribe(&topic, "q.fifo", json!({})).await;
    place.subscribe(&topic, "away.fifo", json!({})).await;
    let mut sequences = Vec::new();
    for message in ["1", "2", "1", "3"] {
        let input = json!({ "TopicArn": topic, "Message": message, "MessageGroupId": format!("g{message}") });
        sequences.push(place.ask("Publish", input).await.unwrap()["SequenceNumber"].as_str().unwrap().to_owned());
    }
    assert_eq!(sequences[0], sequences[2]);
    assert!(sequences[0] < sequences[1] && sequences[1] < sequences[3] && sequences[0].len() == 20);
    let groups: Vec<String> = queues.0.lock().unwrap().iter().map(|(_, group)| group.clone()).collect();
    assert_eq!(groups, ["g1", "g2", "g3"], "the third was a duplicate");
    let pushes = place.pushes();
    assert_eq!(pushes.len(), 3, "what a queue that is away could not take is tried later");
    assert!(pushes.iter().all(|(push, body)| push.target_arn == queue_arn("away.fifo") && !body.contains("Signature")));
    assert_eq!(place.store.store.metadata.list("taken/", None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_a_service_pushes_is_published_if_the_policy_says_so() {
    let place = Place::new(true).await;
    let topic = place.topic("t", json!({})).await;
    place.subscribe(&topic, "q", json!({})).await;
    let source = Source {
        principal: "events.amazonaws.com".to_owned(),
        arn: "arn:aws:events:eu-west-1:1:rule/r".to_owned(),
        scope: scope(),
    };
    let push = Push {
        source,
        target_arn: topic.clone(),
        role_arn: None,
        content: Content::Topic(TopicMessage { subject: Some("s".to_owned()), ..TopicMessage::default() }),
        policy: tindra_core::push::PushPolicy::default(),
        dead_letter: None,
        trace_id: Some("Root=1".to_owned()),
        at_ms: 0,
        attempts: 0,
        last_error: None,
    };
    let (id, body) = (Uuid::now_v7(), Bytes::from_static(b"event"));
    let refused = place.sns.receive(&push, id, &body).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.is_final), ("NO_PERMISSIONS", true));
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "sns:Publish", "Resource": topic,
        "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:events:*:1:rule/*" } },
    }] });
    let set = json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string() });
    place.ask("SetTopicAttributes", set).await.unwrap();
    let received = place.sns.receive(&push, id, &body).await.unwrap();
    let push_on: Push = serde_json::from_slice(&received.messages[0].head).unwrap();
    let envelope: Value = serde_json::from_slice(&received.messages[0].body).unwrap();
    assert_eq!(
        (&envelope["MessageId"], &envelope["Message"], &envelope["Subject"]),
        (&json!(id.to_string()), &json!("event"), &json!("s"))
    );
    assert_eq!((push_on.trace_id.as_deref(), push_on.source.arn.as_str()), (Some("Root=1"), topic.as_str()));
    let absent = Push { target_arn: format!("{topic}x"), ..push };
    assert_eq!(place.sns.receive(&absent, id, &body).await.unwrap_err().code, "NO_RESOURCE");
}

#[tokio::test]
async fn messages_that_were_taken_are_forgotten_by_their_alarms() {
    let place = Place::new(false).await;
    let topic = place.topic("t.fifo", json!({ "FifoTopic": "true" })).await;
    let input = json!({ "TopicArn": topic, "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d" });
    place.ask("Publish", input).await.unwrap();
    let alarm = place.kept.messages.lock().unwrap().pop().unwrap();
    assert!(alarm.queue.starts_with(ALARMS) && alarm.due_ms == 1_700_000_300_000);
    assert!(place.sns.ring(&alarm).await.batch.changes.is_empty(), "it rings too early");
    place.time.0.advance(Duration::from_secs(300));
    let rung = place.sns.ring(&alarm).await;
    assert_eq!((rung.batch.changes.len(), rung.again), (1, None));
    place.store.store.metadata.commit(rung.batch).await.unwrap();
    assert_eq!(place.store.store.metadata.list("sns/seen/", None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn publications_with_one_id_at_once_are_one() {
    let place = Place::new(false).await;
    let topic = place.topic("t.fifo", json!({ "FifoTopic": "true" })).await;
    place.subscribe(&topic, "q.fifo", json!({})).await;
    let input = json!({ "TopicArn": topic, "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d" });
    let publish = || async { place.ask("Publish", input.clone()).await.unwrap()["MessageId"].clone() };
    let (a, b, c, d) = tokio::join!(publish(), publish(), publish(), publish());
    assert!(a == b && b == c && c == d);
    assert_eq!(place.pushes().len(), 1);
}
