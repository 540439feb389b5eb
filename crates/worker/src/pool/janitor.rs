//! Freezes what has become idle and ends what has been idle for long.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Pool;
use super::generation::Chores;

/// Runs until it is aborted.
pub(crate) async fn tend(pool: Arc<Pool>) {
    loop {
        pool.janitor_is_up.store(true, Ordering::Release);
        let now = pool.machine.clock.monotonic();
        let chores = pool.chores(now);
        let Chores { freeze, expired, next } = chores;
        if !freeze.is_empty() {
            let frozen =
                tokio::task::spawn_blocking(move || freeze.iter().for_each(|process| process.freeze_if_idle()));
            let _ = frozen.await;
        }
        drop(expired);
        let wait = next.map_or(Duration::MAX, |next| next.saturating_sub(now));
        if wait <= super::FREEZE_AFTER {
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
            continue;
        }
        pool.janitor_is_up.store(false, Ordering::Release);
        // Whoever gave an environment back while the janitor was up did not knock: look once more.
        if pool.chores_wait() {
            continue;
        }
        tokio::select! {
            () = pool.work.notified() => {}
            () = tokio::time::sleep(wait.min(Duration::from_secs(3_600))) => {}
        }
    }
}

impl Pool {
    fn chores(&self, now: Duration) -> Chores {
        let mut all = Chores::default();
        let mut has_empty = false;
        for generation in self.all() {
            let chores = generation.chores(now, self.idle_timeout);
            all.freeze.extend(chores.freeze);
            all.expired.extend(chores.expired);
            all.next = [all.next, chores.next].into_iter().flatten().min();
            has_empty |= generation.is_empty();
        }
        if has_empty {
            self.forget_empty();
        }
        all
    }

    /// Whether something idle is not frozen yet.
    fn chores_wait(&self) -> bool {
        self.all().iter().any(|generation| generation.has_unfrozen())
    }

    /// Forgets generations that nothing refers to. A lookup takes its reference under the same lock.
    fn forget_empty(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.retain(|_, generation| Arc::strong_count(generation) > 1 || !generation.is_empty());
    }
}
