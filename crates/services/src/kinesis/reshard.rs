//! SplitShard, MergeShards and UpdateShardCount.
//!
//! The shards that are closed are held still, so that where they end, the mark behind their last record, and their children are
//! one commit: a record is either before the mark or in a child.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::{Batch, JournalChange, JsonBatch as _, Precondition, StoreError};

use super::KinesisService;
use super::appender::Held;
use super::error::{invalid, missing, no_stream, stored};
use super::hash::HashRange;
use super::names::{Named, shard_id, shard_number};
use super::records::{Closed, Shard, Stream};
use super::streams::check_shards;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SplitShardRequest {
    #[serde(flatten)]
    stream: Named,
    shard_to_split: String,
    new_starting_hash_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeShardsRequest {
    #[serde(flatten)]
    stream: Named,
    shard_to_merge: String,
    adjacent_shard_to_merge: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateShardCountRequest {
    #[serde(flatten)]
    stream: Named,
    target_shard_count: u32,
}

/// How the shards end that are closed. Those that are made only to be closed again have never had records.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) now_ms: UnixMs,
    pub(super) ends: BTreeMap<u32, Closed>,
}

impl KinesisService {
    pub(super) async fn split_shard(&self, scope: &Scope, request: SplitShardRequest) -> Result<Value, ApiError> {
        let open = self.count(scope).await.open;
        let prepare = |stream: &Stream| {
            check_mode(stream)?;
            let shard = find(stream, &request.shard_to_split)?;
            check_shards(scope, open, 1)?;
            let at = request.new_starting_hash_key.parse().ok();
            // As AWS has it: the first of the new shards has at least two points.
            let at = at.filter(|at| *at > shard.range.first.saturating_add(1) && *at < shard.range.last);
            let at: u128 = at.ok_or_else(|| not_inside(stream, shard, &request.new_starting_hash_key))?;
            check_open(stream, shard)?;
            Ok((vec![shard.number], at))
        };
        let edit = |stream: &mut Stream, closing: &Closing| {
            let (numbers, at) = prepare(stream)?;
            numbers.into_iter().for_each(|number| stream.split(number, at, closing));
            Ok(json!({}))
        };
        self.reshard(scope, &request.stream, |stream| prepare(stream).map(|(numbers, _)| numbers), edit).await
    }

    pub(super) async fn merge_shards(&self, scope: &Scope, request: MergeShardsRequest) -> Result<Value, ApiError> {
        let prepare = |stream: &Stream| {
            check_mode(stream)?;
            let first = find(stream, &request.shard_to_merge)?;
            let second = find(stream, &request.adjacent_shard_to_merge)?;
            let (low, high) = if first.range.first < second.range.first { (first, second) } else { (second, first) };
            if low.range.last.checked_add(1) != Some(high.range.first) {
                let (name, account) = (&stream.name, &stream.scope.account);
                return Err(invalid(format!(
                    "Shards {} and {} in stream {name} under account {account} are not an adjacent pair of shards eligible for merging",
                    first.id(),
                    second.id()
                )));
            }
            check_open(stream, first)?;
            check_open(stream, second)?;
            Ok(vec![first.number, second.number])
        };
        let edit = |stream: &mut Stream, closing: &Closing| {
            if let [first, second] = prepare(stream)?[..] {
                stream.merge(first, second, closing);
            }
            Ok(json!({}))
        };
        self.reshard(scope, &request.stream, &prepare, edit).await
    }

    pub(super) async fn update_shard_count(
        &self,
        scope: &Scope,
        request: UpdateShardCountRequest,
    ) -> Result<Value, ApiError> {
        let open = self.count(scope).await.open;
        let target = request.target_shard_count;
        let prepare = |stream: &Stream| {
            check_mode(stream)?;
            let current = stream.open_shards().count();
            check_target(current, target as usize)?;
            check_shards(scope, open, (target as usize).saturating_sub(current))?;
            Ok(stream.open_shards().map(|shard| shard.number).collect())
        };
        let edit = |stream: &mut Stream, closing: &Closing| {
            prepare(stream)?;
            let current = stream.open_shards().count();
            stream.divide_evenly(target, closing);
            Ok(json!({
                "StreamName": stream.name,
                "StreamARN": stream.arn(),
                "CurrentShardCount": current,
                "TargetShardCount": target,
            }))
        };
        self.reshard(scope, &request.stream, &prepare, edit).await
    }

    /// Changes the shards of a stream; `prepare` says which of them may be closed by `edit`.
    async fn reshard(
        &self,
        scope: &Scope,
        named: &Named,
        prepare: impl Fn(&Stream) -> Result<Vec<u32>, ApiError>,
        edit: impl Fn(&mut Stream, &Closing) -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        loop {
            let known = self.named(scope, named).await?;
            let held = self.hold(&known, prepare(&known)?).await?;
            // As it is now that nobody else can close them.
            let found = self.stored(scope, &known.name).await?.filter(|found| found.value.id == known.id);
            let found = found.ok_or_else(|| no_stream(&known.name, &scope.account))?;
            let (mut stream, now_ms) = (found.value, self.now_ms());
            let mut ends: BTreeMap<u32, (Closed, JournalChange)> =
                held.iter().filter_map(|held| Some((held.shard(), held.close(now_ms)?))).collect();
            let closing = Closing { now_ms, ends: ends.iter().map(|(shard, (closed, _))| (*shard, *closed)).collect() };
            let answer = edit(&mut stream, &closing)?;
            let is_closed = |shard: &u32| stream.shard(*shard).is_some_and(|shard| shard.closed.is_some());
            ends.retain(|shard, _| is_closed(shard));
            let mut batch = Batch::default()
                .put_json(stream.key(), Precondition::Revision(found.revision), &stream)
                .map_err(stored)?;
            batch.journals.extend(ends.into_values().map(|(_, change)| change));
            let done = self.commit(batch).await;
            held.into_iter().for_each(Held::release);
            match done {
                Err(StoreError::Conflict { .. }) => self.inner.streams.catch_up().await,
                done => return done.map(|()| answer).map_err(stored),
            };
        }
    }

    /// Holds shards still, always in the same order.
    async fn hold(&self, stream: &Stream, mut shards: Vec<u32>) -> Result<Vec<Held>, ApiError> {
        shards.sort_unstable();
        let mut held = Vec::with_capacity(shards.len());
        for shard in shards {
            let appender = self.inner.appenders.of(stream, shard);
            held.push(appender.hold().await.map_err(stored)?);
        }
        Ok(held)
    }
}

impl Stream {
    fn close(&mut self, number: u32, closing: &Closing) {
        let end = closing.ends.get(&number).copied();
        if let Some(shard) = self.shards.iter_mut().find(|shard| shard.number == number) {
            shard.closed = Some(end.unwrap_or(Closed { at_ms: closing.now_ms, records: 0 }));
        }
    }

    /// Splits a shard in front of a point.
    pub(super) fn split(&mut self, number: u32, at: u128, closing: &Closing) {
        let Some(HashRange { first, last }) = self.shard(number).map(|shard| shard.range) else { return };
        self.close(number, closing);
        for range in [HashRange { first, last: at - 1 }, HashRange { first: at, last }] {
            self.add_shard(range, [Some(number), None], closing.now_ms);
        }
    }

    /// Merges two shards that lie beside each other.
    pub(super) fn merge(&mut self, one: u32, other: u32, closing: &Closing) {
        let range = |number: u32| self.shard(number).map(|shard| shard.range);
        let (Some(first), Some(second)) = (range(one), range(other)) else { return };
        let whole = HashRange { first: first.first.min(second.first), last: first.last.max(second.last) };
        self.close(one, closing);
        self.close(other, closing);
        self.add_shard(whole, [Some(one), Some(other)], closing.now_ms);
    }

    /// Splits and merges until there are as many shards of the same size. As on AWS some live only for a moment.
    pub(super) fn divide_evenly(&mut self, count: u32, closing: &Closing) {
        let wanted = HashRange::evenly(count);
        for part in &wanted {
            let cut =
                self.shard_at(part.first).filter(|shard| shard.range.first < part.first).map(|shard| shard.number);
            if let Some(number) = cut {
                self.split(number, part.first, closing);
            }
        }
        for part in &wanted {
            while let Some(first) = self.shard_at(part.first).filter(|shard| shard.range.last < part.last)
                && let Some(second) = self.shard_at(first.range.last + 1)
            {
                self.merge(first.number, second.number, closing);
            }
        }
    }
}

fn find<'a>(stream: &'a Stream, id: &str) -> Result<&'a Shard, ApiError> {
    let number = shard_number(id);
    number.and_then(|number| stream.shard(number)).ok_or_else(|| {
        let id = number.map_or_else(|| id.to_owned(), shard_id);
        missing(format!("Could not find shard {id} in stream {} under account {}.", stream.name, stream.scope.account))
    })
}

fn check_open(stream: &Stream, shard: &Shard) -> Result<(), ApiError> {
    match shard.closed {
        None => Ok(()),
        Some(_) => Err(invalid(format!(
            "Shard {} in stream {} under account {} has already been merged or split, and thus is not eligible for merging or splitting.",
            shard.id(),
            stream.name,
            stream.scope.account
        ))),
    }
}

/// Streams on demand have their shards from AWS.
fn check_mode(stream: &Stream) -> Result<(), ApiError> {
    match stream.is_on_demand {
        true => Err(ApiError::new(
            "ValidationException",
            format!(
                "Request is invalid. Stream {} under account {} is in On-Demand mode.",
                stream.name, stream.scope.account
            ),
        )),
        false => Ok(()),
    }
}

fn check_target(current: usize, target: usize) -> Result<(), ApiError> {
    let refused = |what: &str| {
        invalid(format!(
            "UpdateShardCount cannot scale {what} your current open shard count. Current open shard count: {current} Target shard count: {target}"
        ))
    };
    match target {
        _ if target > current * 2 => Err(refused("up over double")),
        _ if target < current.div_ceil(2) => Err(refused("down below half")),
        _ => Ok(()),
    }
}

fn not_inside(stream: &Stream, shard: &Shard, given: &str) -> ApiError {
    let HashRange { first, last } = shard.range;
    invalid(format!(
        "NewStartingHashKey {given} used in SplitShard() on shard {} in stream {} under account {} is not both greater than one plus the shard's StartingHashKey {first} and less than the shard's EndingHashKey {last}.",
        shard.id(),
        stream.name,
        stream.scope.account
    ))
}
