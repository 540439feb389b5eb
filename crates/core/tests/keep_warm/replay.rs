//! Replays a trace under a policy and counts cold starts and what idle environments held.

use std::time::Duration;

use tindra_core::keep_warm::{Bounds, Decision, GreedyDual, Habit, Keepsake, Layout, Price, Stake};

use super::trace::{Function, TRACE_S, Trace};

#[derive(Clone, Copy)]
pub(crate) enum Policy {
    /// The same time for all.
    Fixed(Duration),
    Percentiles,
    /// At a price that settles at this many MiB of idle environments.
    Priced {
        budget_mib: f64,
        counts_seconds: bool,
    },
    /// Never given up, but for want of memory: never more than this many MiB.
    GreedyDual {
        capacity_mib: f64,
    },
}

#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) cold: u64,
    /// Seconds that invokes waited for a cold start.
    pub(crate) cold_s: f64,
    pub(crate) prewarms: u64,
    /// Mean over the trace.
    pub(crate) idle_mib: f64,
    /// Per function: cold starts and beginnings.
    per_function: Vec<(u64, u64)>,
}

impl Outcome {
    /// Median over the functions of the share of cold starts.
    pub(crate) fn median(&self) -> f64 {
        let invoked = self.per_function.iter().filter(|(_, all)| *all > 0);
        let mut shares: Vec<f64> = invoked.map(|(cold, all)| *cold as f64 / *all as f64).collect();
        shares.sort_by(f64::total_cmp);
        shares[shares.len() / 2]
    }
}

pub(crate) fn bounds() -> Bounds {
    Bounds::new(Duration::from_secs(5), Duration::from_secs(4 * 3_600), Duration::from_secs(600))
}

struct Version {
    habit: Habit,
    stake: Stake,
    idle: Option<(f64, Decision)>,
    /// Changes of what is held, on the minute, that were announced.
    announced: Vec<(usize, f64)>,
}

pub(crate) struct Replay<'a> {
    trace: &'a Trace,
    policy: Policy,
    price: Price,
    versions: Vec<Version>,
    outcome: Outcome,
    /// What idle environments hold as of the minute, and how that will change.
    held_mib: f64,
    changes: Vec<f64>,
    minute: usize,
}

impl<'a> Replay<'a> {
    pub(crate) fn run(trace: &'a Trace, policy: Policy) -> Outcome {
        if let Policy::GreedyDual { capacity_mib } = policy {
            return greedy_dual(trace, capacity_mib);
        }
        let counts_seconds = matches!(policy, Policy::Priced { counts_seconds: true, .. });
        let versions: Vec<Version> = trace.functions.iter().map(|function| version(function, counts_seconds)).collect();
        let typical = Stake { cost: 1.0, memory_bytes: 160 << 20, lead: Duration::ZERO };
        let mut replay = Self {
            trace,
            policy,
            price: Price::standard(&typical, &bounds()),
            versions,
            outcome: Outcome { per_function: vec![(0, 0); trace.functions.len()], ..Outcome::default() },
            held_mib: 0.0,
            changes: vec![0.0; (TRACE_S / 60.0) as usize + 1],
            minute: 0,
        };
        for busy in &trace.busy {
            replay.pass_to(busy.from_s);
            replay.begin(busy.function, busy.from_s);
            replay.end(busy.function, busy.until_s);
        }
        for function in 0..replay.versions.len() {
            replay.settle(function, TRACE_S);
        }
        replay.outcome.idle_mib /= TRACE_S;
        replay.outcome
    }

    fn pass_to(&mut self, now_s: f64) {
        while self.minute < (now_s / 60.0) as usize {
            self.minute += 1;
            self.held_mib += self.changes[self.minute];
            if let Policy::Priced { budget_mib, .. } = self.policy {
                self.price.observe(bytes(self.held_mib.max(0.0)), bytes(budget_mib), Duration::from_secs(60));
            }
        }
    }

    fn begin(&mut self, function: usize, now_s: f64) {
        let is_warm = self.settle(function, now_s);
        let version = &mut self.versions[function];
        version.habit.begin(Duration::from_secs_f64(now_s));
        let (cold, all) = &mut self.outcome.per_function[function];
        *all += 1;
        if !is_warm {
            *cold += 1;
            self.outcome.cold += 1;
            self.outcome.cold_s += self.trace.functions[function].init_s;
        }
    }

    /// Accounts for the idle time that ends now: whether an environment was ready.
    fn settle(&mut self, function: usize, now_s: f64) -> bool {
        let version = &mut self.versions[function];
        let Some((since_s, decision)) = version.idle.take() else { return false };
        let idle_s = now_s - since_s;
        let memory_mib = self.trace.functions[function].memory_mib;
        let mut held_s = idle_s.clamp(0.0, decision.keep_alive.as_secs_f64());
        let mut is_warm = idle_s < decision.keep_alive.as_secs_f64();
        if let Some(prewarm) = decision.prewarm {
            let (at_s, until_s) = (prewarm.at.as_secs_f64(), prewarm.until.as_secs_f64());
            held_s += (idle_s.min(until_s) - at_s).max(0.0);
            self.outcome.prewarms += u64::from(idle_s >= at_s);
            // One that is still starting does not count as warm.
            is_warm |= idle_s < until_s && idle_s >= at_s + version.stake.lead.as_secs_f64();
        }
        self.outcome.idle_mib += held_s * memory_mib;
        for (minute, change) in version.announced.drain(..) {
            match minute > self.minute {
                true => self.changes[minute] -= change,
                false => self.held_mib -= change,
            }
        }
        is_warm
    }

    fn end(&mut self, function: usize, now_s: f64) {
        if now_s >= TRACE_S {
            return;
        }
        let version = &mut self.versions[function];
        let now = Duration::from_secs_f64(now_s);
        let decision = match self.policy {
            Policy::Fixed(keep_alive) => Decision::keep(keep_alive),
            Policy::Percentiles | Policy::GreedyDual { .. } => version.habit.end(now, &bounds(), None),
            Policy::Priced { .. } => version.habit.end(now, &bounds(), Some((version.stake, self.price))),
        };
        version.idle = Some((now_s, decision));
        let memory_mib = self.trace.functions[function].memory_mib;
        let mut moments = vec![(0.0, memory_mib), (decision.keep_alive.as_secs_f64(), -memory_mib)];
        if let Some(prewarm) = decision.prewarm {
            moments.extend([(prewarm.at.as_secs_f64(), memory_mib), (prewarm.until.as_secs_f64(), -memory_mib)]);
        }
        for (after_s, change) in moments {
            let minute = ((now_s + after_s) / 60.0).ceil() as usize;
            if minute <= self.minute {
                self.held_mib += change;
            } else if let Some(slot) = self.changes.get_mut(minute) {
                *slot += change;
            } else {
                continue;
            }
            version.announced.push((minute, change));
        }
    }
}

fn version(function: &Function, counts_seconds: bool) -> Version {
    let stake = Stake {
        cost: if counts_seconds { function.init_s } else { 1.0 },
        memory_bytes: bytes(function.memory_mib),
        lead: Duration::from_secs_f64(function.init_s),
    };
    Version { habit: Habit::new(Layout::default()), stake, idle: None, announced: Vec::new() }
}

fn bytes(mib: f64) -> u64 {
    (mib * 1_048_576.0) as u64
}

/// Everything is kept until memory is short; then what has the least priority goes. What ends is taken note of when
/// the next begins.
fn greedy_dual(trace: &Trace, capacity_mib: f64) -> Outcome {
    let count = trace.functions.len();
    let mut outcome = Outcome { per_function: vec![(0, 0); count], ..Outcome::default() };
    let mut policy = GreedyDual::new();
    let mut idle: std::collections::BTreeMap<usize, (f64, f64)> = std::collections::BTreeMap::new();
    // The one that ends first is the last.
    let mut running: Vec<(f64, usize)> = Vec::new();
    let (mut held_mib, mut clock_s) = (0.0, 0.0);
    for busy in &trace.busy {
        while let Some((until_s, function)) = running.pop_if(|(until_s, _)| *until_s <= busy.from_s) {
            outcome.idle_mib += held_mib * (until_s - clock_s);
            clock_s = until_s;
            let drawn = &trace.functions[function];
            let frequency = outcome.per_function[function].1 as f64;
            let keepsake = Keepsake { frequency, cost: 1.0, memory_bytes: bytes(drawn.memory_mib) };
            idle.insert(function, (policy.priority(&keepsake), drawn.memory_mib));
            held_mib += drawn.memory_mib;
            while held_mib > capacity_mib {
                let evicted = policy.evict(idle.iter().map(|(function, (priority, _))| (*function, *priority)));
                let Some((_, memory_mib)) = evicted.and_then(|function| idle.remove(&function)) else { break };
                held_mib -= memory_mib;
            }
        }
        outcome.idle_mib += held_mib * (busy.from_s - clock_s);
        clock_s = busy.from_s;
        let (cold, all) = &mut outcome.per_function[busy.function];
        *all += 1;
        match idle.remove(&busy.function) {
            Some((_, memory_mib)) => held_mib -= memory_mib,
            None => {
                *cold += 1;
                outcome.cold += 1;
                outcome.cold_s += trace.functions[busy.function].init_s;
            }
        }
        let at = running.partition_point(|(until_s, _)| *until_s > busy.until_s);
        running.insert(at, (busy.until_s, busy.function));
    }
    outcome.idle_mib /= clock_s;
    outcome
}
