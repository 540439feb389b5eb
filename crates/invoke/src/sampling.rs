//! Which invokes of a function that traces actively are sampled: the first of each second, and one in twenty of the
//! others (AWS X-Ray's default rule).

use std::sync::atomic::{AtomicU64, Ordering};

use tindra_core::clock::UnixMs;

/// One in so many of the others.
const OTHERS: u64 = 20;

/// Remembers the second of the last sample.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    last_second: AtomicU64,
}

impl Sampling {
    /// Whether an invoke is sampled; `random` is random over its whole range.
    pub(crate) fn is_sampled(&self, now_ms: UnixMs, random: impl FnOnce() -> u64) -> bool {
        let second = now_ms / 1_000;
        self.last_second.fetch_max(second, Ordering::Relaxed) < second || random().is_multiple_of(OTHERS)
    }
}

#[cfg(test)]
mod tests {
    use super::Sampling;

    #[test]
    fn the_first_of_a_second_and_some_of_the_others() {
        let sampling = Sampling::default();
        assert!(sampling.is_sampled(5_000, || 1));
        assert!(!sampling.is_sampled(5_001, || 1));
        assert!(sampling.is_sampled(5_002, || 40));
        assert!(sampling.is_sampled(6_000, || 1));
        assert!(!sampling.is_sampled(5_999, || 1), "a clock that goes back samples nothing twice");
    }
}
