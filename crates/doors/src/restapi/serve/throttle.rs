//! How fast, by names: a burst, which is refilled at a rate.
//!
//! Rates and bursts come with each request, so a change of them acts at once. What is counted is this server's own: several
//! servers each let the whole rate in.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tindra_core::limits;
use tindra_core::rate::RateLimit;

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::Found;
use super::{Shared, throttle};

/// Enough that requests of different stages rarely wait for one another.
const SHARDS: usize = 16;
/// Names of a shard before those of which nothing is used any more are thrown away.
const BUCKETS_MAX: usize = 4_096;

/// A rate with its burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub(super) per_s: f64,
    pub(super) burst: u32,
}

/// What all names have used.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    hasher: RandomState,
    /// What the last request of each name left behind; see [`RateLimit::take`].
    shards: [Mutex<HashMap<String, u64>>; SHARDS],
}

impl Throttles {
    /// Lets a request of a name through, or not. `now` is monotonic.
    pub(super) fn take(&self, name: &str, pace: Pace, now: Duration) -> bool {
        let index = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0);
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= BUCKETS_MAX {
            let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            shard.retain(|_, unused_at_ns| *unused_at_ns > now_ns);
        }
        let before = shard.get(name).copied().unwrap_or(0);
        let Ok(after) = RateLimit::with_burst(pace.burst, pace.per_s).take(before, now) else { return false };
        match shard.get_mut(name) {
            Some(unused_at_ns) => *unused_at_ns = after,
            None => drop(shard.insert(name.to_owned(), after)),
        }
        true
    }
}

impl Shared {
    /// The limits of the method in the stage, then those of the account and region.
    pub(super) fn check_pace(&self, exchange: &Exchange<'_>, found: &Found<'_>) -> Result<(), Refusal> {
        let (stage, now) = (exchange.stage, self.clock.monotonic());
        let (path, name) = (found.resource_path, found.method.http_method.as_str());
        if let Some(setting) = stage.setting(path, name)
            && (setting.burst.is_some() || setting.rate_per_s.is_some())
        {
            let pace = throttle::Pace {
                per_s: setting.rate_per_s.unwrap_or(limits::GATEWAY_RATE_PER_S),
                burst: setting.burst.unwrap_or(limits::GATEWAY_BURST),
            };
            let bucket = format!("method/{}/{}/{name}{path}", stage.api_id, stage.name);
            if !self.throttles.take(&bucket, pace, now) {
                return Err(Refusal::throttled());
            }
        }
        let pace = throttle::Pace { per_s: limits::GATEWAY_RATE_PER_S, burst: limits::GATEWAY_BURST };
        let account = format!("account/{}/{}", stage.scope.account, stage.scope.region);
        if self.throttles.take(&account, pace, now) { Ok(()) } else { Err(Refusal::throttled()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_and_the_rate_fills_it_again() {
        let (throttles, pace) = (Throttles::default(), Pace { per_s: 2.0, burst: 3 });
        let at = Duration::from_millis;
        let takes = |ms| throttles.take("a", pace, at(ms));
        assert_eq!([takes(0), takes(0), takes(0), takes(0)], [true, true, true, false]);
        assert!(!takes(499));
        assert!(takes(500) && !takes(500));
        assert!(throttles.take("b", pace, at(0)), "others have their own");
        assert_eq!([takes(60_000), takes(60_000), takes(60_000), takes(60_000)], [true, true, true, false]);
    }

    #[test]
    fn a_new_pace_acts_at_once_and_nothing_is_nothing() {
        let throttles = Throttles::default();
        let take = |per_s, burst| throttles.take("a", Pace { per_s, burst }, Duration::ZERO);
        assert!(take(1.0, 5));
        assert!(!take(0.0, 0));
        assert!(take(1.0, 5));
    }
}
