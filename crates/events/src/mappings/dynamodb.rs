//! Streams of tables of DynamoDB.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tindra_core::event_source_mapping::stream::{ShardInfo, ShardPosition, StreamRecord};
use tindra_store::BoxFuture;

use super::kinesis::{page, shard};
use super::ports::{Page, ShardSource, SourceApi, SourceError};

/// Between two looks at a shard that has nothing more (AWS).
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// Records of one read (AWS).
const RECORDS_MAX: usize = 1_000;
/// Pages of a description: more shards than any stream keeps.
const PAGES_MAX: usize = 1_000;

/// The stream of a table.
#[derive(Debug)]
pub(super) struct TableStream {
    pub(super) api: Arc<dyn SourceApi>,
    pub(super) arn: String,
    /// For `awsRegion`.
    pub(super) region: String,
}

impl ShardSource for TableStream {
    fn idle_wait(&self) -> Duration {
        IDLE_WAIT
    }

    fn resolution_ms(&self) -> u64 {
        1_000
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardInfo>, SourceError>> {
        Box::pin(async move {
            let mut shards = Vec::new();
            let mut input = json!({ "StreamArn": self.arn });
            for _ in 0..PAGES_MAX {
                let answer = self.api.call("DescribeStream", input.clone()).await?;
                let description = &answer["StreamDescription"];
                shards.extend(description["Shards"].as_array().into_iter().flatten().filter_map(shard));
                match description["LastEvaluatedShardId"].as_str() {
                    Some(last) => input["ExclusiveStartShardId"] = json!(last),
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
            let mut input = json!({ "StreamArn": self.arn, "ShardId": shard_id });
            let kind = match position {
                // It cannot be asked for a time; who reads leaves out what is older.
                ShardPosition::TrimHorizon | ShardPosition::AtTimestamp(_) => "TRIM_HORIZON",
                ShardPosition::Latest { .. } => "LATEST",
                ShardPosition::After(sequence) => {
                    input["SequenceNumber"] = json!(sequence);
                    "AFTER_SEQUENCE_NUMBER"
                }
            };
            input["ShardIteratorType"] = json!(kind);
            let answer = self.api.call("GetShardIterator", input).await?;
            let iterator = answer["ShardIterator"].as_str().map(str::to_owned);
            iterator.ok_or_else(|| SourceError::new("DynamoDB has answered GetShardIterator without an iterator"))
        })
    }

    fn read<'a>(
        &'a self,
        _shard_id: &'a str,
        iterator: &'a str,
        records_max: usize,
    ) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(async move {
            let input = json!({ "ShardIterator": iterator, "Limit": records_max.clamp(1, RECORDS_MAX) });
            let answer = self.api.call("GetRecords", input).await?;
            page(&answer, |record| StreamRecord::dynamodb(record, &self.arn, &self.region))
        })
    }
}
