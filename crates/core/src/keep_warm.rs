//! How long an idle environment is kept, when one is started ahead of need, and which one goes first.
//!
//! [`IdleHistogram`] remembers how long a version was idle before its next invoke. [`decide`] reads a
//! [`Decision`] out of it with percentiles (the hybrid histogram policy of "Serverless in the Wild",
//! Shahrad et al., USENIX ATC 2020). [`decide_by_price`] asks of each moment whether an environment is worth
//! its memory, at a [`Price`] that settles where idle environments fill the memory meant for them.
//! [`GreedyDual`] names what to give up when memory is short at once ("FaasCache", Fuerst and Sharma, ASPLOS
//! 2021). [`Habit`] holds these together for one version, so that a decision is worked out when an invoke has
//! ended and merely read afterwards.
//!
//! `docs/design/keep-warm.md` says why, with figures; `tests/keep_warm.rs` makes them.

mod decide;
mod greedy_dual;
mod habit;
mod histogram;
mod price;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use decide::decide;
pub use greedy_dual::{GreedyDual, Keepsake};
pub use habit::Habit;
pub use histogram::{IdleHistogram, Layout, LayoutError};
pub use price::{Price, Stake, decide_by_price};

/// An environment is given up and started again only for a gap of at least this; a shorter one saves too little.
pub const GAP_MIN: Duration = Duration::from_secs(60);

/// Nothing is kept for longer, whatever the bounds say.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    floor: Duration,
    ceiling: Duration,
    standard: Duration,
}

impl Bounds {
    /// `floor`: every environment is kept at least so long after an invoke. `ceiling`: none is kept longer in
    /// one go. `standard`: how long one is kept of which too little is known. Floor and standard are brought
    /// below the ceiling when they are above it, the standard above the floor.
    #[must_use]
    pub fn new(floor: Duration, ceiling: Duration, standard: Duration) -> Self {
        let ceiling = ceiling.min(KEEP_ALIVE_MAX);
        let floor = floor.min(ceiling);
        Self { floor, ceiling, standard: standard.clamp(floor, ceiling) }
    }

    /// The shortest time that an environment is kept.
    #[must_use]
    pub fn floor(&self) -> Duration {
        self.floor
    }

    /// The longest time that an environment is kept in one go.
    #[must_use]
    pub fn ceiling(&self) -> Duration {
        self.ceiling
    }

    /// The time for a version of which too little is known.
    #[must_use]
    pub fn standard(&self) -> Duration {
        self.standard
    }

    fn clamp(&self, keep_alive: Duration) -> Duration {
        keep_alive.clamp(self.floor, self.ceiling)
    }

    /// A window of which the ceiling takes the end off when it is too long.
    fn window(&self, at: Duration, until: Duration) -> Prewarm {
        Prewarm { at, until: until.min(at.saturating_add(self.ceiling)) }
    }
}

/// What becomes of a version's environment. All times count from the end of the invoke that left the version
/// with nothing running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Keep the idle environment so long, unless an invoke comes.
    pub keep_alive: Duration,
    /// Then start one ahead of need, unless an invoke has come.
    pub prewarm: Option<Prewarm>,
}

/// A start ahead of need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prewarm {
    /// When to begin the start; at least [`GAP_MIN`] after the environment before it was given up.
    pub at: Duration,
    /// Until when to keep what was started.
    pub until: Duration,
}

impl Decision {
    /// Keeps for `keep_alive` and starts nothing ahead.
    #[must_use]
    pub fn keep(keep_alive: Duration) -> Self {
        Self { keep_alive, prewarm: None }
    }

    /// Whether an environment is held after `idle`, be it ready or starting.
    #[must_use]
    pub fn holds(&self, idle: Duration) -> bool {
        idle < self.keep_alive || self.prewarm.is_some_and(|prewarm| prewarm.at <= idle && idle < prewarm.until)
    }

    /// When after `idle` the next thing is to be done: an end, a start ahead, the end of that one.
    #[must_use]
    pub fn next_change(&self, idle: Duration) -> Option<Duration> {
        let prewarm = self.prewarm.iter().flat_map(|prewarm| [prewarm.at, prewarm.until]);
        std::iter::once(self.keep_alive).chain(prewarm).find(|change| *change > idle)
    }
}
