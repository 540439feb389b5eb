//! Questions to the cluster, each answered or given up within ten seconds. They block.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaRespErr;
use tindra_core::event_source_mapping::StartingPosition;
use tindra_core::event_source_mapping::stream::Partition;

use super::member::Member;
use super::{list, signed};
use crate::BrokerError;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer is waited for before it is looked whether the client knows why there is none.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// Events of the client that are looked at.
const LOOKS: usize = 200;

type Consumer = StreamConsumer<Member>;

pub(super) fn partitions(consumer: &Consumer, topics: &[String]) -> Result<Vec<Partition>, BrokerError> {
    let mut partitions = Vec::new();
    for topic in topics {
        let metadata = with_patience(consumer, |wait| consumer.fetch_metadata(Some(topic), wait))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let is_there = |found: &&rdkafka::metadata::MetadataTopic| !found.partitions().is_empty();
        let Some(found) = found.filter(is_there) else {
            let error = found.and_then(rdkafka::metadata::MetadataTopic::error);
            return Err(BrokerError::Lost(match error {
                Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
                    format!("it does not let this user read the topic {topic}")
                }
                _ => format!("it has no topic {topic}; create it there, or give the user the right to describe it"),
            }));
        };
        let partition = |number| Partition { topic: topic.clone(), number };
        partitions.extend(found.partitions().iter().map(|found| partition(found.id())));
    }
    Ok(partitions)
}

pub(super) fn committed(consumer: &Consumer, partitions: &[Partition]) -> Result<HashMap<Partition, u64>, BrokerError> {
    let all = list(partitions.iter().map(|partition| (partition, Offset::Invalid)))?;
    let found = consumer.committed_offsets(all, TIMEOUT).map_err(|error| consumer.context().why(&error))?;
    let mut committed = HashMap::new();
    for element in found.elements() {
        element.error().map_err(|error| consumer.context().why(&error))?;
        if let Offset::Offset(offset) = element.offset() {
            let partition = Partition { topic: element.topic().to_owned(), number: element.partition() };
            committed.insert(partition, u64::try_from(offset).unwrap_or_default());
        }
    }
    Ok(committed)
}

pub(super) fn starts(
    consumer: &Consumer,
    partitions: Vec<Partition>,
    position: StartingPosition,
) -> Result<Vec<(Partition, u64)>, BrokerError> {
    let mut at = HashMap::new();
    if let StartingPosition::AtTimestamp(unix_ms) = position {
        let times = list(partitions.iter().map(|partition| (partition, Offset::Offset(signed(unix_ms)))))?;
        let found = consumer.offsets_for_times(times, TIMEOUT).map_err(|error| consumer.context().why(&error))?;
        for element in found.elements() {
            element.error().map_err(|error| consumer.context().why(&error))?;
            if let Offset::Offset(offset) = element.offset() {
                at.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
    }
    let start = |partition: Partition| {
        let Partition { topic, number } = &partition;
        let offset = match (position, at.get(&(topic.clone(), *number))) {
            (StartingPosition::TrimHorizon, _) => 0,
            (_, Some(offset)) => *offset,
            // Behind the newest record, also where none has come since a time.
            (_, None) => {
                let bounds = consumer.fetch_watermarks(topic, *number, TIMEOUT);
                bounds.map_err(|error| consumer.context().why(&error))?.1
            }
        };
        Ok((partition, u64::try_from(offset).unwrap_or_default()))
    };
    partitions.into_iter().map(start).collect()
}

/// Asks again until the time is over, or the client knows why there is no answer.
fn with_patience<T>(consumer: &Consumer, ask: impl Fn(Duration) -> Result<T, KafkaError>) -> Result<T, BrokerError> {
    let begun = Instant::now();
    loop {
        let error = match ask(LOOK_AFTER) {
            Ok(answer) => {
                consumer.context().is_well();
                return Ok(answer);
            }
            Err(error) => error,
        };
        look(consumer);
        if begun.elapsed() + LOOK_AFTER > TIMEOUT || consumer.context().has_reason() {
            return Err(consumer.context().why(&error));
        }
    }
}

/// Has the client say what it knows: errors are told to who takes records.
fn look(consumer: &Consumer) {
    let mut stream = consumer.stream();
    // One that was looked at and gave no record looks like none.
    for _ in 0..LOOKS {
        let _ = stream.next().now_or_never();
    }
}
