//! How fast: token buckets, by names.
//!
//! A bucket holds as many tokens as requests may come at once, and fills at the rate; a request takes one. Rates and bursts
//! come with each request, so a change of them acts at once. Buckets are this server's own: several servers each let the
//! whole rate in.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tindra_core::limits;

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::Found;
use super::{Shared, throttle};

/// Enough that requests of different stages rarely wait for one another.
const SHARDS: usize = 16;
/// Buckets of a shard before those that are full are thrown away.
const BUCKETS_MAX: usize = 4_096;

/// A rate with its burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub(super) per_s: f64,
    pub(super) burst: u32,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
    pace: Pace,
}

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    hasher: RandomState,
    shards: [Mutex<HashMap<String, Bucket>>; SHARDS],
}

impl Throttles {
    /// Takes a token out of a bucket, which is full when it is new. False when there is none.
    pub(super) fn take(&self, name: &str, pace: Pace, now: Duration) -> bool {
        let index = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0);
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= BUCKETS_MAX {
            shard.retain(|_, bucket| !bucket.filled(now).is_full());
        }
        let new = || Bucket { tokens: f64::from(pace.burst), at: now, pace };
        let bucket = shard.entry(name.to_owned()).or_insert_with(new);
        bucket.pace = pace;
        *bucket = bucket.filled(now);
        let has_one = bucket.tokens >= 1.0;
        if has_one {
            bucket.tokens -= 1.0;
        }
        has_one
    }
}

impl Bucket {
    fn filled(self, now: Duration) -> Self {
        let since_s = now.saturating_sub(self.at).as_secs_f64();
        let tokens = (self.tokens + since_s * self.pace.per_s).min(f64::from(self.pace.burst));
        Self { tokens, at: now, ..self }
    }

    fn is_full(self) -> bool {
        self.tokens >= f64::from(self.pace.burst)
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
        assert!(!take(1.0, 5), "what was lost with the small bucket is lost");
    }
}
