//! How many invokes run at once, counted exactly, per account and region and per function with a reserve.
//!
//! A [`Permit`] is one invoke that is counted. It is given back when dropped, so every way out of an invoke,
//! a panic included, gives it back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use metrics::Gauge;
use tindra_core::function::Scope;

use crate::InvokeError;

/// The counters of all accounts and regions that have functions.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: u32,
    scopes: RwLock<HashMap<Scope, ScopeCounters>>,
}

/// The counters of one account and region.
#[derive(Debug)]
struct ScopeCounters {
    /// What functions without a reserve share.
    unreserved: Arc<Counter>,
    /// The reserves of functions by name.
    reserved: HashMap<String, Arc<Counter>>,
}

/// How many invokes run under one limit. Functions keep a handle, so that an invoke takes no lock.
#[derive(Debug)]
pub(crate) struct Counter {
    limit: AtomicU32,
    /// Whether the limit is a function's own.
    is_reserve: bool,
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

    /// Sets a function's reserve, or takes it away, and gives the counter for its invokes. What is reserved
    /// is taken from what the other functions share.
    pub(crate) fn reserve(&self, scope: &Scope, name: &str, reserve: Option<u32>) -> Arc<Counter> {
        let mut scopes = self.write();
        let counters = self.counters(&mut scopes, scope);
        match reserve {
            Some(limit) => {
                let counter = counters.reserved.entry(name.to_owned());
                let counter = counter.or_insert_with(|| Arc::new(Counter::new(limit, true, scope)));
                counter.limit.store(limit, Ordering::Relaxed);
            }
            None => drop(counters.reserved.remove(name)),
        }
        let reserved: u32 = counters.reserved.values().map(|counter| counter.limit.load(Ordering::Relaxed)).sum();
        counters.unreserved.limit.store(self.limit.saturating_sub(reserved), Ordering::Relaxed);
        Arc::clone(counters.reserved.get(name).unwrap_or(&counters.unreserved))
    }

    /// The counter of a function, of which the store may know more than was set here.
    pub(crate) fn find(&self, scope: &Scope, name: &str, reserve: Option<u32>) -> Arc<Counter> {
        let mut scopes = self.write();
        let counters = self.counters(&mut scopes, scope);
        match (counters.reserved.get(name), reserve) {
            (Some(counter), _) => Arc::clone(counter),
            (None, Some(limit)) => Arc::new(Counter::new(limit, true, scope)),
            (None, None) => Arc::clone(&counters.unreserved),
        }
    }

    /// Before all functions are told anew.
    pub(crate) fn forget_reserves(&self) {
        for counters in self.write().values_mut() {
            counters.reserved.clear();
            counters.unreserved.limit.store(self.limit, Ordering::Relaxed);
        }
    }

    /// Invokes that run now.
    pub(crate) fn running(&self, scope: &Scope) -> u32 {
        self.read().get(scope).map_or(0, ScopeCounters::running)
    }

    /// Invokes that run now, of all accounts and regions.
    pub(crate) fn running_everywhere(&self) -> u32 {
        self.read().values().map(ScopeCounters::running).sum()
    }

    fn counters<'a>(&self, scopes: &'a mut HashMap<Scope, ScopeCounters>, scope: &Scope) -> &'a mut ScopeCounters {
        scopes.entry(scope.clone()).or_insert_with(|| ScopeCounters {
            unreserved: Arc::new(Counter::new(self.limit, false, scope)),
            reserved: HashMap::new(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Scope, ScopeCounters>> {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Scope, ScopeCounters>> {
        self.scopes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScopeCounters {
    fn running(&self) -> u32 {
        let counters = self.reserved.values().chain([&self.unreserved]);
        counters.map(|counter| counter.running.load(Ordering::Relaxed)).sum()
    }
}

impl Counter {
    fn new(limit: u32, is_reserve: bool, scope: &Scope) -> Self {
        let gauge = metrics::gauge!(
            "tindra_concurrent_executions",
            "account" => scope.account.clone(),
            "region" => scope.region.clone()
        );
        Self { limit: AtomicU32::new(limit), is_reserve, running: AtomicU32::new(0), gauge }
    }

    /// Counts one invoke in, or refuses it.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, InvokeError> {
        let limit = self.limit.load(Ordering::Relaxed);
        // Relaxed is enough: the count is the only thing that is agreed on.
        let admitted = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |running| (running < limit).then_some(running + 1));
        match admitted {
            Ok(_) => {
                self.gauge.increment(1);
                Ok(Permit { counter: Arc::clone(self) })
            }
            Err(_) => Err(InvokeError::Throttled { by_reserve: self.is_reserve }),
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
                    let counter = admission.find(&scope, "thing", None);
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
        let held = admission.find(&one, "thing", None).admit();
        assert!(held.is_ok() && admission.find(&one, "thing", None).admit().is_err());
        assert!(admission.find(&other, "thing", None).admit().is_ok());
    }

    #[test]
    fn a_reserve_is_a_cap_and_a_guarantee() {
        let admission = Admission::new(10);
        let scope = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        let own = admission.reserve(&scope, "own", Some(3));
        let others = admission.find(&scope, "other", None);
        let held: Vec<_> = (0..7).map(|_| others.admit().expect("seven are left for the others")).collect();
        assert_eq!(others.admit().unwrap_err().throttle_reason(), Some("ConcurrentInvocationLimitExceeded"));
        let own_held: Vec<_> = (0..3).map(|_| own.admit().expect("three are reserved")).collect();
        let refusal = own.admit().unwrap_err();
        assert_eq!(refusal.throttle_reason(), Some("ReservedFunctionConcurrentInvocationLimitExceeded"));
        assert_eq!(admission.running(&scope), 10);
        drop((held, own_held));
        assert_eq!(admission.running(&scope), 0);

        assert!(admission.reserve(&scope, "own", Some(0)).admit().is_err());
        let shared = admission.reserve(&scope, "own", None);
        let held: Vec<_> = (0..10).map(|_| shared.admit().expect("all is shared again")).collect();
        assert!(shared.admit().is_err());
        drop(held);
    }
}
