//! What event source mappings are doing, for those who look after them.

use serde::Serialize;
use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::stream::{ShardPosition, ShardRecord, is_runnable};
use tindra_core::event_source_mapping::{EventSourceMapping, MAPPING_PREFIX, ProcessingResult};
use tindra_store::{JsonRecords as _, StoreError, Versioned};
use uuid::Uuid;

use super::seen::{Doing, ShardSeen};
use super::{PAGE, Tools};

/// Tells what mappings are doing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MappingsListing(pub(super) Tools);

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceListed {
    /// `UUID`.
    pub uuid: Uuid,
    /// Whose it is.
    pub account: String,
    /// Where.
    pub region: String,
    /// Unqualified name of the function.
    pub function: String,
    /// The version or alias that is invoked.
    pub qualifier: Option<String>,
    /// What the source is, for example `Kinesis`.
    pub kind: &'static str,
    /// ARN of the source, or its servers.
    pub source: String,
    /// `State`.
    pub state: &'static str,
    /// `LastProcessingResult`; none before the first.
    pub result: Option<String>,
    /// Of a stream.
    pub shards: Vec<ShardListed>,
}

/// A shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardListed {
    /// Its name.
    pub shard: String,
    /// `waiting` (for its parents), `reading`, `retrying`, `ended`, or `unread` here.
    pub state: &'static str,
    /// Up to where its records are done: a sequence number, or where it begins.
    pub position: String,
    /// How far reading is behind: as the source tells, else the age of the last record that was read.
    pub lag_ms: Option<u64>,
    /// When the last record that is done was written.
    pub done_ms: Option<UnixMs>,
    /// Since when it is retrying.
    pub since_ms: Option<UnixMs>,
    /// Why it is retrying or waiting.
    pub reason: Option<String>,
    /// Which poller holds it.
    pub owner: Option<Uuid>,
}

impl MappingsListing {
    /// The mappings of an account, or of all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sources(&self, account: Option<&str>) -> Result<Vec<SourceListed>, StoreError> {
        let prefix = account.map_or_else(|| MAPPING_PREFIX.to_owned(), |account| format!("{MAPPING_PREFIX}{account}/"));
        let mut listed = Vec::new();
        for mapping in self.all::<EventSourceMapping>(&prefix).await? {
            listed.push(self.source(mapping).await?);
        }
        Ok(listed)
    }

    async fn source(&self, mapping: EventSourceMapping) -> Result<SourceListed, StoreError> {
        let metadata = &self.0.store.metadata;
        let result: Option<Versioned<ProcessingResult>> = metadata.get_json(&mapping.result_key()).await?;
        let shards = self.all::<ShardRecord>(&mapping.shard_prefix()).await?;
        let seen = |shard: &ShardRecord| self.0.seen.of(mapping.uuid, &shard.shard_id);
        let now_ms = self.0.real.unix_ms();
        let shards = shards.iter().map(|shard| listed(shard, &shards, seen(shard), now_ms)).collect();
        let EventSourceMapping { uuid, scope, function_name, qualifier, source, state, .. } = mapping;
        Ok(SourceListed {
            uuid,
            account: scope.account,
            region: scope.region,
            function: function_name,
            qualifier,
            kind: source.kind.as_str(),
            source: source.arn.unwrap_or_else(|| source.bootstrap_servers.join(",")),
            state: state.as_str(),
            result: result.map(|result| result.value.text),
            shards,
        })
    }

    async fn all<T: serde::de::DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page: Vec<Versioned<T>> = self.0.store.metadata.list_json(prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|record| record.key.clone());
            all.extend(page.into_iter().map(|record| record.value));
            if is_last {
                return Ok(all);
            }
        }
    }
}

fn listed(shard: &ShardRecord, all: &[ShardRecord], seen: Option<ShardSeen>, now_ms: UnixMs) -> ShardListed {
    let (state, since_ms, reason) = match &seen {
        _ if shard.is_ended => ("ended", None, None),
        _ if !is_runnable(shard, all) => ("waiting", None, Some(format!("{} is not done", shard.parents.join(" or ")))),
        Some(ShardSeen { source_fails: Some((since_ms, reason)), .. }) => {
            ("retrying", Some(*since_ms), Some(reason.clone()))
        }
        Some(ShardSeen { doing: Doing::Retrying { since_ms, reason }, .. }) => {
            ("retrying", Some(*since_ms), Some(reason.clone()))
        }
        Some(_) => ("reading", None, None),
        None => ("unread", None, None),
    };
    let age_ms = |arrival_ms: UnixMs| now_ms.saturating_sub(arrival_ms);
    let seen = seen.unwrap_or_default();
    let (done, done_ms) = seen.done.unwrap_or_else(|| (shard.position.clone(), shard.arrival_ms));
    ShardListed {
        shard: shard.shard_id.clone(),
        state,
        position: position(&done),
        lag_ms: seen.behind_ms.or_else(|| seen.arrival_ms.map(age_ms)).filter(|_| !shard.is_ended),
        done_ms,
        since_ms,
        reason,
        owner: shard.owner,
    }
}

fn position(position: &ShardPosition) -> String {
    match position {
        ShardPosition::TrimHorizon => "TRIM_HORIZON".to_owned(),
        ShardPosition::Latest { .. } => "LATEST".to_owned(),
        ShardPosition::AtTimestamp(_) => "AT_TIMESTAMP".to_owned(),
        ShardPosition::After(sequence) => sequence.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], is_ended: bool) -> ShardRecord {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        let position = ShardPosition::After("7".to_owned());
        ShardRecord { is_ended, ..ShardRecord::new(id.to_owned(), parents, position) }
    }

    #[test]
    fn a_shard_says_what_it_is_about() {
        let all = [shard("a", &[], false), shard("b", &["a"], false), shard("c", &[], true)];
        let child = listed(&all[1], &all, None, 0);
        assert_eq!((child.state, child.reason.as_deref()), ("waiting", Some("a is not done")));
        assert_eq!(listed(&all[2], &all, None, 0).state, "ended");
        let unread = listed(&all[0], &all, None, 0);
        assert_eq!((unread.state, unread.position.as_str(), unread.lag_ms), ("unread", "7", None));
        let seen = ShardSeen { arrival_ms: Some(40), ..ShardSeen::default() };
        let reading = listed(&all[0], &all, Some(seen.clone()), 100);
        assert_eq!((reading.state, reading.lag_ms), ("reading", Some(60)));
        let doing = Doing::Retrying { since_ms: 50, reason: "no".to_owned() };
        let retrying = listed(&all[0], &all, Some(ShardSeen { behind_ms: Some(9), doing, ..seen }), 100);
        assert_eq!((retrying.state, retrying.since_ms, retrying.lag_ms), ("retrying", Some(50), Some(9)));
    }
}
