//! How many invokes run at once, counted exactly: per account and region, per function with a reserve, and per version
//! with provisioned concurrency; and how many arrive in a second.
//!
//! What a function has reserved, or else what is provisioned for its versions, is taken from what all others share,
//! whether it is used or not (AWS). The account's own count is the last word, so that no more run than it allows while
//! reserves change. A [`Permit`] is one invoke that is counted. It is given back when dropped, so every way out of an
//! invoke, a panic included, gives it back.

mod share;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use serde::Serialize;
use tindra_core::function::Scope;

use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use share::{Account, Owner, Permit, Share};

/// The shares of all accounts and regions that have functions.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    scopes: RwLock<HashMap<Scope, ScopeShares>>,
}

/// What holds in each account and region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Invokes at once.
    pub(crate) concurrency: u32,
    /// Requests per second for each of them; 0 for no limit.
    pub(crate) requests_per_s: u32,
}

/// How much of an account's and region's concurrency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Concurrency {
    /// Invokes that may run at once.
    pub limit: u32,
    /// Those that run now.
    pub running: u32,
    /// What functions have not kept for themselves, by reserves or provisioned concurrency.
    pub unreserved_limit: u32,
    /// What runs of that.
    pub unreserved_running: u32,
}

/// The shares of one account and region.
#[derive(Debug)]
struct ScopeShares {
    account: Arc<Account>,
    /// What functions without a reserve run on demand.
    unreserved: Arc<Share>,
    /// Of the functions that take something from it.
    claims: HashMap<String, Claim>,
}

/// What one function keeps from the others.
#[derive(Debug)]
struct Claim {
    /// Its reserve, of which what is provisioned is a part.
    reserve: Option<(u32, Arc<Share>)>,
    provisioned: u32,
}

impl Claim {
    fn taken(&self) -> u32 {
        self.reserve.as_ref().map_or(self.provisioned, |(reserve, _)| *reserve)
    }
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, scopes: RwLock::default() }
    }

    /// The share of an account and region.
    pub(crate) fn account(&self, scope: &Scope) -> Arc<Account> {
        Arc::clone(&self.shares(&mut self.write(), scope).account)
    }

    /// A share for the provisioned concurrency of a version, empty yet.
    pub(crate) fn provisioned(&self) -> Arc<Share> {
        Arc::new(Share::new(Owner::Provisioned, 0, self.limits.requests_per_s))
    }

    /// Sets what a function keeps for itself, and gives the share for its invokes on demand.
    pub(crate) fn claim(&self, scope: &Scope, name: &str, reserve: Option<u32>, provisioned: u32) -> Arc<Share> {
        let mut scopes = self.write();
        let shares = self.shares(&mut scopes, scope);
        let before = shares.claims.remove(name).and_then(|claim| claim.reserve);
        let reserve = reserve.map(|reserve| {
            let share = before.map_or_else(|| self.reserve(0), |(_, share)| share);
            share.set_limit(reserve.saturating_sub(provisioned));
            (reserve, share)
        });
        let own = reserve.as_ref().map(|(_, share)| Arc::clone(share));
        if reserve.is_some() || provisioned > 0 {
            shares.claims.insert(name.to_owned(), Claim { reserve, provisioned });
        }
        let taken = shares.claims.values().map(Claim::taken).fold(0, u32::saturating_add);
        shares.unreserved.set_limit(self.limits.concurrency.saturating_sub(taken));
        own.unwrap_or_else(|| Arc::clone(&shares.unreserved))
    }

    /// The share for a function's invokes on demand, where the store may know more than was claimed here.
    pub(crate) fn find(&self, scope: &Scope, name: &str, reserve: Option<u32>) -> Arc<Share> {
        let mut scopes = self.write();
        let shares = self.shares(&mut scopes, scope);
        match (shares.claims.get(name).and_then(|claim| claim.reserve.as_ref()), reserve) {
            (Some((_, share)), _) => Arc::clone(share),
            (None, Some(limit)) => self.reserve(limit),
            (None, None) => Arc::clone(&shares.unreserved),
        }
    }

    /// Before all functions are told anew.
    pub(crate) fn forget_claims(&self) {
        for shares in self.write().values_mut() {
            shares.claims.clear();
            shares.unreserved.set_limit(self.limits.concurrency);
        }
    }

    /// What is used, and of how much.
    pub(crate) fn concurrency(&self, scope: &Scope) -> Concurrency {
        let limit = self.limits.concurrency;
        let unused = Concurrency { limit, running: 0, unreserved_limit: limit, unreserved_running: 0 };
        self.read().get(scope).map_or(unused, |shares| Concurrency {
            running: shares.account.share.running(),
            unreserved_limit: shares.unreserved.limit(),
            unreserved_running: shares.unreserved.running(),
            ..unused
        })
    }

    /// Invokes that run now.
    pub(crate) fn running(&self, scope: &Scope) -> u32 {
        self.concurrency(scope).running
    }

    /// Invokes that run now, of all accounts and regions.
    pub(crate) fn running_everywhere(&self) -> u32 {
        self.read().values().map(|shares| shares.account.share.running()).sum()
    }

    fn reserve(&self, limit: u32) -> Arc<Share> {
        Arc::new(Share::new(Owner::Reserve, limit, self.limits.requests_per_s))
    }

    fn shares<'a>(&self, scopes: &'a mut HashMap<Scope, ScopeShares>, scope: &Scope) -> &'a mut ScopeShares {
        let Limits { concurrency, requests_per_s } = self.limits;
        scopes.entry(scope.clone()).or_insert_with(|| ScopeShares {
            account: Arc::new(Account {
                share: Share::new(Owner::Account, concurrency, requests_per_s),
                gauge: metrics::gauge!(
                    "tindra_concurrent_executions",
                    "account" => scope.account.clone(),
                    "region" => scope.region.clone()
                ),
            }),
            unreserved: Arc::new(Share::new(Owner::Unreserved, concurrency, 0)),
            claims: HashMap::new(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Scope, ScopeShares>> {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Scope, ScopeShares>> {
        self.scopes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, feature = "model"))]
mod model;
#[cfg(all(test, not(feature = "model")))]
mod tests;
