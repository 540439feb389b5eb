//! What the pollers need from others: the queues and streams that they poll.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::event_source_mapping::stream::{ShardInfo, ShardPosition, StreamRecord};
use tindra_store::BoxFuture;

/// Why a source cannot be polled, or did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// For people, with what to do.
    pub message: String,
    /// What the source calls its refusal, for example `ExpiredIteratorException`.
    pub code: Option<String>,
}

impl SourceError {
    /// An error of its own words.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }

    /// A refusal by the source.
    #[must_use]
    pub fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Some(code.into()) }
    }

    /// Whether the source calls it one of these.
    pub(super) fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code.as_ref().is_some_and(|code| codes.contains(&code.as_str()))
    }
}

/// A queue or a stream, here or elsewhere, on whose behalf somebody may ask its service.
pub trait SourceApi: Send + Sync + std::fmt::Debug {
    /// Calls an operation of the source's service, by its name in the service model. The input of an operation of SQS is without
    /// `QueueUrl`; of Kinesis it names the stream by `StreamName`, of DynamoDB Streams by `StreamArn`. The output comes back. It
    /// ends in a time of its own, whatever the service does.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>>;

    /// Whether it tells when there is more to be read of a stream: [`SourceApi::more`].
    fn tells(&self) -> bool {
        false
    }

    /// Returns once it is worth while to read on from an iterator: at once where there are records, or the shard has ended.
    fn more<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, ()> {
        let _ = iterator;
        Box::pin(std::future::pending())
    }
}

/// Where the sources of mappings are.
pub trait Sources: Send + Sync + std::fmt::Debug {
    /// The queue or stream of a mapping, if its function's role may take records from it.
    ///
    /// # Errors
    /// When there is no such source, or the role may not.
    fn open<'a>(&'a self, mapping: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>>;
}

/// A stream with shards, as pollers see it.
pub(super) trait ShardSource: Send + Sync + std::fmt::Debug {
    /// How long to wait before looking again at a shard that had nothing more.
    fn idle_wait(&self) -> Duration;

    /// How exactly it knows when a record was written.
    fn resolution_ms(&self) -> u64;

    /// All shards that there are, closed ones among them.
    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardInfo>, SourceError>>;

    /// Where to read on from a position: an iterator. A [`ShardPosition::Latest`] is one that nobody has listened to yet.
    fn iterator<'a>(
        &'a self,
        shard_id: &'a str,
        position: &'a ShardPosition,
    ) -> BoxFuture<'a, Result<String, SourceError>>;

    /// Whether it tells when there is more: [`ShardSource::more`].
    fn tells(&self) -> bool {
        false
    }

    /// Returns once it is worth while to read on from an iterator.
    fn more<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, ()> {
        let _ = iterator;
        Box::pin(std::future::pending())
    }

    /// Reads on from an iterator.
    fn read<'a>(
        &'a self,
        shard_id: &'a str,
        iterator: &'a str,
        records_max: usize,
    ) -> BoxFuture<'a, Result<Page, SourceError>>;
}

/// What was read at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Page {
    /// In their order.
    pub(super) records: Vec<StreamRecord>,
    /// Where to read on; none at the end of the shard.
    pub(super) next: Option<String>,
    /// How old the next record is, where the source tells.
    pub(super) behind_ms: Option<u64>,
}
