//! A store that tells what is written of shards, and that can be held up, as a process is that gets no time.

use std::sync::Arc;

use serde_json::Value;
use tindra_core::event_source_mapping::stream::{ShardPosition, ShardRecord};
use tindra_store::{Batch, BoxFuture, MessageChange, Metadata, Record, Store, StoreError, Watch};
use tindra_testkit::MemoryStore;
use tokio::sync::watch;

use crate::world::World;

/// Whether a process is held up.
#[derive(Debug)]
pub(crate) struct Held(watch::Sender<bool>);

impl Default for Held {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Held {
    pub(crate) fn hold(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn go_on(&self) {
        self.0.send_replace(false);
    }

    async fn pass(&self) {
        let _ = self.0.subscribe().wait_for(|held| !held).await;
    }
}

#[derive(Debug)]
pub(crate) struct Guarded {
    memory: Store,
    world: Arc<World>,
    held: Arc<Held>,
}

impl Guarded {
    pub(crate) fn around(memory: &MemoryStore, world: &Arc<World>, held: &Arc<Held>) -> Store {
        let memory = memory.handle();
        let metadata = Self { memory: memory.clone(), world: Arc::clone(world), held: Arc::clone(held) };
        Store { metadata: Arc::new(metadata), ..memory }
    }

    /// What destinations are to be told of.
    fn tell(&self, batch: &Batch) {
        for change in &batch.messages {
            let MessageChange::Enqueue { message, .. } = change else { continue };
            let record: Value = serde_json::from_slice(&message.body).unwrap();
            let info = &record["KinesisBatchInfo"];
            let number = |member: &str| info[member].as_str().unwrap().parse().unwrap();
            let shard = info["shardId"].as_str().unwrap();
            self.world.told(shard, number("startSequenceNumber"), number("endSequenceNumber"));
        }
    }

    /// Whether a batch with messages was written, whatever its answer was.
    async fn was_made(&self, batch: &Batch, is_known: bool) -> bool {
        let Some(MessageChange::Enqueue { message, .. }) = batch.messages.first() else { return is_known };
        let there = self.memory.queues.peek(&message.queue, None, usize::MAX).await.unwrap();
        there.iter().any(|one| one.id == message.id)
    }

    fn note(&self, batch: &Batch) {
        for change in batch.changes.iter().filter(|change| change.key.starts_with("event-source-shard/")) {
            let Some(record) = change.value.as_ref() else { continue };
            let record: ShardRecord = serde_json::from_slice(record).unwrap();
            if let ShardPosition::After(sequence) = &record.position {
                self.world.positioned(&record.shard_id, record.epoch, sequence.parse().unwrap());
            }
        }
    }
}

impl Metadata for Guarded {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move {
            self.held.pass().await;
            self.memory.metadata.get(key).await
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            self.held.pass().await;
            self.memory.metadata.list(prefix, after, limit).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.held.pass().await;
            let committed = self.memory.metadata.commit(batch.clone()).await;
            if self.was_made(&batch, committed.is_ok()).await {
                self.tell(&batch);
            }
            if committed.is_ok() {
                self.note(&batch);
            }
            committed
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.memory.metadata.watch(prefix)
    }
}
