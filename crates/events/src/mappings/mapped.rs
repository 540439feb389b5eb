//! A mapping with what the readers of its shards share, be they a stream's or a Kafka's.

use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::stream::{Discarded, ShardRecord, ShardWork, StreamRecord, passes};
use tindra_core::event_source_mapping::{EventSourceMapping, Filters};
use tindra_store::{Batch, JsonRecords as _, Message, Precondition, StoreError, Versioned};

use super::runs::Run;
use super::seen::Seen;
use super::status::Status;
use super::{PAGE, Tools, told};
use crate::figures;

#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) tools: Tools,
    pub(super) mapping: EventSourceMapping,
    pub(super) filters: Filters,
    pub(super) status: Status,
}

impl Mapped {
    /// Records that were read, each with whether the filters let it pass.
    pub(super) fn sorted(&self, records: Vec<StreamRecord>, now_ms: UnixMs) -> Vec<(StreamRecord, bool)> {
        let Self { mapping, filters, .. } = self;
        figures::polled(mapping, records.len());
        if let Some(last) = records.last() {
            figures::iterator_age(mapping, now_ms.saturating_sub(last.arrival_ms));
        }
        let mut filtered_out = 0;
        let sort = |record| {
            let is_wanted = passes(filters, mapping.source.kind, &record);
            filtered_out += usize::from(!is_wanted);
            (record, is_wanted)
        };
        let records = records.into_iter().map(sort).collect();
        figures::filtered_out(mapping, filtered_out);
        records
    }

    /// The function has answered, or was not run; returns what is given up with that.
    pub(super) async fn ended(&self, work: &mut ShardWork, seen: &Seen, run: Run) -> Option<Discarded> {
        let end = run.end(|answer| work.judge(run.lane, answer));
        let ended = work.ended(run.lane, end, run.last, self.tools.timer.unix_ms());
        figures::done(&self.mapping, ended.done);
        figures::failed(&self.mapping, ended.failed);
        match (run.problem, ended.failed) {
            (Some(problem), _) => self.status.has_problem(&problem).await,
            // One shard that is well does not hide another that is not.
            (None, 0) if seen.is_other_retrying() => {}
            (None, 0) => self.status.is_well().await,
            (None, _) => self.status.has_problem("Function call failed").await,
        }
        ended.discarded
    }

    /// What a destination is to be told of records that are given up.
    pub(super) async fn told(&self, work: &ShardWork, shard_id: &str, discarded: &Discarded) -> Option<Message> {
        figures::discarded(&self.mapping, discarded.records.len());
        let event = work.event_of(&discarded.records, false);
        told::of_discarded(&self.tools, &self.mapping, (work.frame(), shard_id), discarded, &event).await
    }

    /// What is durable of its shards.
    pub(super) async fn known(&self) -> Result<Vec<Versioned<ShardRecord>>, StoreError> {
        let (metadata, prefix) = (&self.tools.store.metadata, self.mapping.shard_prefix());
        let mut known: Vec<Versioned<ShardRecord>> = Vec::new();
        loop {
            let after = known.last().map(|record| record.key.clone());
            let page = metadata.list_json(&prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            known.extend(page);
            if is_last {
                return Ok(known);
            }
        }
    }

    /// Removes what a mapping has left behind that was deleted meanwhile.
    pub(super) async fn leave(&self) {
        let Self { tools, mapping, .. } = self;
        let key = EventSourceMapping::key(&mapping.scope, mapping.uuid);
        let (Ok(None), Ok(known)) = (tools.store.metadata.get(&key).await, self.known().await) else { return };
        let batch =
            known.into_iter().fold(Batch::default(), |batch, record| batch.delete(record.key, Precondition::None));
        if let Err(error) = tools.store.metadata.commit(batch).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(mapping = %mapping.uuid, error, "the positions of a deleted mapping could not be removed");
        }
    }
}
