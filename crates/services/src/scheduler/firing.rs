//! Firing: what a schedule pushes when its time has come.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::push::{
    Attribute, Content, DeadLetter, Push, PushPolicy, QueueMessage, Source, StreamRecord, TopicMessage,
};
use tindra_store::{Batch, BoxFuture, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::SchedulerService;
use super::calls::Called;
use super::records::Schedule;
use super::target::Sort;
use crate::instant;
use crate::outbox::{Alarms, Rung, alarm, push_message};

/// What the names of the queues of alarms begin with.
pub const ALARM_PREFIX: &str = "schedule/";
/// The principal in policies, and the source of schedules' own events.
const PRINCIPAL: &str = "scheduler.amazonaws.com";
const SOURCE: &str = "aws.scheduler";
/// Wait after the store failed.
const RETRY_AFTER_MS: u64 = 1_000;

/// An alarm's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Alarm {
    /// A schedule fires.
    Fire(Due),
    /// The schedules of a group go, and then the group.
    DeleteGroup { scope: Scope, name: String, id: Uuid },
}

/// A firing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) scope: Scope,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) generation: Uuid,
    /// When it is by the schedule; a flexible time window makes it later.
    pub(super) at_ms: UnixMs,
}

impl Alarm {
    pub(super) fn head(&self) -> Bytes {
        // Texts and numbers: there is nothing in it that cannot be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn message(&self, scope: &Scope, due_ms: UnixMs, now_ms: UnixMs) -> Message {
        let queue = format!("{ALARM_PREFIX}{}/{}", scope.account, scope.region);
        alarm(queue, due_ms, self.head(), Bytes::new(), now_ms)
    }
}

impl Schedule {
    /// The alarm of its next firing from now on; none when there is none.
    pub(super) fn first_alarm(&self, now_ms: UnixMs) -> Option<Message> {
        let at_ms = self.plan.next_from(now_ms).filter(|_| self.is_enabled)?;
        let due = Due {
            scope: self.scope.clone(),
            group: self.group.clone(),
            name: self.name.clone(),
            generation: self.generation,
            at_ms,
        };
        Some(Alarm::Fire(due).message(&self.scope, self.plan.moment(at_ms), now_ms))
    }
}

impl Alarms for SchedulerService {
    fn ring<'a>(&'a self, alarm: &'a Message) -> BoxFuture<'a, Rung> {
        Box::pin(async move {
            let rung = match serde_json::from_slice(&alarm.head) {
                Ok(Alarm::Fire(due)) => self.fire(due).await,
                Ok(Alarm::DeleteGroup { scope, name, id }) => self.delete_on(&scope, &name, id, &alarm.head).await,
                Err(error) => {
                    let (id, reason) = (alarm.id, error.to_string());
                    tracing::error!(%id, reason, "an alarm cannot be understood; was it written by a newer tindra? It stays");
                    let due_ms = self.now_ms().saturating_add(60 * RETRY_AFTER_MS);
                    Ok(Rung { again: Some((due_ms, alarm.head.clone())), ..Rung::default() })
                }
            };
            rung.unwrap_or_else(|error| {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, queue = alarm.queue, "a schedule could not be worked on; trying again");
                let due_ms = self.now_ms().saturating_add(RETRY_AFTER_MS);
                Rung { again: Some((due_ms, alarm.head.clone())), ..Rung::default() }
            })
        })
    }
}

impl SchedulerService {
    async fn fire(&self, due: Due) -> Result<Rung, StoreError> {
        let key = Schedule::key_of(&due.scope, &due.group, &due.name);
        let record: Option<Versioned<Schedule>> = self.around.store.metadata.get_json(&key).await?;
        let Some(record) = record.filter(|record| record.value.generation == due.generation) else {
            return Ok(Rung::default());
        };
        let (schedule, now_ms) = (record.value, self.now_ms());
        let messages = vec![message(&schedule, due.at_ms, now_ms)];
        let next_ms = schedule.plan.next_after(due.at_ms, now_ms);
        let guard = Precondition::Revision(record.revision);
        let batch = match next_ms {
            None if schedule.is_deleted_after => Batch::default().delete(key, guard),
            _ => Batch::default().put_json(key, guard, &schedule)?,
        };
        let again = next_ms.map(|at_ms| (schedule.plan.moment(at_ms), Alarm::Fire(Due { at_ms, ..due }).head()));
        Ok(Rung { batch, messages, again })
    }
}

/// What a firing pushes.
fn message(schedule: &Schedule, at_ms: UnixMs, now_ms: UnixMs) -> Message {
    let execution = Uuid::new_v4().to_string();
    let (target, arn) = (&schedule.target, schedule.arn());
    let fill = |input: &String| {
        let input = input.replace("<aws.scheduler.schedule-arn>", &arn);
        let input = input.replace("<aws.scheduler.scheduled-time>", &instant::to_text(at_ms));
        // The number of the attempt is told at each attempt.
        input.replace("<aws.scheduler.execution-id>", &execution)
    };
    let input = target.input.as_ref().map(fill);
    let Called { target_arn, content, body } = called(schedule, input, at_ms);
    let policy = PushPolicy {
        retries_max: target.retry_policy.maximum_retry_attempts,
        age_ms_max: target.retry_policy.maximum_event_age_in_seconds * 1_000,
        ..PushPolicy::default()
    };
    let push = Push {
        source: Source { principal: PRINCIPAL.to_owned(), arn: arn.clone(), scope: schedule.scope.clone() },
        target_arn,
        role_arn: Some(target.role_arn.clone()),
        content,
        policy,
        dead_letter: dead_letter(schedule, &arn, at_ms, &execution),
        trace_id: None,
        at_ms: now_ms,
        attempts: 0,
        last_error: None,
    };
    push_message(&push, body.into(), now_ms)
}

fn called(schedule: &Schedule, input: Option<String>, at_ms: UnixMs) -> Called {
    let target = &schedule.target;
    let to = |content, body| Called { target_arn: target.arn.clone(), content, body };
    let own = |input: Option<String>| input.unwrap_or_else(|| event(schedule, at_ms).to_string());
    match Sort::of(&target.arn) {
        Ok(Sort::Queue) => {
            let group_id = target.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.clone());
            to(Content::Queue(QueueMessage { group_id, ..QueueMessage::default() }), own(input))
        }
        Ok(Sort::Stream) => {
            let partition_key = target.kinesis_parameters.as_ref().map(|parameters| parameters.partition_key.clone());
            let record = StreamRecord { partition_key: partition_key.unwrap_or_else(|| schedule.name.clone()) };
            to(Content::Stream(record), own(input))
        }
        Ok(Sort::Topic) => to(Content::Topic(TopicMessage::default()), own(input)),
        Ok(Sort::Bus) => {
            let mut event = event(schedule, at_ms);
            let detail = input.and_then(|input| serde_json::from_str(&input).ok());
            event["detail"] = detail.unwrap_or_else(|| json!({}));
            if let Some(parameters) = &target.event_bridge_parameters {
                event["detail-type"] = parameters.detail_type.as_str().into();
                event["source"] = parameters.source.as_str().into();
            }
            to(Content::Bus, event.to_string())
        }
        Ok(Sort::Universal(call)) => {
            // It was read when the target was checked; what was filled in may have made it another.
            let read = call.read(input.as_deref().unwrap_or("{}"), &schedule.scope);
            read.unwrap_or_else(|_| to(Content::Function, own(input)))
        }
        // It was read when the schedule was made.
        Ok(Sort::Function) | Err(_) => to(Content::Function, own(input)),
    }
}

/// What a target gets that has no input, as AWS sends it: `detail` is a text.
fn event(schedule: &Schedule, at_ms: UnixMs) -> Value {
    let Scope { account, region } = &schedule.scope;
    json!({
        "version": "0", "id": Uuid::new_v4().to_string(), "detail-type": "Scheduled Event", "source": SOURCE,
        "account": account, "time": instant::to_text(at_ms), "region": region,
        "resources": [schedule.arn()], "detail": "{}",
    })
}

fn dead_letter(schedule: &Schedule, arn: &str, at_ms: UnixMs, execution: &str) -> Option<DeadLetter> {
    let queue_arn = schedule.target.dead_letter_config.as_ref()?.arn.clone()?;
    let attributes = vec![
        Attribute::string("EXECUTION_ID", execution),
        Attribute::string("IS_PAYLOAD_TRUNCATED", "false"),
        Attribute::string("SCHEDULED_TIME", instant::to_text(at_ms)),
        Attribute::string("SCHEDULE_ARN", arn),
        Attribute::string("TARGET_ARN", schedule.target.arn.as_str()),
    ];
    let message = QueueMessage { attributes, ..QueueMessage::default() };
    Some(DeadLetter { queue_arn, body: None, message, tells_why: true })
}
