//! Which shards there are, and which of them may be read: a parent is done before its children begin.

use std::collections::HashSet;

use super::{ShardPosition, ShardRecord};
use crate::clock::UnixMs;
use crate::event_source_mapping::StartingPosition;

/// A shard as its stream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardInfo {
    /// Its name.
    pub id: String,
    /// The shards that it came from: two after a merge.
    pub parents: Vec<String>,
    /// The last sequence number of one that is closed.
    pub ending_sequence: Option<String>,
}

/// What follows from a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// Shards that are new.
    pub new: Vec<ShardRecord>,
    /// Names of shards that are done, no longer listed, and nobody's parents.
    pub gone: Vec<String>,
}

/// Compares what is known of a stream's shards with what it lists. When nothing is known yet, shards begin where the mapping
/// says; those that come later begin with their oldest record, so that nothing is left out between a parent and its child.
#[must_use]
pub fn reconcile(
    known: &[ShardRecord],
    listed: &[ShardInfo],
    start: Option<StartingPosition>,
    now_ms: UnixMs,
) -> Reconciled {
    let names: HashSet<&str> = known.iter().map(|record| record.shard_id.as_str()).collect();
    let is_first = known.is_empty();
    let begin = |shard: &ShardInfo| {
        let position = if is_first { ShardPosition::starting(start, now_ms) } else { ShardPosition::TrimHorizon };
        // What comes later cannot come to a shard that is closed.
        let is_ended = matches!(position, ShardPosition::Latest { .. }) && shard.ending_sequence.is_some();
        ShardRecord { is_ended, ..ShardRecord::new(shard.id.clone(), shard.parents.clone(), position) }
    };
    let new = listed.iter().filter(|shard| !names.contains(shard.id.as_str())).map(begin).collect();
    let needed: HashSet<&str> =
        listed.iter().flat_map(|shard| shard.parents.iter().chain([&shard.id])).map(String::as_str).collect();
    let gone = known.iter().filter(|record| record.is_ended && !needed.contains(record.shard_id.as_str()));
    Reconciled { new, gone: gone.map(|record| record.shard_id.clone()).collect() }
}

/// Whether a shard has records left, and all before them in its parents are done.
#[must_use]
pub fn is_runnable(record: &ShardRecord, known: &[ShardRecord]) -> bool {
    let is_open = |parent: &String| known.iter().any(|other| other.shard_id == *parent && !other.is_ended);
    !record.is_ended && !record.parents.iter().any(is_open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], ending: Option<&str>) -> ShardInfo {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        ShardInfo { id: id.to_owned(), parents, ending_sequence: ending.map(str::to_owned) }
    }

    #[test]
    fn shards_begin_where_the_mapping_says_and_children_with_their_oldest_record() {
        let first = reconcile(&[], &[shard("a", &[], None)], Some(StartingPosition::Latest), 7);
        assert_eq!(first.new[0].position, ShardPosition::Latest { since_ms: 7 });
        let listed = [shard("a", &[], Some("9")), shard("b", &["a"], None), shard("c", &["a"], None)];
        let later = reconcile(&first.new, &listed, Some(StartingPosition::Latest), 8);
        assert_eq!(later.new.len(), 2);
        assert!(later.new.iter().all(|shard| shard.position == ShardPosition::TrimHorizon));
        assert_eq!(later.gone, Vec::<String>::new());
    }

    #[test]
    fn closed_shards_have_nothing_for_who_wants_the_latest() {
        let listed = [shard("a", &[], Some("9")), shard("b", &["a"], None)];
        let new = reconcile(&[], &listed, Some(StartingPosition::Latest), 7).new;
        assert!(new[0].is_ended && !new[1].is_ended && is_runnable(&new[1], &new));
        let all = reconcile(&[], &listed, Some(StartingPosition::TrimHorizon), 7).new;
        assert!(is_runnable(&all[0], &all) && !is_runnable(&all[1], &all), "the parent comes first");
    }

    #[test]
    fn shards_are_forgotten_when_they_are_done_and_nobody_needs_them() {
        let mut known = reconcile(&[], &[shard("a", &[], None)], None, 0).new;
        known[0].is_ended = true;
        assert_eq!(reconcile(&known, &[shard("b", &["a"], None)], None, 0).gone, Vec::<String>::new());
        assert_eq!(reconcile(&known, &[shard("b", &[], None)], None, 0).gone, ["a"]);
        known[0].is_ended = false;
        assert_eq!(reconcile(&known, &[], None, 0).gone, Vec::<String>::new());
    }
}
