//! What is durable of a shard.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{EventSourceMapping, StartingPosition};
use super::OpenWindow;
use crate::clock::UnixMs;
use crate::function::Scope;

/// What the keys of the records of shards begin with.
const SHARD_PREFIX: &str = "event-source-shard/";

/// From where on the records of a shard are not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardPosition {
    /// The oldest record that there is.
    TrimHorizon,
    /// What came after the mapping began to listen.
    Latest {
        /// When that was.
        since_ms: UnixMs,
    },
    /// The first record from a time on.
    AtTimestamp(UnixMs),
    /// The record after the one with this sequence number, which is done like all before it.
    After(String),
}

impl ShardPosition {
    /// Where a shard begins that was there when its mapping was.
    #[must_use]
    pub fn starting(position: Option<StartingPosition>, now_ms: UnixMs) -> Self {
        match position {
            Some(StartingPosition::Latest) => Self::Latest { since_ms: now_ms },
            Some(StartingPosition::AtTimestamp(unix_ms)) => Self::AtTimestamp(unix_ms),
            Some(StartingPosition::TrimHorizon) | None => Self::TrimHorizon,
        }
    }
}

/// A shard of a mapping's source as the store keeps it. Whoever reads the shard holds the record's lease and writes it only on
/// the condition that nobody else has since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// The shard.
    pub shard_id: String,
    /// The shards that it came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// From where on its records are not done.
    pub position: ShardPosition,
    /// When the record at the position was written to the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_ms: Option<UnixMs>,
    /// The tumbling window that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<OpenWindow>,
    /// Every record is done, and there will be no more.
    #[serde(default)]
    pub is_ended: bool,
    /// Which poller reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Uuid>,
    /// How often it was taken by a poller: another number for each lease.
    #[serde(default)]
    pub epoch: u64,
    /// Until when the lease holds if nothing is heard of its owner.
    #[serde(default)]
    pub held_until_ms: UnixMs,
}

impl ShardRecord {
    /// A shard that nobody has read yet.
    #[must_use]
    pub fn new(shard_id: String, parents: Vec<String>, position: ShardPosition) -> Self {
        Self {
            shard_id,
            parents,
            position,
            arrival_ms: None,
            window: None,
            is_ended: false,
            owner: None,
            epoch: 0,
            held_until_ms: 0,
        }
    }

    /// Whether a poller may take it: nobody holds it, or who held it is silent for longer than the lease.
    #[must_use]
    pub fn is_free(&self, now_ms: UnixMs) -> bool {
        self.owner.is_none() || self.held_until_ms <= now_ms
    }

    /// The same in the hands of a poller.
    #[must_use]
    pub fn taken(&self, owner: Uuid, held_until_ms: UnixMs) -> Self {
        Self { owner: Some(owner), epoch: self.epoch.saturating_add(1), held_until_ms, ..self.clone() }
    }
}

impl EventSourceMapping {
    /// The prefix of the keys of its shards' records.
    #[must_use]
    pub fn shard_prefix(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("{SHARD_PREFIX}{account}/{region}/{}/", self.uuid)
    }

    /// The key of a shard's record.
    #[must_use]
    pub fn shard_key(&self, shard_id: &str) -> String {
        format!("{}{shard_id}", self.shard_prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_free_when_nobody_holds_it_or_the_lease_has_lapsed() {
        let record = ShardRecord::new("s".to_owned(), Vec::new(), ShardPosition::TrimHorizon);
        assert!(record.is_free(0));
        let taken = record.taken(Uuid::from_u128(1), 100);
        assert!(!taken.is_free(99) && taken.is_free(100));
        let again = taken.taken(Uuid::from_u128(2), 200);
        assert_eq!((again.epoch, again.owner), (2, Some(Uuid::from_u128(2))));
        let text = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<ShardRecord>(&text).unwrap(), again);
    }
}
