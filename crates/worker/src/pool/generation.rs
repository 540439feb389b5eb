//! The environments of one generation, and the invokes that wait for one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tindra_invoke::environments::AcquireError;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::FREEZE_AFTER;
use crate::environment::{Environment, Process};

type Waiter = oneshot::Sender<Result<Lease, AcquireError>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Generation {
    id: Uuid,
    /// Key of the function's record.
    key: String,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The last one was used last.
    idle: Vec<Idle>,
    /// The same of those that provisioned concurrency keeps: taken first, and never too old.
    provisioned: Vec<Idle>,
    waiters: VecDeque<Waiter>,
    /// Environments that are being started.
    starting: usize,
    /// Environments whose invoke was answered and whose runtime has not asked for the next event yet.
    returning: usize,
    /// No longer serving: nothing is kept.
    is_retired: bool,
}

#[derive(Debug)]
struct Idle {
    environment: Box<Environment>,
    since: Duration,
    is_frozen: bool,
}

/// One environment, taken. Dropped, the environment is destroyed.
#[derive(Debug)]
pub struct Lease {
    environment: Box<Environment>,
    generation: Arc<Generation>,
}

/// What an invoke finds.
pub(super) enum Taken {
    Idle(Lease),
    /// Somebody else's environment is on its way and will be left over.
    Wait(oneshot::Receiver<Result<Lease, AcquireError>>),
    /// An environment has answered its invoke and will ask for the next event in a moment, if all is well.
    WaitABit(oneshot::Receiver<Result<Lease, AcquireError>>),
    WaitAndStart(oneshot::Receiver<Result<Lease, AcquireError>>),
}

/// What the janitor is to do.
#[derive(Debug, Default)]
pub(super) struct Chores {
    pub(super) freeze: Vec<Arc<Process>>,
    pub(super) expired: Vec<Environment>,
    /// When to look again, on the machine's clock.
    pub(super) next: Option<Duration>,
}

impl Generation {
    pub(super) fn new(id: Uuid, key: String) -> Self {
        Self { id, key, queue: Mutex::default() }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lease(self: &Arc<Self>, environment: Box<Environment>) -> Lease {
        Lease { environment, generation: Arc::clone(self) }
    }

    pub(super) fn take_or_wait(self: &Arc<Self>) -> Taken {
        let mut queue = self.queue();
        if let Some(idle) = queue.provisioned.pop().or_else(|| queue.idle.pop()) {
            drop(queue);
            return Taken::Idle(self.lease(idle.environment));
        }
        queue.waiters.retain(|waiter| !waiter.is_closed());
        let (sender, receiver) = oneshot::channel();
        let ahead = queue.waiters.len();
        queue.waiters.push_back(sender);
        if queue.starting > ahead {
            return Taken::Wait(receiver);
        }
        if queue.starting + queue.returning > ahead {
            return Taken::WaitABit(receiver);
        }
        queue.starting += 1;
        Taken::WaitAndStart(receiver)
    }

    /// Counts a start in, unless those under way are enough for who waits.
    pub(super) fn needs_start(&self) -> bool {
        let mut queue = self.queue();
        queue.waiters.retain(|waiter| !waiter.is_closed());
        let needs = queue.starting < queue.waiters.len();
        queue.starting += usize::from(needs);
        needs
    }

    pub(super) fn has_returning(&self) -> bool {
        self.queue().returning > 0
    }

    pub(super) fn not_started(&self) {
        self.queue().starting -= 1;
    }

    pub(super) fn started(self: &Arc<Self>, environment: Box<Environment>) -> Lease {
        self.queue().starting -= 1;
        self.lease(environment)
    }

    /// Tells the longest waiter that nothing comes, unless enough others are under way.
    pub(super) fn failed(&self, error: AcquireError) {
        let mut queue = self.queue();
        queue.starting -= 1;
        queue.waiters.retain(|waiter| !waiter.is_closed());
        if queue.starting >= queue.waiters.len() {
            return;
        }
        let mut error = Err(error);
        while let Some(waiter) = queue.waiters.pop_front() {
            match waiter.send(error) {
                Ok(()) => return,
                Err(unsent) => error = unsent,
            }
        }
    }

    /// Keeps what is idle, or not: `true` when this generation does not serve.
    pub(super) fn retire(&self, is_retired: bool) -> Vec<Environment> {
        let mut queue = self.queue();
        queue.is_retired = is_retired;
        if is_retired { queue.take_all() } else { Vec::new() }
    }

    pub(super) fn take_all_idle(&self) -> Vec<Environment> {
        let mut queue = self.queue();
        queue.waiters.clear();
        queue.take_all()
    }

    /// Takes provisioned ones that are idle, the longest idle first.
    pub(super) fn take_provisioned(&self, at_most: usize) -> Vec<Environment> {
        let mut queue = self.queue();
        let count = queue.provisioned.len().min(at_most);
        queue.provisioned.drain(..count).map(|idle| *idle.environment).collect()
    }

    pub(super) fn idle_since(&self) -> Option<Duration> {
        self.queue().idle.iter().map(|idle| idle.since).min()
    }

    pub(super) fn take_oldest(&self) -> Option<Box<Environment>> {
        let mut queue = self.queue();
        let (at, _) = queue.idle.iter().enumerate().min_by_key(|(_, idle)| idle.since)?;
        Some(queue.idle.remove(at).environment)
    }

    /// True when nothing of it is left; leases keep it alive by themselves.
    pub(super) fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.idle.is_empty()
            && queue.provisioned.is_empty()
            && queue.waiters.is_empty()
            && queue.starting + queue.returning == 0
    }

    pub(super) fn has_unfrozen(&self) -> bool {
        self.queue().all().any(|idle| !idle.is_frozen)
    }

    pub(super) fn chores(&self, now: Duration, idle_timeout: Duration) -> Chores {
        let mut chores = Chores::default();
        let mut queue = self.queue();
        let is_expired = |idle: &mut Idle| now >= idle.since + idle_timeout;
        chores.expired.extend(queue.idle.extract_if(.., is_expired).map(|idle| *idle.environment));
        let Queue { idle, provisioned, .. } = &mut *queue;
        let expiring = idle.iter_mut().map(|idle| (idle, idle_timeout));
        for (idle, timeout) in expiring.chain(provisioned.iter_mut().map(|idle| (idle, Duration::MAX))) {
            let mut next = idle.since.saturating_add(timeout);
            if !idle.is_frozen && now >= idle.since + FREEZE_AFTER {
                idle.is_frozen = true;
                chores.freeze.extend(idle.environment.process().cloned());
            } else if !idle.is_frozen {
                next = idle.since + FREEZE_AFTER;
            }
            chores.next = Some(chores.next.map_or(next, |soonest| soonest.min(next)));
        }
        chores
    }
}

impl Queue {
    fn all(&self) -> impl Iterator<Item = &Idle> {
        self.idle.iter().chain(&self.provisioned)
    }

    fn take_all(&mut self) -> Vec<Environment> {
        self.idle.drain(..).chain(self.provisioned.drain(..)).map(|idle| *idle.environment).collect()
    }
}

/// Counts an environment that is about to come back, until it has or is dropped.
#[derive(Debug)]
pub(super) struct Returning {
    generation: Arc<Generation>,
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.generation.queue().returning -= 1;
    }
}

impl Lease {
    pub(super) fn returning(&self) -> Returning {
        self.generation.queue().returning += 1;
        Returning { generation: Arc::clone(&self.generation) }
    }

    pub(crate) fn environment(&mut self) -> &mut Environment {
        &mut self.environment
    }

    /// Hands the environment to the longest waiter, else keeps it idle, else gives it back to be dropped.
    pub(super) fn offer(self, now: Duration, is_stopping: bool) -> Option<Box<Environment>> {
        let generation = self.generation;
        let mut environment = self.environment;
        if !environment.is_good() || environment.is_released() || is_stopping {
            return Some(environment);
        }
        let mut queue = generation.queue();
        while let Some(waiter) = queue.waiters.pop_front() {
            match waiter.send(Ok(generation.lease(environment))) {
                Ok(()) => return None,
                Err(Ok(lease)) => environment = lease.environment,
                Err(Err(_)) => unreachable!("a lease was sent"),
            }
        }
        // Looked at with the queue held: whoever gives provisioned ones up looks through it afterwards.
        if queue.is_retired || environment.is_released() {
            return Some(environment);
        }
        let is_provisioned = environment.is_provisioned();
        let idle = Idle { environment, since: now, is_frozen: false };
        if is_provisioned {
            queue.provisioned.push(idle)
        } else {
            queue.idle.push(idle)
        }
        None
    }
}
