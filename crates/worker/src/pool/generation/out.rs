//! The count of environments and seats that are taken: when the last one comes back, the version is idle.

use std::sync::Arc;
use std::time::Duration;

use super::lease::Held;
use super::{Generation, Occupant, Queue};

/// Why an environment is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Invoke,
    /// It was started ahead of need and joins the idle ones.
    Ahead,
    /// Provisioned concurrency keeps it, or it has been counted back in.
    Uncounted,
}

/// Counts a lease, until the environment is idle again or gone.
#[derive(Debug)]
pub(super) struct Out<E: Occupant> {
    pub(super) generation: Arc<Generation<E>>,
    pub(super) purpose: Purpose,
    /// The crew in which it is a seat.
    crew: Option<u64>,
}

impl<E: Occupant> Out<E> {
    pub(super) fn new(generation: &Arc<Generation<E>>, purpose: Purpose, crew: Option<u64>) -> Self {
        Self { generation: Arc::clone(generation), purpose, crew }
    }

    /// Makes an environment that one invoke has for itself the place of several, if it can be.
    pub(super) fn seat(&mut self, held: Held<E>, queue: &mut Queue<E>) -> Held<E> {
        let Held::Alone(environment) = held else { return held };
        match queue.crews.form(environment) {
            Ok((number, environment)) => {
                self.crew = Some(number);
                Held::Beside(environment)
            }
            Err(environment) => Held::Alone(environment),
        }
    }

    /// Counts the lease back in. The last one to be, nothing of the version runs any more. Gives the environment of a crew when
    /// this was its last seat.
    pub(super) fn settle(&mut self, queue: &mut Queue<E>, now: Duration) -> Option<E> {
        let left = self.crew.take().and_then(|number| queue.crews.leave(number));
        self.count_in(queue, now);
        left
    }

    fn count_in(&mut self, queue: &mut Queue<E>, now: Duration) {
        let purpose = std::mem::replace(&mut self.purpose, Purpose::Uncounted);
        if purpose == Purpose::Uncounted {
            return;
        }
        queue.leases -= 1;
        if queue.leases + queue.starting == 0 && purpose == Purpose::Invoke {
            self.generation.warmth.end(now);
        }
    }
}

impl<E: Occupant> Drop for Out<E> {
    fn drop(&mut self) {
        if self.purpose == Purpose::Uncounted && self.crew.is_none() {
            return;
        }
        let generation = Arc::clone(&self.generation);
        let mut queue = generation.queue();
        // What is not known to be good is not used again.
        let closed = self.crew.take().and_then(|number| queue.crews.close(number));
        self.count_in(&mut queue, generation.warmth.policy().now());
        drop(queue);
        drop(closed);
    }
}
