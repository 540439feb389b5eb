//! Where a shard is read on: an iterator, and what to do when there is none or it does not work any more.

use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{ShardPosition, ShardRecord};
use tokio::time::timeout;

use super::ports::{Page, ShardSource, SourceError};

/// For one call of a source, whatever bounds it has itself.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// What a source calls a position that it does not have any more, or never had.
const POSITION_LOST: [&str; 3] = ["TrimmedDataAccessException", "InvalidArgumentException", "ValidationException"];

/// Reads a shard page by page.
#[derive(Debug)]
pub(super) struct Cursor {
    source: Arc<dyn ShardSource>,
    shard_id: String,
    /// Behind all that was read.
    position: ShardPosition,
    /// Where to read on, until that fails.
    iterator: Option<String>,
    /// What was written before is left out.
    not_before_ms: u64,
    /// Nobody has listened to the shard before.
    is_new: bool,
}

impl Cursor {
    /// Goes on from what is durable of a shard.
    pub(super) fn new(source: Arc<dyn ShardSource>, record: &ShardRecord) -> Self {
        Self {
            source,
            shard_id: record.shard_id.clone(),
            position: record.position.clone(),
            iterator: None,
            not_before_ms: 0,
            is_new: record.epoch <= 1,
        }
    }

    /// Whether everything was read up to a sequence number.
    pub(super) fn is_past(&self, sequence: &str) -> bool {
        use tindra_core::event_source_mapping::stream::compare_sequences;
        matches!(&self.position, ShardPosition::After(read) if compare_sequences(read, sequence).is_ge())
    }

    /// Reads on. A failure loses nothing: the next call reads on from the same place.
    pub(super) async fn next(&mut self, records_max: usize) -> Result<Page, SourceError> {
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.open().await?,
        };
        if self.source.tells() {
            // Looked at all the same after a while: who tells may not have heard of it either.
            let _ = timeout(self.source.idle_wait(), self.source.more(&iterator)).await;
        }
        let mut page = in_time(self.source.read(&self.shard_id, &iterator, records_max)).await?;
        self.iterator.clone_from(&page.next);
        if let Some(last) = page.records.last() {
            self.position = ShardPosition::After(last.sequence.clone());
        }
        page.records.retain(|record| record.arrival_ms >= self.not_before_ms);
        Ok(page)
    }

    async fn open(&mut self) -> Result<String, SourceError> {
        let is_new = std::mem::take(&mut self.is_new);
        let since_ms = match &self.position {
            ShardPosition::Latest { .. } if is_new => return self.opened(&self.position).await,
            ShardPosition::Latest { since_ms } | ShardPosition::AtTimestamp(since_ms) => *since_ms,
            ShardPosition::TrimHorizon => return self.opened(&self.position).await,
            ShardPosition::After(sequence) => return self.after(sequence).await,
        };
        // Not every server can be asked for a time; all can for the oldest record.
        self.not_before_ms = since_ms - since_ms % self.source.resolution_ms();
        match self.opened(&ShardPosition::AtTimestamp(since_ms)).await {
            Ok(iterator) => Ok(iterator),
            Err(_) => self.opened(&ShardPosition::TrimHorizon).await,
        }
    }

    /// What lies behind a record, or the oldest there is when that record has gone.
    async fn after(&self, sequence: &str) -> Result<String, SourceError> {
        match self.opened(&self.position).await {
            Err(error) if error.is_one_of(&POSITION_LOST) => {
                let (shard, reason) = (&self.shard_id, &error.message);
                tracing::warn!(
                    shard,
                    sequence,
                    reason,
                    "a stream no longer has the position of a poller, which goes on with the oldest record"
                );
                self.opened(&ShardPosition::TrimHorizon).await
            }
            opened => opened,
        }
    }

    async fn opened(&self, position: &ShardPosition) -> Result<String, SourceError> {
        in_time(self.source.iterator(&self.shard_id, position)).await
    }
}

/// The answer of a source, or that it took too long.
pub(super) async fn in_time<T>(call: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    let too_late = || SourceError::new(format!("the source has not answered for {} s", CALL_TIMEOUT.as_secs()));
    timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(too_late()))
}
