//! The service over a real store, with a clock that a test holds: what its alarms do, and what they leave.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::push::{Content, Push, PushError, Source};
use tindra_store::Message;
use uuid::Uuid;

use super::*;
use crate::iam::Identity;
use crate::outbox::Alarms as _;
use crate::receive::{Receive as _, Received};
use crate::test_surroundings::{Ground, START_MS, scope};

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";

async fn call(service: &EventBridgeService, operation: &str, input: Value) -> Result<Value, EventsError> {
    let (scope, identity) = (scope(), Identity::root("123456789012"));
    let asker =
        Asker { scope: &scope, identity: &identity, endpoint: "http://localhost", request_id: "r", trace_id: None };
    service.answer(asker, operation, input).await
}

async fn answered(service: &EventBridgeService, operation: &str, input: Value) -> Value {
    call(service, operation, input).await.unwrap()
}

async fn started(ground: &Ground) -> EventBridgeService {
    EventBridgeService::start(ground.surroundings()).await.unwrap()
}

fn pushes(messages: &[Message]) -> Vec<(Push, Value)> {
    let pushes = messages.iter().filter(|message| message.queue.starts_with("push/"));
    let read = |message: &Message| {
        (serde_json::from_slice(&message.head).unwrap(), serde_json::from_slice(&message.body).unwrap_or_default())
    };
    pushes.map(read).collect()
}

#[tokio::test]
async fn a_firing_says_when_it_was_due_and_what_was_missed_is_missed() {
    let ground = Ground::new();
    let service = started(&ground).await;
    answered(&service, "PutRule", json!({"Name": "r", "ScheduleExpression": "rate(5 minutes)"})).await;
    answered(&service, "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": FUNCTION}]})).await;
    let [alarm] = &ground.taken()[..] else { panic!("one alarm") };
    assert_eq!(alarm.due_ms, START_MS + 300_000);
    // Nobody was there for an hour.
    ground.clock.advance(Duration::from_secs(3_601));
    let rung = service.ring(alarm).await;
    let [(push, event)] = &pushes(&rung.messages)[..] else { panic!("one push") };
    assert_eq!((push.target_arn.as_str(), &event["time"]), (FUNCTION, &json!("2025-01-01T12:05:00Z")));
    assert_eq!(rung.again.unwrap().0, START_MS + 3_900_000, "the pace goes on");
}

#[tokio::test]
async fn an_alarm_of_what_was_before_rings_in_vain() {
    let ground = Ground::new();
    let service = started(&ground).await;
    let rule = |schedule: &str| json!({"Name": "r", "ScheduleExpression": schedule});
    answered(&service, "PutRule", rule("rate(5 minutes)")).await;
    answered(&service, "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": FUNCTION}]})).await;
    let first = ground.taken().remove(0);
    answered(&service, "DisableRule", json!({"Name": "r"})).await;
    let rung = service.ring(&first).await;
    assert!(rung.messages.is_empty() && rung.again.is_none());
    answered(&service, "EnableRule", json!({"Name": "r"})).await;
    let second = ground.taken().remove(0);
    let rung = service.ring(&first).await;
    assert!(rung.messages.is_empty() && rung.again.is_none(), "that the rule is on again does not wake the old alarm");
    // A firing that was decided before the rule was changed is not written after it.
    let rung = service.ring(&second).await;
    assert_eq!(rung.messages.len(), 1);
    answered(&service, "PutRule", rule("rate(1 hour)")).await;
    assert!(ground.commit(rung.batch).await.is_err());
    answered(&service, "RemoveTargets", json!({"Rule": "r", "Ids": ["1"]})).await;
    answered(&service, "DeleteRule", json!({"Name": "r"})).await;
    let third = ground.taken().remove(0);
    let rung = service.ring(&third).await;
    assert!(rung.messages.is_empty() && rung.again.is_none());
}

#[tokio::test]
async fn everything_of_an_event_is_one_commit_and_known_after_a_restart() {
    let ground = Ground::new();
    let service = started(&ground).await;
    for (name, pattern) in [("a", r#"{"source": ["s"]}"#), ("b", r#"{"detail-type": [{"prefix": "t"}]}"#)] {
        answered(&service, "PutRule", json!({"Name": name, "EventPattern": pattern})).await;
        let targets = json!({"Rule": name, "Targets": [{"Id": "1", "Arn": FUNCTION}]});
        answered(&service, "PutTargets", targets).await;
    }
    drop(service);
    let service = started(&ground).await;
    let entry = json!({"Source": "s", "DetailType": "t", "Detail": "{}"});
    let commits = ground.commits();
    answered(&service, "PutEvents", json!({"Entries": [entry, entry]})).await;
    assert_eq!(ground.commits(), commits + 1);
    let rules: Vec<String> = pushes(&ground.taken()).into_iter().map(|(push, _)| push.source.arn).collect();
    let arn = |rule: &str| format!("arn:aws:events:eu-west-1:123456789012:rule/{rule}");
    assert_eq!(rules, [arn("a"), arn("b"), arn("a"), arn("b")]);
}

#[tokio::test]
async fn a_replay_is_made_of_steps_that_can_be_begun_again() {
    let ground = Ground::new();
    let service = started(&ground).await;
    let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/default";
    answered(&service, "CreateArchive", json!({"ArchiveName": "a", "EventSourceArn": bus})).await;
    ground.taken();
    for _ in 0..10 {
        let entry = json!({"Source": "s", "DetailType": "t", "Detail": "{}"});
        answered(&service, "PutEvents", json!({"Entries": vec![entry; 10]})).await;
        for alarm in ground.taken() {
            // What conflicts is begun again.
            while ground.commit(service.ring(&alarm).await.batch).await.is_err() {}
        }
    }
    answered(&service, "PutRule", json!({"Name": "r", "EventPattern": r#"{"source": ["s"]}"#})).await;
    answered(&service, "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": FUNCTION}]})).await;
    let start = json!({
        "ReplayName": "again", "EventSourceArn": "arn:aws:events:eu-west-1:123456789012:archive/a",
        "EventStartTime": 0, "EventEndTime": START_MS / 1_000 + 60, "Destination": {"Arn": bus},
    });
    answered(&service, "StartReplay", start).await;
    let alarm = ground.taken().remove(0);
    let mut ids = std::collections::BTreeSet::new();
    loop {
        // A step whose end was not written is made again, with the same events.
        let lost = service.ring(&alarm).await;
        let rung = service.ring(&alarm).await;
        let of = |messages: &[Message]| {
            pushes(messages).into_iter().map(|(_, event)| event["id"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&lost.messages), of(&rung.messages));
        for id in of(&rung.messages) {
            assert!(ids.insert(id), "an event is sent again once");
        }
        ground.commit(rung.batch).await.unwrap();
        if rung.again.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), 100);
    let shown = answered(&service, "DescribeReplay", json!({"ReplayName": "again"})).await;
    assert_eq!(shown["State"], "COMPLETED");
    let rung = service.ring(&alarm).await;
    assert!(rung.messages.is_empty() && rung.again.is_none());
}

async fn received(
    service: &EventBridgeService,
    account: &str,
    target: &str,
    body: Value,
) -> Result<Received, PushError> {
    let push = Push {
        source: Source {
            principal: "s3.amazonaws.com".to_owned(),
            arn: "arn:aws:s3:::bucket".to_owned(),
            scope: Scope { account: account.to_owned(), region: "eu-west-1".to_owned() },
        },
        target_arn: target.to_owned(),
        role_arn: None,
        content: Content::Bus,
        policy: tindra_core::push::PushPolicy::default(),
        dead_letter: None,
        trace_id: None,
        at_ms: START_MS,
        attempts: 0,
        last_error: None,
    };
    service.receive(&push, Uuid::nil(), &Bytes::from(body.to_string())).await
}

#[tokio::test]
async fn what_others_push_becomes_whole_and_policies_are_asked() {
    let ground = Ground::checked();
    let service = started(&ground).await;
    answered(&service, "PutRule", json!({"Name": "r", "EventPattern": r#"{"source": ["aws.s3"]}"#})).await;
    answered(&service, "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": FUNCTION}]})).await;
    let (own, other) = ("123456789012", "111111111111");
    let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/default";
    let body = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {"a": 1}});
    let got = received(&service, own, bus, body.clone()).await.unwrap();
    let [(_, event)] = &pushes(&got.messages)[..] else { panic!("one push") };
    assert_eq!((&event["id"], &event["version"]), (&json!(Uuid::nil().to_string()), &json!("0")));
    assert_eq!((&event["account"], &event["time"]), (&json!(own), &json!("2025-01-01T12:00:00Z")));
    let missing = format!("{bus}-not");
    assert_eq!(received(&service, own, &missing, body.clone()).await.unwrap_err().code, "NO_RESOURCE");
    assert_eq!(received(&service, own, bus, json!([1])).await.unwrap_err().code, "INVALID_JSON");
    assert_eq!(received(&service, other, bus, body.clone()).await.unwrap_err().code, "NO_PERMISSIONS");
    let permission = json!({"Action": "events:PutEvents", "Principal": other, "StatementId": "s"});
    answered(&service, "PutPermission", permission).await;
    assert_eq!(received(&service, other, bus, body).await.unwrap().messages.len(), 1);
}
