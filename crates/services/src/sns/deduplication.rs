//! Messages of topics that keep an order are taken once in five minutes: what was taken is a record until an alarm of its own
//! removes it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tindra_core::clock::UnixMs;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Message as Queued, Precondition, Versioned};

use super::SnsService;
use super::error::failure;
use super::message::Message;
use super::publish::{Intake, Published};
use super::records::Topic;
use crate::outbox::{Rung, alarm};

/// What the keys of messages that were taken begin with, and the queue of their alarms.
pub(super) const SEEN: &str = "sns/seen/";
const INTERVAL_MS: u64 = 5 * 60 * 1_000;

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    message_id: String,
    sequence: String,
    until_ms: UnixMs,
}

impl Seen {
    /// Of a message with its ids: unique in the topic, or in the group where the topic says so.
    pub(super) fn key(topic: &Topic, message: &Message) -> String {
        let is_of_group = topic.attribute("FifoThroughputScope") == Some("MessageGroup");
        let group = message.group_id.as_deref().filter(|_| is_of_group).unwrap_or_default();
        let id = message.deduplication_id.as_deref().unwrap_or_default();
        format!("{SEEN}{}/{}", topic.id, hash(&format!("{group}\n{id}")))
    }

    pub(super) fn published(&self) -> Published {
        Published { message_id: self.message_id.clone(), sequence: Some(self.sequence.clone()) }
    }
}

/// The id that was given, or where the topic says so the hash of the body.
pub(super) fn deduplication_id(topic: &Topic, message: &Message) -> Option<String> {
    let of_content = || topic.is_set("ContentBasedDeduplication").then(|| hash(&message.body));
    message.deduplication_id.clone().or_else(of_content)
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SnsService {
    /// The message that was taken under a key and still counts, and what must hold for the next one to be written.
    pub(super) async fn seen(&self, key: &str, now_ms: UnixMs) -> Result<(Option<Seen>, Precondition), ApiError> {
        let record = self.around().store.metadata.get_json::<Seen>(key).await;
        Ok(match record.map_err(|error| failure(&error))? {
            None => (None, Precondition::Absent),
            Some(Versioned { value, .. }) if value.until_ms > now_ms => (Some(value), Precondition::None),
            Some(Versioned { revision, .. }) => (None, Precondition::Revision(revision)),
        })
    }

    /// Adds that a message was taken.
    pub(super) fn remember(
        &self,
        key: &str,
        published: &Published,
        precondition: Precondition,
        now_ms: UnixMs,
        intake: &mut Intake,
    ) -> Result<(), ApiError> {
        let until_ms = now_ms + INTERVAL_MS;
        let sequence = published.sequence.clone().unwrap_or_default();
        let seen = Seen { message_id: published.message_id.clone(), sequence, until_ms };
        let batch = std::mem::take(&mut intake.batch);
        intake.batch = batch.put_json(key, precondition, &seen).map_err(|error| failure(&error))?;
        intake.messages.push(alarm(SEEN.to_owned(), until_ms, key.to_owned(), Bytes::new(), now_ms));
        Ok(())
    }

    /// Forgets a message whose time is over.
    pub(super) async fn forget_seen(&self, alarm: &Queued) -> Rung {
        let key = String::from_utf8_lossy(&alarm.head).into_owned();
        let now_ms = self.around().timer.unix_ms();
        match self.around().store.metadata.get_json::<Seen>(&key).await {
            Ok(Some(Versioned { value, revision, .. })) if value.until_ms <= now_ms => {
                Rung { batch: Batch::default().delete(key, Precondition::Revision(revision)), ..Rung::default() }
            }
            Ok(_) => Rung::default(),
            Err(_) => Rung { again: Some((now_ms + 60_000, alarm.head.clone())), ..Rung::default() },
        }
    }
}
