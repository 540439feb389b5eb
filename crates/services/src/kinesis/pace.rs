//! How much a shard takes each second: 1,000 records and 1 MiB (AWS).

use std::time::Duration;

const RECORDS_EACH_S: f64 = 1_000.0;
const BYTES_EACH_S: f64 = 1_048_576.0;

/// What a shard has left to take. What is not used is kept for a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    at: Duration,
    records: f64,
    bytes: f64,
}

impl Pace {
    /// Everything is left.
    pub(super) fn new(now: Duration) -> Self {
        Self { at: now, records: RECORDS_EACH_S, bytes: BYTES_EACH_S }
    }

    /// Whether a record may come now. One that is larger than what is taken in a second may come when nothing else has come for
    /// a second, and is paid off afterwards.
    #[expect(clippy::cast_precision_loss, reason = "a record has at most 10 MiB")]
    pub(super) fn admits(&mut self, now: Duration, bytes: usize) -> bool {
        let elapsed_s = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.records = (self.records + elapsed_s * RECORDS_EACH_S).min(RECORDS_EACH_S);
        self.bytes = (self.bytes + elapsed_s * BYTES_EACH_S).min(BYTES_EACH_S);
        let bytes = bytes as f64;
        let is_admitted = self.records >= 1.0 && self.bytes >= bytes.min(BYTES_EACH_S);
        if is_admitted {
            self.records -= 1.0;
            self.bytes -= bytes;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, now_ms: u64, bytes: usize) -> usize {
        (0..5_000).take_while(|_| pace.admits(Duration::from_millis(now_ms), bytes)).count()
    }

    #[test]
    fn a_thousand_records_a_second() {
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(admitted(&mut pace, 0, 10), 1_000);
        assert_eq!(admitted(&mut pace, 500, 10), 500);
        assert_eq!(admitted(&mut pace, 9_000, 10), 1_000);
        assert_eq!(admitted(&mut pace, 8_000, 10), 0);
    }

    #[test]
    fn a_mebibyte_a_second_and_large_ones_are_paid_off() {
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(admitted(&mut pace, 0, 1 << 18), 4);
        assert_eq!(admitted(&mut pace, 1_000, 3 << 20), 1);
        assert_eq!(admitted(&mut pace, 2_900, 10), 0);
        assert!(admitted(&mut pace, 3_001, 10) > 0);
    }
}
