//! What the pollers need from others: the queues and streams that they poll, and brokers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tindra_core::event_source_mapping::stream::{Partition, ShardInfo, ShardPosition, StreamRecord};
use tindra_core::event_source_mapping::{EventSourceMapping, StartingPosition};
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

    /// Whether a call that is given up has no effect. What is elsewhere goes on with it, and may have given messages to nobody.
    fn forgets_calls(&self) -> bool {
        false
    }

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

/// A message of a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerMessage {
    /// Its number on the connection that it came by; a later one has a higher.
    pub tag: u64,
    /// Of its body.
    pub bytes: u64,
    /// How a function sees it.
    pub members: Map<String, Value>,
    /// Its body, which filters look at; empty when it has more bytes than any event.
    pub body: Vec<u8>,
}

/// A connection to a broker, by which the messages of one queue come. What was not acknowledged when it ends, however it
/// ends, comes again by another one.
pub trait BrokerQueue: Send + std::fmt::Debug {
    /// The next message, whenever it comes; giving up waiting loses none.
    ///
    /// # Errors
    /// When the connection has ended.
    fn take(&mut self) -> BoxFuture<'_, Result<BrokerMessage, SourceError>>;

    /// Tells that a message is done with, and with `all_before` all that came before it.
    ///
    /// # Errors
    /// When the connection has ended.
    fn acknowledge(&mut self, tag: u64, all_before: bool) -> BoxFuture<'_, Result<(), SourceError>>;

    /// Tells that a message will never be handled; the queue's own rules say what becomes of it.
    ///
    /// # Errors
    /// When the connection has ended.
    fn reject(&mut self, tag: u64) -> BoxFuture<'_, Result<(), SourceError>>;

    /// Ends the connection.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What happens to a member of a consumer group.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupEvent {
    /// Partitions are the member's, which says with [`GroupMember::assign`] where it reads on. Until then nothing comes of them.
    Assigned(Vec<Partition>),
    /// All partitions are to be given back, with [`GroupMember::release`], as soon as what was begun is done and committed.
    Revoking,
    /// The group has taken all partitions away.
    Lost,
    /// A record has come.
    Record(Partition, StreamRecord),
    /// A partition has nothing more now.
    AtTip(Partition),
    /// Offsets that were to be committed are not, for now.
    NotCommitted(Vec<Partition>),
}

/// A member of a consumer group of Kafka. None of its calls blocks.
pub trait GroupMember: Send + Sync + std::fmt::Debug {
    /// The servers that were asked first, `HOST:PORT,…`.
    fn servers(&self) -> &str;

    /// All partitions of the mapping's topics. It ends in a time of its own, like all questions.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses, or has no such topic.
    fn partitions(&self) -> BoxFuture<'_, Result<Vec<Partition>, SourceError>>;

    /// The offset in each partition at which one starts.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    fn starts(
        &self,
        partitions: Vec<Partition>,
        position: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(Partition, u64)>, SourceError>>;

    /// What the group has committed of partitions; nothing of those of which it has not.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    fn committed(&self, partitions: Vec<Partition>) -> BoxFuture<'_, Result<HashMap<Partition, u64>, SourceError>>;

    /// Joins the group.
    ///
    /// # Errors
    /// When it cannot begin to.
    fn join(&self) -> Result<(), SourceError>;

    /// What happens next; giving up waiting loses nothing.
    ///
    /// # Errors
    /// When the cluster cannot be reached or refuses.
    fn next(&mut self) -> BoxFuture<'_, Result<GroupEvent, SourceError>>;

    /// Takes what [`GroupEvent::Assigned`] has told, each from an offset on, or from the oldest record.
    ///
    /// # Errors
    /// When it cannot begin to.
    fn assign(&self, from: &[(Partition, Option<u64>)]) -> Result<(), SourceError>;

    /// Gives all partitions back.
    ///
    /// # Errors
    /// When it cannot begin to.
    fn release(&self) -> Result<(), SourceError>;

    /// Begins to commit offsets, of the partitions among these that are the member's.
    ///
    /// # Errors
    /// When it cannot begin to.
    fn commit(&self, offsets: &[(Partition, u64)]) -> Result<(), SourceError>;

    /// Has records of a partition come, or not.
    fn hold(&self, partition: &Partition, is_held: bool);

    /// Leaves the group, once what [`GroupMember::commit`] has begun has ended, or after a time of its own.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Where the sources of mappings are.
pub trait Sources: Send + Sync + std::fmt::Debug {
    /// The queue or stream of a mapping, if its function's role may take records from it.
    ///
    /// # Errors
    /// When there is no such source, or the role may not.
    fn open<'a>(&'a self, mapping: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>>;

    /// A connection to the queue of a broker that a mapping names, if its function's role may have one.
    ///
    /// # Errors
    /// When the broker is not known, cannot be reached or refuses, or the role may not.
    fn broker<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>>;

    /// A member, which has not joined yet, of the consumer group of a mapping, if its function's role may have one.
    ///
    /// # Errors
    /// When the cluster is not known or the role may not.
    fn group<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn GroupMember>, SourceError>> {
        let _ = mapping;
        Box::pin(async { Err(SourceError::new("there is no Kafka here")) })
    }
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
