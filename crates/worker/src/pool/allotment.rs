//! The environments that provisioned concurrency keeps ready for one version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

/// Counts its environments, and tells when one is lost.
#[derive(Clone, Debug)]
pub(crate) struct Allotment {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    alive: AtomicU32,
    is_wanted: AtomicBool,
    /// Somebody has to look again.
    changed: Arc<Notify>,
}

/// One environment's part in it.
#[derive(Debug)]
pub(crate) struct Allotted {
    shared: Arc<Shared>,
}

impl Allotment {
    /// Without environments yet; `changed` is notified when one is lost.
    pub(super) fn new(changed: Arc<Notify>) -> Self {
        let shared = Shared { alive: AtomicU32::new(0), is_wanted: AtomicBool::new(true), changed };
        Self { shared: Arc::new(shared) }
    }

    /// Environments that it has.
    pub(super) fn alive(&self) -> u32 {
        self.shared.alive.load(Ordering::Acquire)
    }

    /// Counts one more in.
    pub(super) fn allot(&self) -> Allotted {
        self.shared.alive.fetch_add(1, Ordering::AcqRel);
        Allotted { shared: Arc::clone(&self.shared) }
    }

    /// From now on its environments are not wanted.
    pub(super) fn release(&self) {
        self.shared.is_wanted.store(false, Ordering::Release);
    }
}

impl Allotted {
    /// Whether the environment is still to be kept ready.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shared.is_wanted.load(Ordering::Acquire)
    }
}

impl Drop for Allotted {
    fn drop(&mut self) {
        self.shared.alive.fetch_sub(1, Ordering::AcqRel);
        self.shared.changed.notify_one();
    }
}
