//! What of EventBridge waits for its time: schedules of rules, events for archives, replays, and the end of what archives keep.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{BoxFuture, Message, StoreError};
use uuid::Uuid;

use super::EventBridgeService;
use super::timers::Due;
use crate::outbox::{Alarms, Rung, alarm};

/// What the names of the queues of alarms begin with.
pub const ALARM_PREFIX: &str = "eventbridge/";
/// Wait after the store failed.
const RETRY_AFTER_MS: u64 = 1_000;

/// An alarm's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Alarm {
    /// A rule fires.
    Rule(Due),
    /// The body, an [`super::records::Archived`], is for an archive.
    Archive(Named),
    /// What an archive does not keep any more goes.
    Trim(Named),
    /// A replay goes on.
    Replay(Named),
}

/// One archive or replay; another with the same name has another id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) scope: Scope,
    pub(super) name: String,
    pub(super) id: Uuid,
}

impl Alarm {
    pub(super) fn head(&self) -> Bytes {
        // Texts and numbers: there is nothing in it that cannot be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn message(&self, scope: &Scope, due_ms: UnixMs, now_ms: UnixMs) -> Message {
        self.with_body(scope, Bytes::new(), due_ms, now_ms)
    }

    pub(super) fn with_body(&self, scope: &Scope, body: Bytes, due_ms: UnixMs, now_ms: UnixMs) -> Message {
        let lane = match self {
            Self::Rule(_) => "rules".to_owned(),
            Self::Archive(archive) => format!("archive/{}", archive.id),
            Self::Trim(_) => "archives".to_owned(),
            Self::Replay(replay) => format!("replay/{}", replay.id),
        };
        let queue = format!("{ALARM_PREFIX}{}/{}/{lane}", scope.account, scope.region);
        alarm(queue, due_ms, self.head(), body, now_ms)
    }
}

impl Alarms for EventBridgeService {
    fn ring<'a>(&'a self, alarm: &'a Message) -> BoxFuture<'a, Rung> {
        Box::pin(async move {
            match self.rung(alarm).await {
                Ok(rung) => rung,
                Err(error) => {
                    let queue = &alarm.queue;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, queue, "an alarm of EventBridge could not be worked on; trying again");
                    let due_ms = self.now_ms().saturating_add(RETRY_AFTER_MS);
                    Rung { again: Some((due_ms, alarm.head.clone())), ..Rung::default() }
                }
            }
        })
    }
}

impl EventBridgeService {
    async fn rung(&self, message: &Message) -> Result<Rung, StoreError> {
        let alarm = match serde_json::from_slice(&message.head) {
            Ok(alarm) => alarm,
            Err(error) => {
                let (id, reason) = (message.id, error.to_string());
                tracing::error!(%id, reason, "an alarm cannot be understood; was it written by a newer tindra? It stays");
                let due_ms = self.now_ms().saturating_add(60 * RETRY_AFTER_MS);
                return Ok(Rung { again: Some((due_ms, message.head.clone())), ..Rung::default() });
            }
        };
        match alarm {
            Alarm::Rule(due) => self.fire(&due).await,
            Alarm::Archive(archive) => self.take_into(&archive, &message.body).await,
            Alarm::Trim(archive) => self.trim(&archive).await,
            Alarm::Replay(replay) => self.replay_on(&replay).await,
        }
    }
}
