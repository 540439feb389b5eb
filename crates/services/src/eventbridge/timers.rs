//! Rules that fire by the clock.
//!
//! Each has an alarm. Its head names a generation, which the timer's record has, too: changing, disabling or deleting the rule
//! writes another record or none, and an alarm of an older generation ends for good. What a firing pushes, and when the next
//! one is, are one commit, which the timer's record guards.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tindra_core::clock::UnixMs;
use tindra_core::schedule::{Schedule, Zone};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::EventBridgeService;
use super::alarms::Alarm;
use super::change::Beside;
use super::event::Event;
use super::names::BusName;
use super::records::Rule;
use crate::instant;
use crate::outbox::Rung;

/// Keys of timers.
const TIMER_PREFIX: &str = "eventbridge/timer/";
/// Source and kind of the events of schedules.
const SOURCE: &str = "aws.events";
const DETAIL_TYPE: &str = "Scheduled Event";

/// Which alarm of a rule is the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    generation: Uuid,
    /// Paces are counted from there.
    started_ms: UnixMs,
}

/// The alarm's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    bus: BusName,
    rule: String,
    generation: Uuid,
    /// When it fires by its schedule.
    at_ms: UnixMs,
}

pub(super) fn timer_key(rule: &Rule) -> String {
    let BusName { scope, name } = &rule.bus;
    format!("{TIMER_PREFIX}{}/{}/{name}/{}", scope.account, scope.region, rule.name)
}

/// The first firing after a moment; none when there is none.
fn next_after(rule: &Rule, after_ms: UnixMs, started_ms: UnixMs) -> Option<UnixMs> {
    // It was read when the rule was put.
    let schedule = Schedule::parse(rule.schedule.as_deref()?).ok()?;
    schedule.next_after(after_ms, started_ms, &Zone::utc())
}

impl EventBridgeService {
    /// What is written with a rule, so that it fires from now on as it is to, and no more as it did before.
    pub(super) fn timed(&self, before: Option<&Rule>, rule: &Rule) -> Beside {
        let timing = |rule: &Rule| rule.schedule.clone().filter(|_| rule.is_enabled);
        let (was, is) = (before.and_then(timing), timing(rule));
        if was == is {
            return Beside::default();
        }
        let key = timer_key(rule);
        let now_ms = self.now_ms();
        let stopped = || Beside { batch: Batch::default().delete(&*key, Precondition::None), messages: Vec::new() };
        let timer = Timer { generation: Uuid::now_v7(), started_ms: now_ms };
        let next_ms = is.and_then(|_| next_after(rule, now_ms, now_ms));
        let Some(at_ms) = next_ms else { return stopped() };
        let due = Due { bus: rule.bus.clone(), rule: rule.name.clone(), generation: timer.generation, at_ms };
        // Two short texts and a number.
        let Ok(batch) = Batch::default().put_json(&*key, Precondition::None, &timer) else { return stopped() };
        Beside { batch, messages: vec![Alarm::Rule(due).message(&rule.bus.scope, at_ms, now_ms)] }
    }

    /// A rule's time has come.
    pub(super) async fn fire(&self, due: &Due) -> Result<Rung, StoreError> {
        let rule: Option<Versioned<Rule>> = self.around.store.metadata.get_json(&due.bus.rule_key(&due.rule)).await?;
        let Some(rule) = rule.map(|rule| rule.value) else { return Ok(Rung::default()) };
        let key = timer_key(&rule);
        let timer: Option<Versioned<Timer>> = self.around.store.metadata.get_json(&key).await?;
        let Some(timer) = timer.filter(|timer| timer.value.generation == due.generation) else {
            return Ok(Rung::default());
        };
        let now_ms = self.now_ms();
        let messages = self.messages_for(&rule, &scheduled(&rule, due.at_ms, now_ms)).await?;
        // What was missed while nobody was there is not caught up with.
        let next_ms = next_after(&rule, due.at_ms.max(now_ms), timer.value.started_ms);
        let batch = Batch::default().put_json(key, Precondition::Revision(timer.revision), &timer.value)?;
        let again = next_ms.map(|at_ms| (at_ms, Alarm::Rule(Due { at_ms, ..due.clone() }).head()));
        Ok(Rung { batch, messages, again })
    }
}

fn scheduled(rule: &Rule, at_ms: UnixMs, now_ms: UnixMs) -> Event {
    let scope = &rule.bus.scope;
    Event::new(
        json!({
            "version": "0", "id": Uuid::new_v4().to_string(), "detail-type": DETAIL_TYPE, "source": SOURCE,
            "account": scope.account, "time": instant::to_text(at_ms), "region": scope.region,
            "resources": [rule.arn()], "detail": {},
        }),
        now_ms,
    )
}
