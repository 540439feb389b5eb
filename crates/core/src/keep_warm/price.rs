//! Keeping what is worth its memory, at a price that memory sets.
//!
//! An environment that is held over a stretch of idle time saves a start whenever the next invoke falls into
//! that stretch, and costs its memory for as long as no invoke has come. Both follow from the histogram: the
//! arrivals in a bucket, and the idle times that go on beyond it. So each bucket has a worth, and the decision
//! holds the environment where the sum is greatest: from the end of the invoke on, and in at most one stretch
//! later.

use std::time::Duration;

use super::{Bounds, Decision, GAP_MIN, IdleHistogram, decide};

/// A start ahead of need takes the machine's time though nobody waits: this share of a start's cost.
const PREWARM_CHARGE: f64 = 0.05;

/// What is believed of a version of which nothing is known weighs as much as so many idle times.
const BELIEF: f64 = 2.0;

/// So many idle times must have been seen to end in a stretch before an environment is started ahead for it.
const SEEN_MIN: f64 = 1.5;

/// The price moves by a factor of e in this time when twice the memory is used.
const SETTLING_S: f64 = 900.0;

/// What is at stake with one environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stake {
    /// What a start costs whoever waits for it: its init duration in seconds, or 1 to count starts.
    pub cost: f64,
    /// What an idle environment holds.
    pub memory_bytes: u64,
    /// How long before its use a start must begin.
    pub lead: Duration,
}

/// The price of memory: what holding one MiB for one second must be worth. It rises while idle environments
/// hold more than they are meant to and falls while they hold less.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Price {
    per_mib_second: f64,
}

impl Price {
    const MIN: f64 = 1e-12;
    const MAX: f64 = 1e3;

    /// A price to begin with: at it an environment with this stake, of which nothing is known, is kept for the
    /// bounds' standard time.
    #[must_use]
    pub fn standard(stake: &Stake, bounds: &Bounds) -> Self {
        let hazard = 0.5 / bounds.standard.as_secs_f64().max(1.0);
        Self::new(hazard * stake.cost / mib(stake.memory_bytes))
    }

    /// Brought within sane limits.
    #[must_use]
    pub fn new(per_mib_second: f64) -> Self {
        let is_sound = per_mib_second.is_finite();
        Self { per_mib_second: if is_sound { per_mib_second.clamp(Self::MIN, Self::MAX) } else { Self::MAX } }
    }

    /// Seconds of start (or starts) per MiB and second.
    #[must_use]
    pub fn per_mib_second(&self) -> f64 {
        self.per_mib_second
    }

    /// Moves with what idle environments held over `elapsed`, against what is meant for them.
    pub fn observe(&mut self, used_bytes: u64, budget_bytes: u64, elapsed: Duration) {
        let excess = (mib(used_bytes) / mib(budget_bytes) - 1.0).clamp(-1.0, 1.0);
        *self = Self::new(self.per_mib_second * (excess * elapsed.as_secs_f64() / SETTLING_S).clamp(-1.0, 1.0).exp());
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory far below 2^53 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes.max(1) as f64 / (1024.0 * 1024.0)
}

/// Holds the environment where it is worth its memory.
#[must_use]
pub fn decide_by_price(histogram: &IdleHistogram, bounds: &Bounds, stake: &Stake, price: &Price) -> Decision {
    let rent = price.per_mib_second * mib(stake.memory_bytes);
    if let Some(decision) = far_forecast(histogram, bounds, stake, rent) {
        return decision;
    }
    let layout = histogram.layout();
    let mut plan = Plan::new(stake.cost * PREWARM_CHARGE, bounds);
    let belief = Belief { half_s: bounds.standard.as_secs_f64().max(1.0) };
    let mut waiting = histogram.samples() + BELIEF;
    let mut start_s = 0.0;
    for (at, count) in histogram.counts().enumerate() {
        let end_s = f64::from(layout.start_s(at + 1));
        let arrivals = count + belief.between(start_s, end_s);
        let held_s = (waiting - arrivals / 2.0) * (end_s - start_s);
        plan.bucket(start_s, end_s, waiting, arrivals * stake.cost - held_s * rent);
        waiting = (waiting - arrivals).max(0.0);
        start_s = end_s;
    }
    let seen = |from_s: f64, until_s: f64| seen_between(histogram, from_s, until_s);
    plan.decision(bounds, stake.lead, Duration::from_secs(u64::from(layout.start_s(1))), seen)
}

/// Idle times that were seen to end within a stretch of whole buckets.
fn seen_between(histogram: &IdleHistogram, from_s: f64, until_s: f64) -> f64 {
    let layout = histogram.layout();
    let buckets = histogram.counts().enumerate();
    let within = buckets.filter(|(at, _)| (from_s..until_s).contains(&f64::from(layout.start_s(*at))));
    within.map(|(_, count)| count).sum()
}

/// For versions that are mostly idle beyond the range: the forecast, if the memory it takes is worth it.
fn far_forecast(histogram: &IdleHistogram, bounds: &Bounds, stake: &Stake, rent: f64) -> Option<Decision> {
    if histogram.far() * 2.0 <= histogram.samples() {
        return None;
    }
    let decision = decide::forecast(histogram, bounds)?;
    let prewarm = decision.prewarm?;
    // The invoke is due in the middle.
    let held_s = (prewarm.until - prewarm.at).as_secs_f64() / 2.0;
    (stake.cost * (1.0 - PREWARM_CHARGE) >= held_s * rent).then_some(decision)
}

/// What is believed of a version before it has shown anything: that half of the idle times end by the standard
/// keep-alive, and that the longer it has been idle the less likely an invoke is (hazard `1 / (half + idle)`).
struct Belief {
    half_s: f64,
}

impl Belief {
    fn between(&self, start_s: f64, end_s: f64) -> f64 {
        let survivors = |idle_s: f64| BELIEF * self.half_s / (self.half_s + idle_s);
        survivors(start_s) - survivors(end_s)
    }
}

/// The best way to hold an environment, found in one pass over the buckets.
struct Plan {
    charge: f64,
    floor_s: f64,
    ceiling_s: f64,
    /// Worth of holding from the beginning until now.
    sum: f64,
    /// Best worth of a first stretch, and its end.
    first: Option<(f64, f64)>,
    /// First stretches by their end, the gap after which has not been long enough yet.
    ends: std::collections::VecDeque<(f64, f64)>,
    /// Best first stretch whose gap is long enough.
    released: Option<(f64, f64)>,
    /// Best worth of a first stretch and a second that begins now or earlier, without the sum: worth, end of
    /// the first, beginning of the second.
    opened: Option<(f64, f64, f64)>,
    /// Best with a second stretch: worth, end of the first, beginning and end of the second.
    second: Option<(f64, f64, f64, f64)>,
}

impl Plan {
    fn new(charge: f64, bounds: &Bounds) -> Self {
        let (floor_s, ceiling_s) = (bounds.floor.as_secs_f64(), bounds.ceiling.as_secs_f64());
        let mut plan = Self {
            charge,
            floor_s,
            ceiling_s,
            sum: 0.0,
            first: None,
            ends: std::collections::VecDeque::new(),
            released: None,
            opened: None,
            second: None,
        };
        plan.may_end(0.0);
        plan
    }

    fn bucket(&mut self, start_s: f64, end_s: f64, waiting: f64, worth: f64) {
        self.may_open(start_s, waiting);
        if start_s < self.ceiling_s && self.ceiling_s < end_s {
            // The ceiling lies within the bucket.
            let share = (self.ceiling_s - start_s) / (end_s - start_s);
            self.may_end_with(self.sum + worth * share, self.ceiling_s);
        }
        self.sum += worth;
        if let Some((before, first_s, from_s)) = self.opened
            && end_s - from_s <= self.ceiling_s
            && self.second.is_none_or(|(best, ..)| before + self.sum > best)
        {
            self.second = Some((before + self.sum, first_s, from_s, end_s));
        }
        self.may_end(end_s);
    }

    /// The first stretch may end here, when the bounds allow.
    fn may_end(&mut self, end_s: f64) {
        self.may_end_with(self.sum, end_s);
    }

    fn may_end_with(&mut self, sum: f64, end_s: f64) {
        if end_s < self.floor_s || end_s > self.ceiling_s {
            return;
        }
        if self.first.is_none_or(|(best, _)| sum > best) {
            self.first = Some((sum, end_s));
            self.ends.push_back((sum, end_s));
        }
    }

    /// The second stretch may begin here, after a gap.
    fn may_open(&mut self, start_s: f64, waiting: f64) {
        let gap_s = GAP_MIN.as_secs_f64();
        while let Some(end) = self.ends.front().copied().filter(|(_, end_s)| end_s + gap_s <= start_s) {
            self.ends.pop_front();
            self.released = Some(end);
        }
        let Some((worth, first_s)) = self.released else { return };
        let before = worth - self.sum - self.charge * waiting;
        if self.opened.is_none_or(|(best, _, from_s)| before > best || start_s - from_s >= self.ceiling_s) {
            self.opened = Some((before, first_s, start_s));
        }
    }

    /// `seen` counts the idle times that ended within a stretch: a belief alone starts nothing ahead of need.
    fn decision(self, bounds: &Bounds, lead: Duration, slack: Duration, seen: impl Fn(f64, f64) -> f64) -> Decision {
        let (worth, end_s) = self.first.unwrap_or((f64::NEG_INFINITY, self.floor_s));
        let Some((_, first_s, from_s, until_s)) =
            self.second.filter(|(best, _, from_s, until_s)| *best > worth && seen(*from_s, *until_s) >= SEEN_MIN)
        else {
            return Decision::keep(bounds.clamp(Duration::from_secs_f64(end_s)));
        };
        let keep_alive = bounds.clamp(Duration::from_secs_f64(first_s));
        let earliest = keep_alive.saturating_add(GAP_MIN);
        let at = Duration::from_secs_f64(from_s).saturating_sub(lead.saturating_add(slack)).max(earliest);
        let until = Duration::from_secs_f64(until_s).saturating_add(slack);
        if at >= until {
            return Decision::keep(keep_alive);
        }
        Decision { keep_alive, prewarm: Some(bounds.window(at, until)) }
    }
}
