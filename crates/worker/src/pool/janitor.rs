//! Freezes what has become idle, ends what has been idle for long, and starts what is expected.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Pool;
use super::eviction::{MEMORY_EVERY, PRICE_EVERY};
use super::generation::{Chores, Generation, Key};
use super::warmth::Warmth;
use crate::environment::Process;

/// Runs until it is aborted.
pub(crate) async fn tend(pool: Arc<Pool>) {
    let mut looks = Looks { memory_at: Duration::ZERO, price_at: pool.machine.clock.monotonic() };
    loop {
        pool.janitor_is_up.store(true, Ordering::Release);
        let now = pool.machine.clock.monotonic();
        let chores = pool.chores(now);
        let Chores { freeze, park, expired, prewarm, next } = chores;
        if !freeze.is_empty() {
            let _ = tokio::task::spawn_blocking(move || freeze.into_iter().for_each(freeze_and_measure)).await;
        }
        if !park.is_empty() {
            let park = move || park.iter().for_each(|process| process.park_if_frozen());
            let _ = tokio::task::spawn_blocking(park).await;
        }
        drop(expired);
        prewarm.into_iter().for_each(|generation| pool.prewarm(generation));
        looks.look(&pool, now);
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
            () = tokio::time::sleep(wait.min(looks.every(&pool))) => {}
        }
    }
}

/// When the memory and its price were looked at.
struct Looks {
    memory_at: Duration,
    price_at: Duration,
}

impl Looks {
    fn look(&mut self, pool: &Pool, now: Duration) {
        if now.saturating_sub(self.memory_at) >= MEMORY_EVERY {
            self.memory_at = now;
            pool.relieve();
        }
        let elapsed = now.saturating_sub(self.price_at);
        if elapsed >= PRICE_EVERY {
            self.price_at = now;
            pool.policy.observe(pool.idle_bytes(), elapsed);
        }
    }

    /// How long to wait for the next look at most.
    fn every(&self, pool: &Pool) -> Duration {
        if pool.all().iter().any(|generation| generation.idle_bytes() > 0) { MEMORY_EVERY } else { PRICE_EVERY }
    }
}

fn freeze_and_measure((process, warmth): (Arc<Process>, Arc<Warmth>)) {
    let bytes = if process.freeze_if_idle() { process.memory_bytes() } else { 0 };
    if bytes > 0 {
        warmth.note_memory(bytes);
    }
}

impl Pool {
    fn chores(&self, now: Duration) -> Chores {
        let mut all = Chores::default();
        let mut has_empty = false;
        let greedy_dual = *self.greedy_dual.lock().unwrap_or_else(PoisonError::into_inner);
        for generation in self.all() {
            let chores = generation.chores(now, &greedy_dual);
            all.freeze.extend(chores.freeze);
            all.park.extend(chores.park);
            all.expired.extend(chores.expired);
            all.prewarm.extend(chores.prewarm);
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

    /// Forgets a tenant for whom nothing could be started: however many are refused, nothing is left of them.
    pub(super) fn forget_refused(&self, generation: &Arc<Generation>) {
        if generation.target().tenant.is_none() {
            return;
        }
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        // The map refers to it, and who was refused.
        if Arc::strong_count(generation) == 2 && generation.is_empty() {
            generations.remove(&Key::of(generation.target()));
        }
    }

    /// Forgets generations that nothing refers to. A lookup takes its reference under the same lock.
    fn forget_empty(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.retain(|_, generation| Arc::strong_count(generation) > 1 || !generation.is_empty());
    }
}
