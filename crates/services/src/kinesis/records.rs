//! What lies in the store beside the journals: streams with their shards, their consumers, and what is left of deleted ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use super::hash::HashRange;
use super::names::{self, shard_id};
use super::sequence::{END, Sequence};
use crate::instant::to_seconds;

/// Of the keys of all streams.
pub(super) const STREAMS: &str = "kinesis/stream/";
/// Of the keys of journals that are to be removed.
pub(super) const GONE: &str = "kinesis/gone/";

/// Tags of a stream or consumer.
pub(super) type Tags = BTreeMap<String, String>;

/// A stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) scope: Scope,
    pub(super) name: String,
    /// Which journals it has.
    pub(super) id: Uuid,
    pub(super) created_ms: UnixMs,
    pub(super) retention_h: u64,
    pub(super) is_on_demand: bool,
    /// Data and partition key of a record.
    pub(super) record_kib_max: u64,
    /// By their numbers; those that are closed until everything in them has expired.
    pub(super) shards: Vec<Shard>,
    /// The number of the next shard.
    pub(super) next_shard: u32,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(super) tags: Tags,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shard {
    pub(super) number: u32,
    pub(super) range: HashRange,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adjacent_parent: Option<u32>,
    pub(super) created_ms: UnixMs,
    /// What its sequence numbers begin with; later than its parents'.
    pub(super) shard_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<Closed>,
}

/// The end of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Closed {
    pub(super) at_ms: UnixMs,
    /// Records that it ever had, which is the offset behind the last one.
    pub(super) records: u64,
}

/// A registered consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Consumer {
    pub(super) scope: Scope,
    pub(super) stream: String,
    pub(super) name: String,
    pub(super) created_ms: UnixMs,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(super) tags: Tags,
}

/// Journals that nobody reads any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    pub(super) stream: Uuid,
    pub(super) shards: Vec<u32>,
}

impl Stream {
    pub(super) fn key_of(scope: &Scope, name: &str) -> String {
        format!("{STREAMS}{}/{}/{name}", scope.account, scope.region)
    }

    pub(super) fn key(&self) -> String {
        Self::key_of(&self.scope, &self.name)
    }

    pub(super) fn arn(&self) -> String {
        names::stream_arn(&self.scope, &self.name)
    }

    /// Records that came before are not kept any more.
    pub(super) fn horizon_ms(&self, now_ms: UnixMs) -> UnixMs {
        now_ms.saturating_sub(self.retention_h * 3_600_000)
    }

    pub(super) fn shard(&self, number: u32) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.number == number)
    }

    pub(super) fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.closed.is_none())
    }

    /// The open shard to which a point on the ring belongs.
    pub(super) fn shard_at(&self, point: u128) -> Option<&Shard> {
        self.open_shards().find(|shard| shard.range.contains(point))
    }

    /// A shard more.
    pub(super) fn add_shard(&mut self, range: HashRange, parents: [Option<u32>; 2], now_ms: UnixMs) {
        let after =
            parents.into_iter().flatten().filter_map(|parent| self.shard(parent)).map(|parent| parent.shard_s + 1);
        let shard_s = after.max().map_or(now_ms / 1_000, |after| after.max(now_ms / 1_000 + 1));
        let [parent, adjacent_parent] = parents;
        let number = self.next_shard;
        self.next_shard += 1;
        self.shards.push(Shard { number, range, parent, adjacent_parent, created_ms: now_ms, shard_s, closed: None });
    }

    /// As `ChildShards` shows the children of a shard.
    pub(super) fn children(&self, parent: u32) -> Vec<Value> {
        let children = self.shards.iter().filter(|shard| shard.parents().any(|number| number == parent));
        let shown = children.map(|child| {
            json!({
                "ShardId": child.id(),
                "ParentShards": child.parents().map(shard_id).collect::<Vec<_>>(),
                "HashKeyRange": child.range.shown(),
            })
        });
        shown.collect()
    }

    pub(super) fn mode(&self) -> &'static str {
        if self.is_on_demand { "ON_DEMAND" } else { "PROVISIONED" }
    }

    /// What DescribeStream and DescribeStreamSummary have in common.
    pub(super) fn shown(&self) -> Value {
        json!({
            "StreamName": self.name,
            "StreamARN": self.arn(),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": self.mode() },
            "RetentionPeriodHours": self.retention_h,
            "StreamCreationTimestamp": to_seconds(self.created_ms),
            "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
            "EncryptionType": "NONE",
        })
    }
}

impl HashRange {
    pub(super) fn shown(self) -> Value {
        json!({ "StartingHashKey": self.first.to_string(), "EndingHashKey": self.last.to_string() })
    }
}

impl Shard {
    pub(super) fn id(&self) -> String {
        shard_id(self.number)
    }

    pub(super) fn parents(&self) -> impl Iterator<Item = u32> {
        [self.parent, self.adjacent_parent].into_iter().flatten()
    }

    /// The sequence number of a place: see [`Sequence::place`].
    pub(super) fn sequence(&self, place: u64, time_ms: UnixMs) -> Sequence {
        Sequence { shard_s: self.shard_s, place, time_s: time_ms / 1_000, shard: self.number }
    }

    pub(super) fn first_sequence(&self) -> Sequence {
        Sequence { time_s: self.shard_s, ..self.sequence(0, 0) }
    }

    /// Whether it was not closed at a time, or only at or after it.
    pub(super) fn is_open_at(&self, time_ms: UnixMs) -> bool {
        self.closed.is_none_or(|closed| closed.at_ms >= time_ms)
    }

    pub(super) fn shown(&self) -> Value {
        let mut range = json!({ "StartingSequenceNumber": self.first_sequence().to_string() });
        if let Some(closed) = self.closed {
            range["EndingSequenceNumber"] = self.sequence(END, closed.at_ms).to_string().into();
        }
        let mut shown = json!({
            "ShardId": self.id(),
            "HashKeyRange": self.range.shown(),
            "SequenceNumberRange": range,
        });
        for (member, parent) in [("ParentShardId", self.parent), ("AdjacentParentShardId", self.adjacent_parent)] {
            if let Some(parent) = parent {
                shown[member] = shard_id(parent).into();
            }
        }
        shown
    }
}

impl Consumer {
    /// What the keys of all consumers of a stream begin with.
    pub(super) fn prefix(scope: &Scope, stream: &str) -> String {
        format!("kinesis/consumer/{}/{}/{stream}/", scope.account, scope.region)
    }

    pub(super) fn key(&self) -> String {
        Self::prefix(&self.scope, &self.stream) + &self.name
    }

    pub(super) fn arn(&self) -> String {
        let stream = names::stream_arn(&self.scope, &self.stream);
        format!("{stream}/consumer/{}:{}", self.name, self.created_ms / 1_000)
    }

    pub(super) fn shown(&self) -> Value {
        json!({
            "ConsumerName": self.name,
            "ConsumerARN": self.arn(),
            "ConsumerStatus": "ACTIVE",
            "ConsumerCreationTimestamp": to_seconds(self.created_ms),
        })
    }
}

impl Gone {
    pub(super) fn new(stream: &Stream, shards: impl IntoIterator<Item = u32>) -> Self {
        Self { stream: stream.id, shards: shards.into_iter().collect() }
    }

    /// Not used before.
    pub(super) fn key(&self) -> String {
        format!("{GONE}{}/{}", self.stream.simple(), Uuid::now_v7().simple())
    }
}
