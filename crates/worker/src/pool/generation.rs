//! The environments of one generation, of one tenant where the function isolates them, and the invokes that wait for one.
//!
//! What it queues is an [`Occupant`]: an environment, or in the model tests something lighter.

mod chores;
mod crew;
mod lease;
mod occupant;
mod out;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tindra_core::keep_warm::GreedyDual;
use tindra_core::tenant::TenantId;
use tindra_invoke::environments::{AcquireError, Target};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::idle::Idle;
use super::warmth::Warmth;
use crate::environment::Environment;
use crate::sync::{Mutex, MutexGuard};
use crew::Crews;
use lease::Waiter;
use out::Purpose;

pub(super) use chores::Chores;
pub(super) use lease::Waiting;
pub(crate) use lease::{Held, Lease};
pub(super) use occupant::Occupant;

/// What all environments of a generation have in common, and no other environment has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    deployment: Uuid,
    tenant: Option<TenantId>,
}

impl Key {
    pub(super) fn of(target: &Target) -> Self {
        Self { deployment: target.deployment.generation, tenant: target.tenant.clone() }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Generation<E: Occupant = Box<Environment>> {
    target: Arc<Target>,
    /// Key of the function's record.
    record_key: String,
    warmth: Arc<Warmth>,
    queue: Mutex<Queue<E>>,
}

#[derive(Debug)]
struct Queue<E: Occupant> {
    /// The last one was used last.
    idle: Vec<Idle<E>>,
    /// The same of those that provisioned concurrency keeps: taken first, and never too old.
    provisioned: Vec<Idle<E>>,
    /// Those that run several invokes at once.
    crews: Crews<E>,
    waiters: VecDeque<Waiter<E>>,
    /// Environments that are being started.
    starting: usize,
    /// Environments whose invoke was answered and whose runtime has not asked for the next event yet.
    returning: usize,
    /// Environments and seats that are taken for an invoke, those of provisioned concurrency aside.
    leases: usize,
    /// No longer serving: nothing is kept.
    is_retired: bool,
}

/// What an invoke finds.
pub(super) enum Taken<E: Occupant> {
    Idle(Lease<E>),
    /// Somebody else's environment is on its way and will be left over.
    Wait(Waiting<E>),
    /// An environment has answered its invoke and will ask for the next event in a moment, if all is well.
    WaitABit(Waiting<E>),
    WaitAndStart(Waiting<E>),
}

impl<E: Occupant> Generation<E> {
    pub(super) fn new(target: Arc<Target>, record_key: String, warmth: Arc<Warmth>) -> Self {
        let seats = usize::try_from(target.deployment.configuration.invokes_at_once()).unwrap_or(1);
        Self { target, record_key, warmth, queue: Mutex::new(Queue::new(seats)) }
    }

    /// Of the deployment; its tenants share it.
    pub(super) fn id(&self) -> Uuid {
        self.target.deployment.generation
    }

    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Whether its environments run several invokes at once, as a rule.
    pub(super) fn runs_several(&self) -> bool {
        self.target.deployment.configuration.managed_instances.is_some()
    }

    pub(super) fn warmth(&self) -> &Arc<Warmth> {
        &self.warmth
    }

    /// How long an invoke may run, and wait for room before that.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.target.deployment.configuration.timeout_s))
    }

    pub(super) fn record_key(&self) -> &str {
        &self.record_key
    }

    fn queue(&self) -> MutexGuard<'_, Queue<E>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease of a new environment that provisioned concurrency keeps.
    pub(super) fn provisioned(self: &Arc<Self>, environment: E) -> Lease<E> {
        Lease::new(self, environment, Purpose::Uncounted)
    }

    pub(super) fn take_or_wait(self: &Arc<Self>, now: Duration) -> Taken<E> {
        let mut queue = self.queue();
        if let Some(idle) = queue.provisioned.pop() {
            drop(queue);
            return Taken::Idle(Lease::new(self, idle.environment, Purpose::Uncounted));
        }
        self.warmth.begin(now, queue.is_bare());
        if let Some(seat) = queue.crews.join() {
            queue.leases += 1;
            return Taken::Idle(Lease::beside(self, seat));
        }
        if let Some(idle) = queue.idle.pop() {
            queue.leases += 1;
            return Taken::Idle(match queue.crews.form(idle.environment) {
                Ok(seat) => Lease::beside(self, seat),
                Err(environment) => Lease::new(self, environment, Purpose::Invoke),
            });
        }
        queue.waiters.retain(|waiter| !waiter.is_closed());
        let (sender, receiver) = oneshot::channel();
        let ahead = queue.waiters.len();
        queue.waiters.push_back(sender);
        if queue.coming_new() > ahead {
            return Taken::Wait(receiver);
        }
        if queue.coming() > ahead {
            return Taken::WaitABit(receiver);
        }
        queue.starting += 1;
        Taken::WaitAndStart(receiver)
    }

    /// Counts a start in, unless those under way are enough for who waits.
    pub(super) fn needs_start(&self) -> bool {
        let mut queue = self.queue();
        queue.waiters.retain(|waiter| !waiter.is_closed());
        let needs = queue.coming_new() < queue.waiters.len();
        queue.starting += usize::from(needs);
        needs
    }

    /// Invokes that wait and for which nothing starts or is about to come back.
    pub(super) fn shortage(&self) -> usize {
        let mut queue = self.queue();
        queue.waiters.retain(|waiter| !waiter.is_closed());
        queue.waiters.len().saturating_sub(queue.coming())
    }

    /// Counts a start out that was not begun.
    pub(super) fn not_started(&self) {
        self.queue().starting -= 1;
    }

    pub(super) fn started(self: &Arc<Self>, environment: E) -> Lease<E> {
        self.count_started();
        Lease::new(self, environment, Purpose::Invoke)
    }

    /// The same of one that was started ahead of need.
    pub(super) fn started_ahead(self: &Arc<Self>, environment: E) -> Lease<E> {
        self.count_started();
        Lease::new(self, environment, Purpose::Ahead)
    }

    fn count_started(&self) {
        let mut queue = self.queue();
        queue.starting -= 1;
        queue.leases += 1;
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.queue().waiters.iter().any(|waiter| !waiter.is_closed())
    }

    /// Counts a start out without an environment, unless somebody waits for it.
    pub(super) fn gives_start_up(&self) -> bool {
        let mut queue = self.queue();
        queue.waiters.retain(|waiter| !waiter.is_closed());
        let gives_up = queue.waiters.is_empty();
        queue.starting -= usize::from(gives_up);
        gives_up
    }

    /// Counts a start ahead of need in, unless something is there by now.
    pub(super) fn may_prewarm(&self) -> bool {
        let mut queue = self.queue();
        let may = queue.is_bare() && !queue.is_retired;
        queue.starting += usize::from(may);
        may
    }

    /// Counts a start out, and tells who waited for it.
    pub(super) fn failed(&self, error: AcquireError) {
        self.not_started();
        self.tell(error);
    }

    /// Tells the longest waiters that nothing comes, as many as would have found a seat, unless enough others are under way.
    fn tell(&self, error: AcquireError) {
        let mut queue = self.queue();
        queue.waiters.retain(|waiter| !waiter.is_closed());
        if queue.leases + queue.starting == 0 && queue.waiters.len() <= 1 {
            self.warmth.end(self.warmth.policy().now());
        }
        let uncovered = queue.waiters.len().saturating_sub(queue.coming());
        for _ in 0..uncovered.min(queue.crews.seats()) {
            while let Some(waiter) = queue.waiters.pop_front() {
                if waiter.send(Err(error.clone())).is_ok() {
                    break;
                }
            }
        }
    }

    /// Keeps what is idle, or not: `true` when this generation does not serve.
    pub(super) fn retire(&self, is_retired: bool) -> Vec<E> {
        let mut queue = self.queue();
        queue.is_retired = is_retired;
        if is_retired { queue.take_all() } else { Vec::new() }
    }

    pub(super) fn take_all_idle(&self) -> Vec<E> {
        let mut queue = self.queue();
        queue.waiters.clear();
        queue.take_all()
    }

    /// Takes provisioned ones that are idle, the longest idle first.
    pub(super) fn take_provisioned(&self, at_most: usize) -> Vec<E> {
        let mut queue = self.queue();
        let count = queue.provisioned.len().min(at_most);
        queue.provisioned.drain(..count).map(|idle| idle.environment).collect()
    }

    /// Takes what a launcher that has ended had made.
    pub(super) fn take_outlived(&self) -> Vec<E> {
        let mut queue = self.queue();
        let is_outlived = |idle: &mut Idle<E>| idle.environment.is_outlived();
        let mut taken: Vec<_> = queue.idle.extract_if(.., is_outlived).collect();
        taken.extend(queue.provisioned.extract_if(.., is_outlived));
        taken.into_iter().map(|idle| idle.environment).collect()
    }

    /// The least priority of an idle environment.
    pub(super) fn least(&self, greedy_dual: &GreedyDual) -> Option<f64> {
        let used_now = self.warmth.priority(greedy_dual);
        self.queue().idle.iter().map(|idle| idle.priority.unwrap_or(used_now)).min_by(f64::total_cmp)
    }

    pub(super) fn take_least(&self, greedy_dual: &GreedyDual) -> Option<E> {
        let used_now = self.warmth.priority(greedy_dual);
        let mut queue = self.queue();
        let priorities = queue.idle.iter().map(|idle| idle.priority.unwrap_or(used_now)).enumerate();
        let (at, _) = priorities.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some(queue.idle.remove(at).environment)
    }

    /// What its idle environments hold, in bytes.
    pub(super) fn idle_bytes(&self) -> u64 {
        let count = u64::try_from(self.queue().idle.len()).unwrap_or(u64::MAX);
        self.warmth.memory_bytes().saturating_mul(count)
    }

    /// True when nothing of it is left or to come; leases keep it alive by themselves.
    pub(super) fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.idle.is_empty()
            && queue.provisioned.is_empty()
            && queue.crews.is_empty()
            && queue.waiters.iter().all(oneshot::Sender::is_closed)
            && queue.starting + queue.returning == 0
            && (queue.is_retired || self.warmth.keeping().prewarm_at(self.warmth.policy().now()).is_none())
    }

    /// Waiters, starts, returning ones and leases.
    #[cfg(all(test, feature = "model"))]
    pub(super) fn counts(&self) -> [usize; 4] {
        let queue = self.queue();
        [queue.waiters.len(), queue.starting, queue.returning, queue.leases]
    }

    pub(super) fn has_unfrozen(&self) -> bool {
        self.queue().all().any(|idle| !idle.is_frozen)
    }
}

impl<E: Occupant> Queue<E> {
    fn new(seats: usize) -> Self {
        Self {
            idle: Vec::new(),
            provisioned: Vec::new(),
            crews: Crews::new(seats),
            waiters: VecDeque::new(),
            starting: 0,
            returning: 0,
            leases: 0,
            is_retired: false,
        }
    }

    /// Invokes for which there will be a seat in what is being started.
    fn coming_new(&self) -> usize {
        self.starting.saturating_mul(self.crews.seats())
    }

    /// The same with what is about to come back.
    fn coming(&self) -> usize {
        self.coming_new().saturating_add(self.returning)
    }

    fn all(&self) -> impl Iterator<Item = &Idle<E>> {
        self.idle.iter().chain(&self.provisioned)
    }

    /// Whether no environment is there, be it idle, busy or starting, those of provisioned concurrency aside.
    fn is_bare(&self) -> bool {
        self.idle.is_empty() && self.leases + self.starting == 0
    }

    fn take_all(&mut self) -> Vec<E> {
        self.idle.drain(..).chain(self.provisioned.drain(..)).map(|idle| idle.environment).collect()
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests;
