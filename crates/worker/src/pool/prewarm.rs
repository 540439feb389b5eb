//! Starting an environment ahead of need.

use std::sync::Arc;

use super::generation::Generation;
use super::{Pool, make_for};

impl Pool {
    /// Starts an environment that joins the idle ones, unless memory is short, another one would have to go for it or an
    /// invoke waits for its place.
    pub(super) fn prewarm(self: &Arc<Self>, generation: Arc<Generation>) {
        if (self.memory)().is_some_and(|memory| memory.is_short()) {
            return;
        }
        if self.line.bell().is_wanted() {
            return;
        }
        let Some(place) = self.places.take() else { return };
        if !generation.may_prewarm() {
            return;
        }
        metrics::counter!("tindra_prewarms_total").increment(1);
        let (pool, target) = (Arc::clone(self), Arc::clone(generation.target()));
        tokio::spawn(async move {
            match make_for(&generation, &pool.machine, &target, place).await {
                // The next invoke finds the failure out by itself.
                Ok(environment) if environment.has_failed_init() && generation.gives_start_up() => {}
                Ok(mut environment) => {
                    if !generation.has_waiters() {
                        environment.tell_init_ahead();
                    }
                    pool.take_back(generation.started_ahead(environment));
                }
                Err(error) => generation.failed(error),
            }
        });
    }
}
