//! What stands around the records of an event, and by what names their function speaks of them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::{EventSourceMapping, ItemFailures, MappingSettings, SourceKind};
use super::discarded::timestamp;
use super::{BatchEnd, Discarded, OpenWindow, StreamRecord, judge};

/// The form of a source's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `{"Records": […]}`, with the window where there is one.
    Stream {
        /// The stream.
        source_arn: String,
    },
    /// `{"eventSource": …, "records": {"TOPIC-PARTITION": […]}}` (AWS, "Using Lambda with self-managed Apache Kafka").
    Kafka {
        /// `SelfManagedKafka` or `aws:kafka`.
        source: &'static str,
        /// Of the managed service only.
        source_arn: Option<String>,
        /// `HOST:PORT,…` of the servers that are asked first.
        servers: String,
    },
}

/// The event of a batch of a stream.
#[derive(Serialize)]
struct StreamEvent<'a> {
    #[serde(rename = "Records")]
    records: Vec<&'a Map<String, Value>>,
    #[serde(flatten)]
    window: Map<String, Value>,
}

/// The event of a batch of a partition.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KafkaEvent<'a> {
    event_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<&'a str>,
    bootstrap_servers: &'a str,
    records: Map<String, Value>,
}

impl Frame {
    /// The form of a mapping's events; `servers` are those of a Kafka.
    #[must_use]
    pub fn of(mapping: &EventSourceMapping, servers: &str) -> Self {
        let source_arn = mapping.source.arn.clone();
        let servers = servers.to_owned();
        match mapping.source.kind {
            SourceKind::Msk => Self::Kafka { source: "aws:kafka", source_arn, servers },
            SourceKind::SelfManagedKafka => Self::Kafka { source: "SelfManagedKafka", source_arn: None, servers },
            _ => Self::Stream { source_arn: source_arn.unwrap_or_default() },
        }
    }

    /// Whether what no event has room for is given up, rather than shown to the function as a failure.
    pub(super) fn gives_up_what_is_too_large(&self) -> bool {
        matches!(self, Self::Kafka { .. })
    }

    /// The event of records of a shard.
    pub(super) fn event(
        &self,
        shard_id: &str,
        records: &[StreamRecord],
        window: Option<&OpenWindow>,
        is_final: bool,
    ) -> Vec<u8> {
        let members = records.iter().map(|record| &record.members);
        // Maps of JSON values: there is nothing in them that cannot be written.
        match self {
            Self::Stream { source_arn } => {
                let window = window.map(|window| window.members(shard_id, source_arn, is_final)).unwrap_or_default();
                serde_json::to_vec(&StreamEvent { records: members.collect(), window }).unwrap_or_default()
            }
            Self::Kafka { source, source_arn, servers } => {
                let list = members.cloned().map(Value::Object).collect();
                serde_json::to_vec(&KafkaEvent {
                    event_source: source,
                    event_source_arn: source_arn.as_deref(),
                    bootstrap_servers: servers,
                    records: Map::from_iter([(shard_id.to_owned(), list)]),
                })
                .unwrap_or_default()
            }
        }
    }

    /// What a function's answer means for the records that it was given.
    pub(super) fn judge(
        &self,
        answer: &[u8],
        settings: &MappingSettings,
        shard_id: &str,
        records: &[StreamRecord],
        is_final: bool,
    ) -> BatchEnd {
        match self {
            Self::Stream { .. } => judge(answer, settings, records, is_final),
            Self::Kafka { .. } => judge_partition(answer, settings, shard_id, records),
        }
    }

    /// What a destination is told of where records came from, by the name of the member.
    pub(super) fn origin(
        &self,
        mapping: &EventSourceMapping,
        shard_id: &str,
        discarded: &Discarded,
        event_bytes: usize,
    ) -> (&'static str, Value) {
        let of = |record: Option<&StreamRecord>| record.map(|record| (record.sequence.clone(), record.arrival_ms));
        let (first, first_ms) = of(discarded.records.first()).unwrap_or_default();
        let (last, last_ms) = of(discarded.records.last()).unwrap_or_default();
        let (first_time, last_time) = (timestamp(first_ms), timestamp(last_ms));
        let batch_size = discarded.records.len();
        match self {
            Self::Stream { source_arn } => {
                let is_table = mapping.source.kind == SourceKind::DynamoDb;
                let name = if is_table { "DDBStreamBatchInfo" } else { "KinesisBatchInfo" };
                let origin = json!({
                    "shardId": shard_id, "startSequenceNumber": first, "endSequenceNumber": last,
                    "approximateArrivalOfFirstRecord": first_time, "approximateArrivalOfLastRecord": last_time,
                    "batchSize": batch_size, "streamArn": source_arn,
                });
                (name, origin)
            }
            Self::Kafka { source_arn, servers, .. } => {
                let mut origin = json!({
                    "batchSize": batch_size, "bootstrapServers": servers, "payloadSize": event_bytes,
                    "recordsInfo": { shard_id: {
                        "firstRecordOffset": first, "lastRecordOffset": last,
                        "firstRecordTimestamp": first_time, "lastRecordTimestamp": last_time,
                    } },
                });
                if let Some(arn) = source_arn {
                    origin["eventSourceArn"] = arn.as_str().into();
                }
                ("KafkaBatchInfo", origin)
            }
        }
    }
}

/// Reads `{"batchItemFailures": [{"itemIdentifier": {"partition": "TOPIC-PARTITION", "offset": 100}}]}` (AWS, "Configuring error
/// handling controls for Kafka event sources"). Those records alone are tried again.
fn judge_partition(answer: &[u8], settings: &MappingSettings, shard_id: &str, records: &[StreamRecord]) -> BatchEnd {
    if !settings.reports_item_failures {
        return BatchEnd::Done { state: None };
    }
    let name = |id: &Value| {
        let offset = id.get("offset").and_then(Value::as_u64)?.to_string();
        let is_here = id.get("partition").and_then(Value::as_str) == Some(shard_id);
        (is_here && records.iter().any(|record| record.sequence == offset)).then_some(offset)
    };
    let failed = match ItemFailures::read_by(answer, name) {
        ItemFailures::All => return BatchEnd::Failed,
        ItemFailures::Some(failed) => failed,
    };
    let has_failed = |(_, record): &(usize, &StreamRecord)| failed.contains(&record.sequence);
    let indices: Vec<usize> = records.iter().enumerate().filter(has_failed).map(|(index, _)| index).collect();
    match indices.len() {
        0 => BatchEnd::Done { state: None },
        count if count == records.len() => BatchEnd::Failed,
        _ => BatchEnd::Only { indices },
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::kafka::tests::record;
    use super::*;

    fn frame() -> Frame {
        Frame::Kafka { source: "SelfManagedKafka", source_arn: None, servers: "a:9092,b:9092".to_owned() }
    }

    #[test]
    fn an_event_has_the_documented_form() {
        let event = frame().event("news-0", &[record(7, "x"), record(8, "y")], None, false);
        let event: Value = serde_json::from_slice(&event).unwrap();
        let members = |offset, value| Value::Object(record(offset, value).members);
        let expected = json!({
            "eventSource": "SelfManagedKafka", "bootstrapServers": "a:9092,b:9092",
            "records": { "news-0": [members(7, "x"), members(8, "y")] },
        });
        assert_eq!(event, expected);
        let arn = "arn:aws:kafka:us-east-1:123456789012:cluster/c/1".to_owned();
        let managed = Frame::Kafka { source: "aws:kafka", source_arn: Some(arn.clone()), servers: "a:9092".to_owned() };
        let event: Value = serde_json::from_slice(&managed.event("news-0", &[], None, false)).unwrap();
        assert_eq!((&event["eventSource"], &event["eventSourceArn"]), (&json!("aws:kafka"), &json!(arn)));
    }

    #[test]
    fn failures_are_named_by_partition_and_offset() {
        let reports = |reports_item_failures| MappingSettings {
            reports_item_failures,
            ..MappingSettings::new(SourceKind::SelfManagedKafka, Uuid::nil())
        };
        let records: Vec<_> = (7..10).map(|offset| record(offset, "x")).collect();
        let judged = |answer: &str| frame().judge(answer.as_bytes(), &reports(true), "news-0", &records, false);
        let failed = |offsets: &[u64]| {
            let items: Vec<_> = offsets
                .iter()
                .map(|offset| json!({ "itemIdentifier": { "partition": "news-0", "offset": offset } }))
                .collect();
            json!({ "batchItemFailures": items }).to_string()
        };
        assert_eq!(judged(&failed(&[9, 7])), BatchEnd::Only { indices: vec![0, 2] });
        assert_eq!(judged(&failed(&[7, 8, 9])), BatchEnd::Failed);
        assert_eq!(judged(&failed(&[10])), BatchEnd::Failed, "a record that was not in the batch");
        assert_eq!(judged(&failed(&[7]).replace("news-0", "news-1")), BatchEnd::Failed, "nor of the partition");
        assert_eq!(judged(r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#), BatchEnd::Failed);
        for answer in ["null", "{}", "", r#"{"batchItemFailures":[]}"#] {
            assert_eq!(judged(answer), BatchEnd::Done { state: None }, "{answer}");
        }
        let unread = frame().judge(failed(&[7]).as_bytes(), &reports(false), "news-0", &records, false);
        assert_eq!(unread, BatchEnd::Done { state: None });
    }
}
