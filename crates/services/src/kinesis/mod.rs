//! Kinesis Data Streams: streams of ordered records, which whoever likes reads at their own pace.
//!
//! A stream with its shards is one record; what is put into a shard lies in a journal of its own ([`appender`]), in the order of
//! the sequence numbers. Streams are in memory, so that putting and reading ask the store for nothing but the journal. What has
//! been kept long enough goes beside ([`sweep`]). A stream is active, and a shard split, when the answer comes.

mod appender;
mod consumers;
mod entry;
mod error;
mod hash;
mod iterator;
mod list_shards;
mod names;
mod pace;
mod place;
mod polled;
mod put;
mod read;
mod receive;
mod records;
mod reshard;
mod sequence;
mod settings;
mod streams;
mod subscribe;
mod sweep;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Surroundings;
use crate::followed::Followed;

pub use iterator::stream_of_iterator;
pub use names::{of_arn as stream_of_arn, stream_arn};
pub use subscribe::Subscription;

use appender::Appenders;
use error::{no_stream, parse, stored};
use iterator::Seals;
use names::Named;
use records::Stream;

/// Kinesis of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KinesisService {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    around: Surroundings,
    streams: Followed<Stream>,
    appenders: Arc<Appenders>,
    seals: Seals,
    subscriptions: subscribe::Subscriptions,
    /// Whether the server stops, which ends subscriptions.
    stopping: watch::Sender<bool>,
    _sweeping: Beside,
}

/// What runs beside; it ends with the service.
#[derive(Debug)]
struct Beside(JoinHandle<()>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl KinesisService {
    /// Over a store. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(around: Surroundings) -> Result<Self, StoreError> {
        let streams = Followed::start(around.store.clone(), records::STREAMS, |record| {
            Versioned::decode(record).map(|stream| stream.value)
        });
        let streams = streams.await?;
        let appenders = Arc::new(Appenders::new(around.store.clone(), Arc::clone(&around.timer)));
        let seals = Seals::load(&around.store).await?;
        let sweeping = sweep::run(around.store.clone(), Arc::clone(&around.timer), Arc::clone(&appenders));
        let inner = Inner {
            around,
            streams,
            appenders,
            seals,
            subscriptions: subscribe::Subscriptions::default(),
            stopping: watch::Sender::new(false),
            _sweeping: Beside(tokio::spawn(sweeping)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(scope, call.operation.name(), call.input).await?))
    }

    async fn answer(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "PutRecord" => self.put_record(scope, parse(input)?).await,
            "PutRecords" => self.put_records(scope, parse(input)?).await,
            "GetRecords" => self.get_records(scope, parse(input)?).await,
            "GetShardIterator" => self.get_shard_iterator(scope, parse(input)?).await,
            "ListShards" => self.list_shards(scope, parse(input)?).await,
            "CreateStream" => self.create_stream(scope, parse(input)?).await,
            "DeleteStream" => self.delete_stream(scope, parse(input)?).await,
            "DescribeStream" => self.describe_stream(scope, parse(input)?).await,
            "DescribeStreamSummary" => self.describe_summary(scope, parse(input)?).await,
            "DescribeLimits" => Ok(self.describe_limits(scope).await),
            "ListStreams" => self.list_streams(scope, parse(input)?).await,
            "SplitShard" => self.split_shard(scope, parse(input)?).await,
            "MergeShards" => self.merge_shards(scope, parse(input)?).await,
            "UpdateShardCount" => self.update_shard_count(scope, parse(input)?).await,
            _ => Box::pin(self.answer_further(scope, operation, input)).await,
        }
    }

    async fn answer_further(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "IncreaseStreamRetentionPeriod" => self.increase_retention(scope, parse(input)?).await,
            "DecreaseStreamRetentionPeriod" => self.decrease_retention(scope, parse(input)?).await,
            "UpdateStreamMode" => self.update_mode(scope, parse(input)?).await,
            "UpdateMaxRecordSize" => self.update_record_size(scope, parse(input)?).await,
            "EnableEnhancedMonitoring" | "DisableEnhancedMonitoring" => Err(settings::no_monitoring()),
            "StartStreamEncryption" | "StopStreamEncryption" => Err(settings::no_encryption()),
            "AddTagsToStream" => self.add_tags(scope, parse(input)?).await,
            "RemoveTagsFromStream" => self.remove_tags(scope, parse(input)?).await,
            "ListTagsForStream" => self.list_stream_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await,
            "UntagResource" => self.untag(scope, parse(input)?).await,
            "ListTagsForResource" => self.list_tags(scope, parse(input)?).await,
            "RegisterStreamConsumer" => self.register_consumer(scope, parse(input)?).await,
            "DeregisterStreamConsumer" => self.deregister_consumer(scope, parse(input)?).await,
            "DescribeStreamConsumer" => self.describe_consumer(scope, parse(input)?).await,
            "ListStreamConsumers" => self.list_consumers(scope, parse(input)?).await,
            _ => {
                let message = format!("tindra does not serve {operation} of Kinesis.");
                Err(ApiError::new("UnknownOperationException", message))
            }
        }
    }

    /// Removes everything of every account.
    ///
    /// # Errors
    /// When the store fails; what is gone by then stays gone.
    pub async fn reset(&self) -> Result<(), StoreError> {
        sweep::remove_all(&self.inner.around.store, &self.inner.appenders).await?;
        self.inner.streams.catch_up().await;
        Ok(())
    }

    fn now_ms(&self) -> UnixMs {
        self.inner.around.timer.unix_ms()
    }

    /// A stream as it is in memory, if there is one.
    async fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Stream>> {
        let key = Stream::key_of(scope, name);
        match self.inner.streams.get(&key) {
            Some(stream) => Some(stream),
            // It may be so new that another server's has not been heard of.
            None => {
                self.inner.streams.catch_up().await;
                self.inner.streams.get(&key)
            }
        }
    }

    /// The stream of a request. Those of other accounts and regions open themselves to nobody here.
    async fn named(&self, scope: &Scope, named: &Named) -> Result<Arc<Stream>, ApiError> {
        let (owner, name) = named.resolve(scope)?;
        let found = if owner == *scope { self.find(scope, &name).await } else { None };
        found.ok_or_else(|| no_stream(&name, &owner.account))
    }

    /// Changes a stream, and returns when everybody here sees it changed.
    async fn change<T>(
        &self,
        scope: &Scope,
        named: &Named,
        edit: impl Fn(&mut Stream) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let (owner, name) = named.resolve(scope)?;
        let missing = || no_stream(&name, &owner.account);
        if owner != *scope {
            return Err(missing());
        }
        loop {
            let mut stream = self.stored(scope, &name).await?.ok_or_else(missing)?;
            let edited = edit(&mut stream.value)?;
            let before = Precondition::Revision(stream.revision);
            let batch = Batch::default().put_json(stream.key, before, &stream.value).map_err(stored)?;
            match self.commit(batch).await {
                Err(StoreError::Conflict { .. }) => {}
                done => return done.map(|()| edited).map_err(stored),
            }
        }
    }

    /// A stream as the store knows it.
    async fn stored(&self, scope: &Scope, name: &str) -> Result<Option<Versioned<Stream>>, ApiError> {
        self.inner.around.store.metadata.get_json(&Stream::key_of(scope, name)).await.map_err(stored)
    }

    /// Writes changes of streams, and returns when they are seen here.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.inner.around.store.metadata.commit(batch).await?;
        self.inner.streams.catch_up().await;
        Ok(())
    }
}
