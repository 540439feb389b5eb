//! A member of a consumer group of Kafka, which takes the records of the partitions that the group gives it.
//!
//! It is built only with the feature `kafka`, since the client is librdkafka, which is written in C and has threads of its own. What
//! asks the cluster and waits for the answer runs beside the async threads and in bounded time; the rest only tells those threads
//! what to do. The group's decisions are told and not followed by themselves: who works on a partition says when it can go.

mod ask;
mod configuration;
mod member;

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::Timestamp;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use tindra_core::event_source_mapping::StartingPosition;
use tindra_core::event_source_mapping::stream::{KafkaRecord, KafkaTime, Partition, StreamRecord};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

pub use configuration::{KafkaCertificate, KafkaLogin, KafkaOptions};

use crate::BrokerError;
use member::Member;

/// How long leaving the group is waited for; it goes on by itself if it takes longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What happens to a member.
#[derive(Clone, Debug, PartialEq)]
pub enum KafkaEvent {
    /// Partitions are to be read, once [`KafkaConsumer::assign`] says from where on.
    Assigned(Vec<Partition>),
    /// All partitions are to be given back by [`KafkaConsumer::release`].
    Revoking,
    /// All partitions have been taken away.
    Lost,
    /// A record.
    Record(Partition, StreamRecord),
    /// A partition has nothing more now.
    AtTip(Partition),
    /// Offsets of these could not be committed.
    NotCommitted(Vec<Partition>),
}

/// A member of a group.
pub struct KafkaConsumer {
    /// None once it is being closed.
    consumer: Option<Arc<StreamConsumer<Member>>>,
    events: UnboundedReceiver<KafkaEvent>,
    topics: Vec<String>,
    servers: String,
}

impl Debug for KafkaConsumer {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "KafkaConsumer({:?} at {})", self.topics, self.servers)
    }
}

impl KafkaConsumer {
    /// Makes a client, which begins to connect.
    ///
    /// # Errors
    /// When what it is to connect with cannot be used.
    pub async fn open(options: KafkaOptions) -> Result<Self, BrokerError> {
        let (topics, servers) = (options.topics.clone(), options.servers.join(","));
        // Certificates are read.
        let made = spawn_blocking(move || {
            let (member, events) = Member::new();
            let consumer = configuration::of(&options).create_with_context(member);
            consumer.map(|consumer: StreamConsumer<Member>| (consumer, events))
        });
        let made = made.await.map_err(|error| BrokerError::Lost(error.to_string()))?;
        let (consumer, events) = made.map_err(|error| BrokerError::Lost(error.to_string()))?;
        Ok(Self { consumer: Some(Arc::new(consumer)), events, topics, servers })
    }

    /// The servers that were asked first, `HOST:PORT,…`.
    #[must_use]
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// All partitions of the topics.
    ///
    /// # Errors
    /// When the cluster does not answer, refuses, or does not have a topic.
    pub async fn partitions(&self) -> Result<Vec<Partition>, BrokerError> {
        let topics = self.topics.clone();
        self.ask(move |consumer| ask::partitions(consumer, &topics)).await
    }

    /// The offset in each partition at which one starts.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    pub async fn starts(
        &self,
        partitions: Vec<Partition>,
        position: StartingPosition,
    ) -> Result<Vec<(Partition, u64)>, BrokerError> {
        self.ask(move |consumer| ask::starts(consumer, partitions, position)).await
    }

    /// What the group has committed.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    pub async fn committed(&self, partitions: Vec<Partition>) -> Result<HashMap<Partition, u64>, BrokerError> {
        self.ask(move |consumer| ask::committed(consumer, &partitions)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&StreamConsumer<Member>) -> Result<T, BrokerError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let consumer = Arc::clone(self.consumer()?);
        let asked = spawn_blocking(move || question(&consumer)).await;
        asked.map_err(|error| BrokerError::Lost(error.to_string()))?
    }

    fn consumer(&self) -> Result<&Arc<StreamConsumer<Member>>, BrokerError> {
        self.consumer.as_ref().ok_or_else(|| BrokerError::Lost("it is being left".to_owned()))
    }

    /// Joins the group.
    ///
    /// # Errors
    /// When it cannot begin to.
    pub fn join(&self) -> Result<(), BrokerError> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer()?.subscribe(&topics).map_err(|error| BrokerError::Lost(error.to_string()))
    }

    /// What happens next; giving up waiting loses nothing.
    ///
    /// # Errors
    /// When the cluster cannot be reached or refuses.
    pub async fn next(&mut self) -> Result<KafkaEvent, BrokerError> {
        let Some(consumer) = self.consumer.clone() else {
            return Err(BrokerError::Lost("it is being left".to_owned()));
        };
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Ok(event),
                message = consumer.recv() => match message {
                    Ok(message) => return Ok(record(&message)),
                    Err(KafkaError::PartitionEOF(number)) => {
                        // A mapping has one topic; of several it is not told which.
                        if let [topic] = &self.topics[..] {
                            return Ok(KafkaEvent::AtTip(Partition { topic: topic.clone(), number }));
                        }
                    }
                    Err(error) if ends(&error) => return Err(consumer.context().why(&error)),
                    Err(error) => tracing::debug!(%error, "Kafka tells of an error that it gets over"),
                },
            }
        }
    }

    /// Takes the partitions that were assigned, each from an offset on, or from the oldest record.
    ///
    /// # Errors
    /// When it cannot begin to.
    pub fn assign(&self, from: &[(Partition, Option<u64>)]) -> Result<(), BrokerError> {
        let offset = |offset: &Option<u64>| offset.map_or(Offset::Beginning, |offset| Offset::Offset(signed(offset)));
        let list = list(from.iter().map(|(partition, from)| (partition, offset(from))))?;
        let consumer = self.consumer()?;
        consumer.context().has(from.iter().map(|(partition, _)| partition.clone()));
        consumer.assign(&list).map_err(|error| BrokerError::Lost(error.to_string()))
    }

    /// Gives all partitions back.
    ///
    /// # Errors
    /// When it cannot begin to.
    pub fn release(&self) -> Result<(), BrokerError> {
        let consumer = self.consumer()?;
        consumer.context().has([]);
        consumer.unassign().map_err(|error| BrokerError::Lost(error.to_string()))
    }

    /// Begins to commit offsets of those of the partitions that this member has.
    ///
    /// # Errors
    /// When it cannot begin to.
    pub fn commit(&self, offsets: &[(Partition, u64)]) -> Result<(), BrokerError> {
        let consumer = self.consumer()?;
        let own = consumer.context().own(offsets);
        if own.is_empty() {
            return Ok(());
        }
        let list = list(own.iter().map(|(partition, offset)| (partition, Offset::Offset(signed(*offset)))))?;
        consumer.commit(&list, CommitMode::Async).map_err(|error| BrokerError::Lost(error.to_string()))
    }

    /// Has records of a partition come, or not.
    pub fn hold(&self, partition: &Partition, is_held: bool) {
        let (Ok(consumer), Ok(list)) = (self.consumer(), list([(partition, Offset::Invalid)])) else { return };
        let held = if is_held { consumer.pause(&list) } else { consumer.resume(&list) };
        if let Err(error) = held {
            tracing::debug!(%error, is_held, "a partition could not be paused or resumed");
        }
    }

    /// Leaves the group, once what is being committed is, within five seconds; what is left goes on beside.
    pub async fn close(mut self) {
        if let Some(left) = self.leave() {
            let _ = timeout(CLOSE_TIMEOUT, left).await;
        }
    }

    /// Leaving waits for the cluster, which may be gone: it has a thread of its own.
    fn leave(&mut self) -> Option<oneshot::Receiver<()>> {
        let consumer = self.consumer.take()?;
        consumer.context().is_closing();
        let (done, left) = oneshot::channel();
        let leave = move || {
            drop(consumer);
            let _ = done.send(());
        };
        match thread::Builder::new().name("kafka-leave".to_owned()).spawn(leave) {
            Ok(_) => Some(left),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a Kafka consumer was left without a thread");
                None
            }
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether the consumer gets over an error by itself.
fn ends(error: &KafkaError) -> bool {
    match error {
        KafkaError::MessageConsumptionFatal(_) => true,
        KafkaError::MessageConsumption(code) => matches!(
            code,
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::InconsistentGroupProtocol
                | RDKafkaErrorCode::PollExceeded
        ),
        _ => false,
    }
}

fn record(message: &BorrowedMessage<'_>) -> KafkaEvent {
    let partition = Partition { topic: message.topic().to_owned(), number: message.partition() };
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let record = StreamRecord::kafka(&KafkaRecord {
        topic: message.topic(),
        partition: message.partition(),
        offset: u64::try_from(message.offset()).unwrap_or_default(),
        time: match message.timestamp() {
            Timestamp::NotAvailable => KafkaTime::Missing,
            Timestamp::CreateTime(unix_ms) => KafkaTime::Created(unix_ms),
            Timestamp::LogAppendTime(unix_ms) => KafkaTime::Appended(unix_ms),
        },
        key: message.key(),
        value: message.payload(),
        headers: headers.map(|header| (header.key, header.value.unwrap_or_default())).collect(),
    });
    KafkaEvent::Record(partition, record)
}

fn list<'a>(partitions: impl IntoIterator<Item = (&'a Partition, Offset)>) -> Result<TopicPartitionList, BrokerError> {
    let mut list = TopicPartitionList::new();
    for (Partition { topic, number }, offset) in partitions {
        let added = list.add_partition_offset(topic, *number, offset);
        added.map_err(|error| BrokerError::Lost(error.to_string()))?;
    }
    Ok(list)
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
