//! The functions whose invokes wait because the machine is full.
//!
//! They take turns: each place that becomes free goes to the next one, however many of its invokes wait. An environment that
//! comes back serves its own function's next invoke, which spares a start, unless another function has been next for
//! [`GIVES_WAY_AFTER`]: then it ends and leaves its place. So a function that never pauses keeps no other one out.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::generation::{Generation, Occupant};
use crate::place::Bell;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// For so long a function that is next lets others use their environments again before one of those makes room: some dozen
/// starts' worth, so that functions that share a full machine do not spend it on starts.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(1);

/// See the module. A function is in it while more of its invokes wait than environments of it start.
#[derive(Debug)]
pub(super) struct Line<E: Occupant> {
    bell: Arc<Bell>,
    turns: Mutex<VecDeque<Turn<E>>>,
    invokes: Arc<AtomicUsize>,
    invokes_max: usize,
}

#[derive(Debug)]
struct Turn<E: Occupant> {
    generation: Arc<Generation<E>>,
    /// When it got in, or had its last turn.
    since: Duration,
    /// An environment of another function has ended for it already.
    is_made_room_for: bool,
}

/// One invoke in the line. Dropped, it is counted out.
#[derive(Debug)]
pub(super) struct Standing {
    invokes: Arc<AtomicUsize>,
}

impl<E: Occupant> Line<E> {
    /// At most `invokes_max` invokes wait in it; the bell rings when there may be room.
    pub(super) fn new(invokes_max: usize, bell: Arc<Bell>) -> Self {
        Self { bell, turns: Mutex::new(VecDeque::new()), invokes: Arc::new(AtomicUsize::new(0)), invokes_max }
    }

    fn turns(&self) -> MutexGuard<'_, VecDeque<Turn<E>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Invokes that wait in it.
    pub(super) fn invokes(&self) -> usize {
        self.invokes.load(Ordering::Relaxed)
    }

    /// Counts an invoke in, for whose function nothing starts yet that `own` invokes wait for, itself among them. A function
    /// gets no more than is left for all others.
    pub(super) fn enter(&self, own: usize) -> Option<Standing> {
        let max = self.invokes_max;
        let count_in = |invokes| (invokes + own <= max).then_some(invokes + 1);
        self.invokes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_in).ok()?;
        Some(Standing { invokes: Arc::clone(&self.invokes) })
    }

    /// Puts a function at the end, unless it is in the line.
    pub(super) fn join(&self, generation: &Arc<Generation<E>>, now: Duration) {
        let mut turns = self.turns();
        if !turns.iter().any(|turn| Arc::ptr_eq(&turn.generation, generation)) {
            turns.push_back(Turn { generation: Arc::clone(generation), since: now, is_made_room_for: false });
        }
        self.bell.want(true);
        drop(turns);
        self.bell.ring();
    }

    /// Whose turn it is. It stays the first one until its turn is over.
    pub(super) fn next(&self) -> Option<Arc<Generation<E>>> {
        self.turns().front().map(|turn| Arc::clone(&turn.generation))
    }

    /// The first one has had its turn. It gets in again when it needs more.
    pub(super) fn turn_is_over(&self, now: Duration) {
        let mut turns = self.turns();
        let first = turns.pop_front();
        self.bell.want(!turns.is_empty());
        drop(turns);
        // Looked at when it is out: an invoke that came before found it in the line and left it at that.
        if let Some(Turn { generation, .. }) = first
            && generation.shortage() > 0
        {
            self.join(&generation, now);
        }
    }

    /// Whether an environment of this generation ends for the function whose turn it is.
    pub(super) fn makes_room(&self, generation: &Arc<Generation<E>>, now: Duration) -> bool {
        let mut turns = self.turns();
        let Some(first) = turns.front_mut() else { return false };
        let is_overdue = now.saturating_sub(first.since) >= GIVES_WAY_AFTER;
        let makes_room = is_overdue && !first.is_made_room_for && !Arc::ptr_eq(&first.generation, generation);
        first.is_made_room_for |= makes_room;
        makes_room
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.invokes.fetch_sub(1, Ordering::Relaxed);
    }
}
