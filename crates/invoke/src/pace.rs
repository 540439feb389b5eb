//! How fast invokes are refused: past a rate the answers come later, so that callers who try again at once leave the processors to
//! the invokes that run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Refusals in a second that are answered at once, and as many more in the first moment.
const REFUSALS_PER_S: u64 = 500;
const STEP_NS: u64 = 1_000_000_000 / REFUSALS_PER_S;
const AHEAD_NS: u64 = STEP_NS * REFUSALS_PER_S;
/// Nobody waits longer for a refusal: as long as its `Retry-After` asks for.
const WAIT_NS_MAX: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the next refusal is due, in nanoseconds of the machine's clock.
    due_ns: AtomicU64,
}

impl Pace {
    /// How long a refusal at `now` waits.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX / 2);
        let latest_ns = now_ns + WAIT_NS_MAX;
        let next = |due_ns: u64| Some((due_ns.max(now_ns.saturating_sub(AHEAD_NS)) + STEP_NS).min(latest_ns));
        // It never fails, because `next` always gives a value.
        let due_ns = self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(now_ns);
        Duration::from_nanos(due_ns.saturating_sub(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_refusals_come_at_once_and_many_no_later_than_the_longest_wait() {
        let pace = Pace::default();
        let start = Duration::from_secs(100);
        let waits: Vec<Duration> = (0..2_000).map(|_| pace.wait(start)).collect();
        assert!(waits[..500].iter().all(Duration::is_zero));
        assert!(waits.is_sorted() && waits[600] > Duration::from_millis(100));
        assert_eq!(waits[1_999], Duration::from_nanos(WAIT_NS_MAX));
        assert!(pace.wait(start + Duration::from_secs(5)).is_zero(), "the rush is over");
    }

    #[test]
    fn a_steady_rate_that_is_not_too_high_never_waits() {
        let pace = Pace::default();
        for refusal in 0..5_000 {
            assert!(pace.wait(Duration::from_secs(100) + Duration::from_millis(2) * refusal).is_zero());
        }
    }
}
