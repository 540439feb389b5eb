//! Polling a Kafka: the function's member of a consumer group, made again when it breaks.
//!
//! A partition is worked on like a shard, by [`ShardWork`](tindra_core::event_source_mapping::stream::ShardWork), except that its
//! position is the group's offset at the cluster, and that the group says who has it. The store has where partitions were begun, so
//! that a group that has committed nothing yet begins there again, and how far they were when they were last given back.

mod consuming;
mod reader;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{Partition, ShardInfo, ShardPosition, ShardRecord, reconcile};
use tindra_core::event_source_mapping::{ConsumptionMode, MappingSettings, StartingPosition};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::mapped::Mapped;
use super::ports::{GroupMember, SourceError};
use consuming::Consuming;

/// The first wait before a member is made again, in real time.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The longest wait before a member is made again, in real time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Polls the topics of one mapping.
#[derive(Debug)]
pub(super) struct KafkaPoller(Arc<Mapped>);

impl KafkaPoller {
    pub(super) fn new(mut mapped: Mapped) -> Self {
        let settings = &mut mapped.mapping.settings;
        if settings.on_failure.is_some() && settings.maximum_retry_attempts.is_none() {
            settings.maximum_retry_attempts = Some(RETRIES_MAX_WITH_DESTINATION);
        }
        Self(Arc::new(mapped))
    }

    /// Polls until it is told to stop, then ends what it has begun.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        if let Some(problem) = unreadable(&self.0.mapping.settings) {
            return self.0.status.has_problem(problem).await;
        }
        let mut wait = RETRY_AFTER;
        let mut has_problem = false;
        loop {
            let opened = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                opened = self.open() => opened,
            };
            let ended = match opened {
                Ok((member, starts)) => {
                    if !std::mem::take(&mut has_problem) {
                        self.0.status.has_nothing().await;
                    }
                    Consuming::new(Arc::clone(&self.0), member, starts).run(&mut stop, &mut wait).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = ended else { break };
            has_problem = true;
            self.0.status.has_problem(&error.message).await;
            let mapping = self.0.mapping.uuid;
            tracing::warn!(%mapping, reason = error.message, "a Kafka cannot be read; trying again");
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(RETRY_AFTER_MAX),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.0.leave().await;
    }

    /// A member that has joined, with where partitions begin of which the group has no offsets.
    async fn open(&self) -> Result<(Box<dyn GroupMember>, HashMap<String, ShardPosition>), SourceError> {
        let member = self.0.tools.sources.group(&self.0.mapping).await?;
        match self.begin(member.as_ref()).await {
            Ok(starts) => Ok((member, starts)),
            Err(error) => {
                member.close().await;
                Err(error)
            }
        }
    }

    async fn begin(&self, member: &dyn GroupMember) -> Result<HashMap<String, ShardPosition>, SourceError> {
        let partitions = member.partitions().await?;
        let failed = |error: StoreError| SourceError::new(error.to_string());
        let mut known = self.0.known().await.map_err(failed)?;
        let records: Vec<ShardRecord> = known.iter().map(|record| record.value.clone()).collect();
        let listed: Vec<ShardInfo> = partitions.iter().map(info).collect();
        let start = self.0.mapping.source.starting_position;
        let mut new = reconcile(&records, &listed, start, self.0.tools.real.unix_ms()).new;
        if !new.is_empty() {
            if let (true, Some(at @ (StartingPosition::Latest | StartingPosition::AtTimestamp(_)))) =
                (records.is_empty(), start)
            {
                let starts = member.starts(partitions, at).await?;
                let starts: HashMap<String, u64> =
                    starts.into_iter().map(|(partition, offset)| (partition.shard_id(), offset)).collect();
                for record in &mut new {
                    let offset = starts.get(&record.shard_id).copied().unwrap_or_default();
                    record.position = ShardPosition::of_offset(offset);
                }
            }
            self.note(&new).await.map_err(failed)?;
            // Another server may have been faster: what it has noted holds.
            known = self.0.known().await.map_err(failed)?;
        }
        member.join()?;
        Ok(known.into_iter().map(|record| (record.value.shard_id, record.value.position)).collect())
    }

    async fn note(&self, new: &[ShardRecord]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for record in new {
            batch = batch.put_json(self.0.mapping.shard_key(&record.shard_id), Precondition::Absent, record)?;
        }
        match self.0.tools.store.metadata.commit(batch).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Retries of a batch whose mapping has a destination and no limit (AWS).
const RETRIES_MAX_WITH_DESTINATION: u32 = 10;

/// Why records of a mapping cannot be read as it wants: it was made before such mappings were refused.
fn unreadable(settings: &MappingSettings) -> Option<&'static str> {
    let kafka = settings.kafka.as_ref()?;
    if kafka.mode == ConsumptionMode::Queue {
        return Some("ConsumptionMode Queue is not supported; make the mapping again without it");
    }
    kafka.schema_registry.as_ref().map(|_| "SchemaRegistryConfig is not supported; make the mapping again without it")
}

fn info(partition: &Partition) -> ShardInfo {
    ShardInfo { id: partition.shard_id(), parents: Vec::new(), ending_sequence: None }
}
