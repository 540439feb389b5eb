//! Whether the function of a mapping can be run on this server. One that cannot (its disk is full, its runtime is missing) leaves
//! shards to others that can.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For so long every start fails before this server counts as unable.
const UNABLE_AFTER: Duration = Duration::from_secs(5);
/// After so long it tries again.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What the last runs tell.
#[derive(Debug, Default)]
pub(super) struct Ability(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    failing_since: Option<Instant>,
    unable_since: Option<Instant>,
}

impl Ability {
    /// The function has run.
    pub(super) fn has_run(&self) {
        self.tell(|told| *told = Told::default());
    }

    /// The function could not be run, through no fault of its own.
    pub(super) fn could_not_run(&self) {
        self.tell(|told| {
            if told.failing_since.get_or_insert_with(Instant::now).elapsed() >= UNABLE_AFTER {
                told.unable_since.get_or_insert_with(Instant::now);
            }
        });
    }

    pub(super) fn is_able(&self) -> bool {
        self.tell(|told| {
            if told.unable_since.is_some_and(|since| since.elapsed() >= AGAIN_AFTER) {
                *told = Told::default();
            }
            told.unable_since.is_none()
        })
    }

    fn tell<T>(&self, tell: impl FnOnce(&mut Told) -> T) -> T {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_unable_when_nothing_runs_for_a_while_and_tries_again_later() {
        let ability = Ability::default();
        ability.could_not_run();
        tokio::time::advance(UNABLE_AFTER / 2).await;
        ability.could_not_run();
        assert!(ability.is_able());
        ability.has_run();
        tokio::time::advance(UNABLE_AFTER).await;
        ability.could_not_run();
        assert!(ability.is_able(), "it has run meanwhile");
        tokio::time::advance(UNABLE_AFTER).await;
        ability.could_not_run();
        assert!(!ability.is_able());
        tokio::time::advance(AGAIN_AFTER).await;
        assert!(ability.is_able());
    }
}
