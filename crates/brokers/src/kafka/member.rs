//! What the client's threads tell of a member, and which partitions it has.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tindra_core::event_source_mapping::stream::Partition;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::KafkaEvent;
use crate::BrokerError;

pub(super) struct Member {
    events: UnboundedSender<KafkaEvent>,
    own: Mutex<BTreeSet<Partition>>,
    /// What the client has said last of what keeps it from the cluster.
    reason: Mutex<Option<String>>,
    is_closing: AtomicBool,
}

impl Member {
    pub(super) fn new() -> (Self, UnboundedReceiver<KafkaEvent>) {
        let (events, told) = unbounded_channel();
        let (own, reason, is_closing) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        (Self { events, own, reason, is_closing }, told)
    }

    /// These partitions are its own now, and no others.
    pub(super) fn has(&self, partitions: impl IntoIterator<Item = Partition>) {
        *lock(&self.own) = partitions.into_iter().collect();
    }

    /// What of this is of its own partitions: nobody commits what has gone to somebody else.
    pub(super) fn own(&self, offsets: &[(Partition, u64)]) -> Vec<(Partition, u64)> {
        let own = lock(&self.own);
        offsets.iter().filter(|(partition, _)| own.contains(partition)).cloned().collect()
    }

    /// Partitions are given back by themselves from now on.
    pub(super) fn is_closing(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// An error with what is known of its cause.
    pub(super) fn why(&self, error: &KafkaError) -> BrokerError {
        let code = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        match lock(&self.reason).clone() {
            Some(reason) => BrokerError::Lost(reason),
            None => BrokerError::Lost(code),
        }
    }

    /// What was said of a connection is of the past.
    pub(super) fn is_well(&self) {
        *lock(&self.reason) = None;
    }

    pub(super) fn has_reason(&self) -> bool {
        lock(&self.reason).is_some()
    }

    fn tell(&self, event: KafkaEvent) {
        // Who does not listen any more is leaving.
        let _ = self.events.send(event);
    }
}

impl ClientContext for Member {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(facility, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka tells of an error");
        let mut last = lock(&self.reason);
        // That none can be reached says less than why one cannot.
        if last.is_none() || !reason.contains("brokers are down") {
            *last = Some(cleaned(reason));
        }
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if is_assigned && !self.is_closing.load(Ordering::Acquire) {
            return self.tell(KafkaEvent::Assigned(partitions(list)));
        }
        if !is_assigned && !self.is_closing.load(Ordering::Acquire) && !consumer.assignment_lost() {
            return self.tell(KafkaEvent::Revoking);
        }
        self.has([]);
        if let Err(error) = consumer.unassign() {
            tracing::debug!(%error, "partitions that are lost could not be given back");
        }
        self.tell(KafkaEvent::Lost);
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not committed");
            return self.tell(KafkaEvent::NotCommitted(partitions(offsets)));
        }
        let failed = offsets.elements().into_iter().filter(|element| element.error().is_err());
        let failed: Vec<Partition> = failed
            .map(|element| Partition { topic: element.topic().to_owned(), number: element.partition() })
            .collect();
        if !failed.is_empty() {
            self.tell(KafkaEvent::NotCommitted(failed));
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let partition = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| Partition {
        topic: element.topic().to_owned(),
        number: element.partition(),
    };
    list.elements().iter().map(partition).collect()
}

/// Without the name of the client's thread and what else only its makers understand.
pub(super) fn cleaned(reason: &str) -> String {
    let reason = reason.split_once("]: ").map_or(reason, |(_, rest)| rest);
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    reason.trim_end_matches([':', ' ']).replace("/bootstrap", "")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_for_people() {
        let reason = "sasl_plaintext://127.0.0.1:1/bootstrap: SASL authentication error: Authentication failed (after 5ms in state AUTH_REQ)";
        assert_eq!(cleaned(reason), "sasl_plaintext://127.0.0.1:1: SASL authentication error: Authentication failed");
        assert_eq!(cleaned("[thrd:app]: 1/1 brokers are down"), "1/1 brokers are down");
    }

    #[test]
    fn only_what_is_its_own_is_committed() {
        let (member, _told) = Member::new();
        let partition = |number| Partition { topic: "t".to_owned(), number };
        let offsets = [(partition(0), 5), (partition(1), 6)];
        assert_eq!(member.own(&offsets), []);
        member.has([partition(1)]);
        assert_eq!(member.own(&offsets), [(partition(1), 6)]);
        member.has([]);
        assert_eq!(member.own(&offsets), []);
    }
}
