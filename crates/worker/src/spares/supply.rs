//! The spares of one kind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::demand::Demand;
use super::spare::Spare;
use crate::packs::Pack;

/// Spares kept however little is taken: a cold start finds one while the place of the one before is still being filled.
const FLOOR: usize = 2;
/// After a kind could not be made, it is not tried again for so long.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Supply {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: Vec<Spare>,
    demand: Demand,
    last_wanted: Duration,
    not_before: Duration,
}

impl Supply {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a function of this kind exists; `true` when that may call for work.
    pub(super) fn expect(&self, now: Duration) -> bool {
        let mut inner = self.inner();
        inner.last_wanted = now;
        inner.ready.is_empty()
    }

    /// Takes the newest one that waits and is of this pack.
    pub(super) fn take(&self, now: Duration, pack: &Arc<Pack>) -> Option<Spare> {
        let mut inner = self.inner();
        inner.last_wanted = now;
        inner.demand.note(now);
        while let Some(spare) = inner.ready.pop() {
            if spare.is_of(pack) && spare.is_alive() {
                return Some(spare);
            }
        }
        None
    }

    pub(super) fn put(&self, mut spare: Spare) {
        spare.park();
        self.inner().ready.push(spare);
    }

    pub(super) fn last_wanted(&self) -> Duration {
        self.inner().last_wanted
    }

    pub(super) fn ready(&self) -> usize {
        self.inner().ready.len()
    }

    /// Age and memory in bytes of each. Reads files; a cold start waits for one of them at most.
    pub(super) fn list(&self) -> Vec<(Duration, u64)> {
        let one = |index: usize| self.inner().ready.get(index).map(|spare| (spare.age(), spare.memory_bytes()));
        (0..).map_while(one).collect()
    }

    /// How many there should be, at most `at_most`.
    pub(super) fn wanted(&self, now: Duration, at_most: usize) -> usize {
        let mut inner = self.inner();
        if now < inner.not_before {
            return 0;
        }
        inner.demand.peak(now).max(FLOOR).min(at_most)
    }

    /// Making one has failed.
    pub(super) fn pause(&self, now: Duration) {
        self.inner().not_before = now + RETRY_AFTER;
    }

    /// What made it fail is over.
    pub(super) fn resume(&self) {
        let mut inner = self.inner();
        inner.not_before = Duration::ZERO;
        let ended: Vec<Spare> = inner.ready.extract_if(.., |spare| !spare.is_alive()).collect();
        drop(inner);
        drop(ended);
    }

    /// Takes out what has ended or is too many, to be dropped by the caller.
    pub(super) fn trim(&self, keep: usize) -> Vec<Spare> {
        let mut inner = self.inner();
        let mut out: Vec<Spare> = inner.ready.extract_if(.., |spare| !spare.is_alive()).collect();
        let surplus = inner.ready.len().saturating_sub(keep);
        out.extend(inner.ready.drain(..surplus));
        out
    }
}
