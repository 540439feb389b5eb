//! Who reads a shard: a lease on its record, which is written only if nobody else has written it since.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::stream::ShardRecord;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::Tools;
use super::peers::Peers;

/// How long a poller of a store that several servers share may keep silent.
const TERM_MS: u64 = 30_000;
/// How often it says that it is there when it has nothing else to write.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(10);
/// Wait after the store failed, in real time.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The pollers of this process, by the names under which they hold shards.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<HashSet<Uuid>>);

impl Owners {
    /// A name for a new one.
    pub(super) fn enter(&self) -> Uuid {
        let owner = Uuid::new_v4();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(owner);
        owner
    }

    /// It has ended.
    pub(super) fn leave(&self, owner: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    }

    pub(super) fn has(&self, owner: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&owner)
    }
}

/// Somebody else has the shard now, or its mapping has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// The right to move the position of a shard.
#[derive(Debug)]
pub(super) struct Lease {
    tools: Tools,
    key: String,
    pub(super) record: ShardRecord,
    revision: u64,
}

/// Whether a poller may take a shard. In a store that is this process's alone, whoever is not at work here has died; otherwise the
/// others tell, and where nothing is known of the owner the time of its lease.
pub(super) fn is_free(tools: &Tools, peers: Option<&Peers>, record: &ShardRecord) -> bool {
    let Some(owner) = record.owner else { return true };
    if tools.owners.has(owner) {
        return false;
    }
    let Some(peers) = peers else { return true };
    peers.is_live(owner).map_or_else(|| record.is_free(tools.real.unix_ms()), |is_live| !is_live)
}

impl Lease {
    /// Takes a shard; none when somebody else was faster.
    pub(super) async fn take(
        tools: &Tools,
        known: &Versioned<ShardRecord>,
        owner: Uuid,
    ) -> Result<Option<Self>, StoreError> {
        let record = known.value.taken(owner, held_until_ms(tools));
        let batch = Batch::default().put_json(&known.key, Precondition::Revision(known.revision), &record)?;
        match tools.store.metadata.commit(batch).await {
            Ok(revision) => Ok(Some(Self { tools: tools.clone(), key: known.key.clone(), record, revision })),
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the record, and messages with it, until it is written or the lease is lost.
    pub(super) async fn write(&mut self, messages: Vec<Message>) -> Result<(), Lost> {
        loop {
            if self.record.owner.is_some() {
                self.record.held_until_ms = held_until_ms(&self.tools);
            }
            let batch = Batch::default();
            let written = match batch.put_json(&self.key, Precondition::Revision(self.revision), &self.record) {
                Ok(batch) => self.tools.outbox.commit(batch, messages.clone()).await,
                Err(error) => Err(error),
            };
            let error = match written {
                Ok(revision) => {
                    self.revision = revision;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => match self.again().await {
                    Ok(()) => continue,
                    Err(error) => error.ok_or(Lost)?,
                },
                Err(error) => error,
            };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                key = self.key,
                "the position of a shard could not be written down; trying again"
            );
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// After a conflict: whether it was with a write of ours whose end was not known.
    async fn again(&mut self) -> Result<(), Option<StoreError>> {
        let read: Result<Option<Versioned<ShardRecord>>, _> = self.tools.store.metadata.get_json(&self.key).await;
        match read.map_err(Some)? {
            Some(found)
                if found.value.epoch == self.record.epoch
                    && found.revision != self.revision
                    && (found.value.owner == self.record.owner || self.record.owner.is_none()) =>
            {
                self.revision = found.revision;
                Ok(())
            }
            _ => Err(None),
        }
    }

    /// Gives the shard back.
    pub(super) async fn release(mut self) {
        self.record.owner = None;
        // Who has it now does not need it to be given back.
        let _ = self.write(Vec::new()).await;
    }
}

fn held_until_ms(tools: &Tools) -> UnixMs {
    tools.real.unix_ms().saturating_add(TERM_MS)
}
