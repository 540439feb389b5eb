//! Pauses between launchers that end one after the other.

use std::time::{Duration, Instant};

/// A launcher that ran for so long was a good one: the next is started without a pause.
const GOOD_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSES_DOUBLED_MAX: u32 = 7;

/// When the launcher was last started anew, and how often lately.
#[derive(Debug, Default)]
pub(super) struct Healing {
    last: Option<Instant>,
    lately: u32,
}

impl Healing {
    /// Waits before a start: not at all, or longer each time when launchers do not last.
    pub(super) fn pause(&mut self) {
        std::thread::sleep(self.next_pause(Instant::now()));
    }

    fn next_pause(&mut self, now: Instant) -> Duration {
        let is_good = self.last.is_none_or(|last| now.duration_since(last) > GOOD_AFTER);
        self.last = Some(now);
        self.lately = if is_good { 0 } else { self.lately + 1 };
        match self.lately {
            0 => Duration::ZERO,
            lately => FIRST_PAUSE * 2_u32.pow((lately - 1).min(PAUSES_DOUBLED_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_seconds_and_are_forgotten() {
        let (mut healing, start) = (Healing::default(), Instant::now());
        let mut pauses = (0..10).map(|second| healing.next_pause(start + Duration::from_secs(second)).as_millis());
        let expected = [0, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 6_400];
        assert!(pauses.by_ref().eq(expected));
        assert_eq!(healing.next_pause(start + Duration::from_secs(100)), Duration::ZERO);
    }
}
