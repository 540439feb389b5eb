//! PutRecord and PutRecords: which shard a record belongs to, whether it may come now, and its sequence number.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::{ApiError, Blob};
use tokio::task::JoinSet;

use super::KinesisService;
use super::appender::{Appended, Appender, NotAppended};
use super::entry::Given;
use super::error::{dry_run, invalid, no_stream, violated};
use super::hash;
use super::names::{Named, shard_id};
use super::records::{Shard, Stream};
use super::sequence::Sequence;

/// Data and partition keys of a request (AWS).
const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Shards are split and merged seldom; who meets it that often is told to try again.
const ROUNDS_MAX: usize = 8;
/// What AWS calls errors of single records.
const INTERNAL: &str = "InternalFailure";
const THROTTLED: &str = "ProvisionedThroughputExceededException";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordRequest {
    #[serde(flatten)]
    stream: Named,
    #[serde(flatten)]
    record: RecordGiven,
    sequence_number_for_ordering: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordsRequest {
    #[serde(flatten)]
    stream: Named,
    records: Vec<RecordGiven>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordGiven {
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

/// A record on its way.
#[derive(Debug)]
struct Routed {
    point: u128,
    given: Given,
}

/// What became of a record.
#[derive(Debug)]
enum Outcome {
    Kept { shard: u32, sequence: Sequence },
    Throttled { shard: u32 },
    Failed,
}

impl KinesisService {
    pub(super) async fn put_record(&self, scope: &Scope, request: PutRecordRequest) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        if let Some(number) = &request.sequence_number_for_ordering
            && Sequence::parse(number).is_none()
        {
            // Sequence numbers of a shard always grow here, so that there is nothing more to do about it.
            return Err(invalid(format!(
                "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under account {} is invalid.",
                stream.name, stream.scope.account
            )));
        }
        let routed = request.record.route(&stream, "")?;
        check_size(routed.given.size())?;
        if request.dry_run {
            return Err(dry_run());
        }
        let (shard, sequence) = self.put_one(&stream, routed).await?;
        Ok(json!({ "ShardId": shard_id(shard), "SequenceNumber": sequence.to_string() }))
    }

    /// Puts a record that nobody has sent over HTTP.
    pub(super) async fn put_for(
        &self,
        scope: &Scope,
        stream: &str,
        partition_key: &str,
        data: Bytes,
    ) -> Result<(), ApiError> {
        let stream = self.find(scope, stream).await.ok_or_else(|| no_stream(stream, &scope.account))?;
        let (partition_key, explicit_hash_key) = (Some(partition_key.to_owned()), None);
        let routed = RecordGiven { data: Blob(data), partition_key, explicit_hash_key }.route(&stream, "")?;
        self.put_one(&stream, routed).await.map(drop)
    }

    async fn put_one(&self, stream: &Arc<Stream>, routed: Routed) -> Result<(u32, Sequence), ApiError> {
        match self.put(stream, vec![routed]).await?.pop() {
            Some(Outcome::Kept { shard, sequence }) => Ok((shard, sequence)),
            Some(Outcome::Throttled { shard }) => Err(ApiError::new(THROTTLED, throttled(stream, shard))),
            Some(Outcome::Failed) | None => {
                Err(ApiError::new("InternalFailureException", "The record could not be made durable; try again."))
            }
        }
    }

    pub(super) async fn put_records(&self, scope: &Scope, request: PutRecordsRequest) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        let mut routed = Vec::with_capacity(request.records.len());
        for (index, record) in request.records.into_iter().enumerate() {
            routed.push(record.route(&stream, &format!("records.{}.member.", index + 1))?);
        }
        check_size(routed.iter().map(|routed| routed.given.size()).sum())?;
        if request.dry_run {
            return Err(dry_run());
        }
        let outcomes = self.put(&stream, routed).await?;
        let failed = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Kept { .. })).count();
        let shown = outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Kept { shard, sequence } => {
                json!({ "ShardId": shard_id(shard), "SequenceNumber": sequence.to_string() })
            }
            Outcome::Throttled { shard } => {
                json!({ "ErrorCode": THROTTLED, "ErrorMessage": throttled(&stream, shard) })
            }
            Outcome::Failed => json!({ "ErrorCode": INTERNAL, "ErrorMessage": "Internal service failure." }),
        });
        Ok(json!({ "FailedRecordCount": failed, "Records": shown.collect::<Vec<_>>() }))
    }

    /// Appends records to the shards that they belong to; those that find theirs closed go to its children.
    async fn put(&self, stream: &Arc<Stream>, records: Vec<Routed>) -> Result<Vec<Outcome>, ApiError> {
        let mut outcomes: Vec<Outcome> = records.iter().map(|_| Outcome::Failed).collect();
        let mut left: Vec<(usize, Routed)> = records.into_iter().enumerate().collect();
        let mut stream = Arc::clone(stream);
        for round in 0..ROUNDS_MAX {
            let parts = self.parts(&stream, left, round == 0, &mut outcomes);
            left = self.append(parts, &mut outcomes).await;
            if left.is_empty() {
                break;
            }
            stream = self.as_it_is_now(&stream).await?;
        }
        Ok(outcomes)
    }

    /// The records of each shard; without those that are too many for it.
    fn parts(
        &self,
        stream: &Stream,
        records: Vec<(usize, Routed)>,
        is_paced: bool,
        outcomes: &mut [Outcome],
    ) -> Vec<Part> {
        let (mut parts, now) = (BTreeMap::<u32, Part>::new(), self.inner.appenders.now());
        for (index, routed) in records {
            let Some(shard) = stream.shard_at(routed.point) else { continue };
            let part = parts.entry(shard.number).or_insert_with(|| Part {
                shard: shard.clone(),
                appender: self.inner.appenders.of(stream, shard.number),
                records: Vec::new(),
            });
            // A stream on demand grows by itself on AWS, so nothing holds it up here.
            if is_paced && !stream.is_on_demand && !part.appender.admits(now, routed.given.size()) {
                outcomes[index] = Outcome::Throttled { shard: shard.number };
            } else {
                part.records.push((index, routed));
            }
        }
        parts.into_values().filter(|part| !part.records.is_empty()).collect()
    }

    /// Appends to several shards at once, and returns what belongs elsewhere by now.
    async fn append(&self, parts: Vec<Part>, outcomes: &mut [Outcome]) -> Vec<(usize, Routed)> {
        let mut appending = JoinSet::new();
        let mut kept = Vec::new();
        for (at, Part { shard, appender, records }) in parts.into_iter().enumerate() {
            // The bytes themselves are shared.
            let given = records.iter().map(|(_, routed)| routed.given.clone()).collect();
            appending.spawn(async move { (at, appender.append(given).await) });
            kept.push((shard, records));
        }
        let mut elsewhere = Vec::new();
        while let Some(done) = appending.join_next().await {
            let Ok((at, appended)) = done else { continue };
            let (shard, records) = &mut kept[at];
            match appended {
                Ok(Appended { offset, arrived_ms }) => {
                    for (place, (index, _)) in (offset + 1..).zip(records) {
                        let sequence = shard.sequence(place, arrived_ms);
                        outcomes[*index] = Outcome::Kept { shard: shard.number, sequence };
                    }
                }
                Err(NotAppended::Closed) => elsewhere.append(records),
                Err(NotAppended::Store) => {}
            }
        }
        elsewhere.sort_by_key(|(index, _)| *index);
        elsewhere
    }

    /// A stream after a change that is not in memory yet.
    async fn as_it_is_now(&self, stream: &Stream) -> Result<Arc<Stream>, ApiError> {
        self.inner.streams.catch_up().await;
        let found = self.inner.streams.get(&stream.key()).filter(|found| found.id == stream.id);
        found.ok_or_else(|| no_stream(&stream.name, &stream.scope.account))
    }
}

/// What goes to one shard.
#[derive(Debug)]
struct Part {
    shard: Shard,
    appender: Arc<Appender>,
    records: Vec<(usize, Routed)>,
}

impl RecordGiven {
    /// Where the record belongs; `place` is where it stands in the request.
    fn route(self, stream: &Stream, place: &str) -> Result<Routed, ApiError> {
        let partition_key =
            self.partition_key.ok_or_else(|| violated(&format!("{place}partitionKey"), "not be null"))?;
        let point = match &self.explicit_hash_key {
            Some(key) => key.parse().map_err(|_| {
                invalid(format!("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {key}"))
            })?,
            None => hash::of_key(&partition_key),
        };
        let given = Given { partition_key, data: self.data.0 };
        let bytes_max = usize::try_from(stream.record_kib_max * 1_024).unwrap_or(usize::MAX);
        match given.size() > bytes_max {
            true => Err(violated(&format!("{place}data"), &format!("have length less than or equal to {bytes_max}"))),
            false => Ok(Routed { point, given }),
        }
    }
}

fn check_size(bytes: usize) -> Result<(), ApiError> {
    match bytes > REQUEST_BYTES_MAX {
        true => Err(invalid("Records size exceeds 10 MB limit")),
        false => Ok(()),
    }
}

fn throttled(stream: &Stream, shard: u32) -> String {
    format!(
        "Rate exceeded for shard {} in stream {} under account {}.",
        shard_id(shard),
        stream.name,
        stream.scope.account
    )
}
