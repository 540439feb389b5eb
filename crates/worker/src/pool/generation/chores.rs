//! What is to be done in a generation without an invoke asking for it.

use std::sync::Arc;
use std::time::Duration;

use tindra_core::keep_warm::GreedyDual;

use super::{Generation, Queue};
use crate::environment::{Environment, Process};
use crate::pool::warmth::Warmth;
use crate::pool::{FREEZE_AFTER, PARK_AFTER};

/// What the janitor is to do.
#[derive(Debug, Default)]
pub(in crate::pool) struct Chores {
    /// What has been frozen for a while.
    pub(in crate::pool) park: Vec<Arc<Process>>,
    pub(in crate::pool) freeze: Vec<(Arc<Process>, Arc<Warmth>)>,
    #[expect(clippy::vec_box, reason = "the queue holds them so, and they are moved as they are")]
    pub(in crate::pool) expired: Vec<Box<Environment>>,
    /// What is to be started ahead of need.
    pub(in crate::pool) prewarm: Vec<Arc<Generation>>,
    /// When to look again, on the machine's clock.
    pub(in crate::pool) next: Option<Duration>,
}

impl Generation {
    pub(in crate::pool) fn chores(self: &Arc<Self>, now: Duration, greedy_dual: &GreedyDual) -> Chores {
        let mut queue = self.queue();
        let keeping = self.warmth.keeping();
        let (ended, next) = keeping.take_ended(&mut queue.idle, now);
        let expired = ended.into_iter().map(|idle| idle.environment).collect();
        let mut chores = Chores { expired, next, ..Chores::default() };
        if queue.is_bare()
            && !queue.is_retired
            && let Some(at) = keeping.prewarm_at(now)
        {
            chores.look_at(at);
            if at <= now {
                self.warmth.prewarmed();
                chores.prewarm.push(Arc::clone(self));
            }
        }
        let Queue { idle, provisioned, .. } = &mut *queue;
        for idle in idle.iter_mut().chain(provisioned).filter(|idle| !idle.is_parked) {
            if idle.is_frozen {
                if now < idle.since + PARK_AFTER {
                    chores.look_at(idle.since + PARK_AFTER);
                } else {
                    idle.is_parked = true;
                    chores.park.extend(idle.environment.process().cloned());
                }
                continue;
            }
            if now < idle.since + FREEZE_AFTER {
                chores.look_at(idle.since + FREEZE_AFTER);
                continue;
            }
            idle.is_frozen = true;
            chores.look_at(idle.since + PARK_AFTER);
            idle.priority = Some(self.warmth.priority(greedy_dual));
            let process = idle.environment.process().cloned();
            chores.freeze.extend(process.map(|process| (process, Arc::clone(&self.warmth))));
        }
        chores
    }
}

impl Chores {
    fn look_at(&mut self, at: Duration) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}
