//! Making, deleting, describing and listing streams.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::KinesisService;
use super::error::{in_use, invalid, limit, no_stream, stored, unsupported, violated};
use super::hash::HashRange;
use super::names::{Named, shard_number};
use super::records::{Consumer, Gone, STREAMS, Stream, Tags};
use super::tags;
use crate::instant::to_seconds;

/// Open shards of an account and region (AWS: 1,000 where it is not more).
const SHARDS_MAX: usize = 1_000;
/// Streams on demand of an account and region (AWS).
const ON_DEMAND_MAX: usize = 50;
/// Shards of a stream on demand at its beginning (AWS).
const ON_DEMAND_SHARDS: u32 = 4;
/// How long records are kept at first, in hours (AWS).
const RETENTION_H: u64 = 24;
/// Of a record, where nothing else was wanted (AWS).
const RECORD_KIB: u64 = 1_024;
/// Streams of a page where nothing else is wanted, and shards of a description (AWS).
const PAGE: usize = 100;
/// Records read at once.
const READ_PAGE: usize = 512;

/// `StreamModeDetails`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mode {
    pub(super) stream_mode: String,
}

impl Mode {
    pub(super) fn is_on_demand(&self) -> bool {
        self.stream_mode == "ON_DEMAND"
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStreamRequest {
    stream_name: String,
    shard_count: Option<u32>,
    stream_mode_details: Option<Mode>,
    #[serde(default)]
    tags: Tags,
    #[serde(rename = "MaxRecordSizeInKiB")]
    record_kib_max: Option<u64>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput: Option<Value>,
    record_distribution_strategy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteStreamRequest {
    #[serde(flatten)]
    stream: Named,
    #[serde(default)]
    enforce_consumer_deletion: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStreamRequest {
    #[serde(flatten)]
    stream: Named,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreamsRequest {
    limit: Option<usize>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

impl KinesisService {
    pub(super) async fn create_stream(&self, scope: &Scope, request: CreateStreamRequest) -> Result<Value, ApiError> {
        let CreateStreamRequest { stream_name: name, shard_count, stream_mode_details, tags, .. } = request;
        if request.warm_throughput.is_some() {
            return Err(unsupported("WarmThroughputMiBps: a stream on demand has no limit to warm up to"));
        }
        if request.record_distribution_strategy.is_some_and(|strategy| strategy != "USER_PARTITION_KEY") {
            return Err(unsupported("the record distribution strategy AUTO"));
        }
        let is_on_demand = stream_mode_details.is_some_and(|mode| mode.is_on_demand());
        let count = match shard_count {
            Some(_) if is_on_demand => {
                return Err(invalid("ShardCount must not be specified for a stream in ON_DEMAND capacity mode."));
            }
            None if is_on_demand => ON_DEMAND_SHARDS,
            None => return Err(violated("shardCount", "not be null")),
            Some(count) => count,
        };
        let shards = self.count(scope).await;
        if is_on_demand && shards.on_demand >= ON_DEMAND_MAX {
            return Err(limit(format!("An account has at most {ON_DEMAND_MAX} streams in ON_DEMAND capacity mode.")));
        }
        check_shards(scope, shards.open, count as usize)?;
        let now_ms = self.now_ms();
        let mut stream = Stream {
            scope: scope.clone(),
            name: name.clone(),
            id: Uuid::now_v7(),
            created_ms: now_ms,
            retention_h: RETENTION_H,
            is_on_demand,
            record_kib_max: request.record_kib_max.unwrap_or(RECORD_KIB),
            shards: Vec::new(),
            next_shard: 0,
            tags: tags::merged(Tags::new(), tags)?,
        };
        for range in HashRange::evenly(count) {
            stream.add_shard(range, [None, None], now_ms);
        }
        let batch = Batch::default().put_json(stream.key(), Precondition::Absent, &stream).map_err(stored)?;
        match self.commit(batch).await {
            Ok(()) => Ok(json!({})),
            Err(StoreError::Conflict { .. }) => {
                Err(in_use(format!("Stream {name} under account {} already exists.", scope.account)))
            }
            Err(error) => Err(stored(error)),
        }
    }

    pub(super) async fn delete_stream(&self, scope: &Scope, request: DeleteStreamRequest) -> Result<Value, ApiError> {
        loop {
            let known = self.named(scope, &request.stream).await?;
            let found = self.stored(scope, &known.name).await?;
            let found = found.ok_or_else(|| no_stream(&known.name, &scope.account))?;
            let consumers = self.consumers(scope, &known.name).await?;
            if !consumers.is_empty() && !request.enforce_consumer_deletion {
                return Err(in_use(format!(
                    "Stream {} under account {} has registered consumers; deregister them, or set EnforceConsumerDeletion.",
                    known.name, scope.account
                )));
            }
            let gone = Gone::new(&found.value, found.value.shards.iter().map(|shard| shard.number));
            let mut batch = Batch::default()
                .delete(found.key, Precondition::Revision(found.revision))
                .put_json(gone.key(), Precondition::Absent, &gone)
                .map_err(stored)?;
            for consumer in consumers {
                batch = batch.delete(consumer.value.key(), Precondition::None);
            }
            match self.commit(batch).await {
                Ok(()) => {
                    self.inner.appenders.forget_stream(found.value.id);
                    return Ok(json!({}));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
    }

    pub(super) async fn describe_stream(
        &self,
        scope: &Scope,
        request: DescribeStreamRequest,
    ) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        let after = request
            .exclusive_start_shard_id
            .as_deref()
            .map(|id| shard_number(id).ok_or_else(|| violated("exclusiveStartShardId", "be the id of a shard")));
        let after = after.transpose()?;
        let (horizon_ms, size) = (stream.horizon_ms(self.now_ms()), request.limit.unwrap_or(PAGE));
        let kept = stream.shards.iter().filter(|shard| shard.is_open_at(horizon_ms));
        let mut shown: Vec<Value> = kept
            .filter(|shard| after.is_none_or(|after| shard.number > after))
            .take(size.saturating_add(1))
            .map(|shard| shard.shown())
            .collect();
        let has_more = shown.len() > size;
        shown.truncate(size);
        let mut description = stream.shown();
        description["Shards"] = shown.into();
        description["HasMoreShards"] = has_more.into();
        Ok(json!({ "StreamDescription": description }))
    }

    pub(super) async fn describe_summary(&self, scope: &Scope, request: Named) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request).await?;
        let mut summary = stream.shown();
        summary["OpenShardCount"] = stream.open_shards().count().into();
        summary["ConsumerCount"] = self.consumers(scope, &stream.name).await?.len().into();
        summary["MaxRecordSizeInKiB"] = stream.record_kib_max.into();
        if stream.is_on_demand {
            summary["RecordDistributionStrategy"] = "USER_PARTITION_KEY".into();
        }
        Ok(json!({ "StreamDescriptionSummary": summary }))
    }

    pub(super) async fn describe_limits(&self, scope: &Scope) -> Value {
        let shards = self.count(scope).await;
        json!({
            "ShardLimit": SHARDS_MAX,
            "OpenShardCount": shards.open,
            "OnDemandStreamCount": shards.on_demand,
            "OnDemandStreamCountLimit": ON_DEMAND_MAX,
        })
    }

    pub(super) async fn list_streams(&self, scope: &Scope, request: ListStreamsRequest) -> Result<Value, ApiError> {
        let size = request.limit.unwrap_or(PAGE);
        // A token is the name of the last stream of the page before.
        let after = request.next_token.or(request.exclusive_start_stream_name);
        let after = after.map(|name| Stream::key_of(scope, &name));
        self.inner.streams.catch_up().await;
        let mut page = self.inner.streams.page(&prefix(scope), after.as_deref(), size.saturating_add(1));
        let has_more = page.len() > size;
        page.truncate(size);
        let names: Vec<&str> = page.iter().map(|stream| stream.name.as_str()).collect();
        let summaries = page.iter().map(|stream| {
            json!({
                "StreamName": stream.name,
                "StreamARN": stream.arn(),
                "StreamStatus": "ACTIVE",
                "StreamModeDetails": { "StreamMode": stream.mode() },
                "StreamCreationTimestamp": to_seconds(stream.created_ms),
            })
        });
        let summaries: Vec<Value> = summaries.collect();
        let mut output = json!({ "StreamNames": names, "HasMoreStreams": has_more, "StreamSummaries": summaries });
        if let Some(last) = names.last().filter(|_| has_more) {
            output["NextToken"] = (*last).into();
        }
        Ok(output)
    }

    /// The consumers of a stream, as the store knows them.
    pub(super) async fn consumers(&self, scope: &Scope, stream: &str) -> Result<Vec<Versioned<Consumer>>, ApiError> {
        let prefix = Consumer::prefix(scope, stream);
        self.inner.around.store.metadata.list_json(&prefix, None, READ_PAGE).await.map_err(stored)
    }

    /// What an account has in a region.
    pub(super) async fn count(&self, scope: &Scope) -> Counted {
        self.inner.streams.catch_up().await;
        let all = self.inner.streams.page(&prefix(scope), None, usize::MAX);
        Counted {
            open: all.iter().map(|stream| stream.open_shards().count()).sum(),
            on_demand: all.iter().filter(|stream| stream.is_on_demand).count(),
        }
    }
}

/// What counts against quotas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) open: usize,
    pub(super) on_demand: usize,
}

/// Refuses more shards than an account may have.
pub(super) fn check_shards(scope: &Scope, open: usize, more: usize) -> Result<(), ApiError> {
    match open.saturating_add(more) > SHARDS_MAX {
        true => Err(limit(format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: {open}. Limit: {SHARDS_MAX}. Number of additional shards that would have resulted from this request: {more}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
            scope.account, scope.region
        ))),
        false => Ok(()),
    }
}

fn prefix(scope: &Scope) -> String {
    format!("{STREAMS}{}/{}/", scope.account, scope.region)
}
