//! Bounds on environments: how many there may be on the machine, and among them of tenants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts environments; at most so many exist at once.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One environment's share. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    /// Its share of another bound, given back with this one.
    _beside: Option<Box<Place>>,
}

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: Arc::default(), max }
    }

    /// A place, when there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        let room = |taken| if taken < self.max { Some(taken + 1) } else { None };
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Place { taken: Arc::clone(&self.taken), _beside: None })
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// The bound.
    pub(crate) fn max(&self) -> usize {
        self.max
    }
}

impl Place {
    /// The same, which keeps `other` taken for as long.
    pub(crate) fn beside(self, other: Option<Place>) -> Self {
        let mut this = self;
        this._beside = other.map(Box::new);
        this
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
