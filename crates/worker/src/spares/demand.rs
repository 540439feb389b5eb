//! How many spares of one kind are wanted: what the busiest moment of recent minutes took.

use std::collections::VecDeque;
use std::time::Duration;

/// A moment: what is taken within it is a burst that the supply should serve; refilling takes about as long.
const SLOT: Duration = Duration::from_secs(1);
/// How long a burst is remembered.
const MEMORY: Duration = Duration::from_secs(600);

/// Counts what is taken.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Number of the slot and what was taken in it; the oldest first.
    slots: VecDeque<(u64, usize)>,
}

impl Demand {
    /// One is taken. `now` never goes back.
    pub(crate) fn note(&mut self, now: Duration) {
        let slot = slot(now);
        match self.slots.back_mut() {
            Some((last, count)) if *last == slot => *count += 1,
            _ => self.slots.push_back((slot, 1)),
        }
        self.forget(now);
    }

    /// What the busiest moment took.
    pub(crate) fn peak(&mut self, now: Duration) -> usize {
        self.forget(now);
        self.slots.iter().map(|(_, count)| *count).max().unwrap_or(0)
    }

    fn forget(&mut self, now: Duration) {
        let oldest = slot(now.saturating_sub(MEMORY));
        while self.slots.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.slots.pop_front();
        }
    }
}

fn slot(now: Duration) -> u64 {
    now.as_secs() / SLOT.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_remembered_for_ten_minutes() {
        let mut demand = Demand::default();
        let at = Duration::from_secs;
        assert_eq!(demand.peak(at(0)), 0);
        (0..20).for_each(|_| demand.note(at(5)));
        demand.note(at(15));
        assert_eq!(demand.peak(at(16)), 20);
        assert_eq!(demand.peak(at(600)), 20);
        assert_eq!(demand.peak(at(606)), 1);
        assert_eq!(demand.peak(at(2_000)), 0);
        assert!(demand.slots.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn the_peak_is_the_largest_slot(times in proptest::collection::vec(0u64..1_500, 0..200)) {
            let mut times = times;
            times.sort_unstable();
            let mut demand = Demand::default();
            times.iter().for_each(|time| demand.note(Duration::from_secs(*time)));
            let now = times.last().copied().unwrap_or(0);
            let recent = |slot: u64| slot >= now.saturating_sub(600);
            let count = |slot: u64| times.iter().filter(|time| **time == slot).count();
            let expected = (0..1_500).filter(|slot| recent(*slot)).map(count).max().unwrap_or(0);
            proptest::prop_assert_eq!(demand.peak(Duration::from_secs(now)), expected);
        }
    }
}
