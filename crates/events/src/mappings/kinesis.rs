//! Streams of Kinesis, by the operations that everything which speaks its language has: no consumers, no ARNs of streams, no
//! child shards.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tindra_core::event_source_mapping::kinesis_stream_name;
use tindra_core::event_source_mapping::stream::{ShardInfo, ShardPosition, StreamRecord};
use tindra_store::BoxFuture;

use super::ports::{Page, ShardSource, SourceApi, SourceError};

/// Between two looks at a shard that has nothing more (AWS).
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// Records of one read (AWS).
const RECORDS_MAX: usize = 10_000;
/// Pages of a listing: more shards than any stream has.
const PAGES_MAX: usize = 200;

/// A stream of Kinesis.
#[derive(Debug)]
pub(super) struct KinesisStream {
    api: Arc<dyn SourceApi>,
    arn: String,
    name: String,
    /// For `invokeIdentityArn`.
    role_arn: String,
}

impl KinesisStream {
    /// The stream of an ARN, which may be one of a consumer: its stream is read like any other.
    pub(super) fn new(api: Arc<dyn SourceApi>, arn: &str, role_arn: String) -> Self {
        let name = kinesis_stream_name(arn).to_owned();
        Self { api, arn: arn.to_owned(), name, role_arn }
    }
}

impl ShardSource for KinesisStream {
    fn idle_wait(&self) -> Duration {
        IDLE_WAIT
    }

    fn resolution_ms(&self) -> u64 {
        1
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardInfo>, SourceError>> {
        Box::pin(async move {
            let mut shards = Vec::new();
            let mut input = json!({ "StreamName": self.name });
            for _ in 0..PAGES_MAX {
                let answer = self.api.call("ListShards", input).await?;
                shards.extend(answer["Shards"].as_array().into_iter().flatten().filter_map(shard));
                match answer["NextToken"].as_str() {
                    Some(token) => input = json!({ "NextToken": token }),
                    None => break,
                }
            }
            Ok(shards)
        })
    }

    fn iterator<'a>(
        &'a self,
        shard_id: &'a str,
        position: &'a ShardPosition,
    ) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(async move {
            let mut input = json!({ "StreamName": self.name, "ShardId": shard_id });
            let kind = match position {
                ShardPosition::TrimHorizon => "TRIM_HORIZON",
                ShardPosition::Latest { .. } => "LATEST",
                ShardPosition::AtTimestamp(unix_ms) => {
                    input["Timestamp"] = json!(*unix_ms as f64 / 1_000.0);
                    "AT_TIMESTAMP"
                }
                ShardPosition::After(sequence) => {
                    input["StartingSequenceNumber"] = json!(sequence);
                    "AFTER_SEQUENCE_NUMBER"
                }
            };
            input["ShardIteratorType"] = json!(kind);
            let answer = self.api.call("GetShardIterator", input).await?;
            let iterator = answer["ShardIterator"].as_str().map(str::to_owned);
            iterator.ok_or_else(|| SourceError::new("Kinesis has answered GetShardIterator without an iterator"))
        })
    }

    fn tells(&self) -> bool {
        self.api.tells()
    }

    fn more<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, ()> {
        self.api.more(iterator)
    }

    fn read<'a>(
        &'a self,
        shard_id: &'a str,
        iterator: &'a str,
        records_max: usize,
    ) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(async move {
            let input = json!({ "ShardIterator": iterator, "Limit": records_max.clamp(1, RECORDS_MAX) });
            let answer = self.api.call("GetRecords", input).await?;
            page(&answer, |record| StreamRecord::kinesis(record, shard_id, &self.arn, &self.role_arn))
        })
    }
}

/// Reads what `GetRecords` has answered, of either service.
pub(super) fn page(answer: &Value, record: impl Fn(&Value) -> Option<StreamRecord>) -> Result<Page, SourceError> {
    let records = answer["Records"].as_array().into_iter().flatten().map(record).collect::<Option<_>>();
    // One that is left out would be lost.
    let records = records.ok_or_else(|| SourceError::new("a record of the stream has not the form of one"))?;
    let next = answer["NextShardIterator"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Page { records, next, behind_ms: answer["MillisBehindLatest"].as_u64() })
}

/// A shard of a listing, of either service.
pub(super) fn shard(shard: &Value) -> Option<ShardInfo> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let parents = [&shard["ParentShardId"], &shard["AdjacentParentShardId"]];
    Some(ShardInfo {
        id: text(&shard["ShardId"])?,
        parents: parents.into_iter().filter_map(text).collect(),
        ending_sequence: text(&shard["SequenceNumberRange"]["EndingSequenceNumber"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_and_pages_are_read() {
        let listed = json!({ "ShardId": "b", "ParentShardId": "a", "AdjacentParentShardId": "z",
            "SequenceNumberRange": { "StartingSequenceNumber": "1", "EndingSequenceNumber": "9" } });
        let expected = ShardInfo {
            id: "b".to_owned(),
            parents: vec!["a".to_owned(), "z".to_owned()],
            ending_sequence: Some("9".to_owned()),
        };
        assert_eq!(shard(&listed), Some(expected));
        assert_eq!(shard(&json!({})), None);
        let answer = json!({ "Records": [], "NextShardIterator": null, "MillisBehindLatest": 5 });
        assert_eq!(page(&answer, |_| None), Ok(Page { records: Vec::new(), next: None, behind_ms: Some(5) }));
        assert!(page(&json!({ "Records": [{}] }), |_| None).is_err(), "what cannot be read is not left out");
    }
}
