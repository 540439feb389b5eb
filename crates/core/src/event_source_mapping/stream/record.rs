//! A record of a stream: as its function gets it, and what the poller needs to know of it (AWS, "Using Lambda to process records
//! from Amazon Kinesis Data Streams", "Using AWS Lambda with Amazon DynamoDB").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::super::{Filters, SourceKind, data_key, filtered};
use crate::clock::UnixMs;

/// A record of a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// Its sequence number.
    pub sequence: String,
    /// Records with the same key are handled in their order.
    pub key: String,
    /// When it was written to the stream.
    pub arrival_ms: UnixMs,
    /// What it takes of an event.
    pub bytes: usize,
    /// As its function gets it.
    pub members: Map<String, Value>,
}

impl StreamRecord {
    /// A record of `GetRecords` of Kinesis. None when it is none.
    #[must_use]
    pub fn kinesis(record: &Value, shard_id: &str, stream_arn: &str, role_arn: &str) -> Option<Self> {
        let sequence = record.get("SequenceNumber")?.as_str()?;
        let key = record.get("PartitionKey")?.as_str()?;
        let data = record.get("Data")?.as_str()?;
        let arrival = record.get("ApproximateArrivalTimestamp")?.as_f64()?;
        let members = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key,
                "sequenceNumber": sequence,
                "data": data,
                "approximateArrivalTimestamp": arrival,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard_id}:{sequence}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role_arn,
            "awsRegion": region(stream_arn),
            "eventSourceARN": stream_arn,
        });
        Self::new(sequence.to_owned(), key.to_owned(), arrival, members)
    }

    /// A record of `GetRecords` of DynamoDB Streams. None when it is none.
    #[must_use]
    pub fn dynamodb(record: &Value, stream_arn: &str, region: &str) -> Option<Self> {
        let mut members = record.as_object()?.clone();
        let change = members.get("dynamodb")?;
        let sequence = change.get("SequenceNumber")?.as_str()?.to_owned();
        let arrival = change.get("ApproximateCreationDateTime").and_then(Value::as_f64).unwrap_or_default();
        let key = item_key(change.get("Keys"));
        if let Some(identity) = members.remove("userIdentity").as_ref().and_then(Value::as_object) {
            let member = |lower: &str, upper: &str| identity.get(lower).or_else(|| identity.get(upper)).cloned();
            let (kind, principal) = (member("type", "Type"), member("principalId", "PrincipalId"));
            members.insert("userIdentity".to_owned(), json!({ "type": kind, "principalId": principal }));
        }
        members.insert("awsRegion".to_owned(), region.into());
        members.insert("eventSource".to_owned(), "aws:dynamodb".into());
        members.insert("eventSourceARN".to_owned(), stream_arn.into());
        Self::new(sequence, key, arrival, Value::Object(members))
    }

    fn new(sequence: String, key: String, arrival_s: f64, members: Value) -> Option<Self> {
        let Value::Object(members) = members else { return None };
        let bytes = serde_json::to_vec(&members).map_or(0, |text| text.len() + 1);
        Some(Self { sequence, key, arrival_ms: unix_ms(arrival_s), bytes, members })
    }
}

/// Whether filters let a record pass. Patterns find the data of a record of Kinesis, decoded, under `data`, and the value of one of
/// Kafka under `value`, beside the other members; they match a record of DynamoDB as it is.
#[must_use]
pub fn passes(filters: &Filters, kind: SourceKind, record: &StreamRecord) -> bool {
    if filters.is_empty() {
        return true;
    }
    let mut members = record.members.clone();
    if kind == SourceKind::DynamoDb {
        return filters.let_pass(&Value::Object(members));
    }
    let own = members.get("kinesis").and_then(Value::as_object).cloned().unwrap_or_default();
    members.extend(own);
    let key = data_key(kind);
    let data = members.get(key).and_then(Value::as_str).and_then(|text| BASE64.decode(text).ok());
    match data {
        Some(data) => filters.let_pass(&filtered(members, key, &data)),
        // A record of Kafka may have no value.
        None => filters.let_pass(&Value::Object(members)),
    }
}

/// The key of an item, whichever order its members come in.
fn item_key(keys: Option<&Value>) -> String {
    let mut parts: Vec<String> =
        keys.and_then(Value::as_object).into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    parts.sort_unstable();
    parts.join("&")
}

fn region(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to years of four digits")]
fn unix_ms(seconds: f64) -> UnixMs {
    (seconds.clamp(0.0, 253_402_300_799.0) * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";

    fn kinesis(data: &str) -> StreamRecord {
        let record = json!({ "SequenceNumber": "17", "PartitionKey": "k", "Data": BASE64.encode(data),
            "ApproximateArrivalTimestamp": 1_607_497_475.123 });
        StreamRecord::kinesis(&record, "shardId-000000000006", STREAM, "arn:aws:iam::123456789012:role/r").unwrap()
    }

    #[test]
    fn a_record_of_kinesis_has_the_documented_form() {
        let record = kinesis("hi");
        let expected = json!({
            "kinesis": { "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": "17", "data": "aGk=",
                "approximateArrivalTimestamp": 1_607_497_475.123 },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": "shardId-000000000006:17",
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/r",
            "awsRegion": "eu-west-1", "eventSourceARN": STREAM,
        });
        assert_eq!(Value::Object(record.members.clone()), expected);
        assert_eq!((record.key.as_str(), record.arrival_ms), ("k", 1_607_497_475_123));
        assert_eq!(record.bytes, expected.to_string().len() + 1);
        assert_eq!(StreamRecord::kinesis(&json!({}), "s", STREAM, ""), None);
    }

    #[test]
    fn a_record_of_dynamodb_has_its_stream_and_its_key() {
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000";
        let record = json!({ "eventID": "e", "eventName": "REMOVE", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1", "userIdentity": { "Type": "Service", "PrincipalId": "dynamodb.amazonaws.com" },
            "dynamodb": { "SequenceNumber": "111", "ApproximateCreationDateTime": 1_693_997_155.0,
                "Keys": { "id": { "S": "a" }, "at": { "N": "1" } } } });
        let made = StreamRecord::dynamodb(&record, arn, "eu-west-1").unwrap();
        assert_eq!(made.members["userIdentity"], json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" }));
        assert_eq!(made.members["eventSourceARN"], json!(arn));
        assert_eq!((made.key.as_str(), made.sequence.as_str()), (r#"at={"N":"1"}&id={"S":"a"}"#, "111"));
        assert_eq!(made.arrival_ms, 1_693_997_155_000);
        let filters = |text: &str| Filters::parse(&[text.to_owned()]).unwrap();
        let pattern = r#"{"eventName":["REMOVE"],"dynamodb":{"Keys":{"id":{"S":["a"]}}}}"#;
        assert!(passes(&filters(pattern), SourceKind::DynamoDb, &made));
        assert!(!passes(&filters(r#"{"eventName":["INSERT"]}"#), SourceKind::DynamoDb, &made));
    }

    #[test]
    fn filters_see_the_decoded_data() {
        let pass = |pattern: &str, data: &str| {
            passes(&Filters::parse(&[pattern.to_owned()]).unwrap(), SourceKind::Kinesis, &kinesis(data))
        };
        assert!(pass(r#"{"data":{"a":[1]}}"#, r#"{"a":1}"#) && !pass(r#"{"data":{"a":[1]}}"#, r#"{"a":2}"#));
        assert!(!pass(r#"{"data":{"a":[1]}}"#, "not json"), "a pattern for JSON drops what is none");
        assert!(pass(r#"{"partitionKey":["k"],"eventName":["aws:kinesis:record"]}"#, "any"));
    }
}
