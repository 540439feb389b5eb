//! Ends the transitions of event source mappings.
//!
//! The store is the queue: a mapping in a transition is work to do, whoever wrote it and however often this
//! process was killed in between. Who polls follows the settled records, so a transition ends as soon as it is seen.

use std::time::Duration;

use tindra_core::event_source_mapping::{EventSourceMapping, MAPPING_PREFIX};
use tindra_store::{Batch, JsonBatch as _, Precondition, Record, Store, StoreError, Versioned};
use tokio::task::JoinHandle;

/// Records read at once.
const PAGE: usize = 256;
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The settling task; dropping it ends it, and the next one goes on.
#[derive(Debug)]
pub(crate) struct Settler {
    task: JoinHandle<()>,
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Settler {
    /// Starts with what is unsettled now.
    pub(crate) fn start(store: Store) -> Self {
        Self { task: tokio::spawn(run(store)) }
    }
}

async fn run(store: Store) {
    // Watching before listing: a change in between is seen twice rather than never.
    let mut watch = store.metadata.watch(MAPPING_PREFIX);
    let mut keys: Option<Vec<String>> = None;
    loop {
        let settling = match &keys {
            None => settle_all(&store).await,
            Some(keys) => settle_keys(&store, keys).await,
        };
        if let Err(error) = settling {
            tracing::warn!(%error, "event source mappings could not be settled; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
            keys = None;
            continue;
        }
        keys = watch.changed().await;
        if keys.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
    }
}

async fn settle_all(store: &Store) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page = store.metadata.list(MAPPING_PREFIX, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            settle(store, record).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn settle_keys(store: &Store, keys: &[String]) -> Result<(), StoreError> {
    for key in keys {
        if let Some(record) = store.metadata.get(key).await? {
            settle(store, record).await?;
        }
    }
    Ok(())
}

async fn settle(store: &Store, record: Record) -> Result<(), StoreError> {
    let key = record.key.clone();
    let Versioned { value: mut mapping, revision, .. } = match Versioned::<EventSourceMapping>::decode(record) {
        Ok(versioned) => versioned,
        // One bad record must not keep the others from settling.
        Err(error) => {
            tracing::error!(key, error = &error as &dyn std::error::Error, "an event source mapping cannot be read");
            return Ok(());
        }
    };
    if mapping.state.is_settled() {
        return Ok(());
    }
    let precondition = Precondition::Revision(revision);
    let batch = match mapping.settled() {
        Some(state) => {
            mapping.state = state;
            Batch::default().put_json(key, precondition, &mapping)?
        }
        None => {
            let batch = Batch::default()
                .delete(key, precondition)
                .delete(mapping.pair_key(), Precondition::None)
                .delete(mapping.result_key(), Precondition::None);
            // How far its shards were read, and by whom.
            let mut keys = every_key(store, &mapping.shard_prefix()).await?;
            keys.extend(every_key(store, &mapping.poller_prefix()).await?);
            keys.into_iter().fold(batch, |batch, key| batch.delete(key, Precondition::None))
        }
    };
    match store.metadata.commit(batch).await {
        // A conflict is a later change, which has been told of, too.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn every_key(store: &Store, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = store.metadata.list(prefix, keys.last().map(String::as_str), PAGE).await?;
        let is_last = page.len() < PAGE;
        keys.extend(page.into_iter().map(|record| record.key));
        if is_last {
            return Ok(keys);
        }
    }
}
