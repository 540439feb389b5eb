//! The count of environments that are taken: when the last one comes back, the version is idle.

use std::sync::Arc;
use std::time::Duration;

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
}

impl<E: Occupant> Out<E> {
    /// Counts the lease back in. The last one to be, nothing of the version runs any more.
    pub(super) fn settle(&mut self, queue: &mut Queue<E>, now: Duration) {
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
        if self.purpose != Purpose::Uncounted {
            let generation = Arc::clone(&self.generation);
            self.settle(&mut generation.queue(), generation.warmth.policy().now());
        }
    }
}
