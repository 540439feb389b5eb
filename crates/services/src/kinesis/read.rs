//! GetShardIterator and GetRecords.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::KinesisService;
use super::entry::Entry;
use super::error::{dry_run, invalid, missing, no_stream, stored};
use super::iterator::Place;
use super::names::{self, Named, shard_id, shard_number};
use super::place::{first_since, is_before};
use super::records::{Shard, Stream};
use super::sequence::Sequence;
use crate::instant::{from_seconds, to_seconds};

/// Records of an answer, where no fewer are wanted, and their bytes but for those of the last one (AWS).
const RECORDS_MAX: usize = 10_000;
pub(super) const BYTES_MAX: usize = 10 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorRequest {
    #[serde(flatten)]
    stream: Named,
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecordsRequest {
    #[serde(flatten)]
    stream: Named,
    shard_iterator: String,
    limit: Option<usize>,
    #[serde(default)]
    dry_run: bool,
}

/// Where to begin in a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) kind: &'a str,
    pub(super) sequence: Option<&'a str>,
    pub(super) timestamp: Option<f64>,
}

/// Records of a shard that follow each other.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<Value>,
    /// Where to go on.
    pub(super) next: u64,
    pub(super) behind_ms: u64,
    /// Nothing comes any more.
    pub(super) is_end: bool,
}

impl KinesisService {
    pub(super) async fn get_shard_iterator(
        &self,
        scope: &Scope,
        request: GetShardIteratorRequest,
    ) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        let shard = self.shard_of(&stream, &request.shard_id)?;
        let start = Start {
            kind: &request.shard_iterator_type,
            sequence: request.starting_sequence_number.as_deref(),
            timestamp: request.timestamp,
        };
        let offset = self.find_start(&stream, shard, start).await?;
        if request.dry_run {
            return Err(dry_run());
        }
        Ok(json!({ "ShardIterator": self.iterator(&stream, shard.number, offset) }))
    }

    pub(super) async fn get_records(&self, scope: &Scope, request: GetRecordsRequest) -> Result<Value, ApiError> {
        let place = self.inner.seals.read(&request.shard_iterator, self.now_ms())?;
        let stream = self.stream_at(scope, &place).await?;
        if request.stream.is_given() && self.named(scope, &request.stream).await?.id != stream.id {
            return Err(invalid("The ShardIterator is of another stream than StreamARN."));
        }
        let shard = self.shard_of(&stream, &shard_id(place.shard))?;
        if request.dry_run {
            return Err(dry_run());
        }
        let limit = request.limit.unwrap_or(RECORDS_MAX).min(RECORDS_MAX);
        let page = self.page(&stream, shard, place.offset, limit, BYTES_MAX).await?;
        let mut output = json!({ "Records": page.records, "MillisBehindLatest": page.behind_ms });
        match page.is_end {
            true => output["ChildShards"] = stream.children(shard.number).into(),
            false => output["NextShardIterator"] = self.iterator(&stream, shard.number, page.next).into(),
        }
        Ok(output)
    }

    /// The stream of an iterator, if it is still the same.
    pub(super) async fn stream_at(&self, scope: &Scope, place: &Place) -> Result<Arc<Stream>, ApiError> {
        let found = self.find(scope, &place.name).await.filter(|stream| stream.id == place.stream);
        found.ok_or_else(|| no_stream(&place.name, &scope.account))
    }

    fn iterator(&self, stream: &Stream, shard: u32, offset: u64) -> String {
        let place = Place { stream: stream.id, name: stream.name.clone(), shard, offset };
        self.inner.seals.make(&place, self.now_ms())
    }

    /// A shard by its id.
    pub(super) fn shard_of<'a>(&self, stream: &'a Stream, id: &str) -> Result<&'a Shard, ApiError> {
        let horizon_ms = stream.horizon_ms(self.now_ms());
        let found = shard_number(id).and_then(|number| stream.shard(number));
        found.filter(|shard| shard.is_open_at(horizon_ms)).ok_or_else(|| no_shard(stream, id))
    }

    /// The offset at which somebody begins to read.
    pub(super) async fn find_start(&self, stream: &Stream, shard: &Shard, start: Start<'_>) -> Result<u64, ApiError> {
        let Start { kind, sequence, timestamp } = start;
        let (journals, journal) = (&self.inner.around.store.journals, names::journal(stream.id, shard.number));
        let given = if sequence.is_some() { "also a StartingSequenceNumber" } else { "no StartingSequenceNumber" };
        match (kind, sequence, timestamp) {
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", Some(sequence), _) => {
                let read = read_sequence(stream, shard, sequence)?;
                Ok(read.offset(kind == "AFTER_SEQUENCE_NUMBER"))
            }
            ("TRIM_HORIZON", None, _) => Ok(0),
            ("LATEST", None, _) => {
                let end = journals.bounds(&journal).await.map_err(stored)?.end;
                Ok(shard.closed.map_or(end, |closed| closed.records))
            }
            ("AT_TIMESTAMP", _, Some(timestamp)) => {
                let time_ms = self.time_to_start(timestamp)?;
                first_since(journals.as_ref(), &journal, time_ms).await.map_err(stored)
            }
            ("AT_TIMESTAMP", _, None) => {
                Err(invalid("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP."))
            }
            _ => Err(invalid(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {given}."
            ))),
        }
    }

    fn time_to_start(&self, timestamp: f64) -> Result<UnixMs, ApiError> {
        let (now_ms, time_ms) = (self.now_ms(), from_seconds(timestamp));
        match time_ms {
            Some(time_ms) if time_ms <= now_ms => Ok(time_ms),
            Some(time_ms) => Err(invalid(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {time_ms}, currentTimestampInMillis: {now_ms}"
            ))),
            None => Err(invalid("The Timestamp has to be between 1970 and 9999.")),
        }
    }

    /// Records from an offset on, or from the first one that is still kept.
    pub(super) async fn page(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Page, ApiError> {
        let (journals, journal) = (&self.inner.around.store.journals, names::journal(stream.id, shard.number));
        let (now_ms, mut from) = (self.now_ms(), from);
        let horizon_ms = stream.horizon_ms(now_ms);
        // Looked at first: what comes meanwhile is not passed over.
        let end = match shard.closed {
            Some(closed) => closed.records,
            None => journals.bounds(&journal).await.map_err(stored)?.end,
        };
        let mut found = journals.read(&journal, from, limit, bytes_max).await.map_err(stored)?;
        if found.first().is_some_and(|(_, bytes)| is_before(bytes, horizon_ms)) {
            from = first_since(journals.as_ref(), &journal, horizon_ms).await.map_err(stored)?.max(from);
            found = journals.read(&journal, from, limit, bytes_max).await.map_err(stored)?;
        }
        let next = if found.is_empty() { from.max(end) } else { from };
        let (mut page, mut last_ms) = (Page { records: Vec::new(), next, behind_ms: 0, is_end: false }, now_ms);
        for (offset, bytes) in found {
            // The mark behind the last record of a closed shard is none. It is come upon until it is known here that the shard is
            // closed.
            let Some(Entry::Record { arrived_ms, given }) = Entry::read(&bytes) else { continue };
            (page.next, last_ms) = (offset + 1, arrived_ms);
            page.records.push(json!({
                "SequenceNumber": shard.sequence(offset + 1, arrived_ms).to_string(),
                "ApproximateArrivalTimestamp": to_seconds(arrived_ms),
                "Data": STANDARD.encode(&given.data),
                "PartitionKey": given.partition_key,
            }));
        }
        page.is_end = shard.closed.is_some() && page.next >= end;
        page.behind_ms = if page.next < end { now_ms.saturating_sub(last_ms).max(1) } else { 0 };
        Ok(page)
    }
}

fn no_shard(stream: &Stream, id: &str) -> ApiError {
    let (name, account) = (&stream.name, &stream.scope.account);
    match shard_number(id) {
        Some(number) => {
            let id = shard_id(number);
            missing(format!("Shard {id} in stream {name} under account {account} does not exist"))
        }
        None => missing(format!("Could not find shard {id} in stream {name} under account {account}.")),
    }
}

/// A sequence number of a shard.
fn read_sequence(stream: &Stream, shard: &Shard, text: &str) -> Result<Sequence, ApiError> {
    let what = format!(
        "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} under account {} is invalid",
        shard.id(),
        stream.name,
        stream.scope.account
    );
    let read = Sequence::parse(text).ok_or_else(|| invalid(format!("{what}.")))?;
    if read.shard != shard.number {
        return Err(invalid(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {}",
            shard_id(read.shard),
            shard.id()
        )));
    }
    match read.shard_s == shard.shard_s {
        true => Ok(read),
        false => Err(invalid(format!("{what} because it did not come from this stream."))),
    }
}
