//! Giving idle environments up when there is no room or no memory: first the one whose loss costs least.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Pool;
use super::warmth::Warmth;
use crate::environment::Environment;
use crate::place::Place;

/// How often the machine's memory is looked at while environments are idle.
pub(super) const MEMORY_EVERY: Duration = Duration::from_secs(10);
/// How often the price of memory moves.
pub(super) const PRICE_EVERY: Duration = Duration::from_secs(60);
/// No environment gives back less, whatever was measured.
const ENVIRONMENT_MIN_BYTES: u64 = 1 << 20;

/// Versions of which is remembered what they do.
const VERSIONS_MAX: usize = 4_096;

impl Pool {
    /// A place for a new environment, that of an idle one when the machine is full.
    pub(super) fn place(&self) -> Option<Place> {
        self.places.take().or_else(|| {
            let (environment, _) = self.evict("full")?;
            drop(environment);
            self.places.take()
        })
    }

    /// Takes the idle environment whose loss costs least, with what it holds in bytes.
    fn evict(&self, reason: &'static str) -> Option<(Box<Environment>, u64)> {
        let mut greedy_dual = self.greedy_dual.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let generations = self.all();
            let now = *greedy_dual;
            let least = generations.iter().filter_map(|generation| Some((generation, generation.least(&now)?)));
            let least = greedy_dual.evict(least)?;
            // An invoke may have taken it; then something else is the least.
            if let Some(environment) = least.take_least(&greedy_dual) {
                metrics::counter!("tindra_environments_evicted_total", "reason" => reason).increment(1);
                return Some((environment, least.warmth().memory_bytes()));
            }
        }
    }

    /// Gives up as many idle environments as the machine is short of memory. Spares have gone before.
    pub(super) fn relieve(&self) {
        let missing = (self.memory)().map_or(0, |memory| memory.shortage_bytes());
        drop(until_given_back(missing, || self.evict("memory")));
    }

    /// What idle environments hold now, in bytes.
    pub(super) fn idle_bytes(&self) -> u64 {
        self.all().iter().map(|generation| generation.idle_bytes()).sum()
    }

    /// What is remembered of a version. Forgets the version that was invoked longest ago when there are too many.
    pub(super) fn warmth(&self, key: &str) -> Arc<Warmth> {
        let mut warmths = self.warmths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warmth) = warmths.get(key) {
            return Arc::clone(warmth);
        }
        if warmths.len() >= VERSIONS_MAX {
            let oldest = warmths.iter().min_by_key(|(_, warmth)| warmth.last_begun()).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| warmths.remove(&oldest));
        }
        let warmth = Arc::new(Warmth::new(Arc::clone(&self.policy)));
        warmths.insert(key.to_owned(), Arc::clone(&warmth));
        warmth
    }
}

/// Takes one thing after the other, each with what it holds, until they hold so much together.
fn until_given_back<E>(mut missing_bytes: u64, mut next: impl FnMut() -> Option<(E, u64)>) -> Vec<E> {
    let mut taken = Vec::new();
    while missing_bytes > 0
        && let Some((one, bytes)) = next()
    {
        taken.push(one);
        missing_bytes = missing_bytes.saturating_sub(bytes.max(ENVIRONMENT_MIN_BYTES));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_as_memory_is_missing() {
        let taken = |missing_mib: u64| {
            let mut idle = [("small", 1 << 20), ("untold", 0), ("large", 64 << 20)].into_iter();
            until_given_back(missing_mib << 20, || idle.next())
        };
        assert_eq!(taken(0), Vec::<&str>::new());
        assert_eq!((taken(1), taken(2)), (vec!["small"], vec!["small", "untold"]));
        assert_eq!(taken(3).len(), 3);
        assert_eq!(taken(1_000).len(), 3, "no more than there are");
    }
}
