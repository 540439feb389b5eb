//! Throttling of a route: a token bucket, which is refilled at a rate and holds a burst.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Requests in a second when only a burst is set (the quota of an account on AWS).
const RATE_PER_S_DEFAULT: f64 = 10_000.0;
/// Requests at once when only a rate is set (the quota of an account on AWS).
const BURST_DEFAULT: u32 = 5_000;

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

/// The bucket of one route.
#[derive(Debug)]
pub(super) struct Throttle {
    limit: Limit,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    /// When the tokens were counted; none before the first request.
    counted_at: Option<Duration>,
}

impl Throttle {
    pub(super) fn new(limit: Limit) -> Self {
        let tokens = f64::from(limit.burst.unwrap_or(BURST_DEFAULT));
        Self { limit, state: Mutex::new(State { tokens, counted_at: None }) }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    /// Takes a token for a request; false when there is none. `now` is monotonic.
    pub(super) fn take(&self, now: Duration) -> bool {
        let burst = f64::from(self.limit.burst.unwrap_or(BURST_DEFAULT));
        let rate = self.limit.rate_per_s.unwrap_or(RATE_PER_S_DEFAULT);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = state.counted_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        state.tokens = (state.tokens + passed.as_secs_f64() * rate).min(burst);
        state.counted_at = Some(now);
        let has_token = state.tokens >= 1.0;
        if has_token {
            state.tokens -= 1.0;
        }
        has_token
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
