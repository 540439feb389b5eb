//! How the shards of a stream are shared by the pollers that several servers have for one mapping.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::EventSourceMapping;
use crate::function::Scope;

/// What the keys of the records of pollers begin with.
const POLLER_PREFIX: &str = "event-source-poller/";

/// That a poller of a mapping is there, as the store keeps it. It is written again and again: who looks at it twice and finds it
/// unchanged for long takes its poller for dead, whatever the clocks of the two say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollerRecord {
    /// The name under which it holds shards.
    pub owner: Uuid,
    /// How often it has said so.
    pub beats: u64,
    /// It ends what it has begun, and takes no further shard.
    #[serde(default)]
    pub is_leaving: bool,
    /// Its server cannot run the function.
    #[serde(default)]
    pub is_unable: bool,
}

/// How many of so many shards a poller is to have: as many as every other one, or one more where they do not divide evenly. All
/// pollers come to the same, each for itself, by the order of their names. `others` may have the poller itself among them.
#[must_use]
pub fn share(shards: usize, owner: Uuid, others: &BTreeSet<Uuid>) -> usize {
    let pollers = others.len() + usize::from(!others.contains(&owner));
    let rank = others.range(..owner).count();
    shards / pollers + usize::from(rank < shards % pollers)
}

impl EventSourceMapping {
    /// The prefix of the keys of its pollers' records.
    #[must_use]
    pub fn poller_prefix(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("{POLLER_PREFIX}{account}/{region}/{}/", self.uuid)
    }

    /// The key of a poller's record.
    #[must_use]
    pub fn poller_key(&self, owner: Uuid) -> String {
        format!("{}{owner}", self.poller_prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_somebodys_and_nobody_has_two_more_than_another() {
        for count in 1..=7 {
            let pollers: BTreeSet<Uuid> = (0..count).map(|number| Uuid::from_u128(number * 7 % 11)).collect();
            for shards in 0..=20 {
                let shares: Vec<usize> = pollers.iter().map(|owner| share(shards, *owner, &pollers)).collect();
                assert_eq!(shares.iter().sum::<usize>(), shards);
                let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
                assert!(most - least <= 1, "{shares:?}");
            }
        }
    }

    #[test]
    fn who_is_alone_has_all_and_a_poller_counts_itself_once() {
        let me = Uuid::from_u128(5);
        assert_eq!(share(3, me, &BTreeSet::new()), 3);
        assert_eq!(share(3, me, &BTreeSet::from([me])), 3);
        assert_eq!(share(3, me, &BTreeSet::from([Uuid::from_u128(1)])), 1);
        assert_eq!(share(3, me, &BTreeSet::from([Uuid::from_u128(9)])), 2);
    }
}
