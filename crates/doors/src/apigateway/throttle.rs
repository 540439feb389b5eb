//! Throttling of a route: a burst, which is refilled at a rate. What is not set is as the quota of an account (AWS).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tindra_core::limits;
use tindra_core::rate::RateLimit;

/// How many requests may come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Limit {
    /// At once.
    pub(super) burst: Option<u32>,
    /// In a second.
    pub(super) rate_per_s: Option<f64>,
}

impl Limit {
    pub(super) fn is_set(self) -> bool {
        self.burst.is_some() || self.rate_per_s.is_some()
    }
}

/// What a route has let through.
#[derive(Debug)]
pub(super) struct Throttle {
    limit: Limit,
    rate: RateLimit,
    /// What the last request left behind; see [`RateLimit::take`].
    unused_at_ns: AtomicU64,
}

impl Throttle {
    pub(super) fn new(limit: Limit) -> Self {
        let burst = limit.burst.unwrap_or(limits::GATEWAY_BURST);
        let rate = RateLimit::with_burst(burst, limit.rate_per_s.unwrap_or(limits::GATEWAY_RATE_PER_S));
        Self { limit, rate, unused_at_ns: AtomicU64::new(0) }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    /// Lets a request through, or not. `now` is monotonic.
    pub(super) fn take(&self, now: Duration) -> bool {
        let take = |unused_at_ns| self.rate.take(unused_at_ns, now).ok();
        self.unused_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(throttle: &Throttle, at_ms: u64, attempts: usize) -> usize {
        (0..attempts).filter(|_| throttle.take(Duration::from_millis(at_ms))).count()
    }

    #[test]
    fn a_burst_passes_and_then_what_the_rate_lets() {
        let throttle = Throttle::new(Limit { burst: Some(3), rate_per_s: Some(2.0) });
        assert_eq!(taken(&throttle, 1_000, 10), 3);
        assert_eq!(taken(&throttle, 1_400, 10), 0);
        assert_eq!(taken(&throttle, 1_500, 10), 1);
        assert_eq!(taken(&throttle, 60_000, 10), 3);
    }

    #[test]
    fn zero_lets_nothing_pass() {
        assert_eq!(taken(&Throttle::new(Limit { burst: Some(0), rate_per_s: Some(5.0) }), 1_000, 5), 0);
        let slow = Throttle::new(Limit { burst: Some(2), rate_per_s: Some(0.0) });
        assert_eq!((taken(&slow, 0, 5), taken(&slow, 1_000_000, 5)), (2, 0));
        assert!(!Limit::default().is_set());
        assert_eq!(taken(&Throttle::new(Limit { burst: None, rate_per_s: Some(1.0) }), 0, 6_000), 5_000);
    }
}
