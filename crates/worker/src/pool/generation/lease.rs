//! An environment, or a seat in one, that is taken for an invoke, and what becomes of it afterwards.

use std::sync::Arc;
use std::time::Duration;

use tindra_invoke::environments::{AcquireError, Target};
use tokio::sync::oneshot;

use super::out::{Out, Purpose};
use super::{Generation, Occupant, Queue};
use crate::environment::Environment;
use crate::pool::idle::Idle;

pub(super) type Waiter<E> = oneshot::Sender<Result<Lease<E>, AcquireError>>;
pub(in crate::pool) type Waiting<E> = oneshot::Receiver<Result<Lease<E>, AcquireError>>;

/// See the module. Dropped, the environment is destroyed, one with several invokes as soon as the others have ended.
#[derive(Debug)]
pub(crate) struct Lease<E: Occupant = Box<Environment>> {
    held: Held<E>,
    out: Out<E>,
}

/// How an invoke has its environment.
#[derive(Debug)]
pub(crate) enum Held<E> {
    /// For itself.
    Alone(E),
    /// With others beside it.
    Beside(Arc<E>),
}

impl<E: Occupant> Held<E> {
    fn environment(&self) -> &E {
        match self {
            Self::Alone(environment) => environment,
            Self::Beside(environment) => environment,
        }
    }
}

impl<E: Occupant> Lease<E> {
    pub(super) fn new(generation: &Arc<Generation<E>>, environment: E, purpose: Purpose) -> Self {
        Self { held: Held::Alone(environment), out: Out::new(generation, purpose, None) }
    }

    /// A seat in an environment that runs several invokes.
    pub(super) fn beside(generation: &Arc<Generation<E>>, (crew, environment): (u64, Arc<E>)) -> Self {
        Self { held: Held::Beside(environment), out: Out::new(generation, Purpose::Invoke, Some(crew)) }
    }

    /// Counts an environment that is about to come back.
    pub(in crate::pool) fn returning(&self) -> Returning<E> {
        self.out.generation.queue().returning += 1;
        Returning { generation: Arc::clone(&self.out.generation) }
    }

    pub(in crate::pool) fn generation(&self) -> &Arc<Generation<E>> {
        &self.out.generation
    }

    pub(crate) fn target(&self) -> &Arc<Target> {
        self.out.generation.target()
    }

    /// Whether provisioned concurrency keeps it ready.
    pub(in crate::pool) fn is_provisioned(&self) -> bool {
        self.held.environment().is_provisioned()
    }

    pub(crate) fn held(&mut self) -> &mut Held<E> {
        &mut self.held
    }

    /// Hands the environment to the longest waiter, else keeps it idle, else gives it back to be dropped, with its generation.
    pub(in crate::pool) fn offer(self, now: Duration, is_stopping: bool) -> Option<(Held<E>, Arc<Generation<E>>)> {
        let Self { mut held, mut out } = self;
        let generation = Arc::clone(&out.generation);
        let environment = held.environment();
        if !environment.is_good() || environment.is_released() || is_stopping {
            return Some((held, generation));
        }
        let mut queue = generation.queue();
        if !queue.waiters.is_empty() {
            held = out.seat(held, &mut queue);
        }
        while let Some(waiter) = queue.waiters.pop_front() {
            if out.purpose == Purpose::Ahead {
                out.purpose = Purpose::Invoke;
            }
            match waiter.send(Ok(Self { held, out })) {
                Ok(()) => {
                    queue.seat_waiters(&generation, now);
                    return None;
                }
                Err(Ok(lease)) => Self { held, out } = lease,
                Err(Err(_)) => unreachable!("a lease was sent"),
            }
        }
        let left = match held {
            Held::Alone(environment) => {
                out.settle(&mut queue, now);
                environment
            }
            Held::Beside(environment) => {
                drop(environment);
                out.settle(&mut queue, now)?
            }
        };
        // Looked at with the queue held: whoever gives provisioned ones up looks through it afterwards.
        if queue.is_retired || left.is_released() {
            drop(queue);
            return Some((Held::Alone(left), generation));
        }
        left.rest();
        let is_provisioned = left.is_provisioned();
        let old_at = left.began().saturating_add(generation.warmth.policy().age_max());
        let idle = Idle { environment: left, since: now, old_at, is_frozen: false, is_parked: false, priority: None };
        if is_provisioned {
            queue.provisioned.push(idle);
        } else {
            queue.idle.push(idle);
        }
        None
    }
}

impl<E: Occupant> Queue<E> {
    /// Gives seats that are free to who waits.
    fn seat_waiters(&mut self, generation: &Arc<Generation<E>>, now: Duration) {
        self.waiters.retain(|waiter| !waiter.is_closed());
        while !self.waiters.is_empty()
            && let Some(seat) = self.crews.join()
        {
            self.leases += 1;
            let mut lease = Some(Lease::beside(generation, seat));
            while let Some(unseated) = lease.take()
                && let Some(waiter) = self.waiters.pop_front()
            {
                if let Err(Ok(unsent)) = waiter.send(Ok(unseated)) {
                    lease = Some(unsent);
                }
            }
            if let Some(Lease { held, mut out }) = lease {
                drop(held);
                // Others are in it, so nothing comes back.
                out.settle(self, now);
            }
        }
    }
}

/// Counts an environment that is about to come back, until it has or is dropped.
#[derive(Debug)]
pub(in crate::pool) struct Returning<E: Occupant> {
    generation: Arc<Generation<E>>,
}

impl<E: Occupant> Drop for Returning<E> {
    fn drop(&mut self) {
        self.generation.queue().returning -= 1;
    }
}
