//! One version's idle times and what was decided from them.

use std::time::Duration;

use super::{Bounds, Decision, IdleHistogram, Layout, Price, Stake, decide, decide_by_price};

/// The decision is worked out anew once it rests on this much more or less than it did, as a share.
const STALE_SHARE: f64 = 0.05;

/// What one version does and what was decided about it. Times are those of a monotonic clock.
#[derive(Clone, Debug)]
pub struct Habit {
    histogram: IdleHistogram,
    idle_since: Option<Duration>,
    recorded: u32,
    decided: Option<Decided>,
}

#[derive(Clone, Copy, Debug)]
struct Decided {
    decision: Decision,
    recorded: u32,
    basis: Option<(Stake, Price)>,
    bounds: Bounds,
}

impl Habit {
    /// That of a version that nobody has invoked.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self::resume(IdleHistogram::new(layout))
    }

    /// Goes on with a histogram that was stored.
    #[must_use]
    pub fn resume(histogram: IdleHistogram) -> Self {
        Self { histogram, idle_since: None, recorded: 0, decided: None }
    }

    /// What is to be stored.
    #[must_use]
    pub fn histogram(&self) -> &IdleHistogram {
        &self.histogram
    }

    /// Halves what is known, for versions with too few invokes for it to fade by itself.
    pub fn age(&mut self) {
        self.histogram.age();
        self.decided = None;
    }

    /// An invoke has come. Counts the idle time that it ends, if it ends one.
    pub fn begin(&mut self, now: Duration) {
        if let Some(since) = self.idle_since.take() {
            self.histogram.record(now.saturating_sub(since));
            self.recorded = self.recorded.saturating_add(1);
        }
    }

    /// An invoke has ended and nothing of the version runs. Without a price the percentiles decide. Works
    /// through the buckets unless what was decided before rests on nearly the same.
    pub fn end(&mut self, now: Duration, bounds: &Bounds, basis: Option<(Stake, Price)>) -> Decision {
        self.idle_since = Some(now);
        if let Some(decided) = self.decided.filter(|decided| self.is_fresh(decided, bounds, basis)) {
            return decided.decision;
        }
        let decision = match &basis {
            Some((stake, price)) => decide_by_price(&self.histogram, bounds, stake, price),
            None => decide(&self.histogram, bounds),
        };
        self.decided = Some(Decided { decision, recorded: self.recorded, basis, bounds: *bounds });
        decision
    }

    fn is_fresh(&self, decided: &Decided, bounds: &Bounds, basis: Option<(Stake, Price)>) -> bool {
        let since = f64::from(self.recorded - decided.recorded);
        let is_same_basis = match (decided.basis, basis) {
            (None, None) => true,
            (Some((stake, price)), Some((new_stake, new_price))) => {
                let ratio = new_price.per_mib_second() / price.per_mib_second();
                stake == new_stake && (ratio - 1.0).abs() <= STALE_SHARE
            }
            _ => false,
        };
        is_same_basis && decided.bounds == *bounds && since <= self.histogram.samples() * STALE_SHARE
    }

    /// What was decided, and since when the version has been idle: what a janitor reads. `None` while an
    /// invoke runs or before the first.
    #[must_use]
    pub fn idle(&self) -> Option<(Duration, Decision)> {
        Some((self.idle_since?, self.decided?.decision))
    }
}
