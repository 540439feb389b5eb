//! The service over a real store, with a clock that a test holds: what its alarms do, and what they leave.

use std::time::Duration;

use serde_json::{Value, json};
use tindra_core::push::Push;
use tindra_store::Message;

use super::*;
use crate::iam::Identity;
use crate::outbox::Alarms as _;
use crate::test_surroundings::{Ground, START_MS, scope};

const MINUTE_MS: u64 = 60_000;

async fn call(service: &SchedulerService, operation: &str, input: Value) -> Result<Value, SchedulerError> {
    let (scope, identity) = (scope(), Identity::root("123456789012"));
    let asker =
        Asker { scope: &scope, identity: &identity, endpoint: "http://localhost", request_id: "r", trace_id: None };
    service.answer(asker, operation, input).await
}

fn schedule(expression: &str, more: Value) -> Value {
    let mut members = json!({
        "Name": "s", "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "RoleArn": "arn:aws:iam::123456789012:role/r",
        },
    });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    members
}

fn due_of(alarm: &Message) -> u64 {
    alarm.due_ms - START_MS
}

fn time_of(message: &Message) -> Value {
    serde_json::from_slice::<Value>(&message.body).unwrap()["time"].clone()
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_once() {
    let ground = Ground::new();
    let service = SchedulerService::new(ground.surroundings());
    call(&service, "CreateSchedule", schedule("cron(0/10 * * * ? *)", json!({}))).await.unwrap();
    let [alarm] = &ground.taken()[..] else { panic!("one alarm") };
    assert_eq!(due_of(alarm), 0, "this minute is one of them");
    // Nobody was there for an hour and a bit.
    ground.clock.advance(Duration::from_secs(61 * 60));
    let rung = service.ring(alarm).await;
    assert_eq!(rung.messages.iter().map(time_of).collect::<Vec<_>>(), ["2025-01-01T12:00:00Z"]);
    assert_eq!(rung.again.unwrap().0, START_MS + 70 * MINUTE_MS);
}

#[tokio::test]
async fn the_moment_in_a_flexible_window_is_in_the_alarm_and_the_time_is_not() {
    let ground = Ground::new();
    let service = SchedulerService::new(ground.surroundings());
    let window = json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}});
    call(&service, "CreateSchedule", schedule("at(2025-01-01T13:00:00)", window)).await.unwrap();
    let [alarm] = &ground.taken()[..] else { panic!("one alarm") };
    assert!((60 * MINUTE_MS..90 * MINUTE_MS).contains(&due_of(alarm)), "{}", due_of(alarm));
    ground.clock.advance(Duration::from_millis(due_of(alarm)));
    let rung = service.ring(alarm).await;
    assert_eq!(time_of(&rung.messages[0]), "2025-01-01T13:00:00Z");
    assert!(rung.again.is_none());
    let push: Push = serde_json::from_slice(&rung.messages[0].head).unwrap();
    assert_eq!(push.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/r"));
}

#[tokio::test]
async fn an_alarm_of_what_was_before_rings_in_vain() {
    let ground = Ground::new();
    let service = SchedulerService::new(ground.surroundings());
    call(&service, "CreateSchedule", schedule("rate(1 hour)", json!({}))).await.unwrap();
    let first = ground.taken().remove(0);
    let decided = service.ring(&first).await;
    call(&service, "UpdateSchedule", schedule("rate(2 hours)", json!({}))).await.unwrap();
    assert!(ground.commit(decided.batch).await.is_err(), "what was decided before a change is not written after it");
    let rung = service.ring(&first).await;
    assert!(rung.messages.is_empty() && rung.again.is_none());
    let second = ground.taken().remove(0);
    assert_eq!(service.ring(&second).await.messages.len(), 1);
    call(&service, "UpdateSchedule", schedule("rate(2 hours)", json!({"State": "DISABLED"}))).await.unwrap();
    assert!(service.ring(&second).await.messages.is_empty() && ground.taken().is_empty());
    call(&service, "DeleteSchedule", json!({"Name": "s"})).await.unwrap();
    assert!(service.ring(&second).await.messages.is_empty());
}

#[tokio::test]
async fn a_schedule_that_is_complete_goes_with_its_last_firing() {
    let ground = Ground::new();
    let service = SchedulerService::new(ground.surroundings());
    let after = json!({"ActionAfterCompletion": "DELETE"});
    call(&service, "CreateSchedule", schedule("at(2025-01-01T13:00:00)", after)).await.unwrap();
    let alarm = ground.taken().remove(0);
    ground.clock.advance(Duration::from_secs(3_600));
    let rung = service.ring(&alarm).await;
    assert_eq!(rung.messages.len(), 1);
    assert!(call(&service, "GetSchedule", json!({"Name": "s"})).await.is_ok(), "until it is written");
    ground.commit(rung.batch).await.unwrap();
    let error = call(&service, "GetSchedule", json!({"Name": "s"})).await.unwrap_err();
    assert_eq!(error.code(), "ResourceNotFoundException");
    assert!(service.ring(&alarm).await.messages.is_empty(), "it is not fired again");
}

#[tokio::test]
async fn deleting_a_group_goes_on_until_its_last_schedule_has_gone() {
    let ground = Ground::new();
    let service = SchedulerService::new(ground.surroundings());
    call(&service, "CreateScheduleGroup", json!({"Name": "g"})).await.unwrap();
    for number in 0..230 {
        let more = json!({"Name": format!("s{number}"), "GroupName": "g"});
        call(&service, "CreateSchedule", schedule("rate(1 hour)", more)).await.unwrap();
    }
    let firings = ground.taken();
    call(&service, "DeleteScheduleGroup", json!({"Name": "g"})).await.unwrap();
    let error =
        call(&service, "CreateSchedule", schedule("rate(1 hour)", json!({"GroupName": "g"}))).await.unwrap_err();
    assert_eq!(error.code(), "ConflictException");
    let alarm = ground.taken().remove(0);
    let mut steps = 0;
    loop {
        let rung = service.ring(&alarm).await;
        ground.commit(rung.batch).await.unwrap();
        steps += 1;
        if rung.again.is_none() {
            break;
        }
    }
    assert_eq!(steps, 3);
    assert!(call(&service, "GetScheduleGroup", json!({"Name": "g"})).await.is_err());
    for firing in firings {
        assert!(service.ring(&firing).await.messages.is_empty());
    }
}
