//! A record of Kafka as its function gets it (AWS, "Using Lambda with self-managed Apache Kafka"). A partition is a shard of which
//! the sequence numbers are offsets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::{ShardPosition, StreamRecord};
use crate::clock::UnixMs;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic.
    pub topic: String,
    /// Its number in it.
    pub number: i32,
}

impl Partition {
    /// `TOPIC-NUMBER`, as events and records of it have it.
    #[must_use]
    pub fn shard_id(&self) -> String {
        format!("{}-{}", self.topic, self.number)
    }
}

/// When a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaTime {
    /// The cluster has not kept it.
    Missing,
    /// By the clock of who sent it, in milliseconds since 1970.
    Created(i64),
    /// By the clock of the cluster, in milliseconds since 1970.
    Appended(i64),
}

/// What a record consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: u64,
    /// When it was written.
    pub time: KafkaTime,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value, if it has one.
    pub value: Option<&'a [u8]>,
    /// Its headers, in their order.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl StreamRecord {
    /// A record of a partition. A key or a value that it does not have is not there.
    #[must_use]
    pub fn kafka(record: &KafkaRecord<'_>) -> Self {
        let (unix_ms, kind) = match record.time {
            KafkaTime::Missing => (-1, "NO_TIMESTAMP_TYPE"),
            KafkaTime::Created(unix_ms) => (unix_ms, "CREATE_TIME"),
            KafkaTime::Appended(unix_ms) => (unix_ms, "LOG_APPEND_TIME"),
        };
        let signed = |bytes: &[u8]| bytes.iter().map(|byte| Value::from(byte.cast_signed())).collect::<Value>();
        let encoded = |bytes: &[u8]| Value::from(BASE64.encode(bytes));
        let mut members = Map::from_iter([
            ("topic".to_owned(), record.topic.into()),
            ("partition".to_owned(), record.partition.into()),
            ("offset".to_owned(), record.offset.into()),
            ("timestamp".to_owned(), unix_ms.into()),
            ("timestampType".to_owned(), kind.into()),
        ]);
        members.extend(record.key.map(|key| ("key".to_owned(), encoded(key))));
        members.extend(record.value.map(|value| ("value".to_owned(), encoded(value))));
        let headers = record.headers.iter().map(|(name, bytes)| json!({ *name: signed(bytes) })).collect::<Value>();
        members.insert("headers".to_owned(), headers);
        let bytes = serde_json::to_vec(&members).map_or(0, |text| text.len() + 1);
        Self {
            sequence: record.offset.to_string(),
            // A partition keeps its whole order.
            key: String::new(),
            arrival_ms: UnixMs::try_from(unix_ms).unwrap_or_default(),
            bytes,
            members,
        }
    }
}

impl ShardPosition {
    /// The position of a consumer group: the offset that is read next.
    #[must_use]
    pub fn of_offset(next: u64) -> Self {
        next.checked_sub(1).map_or(Self::TrimHorizon, |done| Self::After(done.to_string()))
    }

    /// The offset that is read next; none before the first record is done.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::After(done) => done.parse::<u64>().ok()?.checked_add(1),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::{Filters, SourceKind};
    use super::super::passes;
    use super::*;

    pub(in super::super) fn record(offset: u64, value: &str) -> StreamRecord {
        StreamRecord::kafka(&KafkaRecord {
            topic: "news",
            partition: 0,
            offset,
            time: KafkaTime::Created(1_545_084_650_987),
            key: Some(b"abcDEFghiJKLmnoPQRstuVWXyz1234=="),
            value: Some(value.as_bytes()),
            headers: vec![("headerKey", b"headerValue"), ("other", &[0, 255])],
        })
    }

    #[test]
    fn a_record_looks_as_the_guide_shows() {
        let expected = r#"{"topic":"news","partition":0,"offset":15,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"YWJjREVGZ2hpSktMbW5vUFFSc3R1VldYeXoxMjM0PT0=","value":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","headers":[{"headerKey":[104,101,97,100,101,114,86,97,108,117,101]},{"other":[0,-1]}]}"#;
        let record = record(15, "Hello, this is a test.");
        assert_eq!(serde_json::to_string(&record.members).unwrap(), expected);
        assert_eq!((record.sequence.as_str(), record.arrival_ms), ("15", 1_545_084_650_987));
        assert_eq!(record.bytes, expected.len() + 1);
    }

    #[test]
    fn what_a_record_does_not_have_is_not_there() {
        let record = StreamRecord::kafka(&KafkaRecord {
            topic: "news",
            partition: 1,
            offset: 0,
            time: KafkaTime::Missing,
            key: None,
            value: None,
            headers: Vec::new(),
        });
        let expected = r#"{"topic":"news","partition":1,"offset":0,"timestamp":-1,"timestampType":"NO_TIMESTAMP_TYPE","headers":[]}"#;
        assert_eq!(serde_json::to_string(&record.members).unwrap(), expected);
        assert_eq!(record.arrival_ms, 0);
    }

    #[test]
    fn filters_see_the_decoded_value() {
        let pass = |pattern: &str, value: &str| {
            let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
            passes(&filters, SourceKind::SelfManagedKafka, &record(1, value))
        };
        assert!(pass(r#"{"value":{"a":[1]}}"#, r#"{"a":1}"#) && !pass(r#"{"value":{"a":[1]}}"#, r#"{"a":2}"#));
        assert!(pass(r#"{"value":[{"anything-but":["error"]}]}"#, "fine"));
        assert!(!pass(r#"{"value":[{"anything-but":["error"]}]}"#, "error"));
        assert!(!pass(r#"{"value":{"a":[1]}}"#, "not json"), "a pattern for JSON drops what is none");
        assert!(pass(r#"{"topic":["news"],"partition":[0]}"#, "any") && !pass(r#"{"partition":[1]}"#, "any"));
    }

    #[test]
    fn offsets_are_positions() {
        assert_eq!(ShardPosition::of_offset(0), ShardPosition::TrimHorizon);
        assert_eq!(ShardPosition::of_offset(8), ShardPosition::After("7".to_owned()));
        assert_eq!(ShardPosition::of_offset(8).offset(), Some(8));
        assert_eq!(ShardPosition::TrimHorizon.offset(), None);
    }
}
