//! The machine's bound on environments, and the bell that rings for who waits for a place.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts environments; at most so many exist at once.
#[derive(Debug)]
pub(crate) struct Places {
    shared: Arc<Shared>,
    max: usize,
}

#[derive(Debug)]
struct Shared {
    taken: AtomicUsize,
    bell: Arc<Bell>,
}

/// One environment's share. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
}

/// Rings when there may be room, for one listener and only while somebody waits.
///
/// Who waits says so before looking for a place, and who frees one looks afterwards whether somebody waits. All four steps
/// are sequentially consistent, so that one of the two sees the other.
#[derive(Debug)]
pub(crate) struct Bell {
    is_wanted: AtomicBool,
    rings: Notify,
}

impl Places {
    pub(crate) fn new(max: usize, bell: Arc<Bell>) -> Self {
        Self { shared: Arc::new(Shared { taken: AtomicUsize::new(0), bell }), max }
    }

    /// A place, when there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        let room = |taken| if taken < self.max { Some(taken + 1) } else { None };
        self.shared.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).ok()?;
        Some(Place { shared: Arc::clone(&self.shared) })
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::Acquire)
    }

    /// The bound.
    pub(crate) fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(1, Ordering::SeqCst);
        self.shared.bell.ring();
    }
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { is_wanted: AtomicBool::new(false), rings: Notify::new() }
    }

    /// Whether somebody waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// Somebody waits for room, or nobody does.
    pub(crate) fn want(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::SeqCst);
    }

    /// There may be room. A load of one number unless somebody waits.
    pub(crate) fn ring(&self) {
        if self.is_wanted() {
            self.rings.notify_one();
        }
    }

    /// Waits for the next ring, or returns at once when it rang since the last one.
    pub(crate) async fn rung(&self) {
        self.rings.notified().await;
    }
}
