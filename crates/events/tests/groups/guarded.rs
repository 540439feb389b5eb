//! A store that tells what destinations are told of.

use std::sync::Arc;

use serde_json::Value;
use tindra_store::{Batch, BoxFuture, MessageChange, Metadata, Record, Store, StoreError, Watch};
use tindra_testkit::MemoryStore;

use crate::cluster::{Cluster, TOPIC};

#[derive(Debug)]
pub(crate) struct Guarded {
    memory: Store,
    cluster: Arc<Cluster>,
}

impl Guarded {
    pub(crate) fn around(memory: &MemoryStore, cluster: &Arc<Cluster>) -> Store {
        let memory = memory.handle();
        let metadata = Self { memory: memory.clone(), cluster: Arc::clone(cluster) };
        Store { metadata: Arc::new(metadata), ..memory }
    }

    /// What destinations are to be told of.
    fn tell(&self, batch: &Batch) {
        for change in &batch.messages {
            let MessageChange::Enqueue { message, .. } = change else { continue };
            let record: Value = serde_json::from_slice(&message.body).unwrap();
            for (shard, span) in record["KafkaBatchInfo"]["recordsInfo"].as_object().unwrap() {
                let offset = |member: &str| span[member].as_str().unwrap().parse().unwrap();
                let partition = shard.strip_prefix(TOPIC).unwrap().trim_start_matches('-').parse().unwrap();
                self.cluster.state().told(partition, offset("firstRecordOffset"), offset("lastRecordOffset"));
            }
        }
    }

    /// Whether a batch with messages was written, whatever its answer was.
    async fn was_made(&self, batch: &Batch) -> bool {
        let Some(MessageChange::Enqueue { message, .. }) = batch.messages.first() else { return false };
        let there = self.memory.queues.peek(&message.queue, None, usize::MAX).await.unwrap();
        there.iter().any(|one| one.id == message.id)
    }
}

impl Metadata for Guarded {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        self.memory.metadata.get(key)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.memory.metadata.list(prefix, after, limit)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let committed = self.memory.metadata.commit(batch.clone()).await;
            if self.was_made(&batch).await {
                self.tell(&batch);
            }
            committed
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.memory.metadata.watch(prefix)
    }
}
