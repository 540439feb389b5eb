//! Which pollers of a mapping there are in all servers that share a store, and how many shards each of them is to have.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{PollerRecord, share};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::ability::Ability;
use super::mapped::Mapped;
use super::shard::Stream;
use super::{PAGE, Tools};

/// How often a poller says that it is there, and looks who else is.
pub(super) const BEAT: Duration = Duration::from_secs(3);
/// One that has said nothing for so long is dead.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// One of whom nothing was heard for so long is forgotten: its leases have ended, too.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// The pollers of one mapping, as one of them sees them.
#[derive(Debug)]
pub(super) struct Peers {
    tools: Tools,
    prefix: String,
    owner: Uuid,
    ability: Arc<Ability>,
    heard: HashMap<Uuid, Heard>,
    /// When it was looked who is there.
    looked: Instant,
    leaving: watch::Sender<bool>,
    beating: JoinHandle<()>,
}

/// What was last heard of a poller.
#[derive(Clone, Copy, Debug)]
struct Heard {
    revision: u64,
    at: Instant,
    is_leaving: bool,
    is_unable: bool,
    /// It has left, or somebody else has found that it is dead.
    is_gone: bool,
}

impl Heard {
    fn is_live(&self) -> bool {
        !self.is_gone && self.at.elapsed() < SILENT_MAX
    }
}

impl Peers {
    /// Begins to say that a poller is there; none where no other server shares the store.
    pub(super) fn enter(stream: &Stream, owner: Uuid) -> Option<Self> {
        let Stream { mapped: Mapped { tools, mapping, .. }, ability, .. } = stream;
        if !tools.is_shared {
            return None;
        }
        let (leaving, told) = watch::channel(false);
        let (key, prefix) = (mapping.poller_key(owner), mapping.poller_prefix());
        let (tools, ability) = (tools.clone(), Arc::clone(ability));
        let beating = tokio::spawn(beat(tools.clone(), key, owner, Arc::clone(&ability), told));
        Some(Self { tools, prefix, owner, ability, heard: HashMap::new(), looked: Instant::now(), leaving, beating })
    }

    /// Looks who is there now, and removes what dead pollers have left.
    pub(super) async fn look(&mut self) -> Result<(), StoreError> {
        let mut listed: Vec<Versioned<PollerRecord>> = Vec::new();
        loop {
            let after = listed.last().map(|record| record.key.clone());
            let page = self.tools.store.metadata.list_json(&self.prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            listed.extend(page);
            if is_last {
                break;
            }
        }
        // Who has not looked for long, because the store was away or the process was, has heard nobody, and knows of nobody's death.
        let heard_nobody = std::mem::replace(&mut self.looked, Instant::now()).elapsed() > SILENT_MAX / 2;
        self.heard.retain(|_, heard| heard.at.elapsed() < FORGOTTEN_AFTER);
        for (owner, heard) in &mut self.heard {
            heard.is_gone = !listed.iter().any(|record| record.value.owner == *owner);
        }
        for record in listed {
            let PollerRecord { owner, is_leaving, is_unable, .. } = record.value;
            let now = Heard { revision: record.revision, at: Instant::now(), is_leaving, is_unable, is_gone: false };
            let heard = self.heard.entry(owner).or_insert(now);
            if heard.revision != record.revision {
                *heard = now;
            } else if heard_nobody {
                heard.at = now.at;
            }
            if !heard.is_live() && owner != self.owner {
                let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
                // Otherwise it has said something after all, or goes the next time. Until then it is known to be dead.
                let _ = self.tools.store.metadata.commit(batch).await;
            }
        }
        Ok(())
    }

    /// Whether a poller is alive; none where nothing is known of it.
    pub(super) fn is_live(&self, owner: Uuid) -> Option<bool> {
        self.heard.get(&owner).map(Heard::is_live)
    }

    /// How many of so many shards this poller is to have.
    pub(super) fn share(&self, shards: usize) -> usize {
        // Others of this process only end what they have begun.
        let counts =
            |owner: &Uuid, heard: &Heard| heard.is_live() && !heard.is_leaving && !self.tools.owners.has(*owner);
        let others = || self.heard.iter().filter(|(owner, heard)| **owner != self.owner && counts(owner, heard));
        let able: BTreeSet<Uuid> = others().filter(|(_, heard)| !heard.is_unable).map(|(owner, _)| *owner).collect();
        match (self.ability.is_able(), able.is_empty()) {
            (true, _) => share(shards, self.owner, &able),
            (false, false) => 0,
            // Nobody can, as far as anybody knows: all try.
            (false, true) => share(shards, self.owner, &others().map(|(owner, _)| *owner).collect()),
        }
    }

    /// Says that the poller takes no further shard.
    pub(super) fn is_leaving(&self) {
        let _ = self.leaving.send(true);
    }

    /// The poller has ended.
    pub(super) async fn leave(self) {
        self.beating.abort();
        let key = format!("{}{}", self.prefix, self.owner);
        // What stays is found to be dead by others.
        let _ = self.tools.store.metadata.commit(Batch::default().delete(key, Precondition::None)).await;
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat(tools: Tools, key: String, owner: Uuid, ability: Arc<Ability>, mut leaving: watch::Receiver<bool>) {
    for beats in 0.. {
        let (is_leaving, is_unable) = (*leaving.borrow_and_update(), !ability.is_able());
        let record = PollerRecord { owner, beats, is_leaving, is_unable };
        let written = match Batch::default().put_json(&key, Precondition::None, &record) {
            Ok(batch) => tools.store.metadata.commit(batch).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::debug!(error = &error as &dyn std::error::Error, key, "a poller could not say that it is there");
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            told = leaving.changed() => if told.is_err() { return },
        }
    }
}
