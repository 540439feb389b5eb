//! How fast a streamed answer may go: so many bytes as fast as they come, then so many in each second.

use std::time::Duration;

use crate::limits::{STREAM_BURST_BYTES, STREAM_BYTES_PER_S};

/// The pace of one answer: [`STREAM_BURST_BYTES`] at once, refilled with [`STREAM_BYTES_PER_S`], never more than that saved up.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamPace {
    /// The moment at which nothing of the burst is used any more.
    unused_at: Duration,
}

impl StreamPace {
    /// Takes note of bytes that are sent at `now`, a moment of a clock that never goes back; gives the time to wait before more
    /// may be.
    pub fn take(&mut self, bytes: usize, now: Duration) -> Duration {
        let burst = duration_of(STREAM_BURST_BYTES);
        self.unused_at = self.unused_at.max(now) + duration_of(bytes as u64);
        self.unused_at.saturating_sub(now).saturating_sub(burst)
    }
}

fn duration_of(bytes: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / STREAM_BYTES_PER_S)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn six_megabytes_are_free_and_two_in_each_second_from_then_on() {
        let (mut pace, start) = (StreamPace::default(), Duration::from_secs(100));
        assert_eq!(pace.take(6 << 20, start), Duration::ZERO);
        assert_eq!(pace.take(2 << 20, start), Duration::from_secs(1));
        assert_eq!(pace.take(1 << 20, start + Duration::from_secs(1)), Duration::from_millis(500));
        let later = start + Duration::from_secs(3_600);
        assert_eq!(pace.take(6 << 20, later), Duration::ZERO, "what is not used is saved up");
        assert!(pace.take(1 << 20, later) > Duration::ZERO, "but not more than the burst");
    }

    proptest! {
        #[test]
        fn nobody_who_waits_as_told_is_faster_than_the_rate(pieces in prop::collection::vec((1_usize..200_000, 0_u64..300), 1..200)) {
            let (mut pace, mut now, mut sent) = (StreamPace::default(), Duration::ZERO, 0_u64);
            for (bytes, idle_ms) in pieces {
                now += Duration::from_millis(idle_ms);
                now += pace.take(bytes, now);
                sent += bytes as u64;
                let allowed = STREAM_BURST_BYTES as f64 + STREAM_BYTES_PER_S as f64 * now.as_secs_f64();
                prop_assert!(sent as f64 <= allowed + 1.0, "{sent} bytes after {now:?}");
            }
        }
    }
}
