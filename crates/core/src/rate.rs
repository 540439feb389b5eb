//! How often something may happen: so many at once, refilled continuously, and never more than that saved up.
//!
//! The state is one number, the moment at which nothing of the allowance is used any more, so that the caller can keep
//! it in an atomic (the generic cell rate algorithm).

use std::time::Duration;

/// So many in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    count: u64,
    period_ns: u64,
}

impl RateLimit {
    /// `count` at once, and as many again in the course of each `period`. A count of 0 allows nothing.
    #[must_use]
    pub fn new(count: u64, period: Duration) -> Self {
        Self { count, period_ns: nanoseconds(period) }
    }

    /// `burst` at once, and `per_s` in each second from then on. A burst of 0 allows nothing.
    #[must_use]
    pub fn with_burst(burst: u32, per_s: f64) -> Self {
        let period = Duration::try_from_secs_f64(f64::from(burst) / per_s.max(f64::MIN_POSITIVE));
        Self::new(burst.into(), period.unwrap_or(Duration::MAX))
    }

    /// Takes one at `now`, where `unused_at_ns` is what the last one left behind (0 before the first).
    /// Both are on the same clock.
    ///
    /// # Errors
    /// The time after which there is one, when there is none now.
    pub fn take(self, unused_at_ns: u64, now: Duration) -> Result<u64, Duration> {
        if self.count == 0 {
            return Err(Duration::MAX);
        }
        let now_ns = nanoseconds(now);
        let interval_ns = (self.period_ns / self.count).max(1);
        let unused_at_ns = unused_at_ns.max(now_ns) + interval_ns;
        let full_ns = interval_ns.saturating_mul(self.count);
        match (unused_at_ns - now_ns).checked_sub(full_ns) {
            None | Some(0) => Ok(unused_at_ns),
            Some(over_ns) => Err(Duration::from_nanos(over_ns)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let taken = |limit: RateLimit, state: &mut u64, at_ms, attempts: u32| {
            let take = |_: &u32| limit.take(*state, Duration::from_millis(at_ms)).map(|new| *state = new).is_ok();
            (0..attempts).filter(take).count()
        };
        let (limit, mut state) = (RateLimit::with_burst(3, 2.0), 0);
        let counts = [(1_000, 3), (1_400, 0), (1_500, 1), (60_000, 3)];
        for (at_ms, expected) in counts {
            assert_eq!(taken(limit, &mut state, at_ms, 10), expected, "at {at_ms} ms");
        }
        assert_eq!(taken(RateLimit::with_burst(0, 5.0), &mut 0, 1_000, 5), 0);
        let mut state = 0;
        let never_again = RateLimit::with_burst(2, 0.0);
        assert_eq!((taken(never_again, &mut state, 0, 5), taken(never_again, &mut state, 1_000_000, 5)), (2, 0));
    }

    #[test]
    fn a_thousand_at_once_and_a_hundred_a_second_from_then_on() {
        let limit = RateLimit::new(1_000, Duration::from_secs(10));
        let (mut state, mut now) = (0, Duration::from_secs(50));
        for _ in 0..1_000 {
            state = limit.take(state, now).expect("a thousand are allowed at once");
        }
        assert_eq!(limit.take(state, now), Err(Duration::from_millis(10)));
        now += Duration::from_secs(1);
        for _ in 0..100 {
            state = limit.take(state, now).expect("a second brings a hundred");
        }
        assert!(limit.take(state, now).is_err());
        now += Duration::from_secs(3_600);
        let after_an_hour = (0..2_000).map_while(|_| limit.take(state, now).map(|new| state = new).ok()).count();
        assert_eq!(after_an_hour, 1_000, "what is not used is not saved up");
    }

    #[test]
    fn nothing_is_allowed_where_the_count_is_zero() {
        assert_eq!(RateLimit::new(0, Duration::from_secs(1)).take(0, Duration::ZERO), Err(Duration::MAX));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_twice_the_count_and_waiting_as_told_helps(
            count in 1_u64..50,
            gaps_ms in proptest::collection::vec(0_u64..400, 1..300),
        ) {
            let period = Duration::from_secs(1);
            let limit = RateLimit::new(count, period);
            let (mut state, mut now, mut taken) = (0, Duration::ZERO, Vec::new());
            for gap_ms in gaps_ms {
                now += Duration::from_millis(gap_ms);
                match limit.take(state, now) {
                    Ok(new) => {
                        state = new;
                        taken.push(now);
                    }
                    Err(wait) => prop_assert!(limit.take(state, now + wait).is_ok()),
                }
            }
            for (first, from) in taken.iter().enumerate() {
                let within = taken[first..].iter().take_while(|at| **at < *from + period).count() as u64;
                prop_assert!(within <= 2 * count, "{within} of {count}");
            }
        }
    }
}
