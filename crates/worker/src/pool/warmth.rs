//! How long the environments of one version are kept: what the version does, what it costs, and what was decided.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tindra_core::clock::Clock;
use tindra_core::keep_warm::{Decision, GreedyDual, Habit, Keepsake, Layout, Price, Stake};

use super::idle::Keeping;
use crate::worker::KeepWarm;

/// What an idle environment is taken to hold before one was measured.
const MEMORY_GUESS_BYTES: u64 = 32 << 20;
/// How long a start is taken to last before one was measured.
const START_GUESS_S: f64 = 0.2;
/// At the first price an environment like this is kept for the standard time; nearly all cost more to start or
/// hold less, so that they are kept for longer until the memory meant for them is used.
const CHEAPEST: Stake = Stake { cost: 0.005, memory_bytes: 64 << 20, lead: Duration::ZERO };
/// Share of a new figure in a smoothed one.
const SMOOTHING: f64 = 0.25;

/// What holds for all versions.
#[derive(Debug)]
pub(crate) struct Policy {
    options: KeepWarm,
    clock: Arc<dyn Clock>,
    /// Memory meant for idle environments.
    budget_bytes: u64,
    /// Bits of the price of memory per MiB and second.
    price: AtomicU64,
}

impl Policy {
    /// `total_bytes`: memory of the machine.
    pub(crate) fn new(options: KeepWarm, clock: Arc<dyn Clock>, total_bytes: u64) -> Self {
        let price = Price::standard(&CHEAPEST, &options.bounds);
        Self {
            options,
            clock,
            budget_bytes: options.idle_memory_bytes.unwrap_or(total_bytes / 4),
            price: AtomicU64::new(price.per_mib_second().to_bits()),
        }
    }

    fn price(&self) -> Price {
        Price::new(f64::from_bits(self.price.load(Ordering::Relaxed)))
    }

    /// Moves the price with what idle environments held during `elapsed`.
    pub(super) fn observe(&self, used_bytes: u64, elapsed: Duration) {
        let mut price = self.price();
        price.observe(used_bytes, self.budget_bytes, elapsed);
        self.price.store(price.per_mib_second().to_bits(), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// How old an environment may become.
    pub(super) fn age_max(&self) -> Duration {
        self.options.environment_age_max
    }
}

/// See the module. It outlives the version's environments and generations.
#[derive(Debug)]
pub(super) struct Warmth {
    policy: Arc<Policy>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    habit: Habit,
    decision: Option<Decision>,
    last_begun: Duration,
    /// Invokes since there has been an environment without a gap.
    invokes: f64,
    start_s: Option<f64>,
    memory_bytes: Option<u64>,
    /// The idle time, by its beginning, in which a start ahead of need was tried.
    prewarmed: Option<Duration>,
}

impl Warmth {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        let last_begun = policy.now();
        let state = State {
            habit: Habit::new(Layout::default()),
            decision: None,
            last_begun,
            invokes: 0.0,
            start_s: None,
            memory_bytes: None,
            prewarmed: None,
        };
        Self { policy, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn last_begun(&self) -> Duration {
        self.state().last_begun
    }

    /// An invoke has come. `is_alone`: there is no environment, ready or starting.
    pub(super) fn begin(&self, now: Duration, is_alone: bool) {
        let mut state = self.state();
        state.habit.begin(now);
        state.last_begun = now;
        state.invokes = if is_alone { 1.0 } else { state.invokes + 1.0 };
    }

    /// An invoke has ended and nothing of the version runs.
    pub(super) fn end(&self, now: Duration) {
        let mut state = self.state();
        let basis = (state.stake(), self.policy.price());
        state.decision = Some(state.habit.end(now, &self.policy.options.bounds, Some(basis)));
    }

    pub(super) fn keeping(&self) -> Keeping {
        let state = self.state();
        let (idle, standard) = (state.habit.idle(), self.policy.options.bounds.standard());
        Keeping {
            idle,
            beside: state.decision.map_or(standard, |decision| decision.keep_alive.min(standard)),
            is_prewarmed: state.prewarmed.is_some() && state.prewarmed == idle.map(|(since, _)| since),
        }
    }

    /// A start ahead of need is tried, which happens once in an idle time.
    pub(super) fn prewarmed(&self) {
        let mut state = self.state();
        state.prewarmed = state.habit.idle().map(|(since, _)| since);
    }

    /// A start took so long.
    pub(super) fn note_start(&self, duration: Duration) {
        let mut state = self.state();
        state.start_s = Some(smoothed(state.start_s, duration.as_secs_f64()));
    }

    /// How long a start takes, as far as is known.
    pub(super) fn start(&self) -> Duration {
        Duration::from_secs_f64(self.state().start_s.unwrap_or(START_GUESS_S))
    }

    /// An idle environment holds so much.
    #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "bytes")]
    pub(super) fn note_memory(&self, bytes: u64) {
        let mut state = self.state();
        state.memory_bytes = Some(smoothed(state.memory_bytes.map(|bytes| bytes as f64), bytes as f64) as u64);
    }

    /// What an idle environment holds, as far as is known.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.state().memory_bytes.unwrap_or(MEMORY_GUESS_BYTES)
    }

    pub(super) fn priority(&self, greedy_dual: &GreedyDual) -> f64 {
        let state = self.state();
        let stake = state.stake();
        let keepsake = Keepsake { frequency: state.invokes, cost: stake.cost, memory_bytes: stake.memory_bytes };
        greedy_dual.priority(&keepsake)
    }
}

impl State {
    /// Rounded, so that a decision is worked out anew only when something has changed.
    fn stake(&self) -> Stake {
        let start = Duration::from_secs_f64(self.start_s.unwrap_or(START_GUESS_S));
        let start = Duration::from_millis(rounded(u64::try_from(start.as_millis()).unwrap_or(u64::MAX).max(1)));
        let memory_bytes = rounded(self.memory_bytes.unwrap_or(MEMORY_GUESS_BYTES));
        Stake { cost: start.as_secs_f64(), memory_bytes, lead: start }
    }
}

fn smoothed(before: Option<f64>, now: f64) -> f64 {
    before.map_or(now, |before| before + (now - before) * SMOOTHING)
}

/// To three binary digits.
fn rounded(number: u64) -> u64 {
    let spare_bits = (u64::BITS - number.leading_zeros()).saturating_sub(3);
    number >> spare_bits << spare_bits
}

#[cfg(test)]
mod tests;
