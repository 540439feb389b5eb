//! How many invokes run at once, counted exactly and per account and region.
//!
//! A [`Permit`] is one invoke that is counted. It is given back when dropped, so every way out of an invoke,
//! a panic included, gives it back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use metrics::Gauge;
use tindra_core::function::Scope;

use crate::InvokeError;

/// The counters of all accounts and regions that have functions.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: u32,
    scopes: RwLock<HashMap<Scope, Arc<Counter>>>,
}

/// How many invokes run in one account and region. Functions keep a handle, so that an invoke takes no lock.
#[derive(Debug)]
pub(crate) struct Counter {
    limit: u32,
    running: AtomicU32,
    gauge: Gauge,
}

/// One running invoke.
#[derive(Debug)]
pub(crate) struct Permit {
    counter: Arc<Counter>,
}

impl Admission {
    /// At most `limit` invokes at once in each account and region.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, scopes: RwLock::default() }
    }

    /// The counter of an account and region.
    pub(crate) fn counter(&self, scope: &Scope) -> Arc<Counter> {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(scopes.entry(scope.clone()).or_insert_with(|| Arc::new(Counter::new(self.limit, scope))))
    }

    /// Invokes that run now.
    pub(crate) fn running(&self, scope: &Scope) -> u32 {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.get(scope).map_or(0, |counter| counter.running.load(Ordering::Relaxed))
    }

    /// Invokes that run now, of all accounts and regions.
    pub(crate) fn running_everywhere(&self) -> u32 {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.values().map(|counter| counter.running.load(Ordering::Relaxed)).sum()
    }
}

impl Counter {
    fn new(limit: u32, scope: &Scope) -> Self {
        let gauge = metrics::gauge!(
            "tindra_concurrent_executions",
            "account" => scope.account.clone(),
            "region" => scope.region.clone()
        );
        Self { limit, running: AtomicU32::new(0), gauge }
    }

    /// Counts one invoke in, or refuses it.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, InvokeError> {
        // Relaxed is enough: the count is the only thing that is agreed on.
        let admitted = self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |running| {
            (running < self.limit).then_some(running + 1)
        });
        match admitted {
            Ok(_) => {
                self.gauge.increment(1);
                Ok(Permit { counter: Arc::clone(self) })
            }
            Err(_) => Err(InvokeError::Throttled),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let before = self.counter.running.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a permit was counted in before it is counted out");
        self.counter.gauge.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;
    use tindra_core::function::Scope;

    #[test]
    fn no_more_than_the_limit_at_once_whatever_the_threads_do() {
        let admission = Admission::new(7);
        let scope = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        let highest = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let counter = admission.counter(&scope);
                    for _ in 0..2_000 {
                        let first = counter.admit();
                        let second = counter.admit();
                        highest.fetch_max(admission.running(&scope), std::sync::atomic::Ordering::Relaxed);
                        drop((second, first));
                    }
                });
            }
        });
        assert!(highest.into_inner() <= 7);
        assert_eq!(admission.running(&scope), 0);
    }

    #[test]
    fn accounts_and_regions_do_not_share() {
        let admission = Admission::new(1);
        let one = Scope { account: "111111111111".to_owned(), region: "eu-west-1".to_owned() };
        let other = Scope { account: "111111111111".to_owned(), region: "us-east-1".to_owned() };
        let held = admission.counter(&one).admit();
        assert!(held.is_ok() && admission.counter(&one).admit().is_err());
        assert!(admission.counter(&other).admit().is_ok());
    }
}
