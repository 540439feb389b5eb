//! What the readers of shards are doing, for whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::stream::{ShardPosition, ShardWork};
use uuid::Uuid;

type Shards = Arc<Mutex<HashMap<(Uuid, String), ShardSeen>>>;

/// All shards that are read here.
#[derive(Clone, Debug, Default)]
pub(super) struct AllSeen(Shards);

/// What a reader does with its function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Doing {
    /// It reads, and hands on what it has read.
    #[default]
    Reading,
    /// A batch is tried again.
    Retrying {
        /// Since when.
        since_ms: UnixMs,
        /// Why.
        reason: String,
    },
}

/// A shard as its reader sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardSeen {
    /// How old the next record is, as the source tells.
    pub(super) behind_ms: Option<u64>,
    /// When the last record that was read was written.
    pub(super) arrival_ms: Option<UnixMs>,
    /// Since when the source cannot be read, and why.
    pub(super) source_fails: Option<(UnixMs, String)>,
    pub(super) doing: Doing,
    /// Up to where its records are done, where that is durable elsewhere, and when the last of them was written.
    pub(super) done: Option<(ShardPosition, Option<UnixMs>)>,
}

/// The place of one reader, which is empty again when it ends.
#[derive(Debug)]
pub(super) struct Seen {
    shards: Shards,
    key: (Uuid, String),
}

impl AllSeen {
    pub(super) fn enter(&self, mapping: Uuid, shard_id: &str) -> Seen {
        let key = (mapping, shard_id.to_owned());
        lock(&self.0).insert(key.clone(), ShardSeen::default());
        Seen { shards: Arc::clone(&self.0), key }
    }

    /// Whether the reader of a shard tries a batch again.
    pub(super) fn is_retrying(&self, mapping: Uuid, shard_id: &str) -> bool {
        self.of(mapping, shard_id).is_some_and(|seen| seen.doing != Doing::Reading)
    }

    pub(super) fn of(&self, mapping: Uuid, shard_id: &str) -> Option<ShardSeen> {
        lock(&self.0).get(&(mapping, shard_id.to_owned())).cloned()
    }
}

impl Seen {
    pub(super) fn read(&self, arrival_ms: Option<UnixMs>, behind_ms: Option<u64>) {
        self.change(|seen| {
            seen.arrival_ms = arrival_ms.or(seen.arrival_ms);
            seen.behind_ms = behind_ms;
        });
    }

    pub(super) fn fails_to_read(&self, now_ms: UnixMs, reason: &str) {
        self.change(|seen| {
            let since_ms = seen.source_fails.as_ref().map_or(now_ms, |(since_ms, _)| *since_ms);
            seen.source_fails = Some((since_ms, reason.to_owned()));
        });
    }

    pub(super) fn reads_again(&self) {
        self.change(|seen| seen.source_fails = None);
    }

    /// Notes whether a batch is tried again.
    pub(super) fn follows(&self, work: &ShardWork) {
        let doing = work.retrying().map_or(Doing::Reading, |retrying| Doing::Retrying {
            since_ms: retrying.since_ms,
            reason: retrying.reason.clone(),
        });
        self.change(|seen| seen.doing = doing);
    }

    /// The source keeps the position, which is here now.
    pub(super) fn is_done_to(&self, position: &ShardPosition, arrival_ms: Option<UnixMs>) {
        self.change(|seen| seen.done = Some((position.clone(), arrival_ms)));
    }

    /// Whether another shard of the mapping is retrying.
    pub(super) fn is_other_retrying(&self) -> bool {
        let is_other = |key: &(Uuid, String)| key.0 == self.key.0 && key.1 != self.key.1;
        let is_retrying = |seen: &ShardSeen| seen.doing != Doing::Reading || seen.source_fails.is_some();
        lock(&self.shards).iter().any(|(key, seen)| is_other(key) && is_retrying(seen))
    }

    fn change(&self, change: impl FnOnce(&mut ShardSeen)) {
        change(lock(&self.shards).entry(self.key.clone()).or_default());
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        lock(&self.shards).remove(&self.key);
    }
}

fn lock<T>(shards: &Mutex<T>) -> MutexGuard<'_, T> {
    shards.lock().unwrap_or_else(PoisonError::into_inner)
}
