//! One limit and what is used of it, and the invoke that uses it.

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tindra_core::rate::RateLimit;

use crate::InvokeError;
use crate::error::Throttle;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Requests are counted by the second (AWS: ten times the concurrency in each second).
const RATE_PERIOD: Duration = Duration::from_secs(1);

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// All functions of an account and region together.
    Account,
    /// The functions that have reserved nothing.
    Unreserved,
    /// One function by its reserve.
    Reserve,
    /// One version by its provisioned concurrency.
    Provisioned,
}

/// How many invokes run under one limit, and how many arrive. Functions keep a handle, so that an invoke takes no lock.
#[derive(Debug)]
pub(crate) struct Share {
    owner: Owner,
    limit: AtomicU32,
    running: AtomicU32,
    /// The most that ran at once since it was last asked for; counted where somebody asks, of provisioned concurrency.
    peak: AtomicU32,
    /// Requests per second for each one that may run at once; 0 for no limit.
    requests_per_s: u32,
    /// State of the request rate, see [`RateLimit::take`].
    unused_at_ns: AtomicU64,
}

/// The account's share, and what shows it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) share: Share,
    pub(super) gauge: Gauge,
}

/// One running invoke.
#[derive(Debug)]
pub(crate) struct Permit {
    share: Arc<Share>,
    account: Arc<Account>,
}

impl Share {
    pub(crate) fn new(owner: Owner, limit: u32, requests_per_s: u32) -> Self {
        let (limit, running, peak) = (AtomicU32::new(limit), AtomicU32::new(0), AtomicU32::new(0));
        Self { owner, limit, running, peak, requests_per_s, unused_at_ns: AtomicU64::new(0) }
    }

    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many may run at once.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// How many run now.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// The most that ran at once since the last time that somebody asked.
    pub(crate) fn take_peak(&self) -> u32 {
        let peak = self.peak.swap(0, Ordering::Relaxed);
        // What runs on belongs to the time after this, too.
        let running = self.running();
        self.peak.fetch_max(running, Ordering::Relaxed);
        peak.max(running)
    }

    /// Counts one invoke in, here and for the account, or refuses it and counts nothing.
    pub(crate) fn admit(self: &Arc<Self>, account: &Arc<Account>, now: Duration) -> Result<Permit, InvokeError> {
        self.enter(now)?;
        if let Err(error) = account.share.enter(now) {
            self.leave();
            return Err(error);
        }
        account.gauge.increment(1);
        Ok(Permit { share: Arc::clone(self), account: Arc::clone(account) })
    }

    fn enter(&self, now: Duration) -> Result<(), InvokeError> {
        // Relaxed is enough: the counts are the only thing that is agreed on.
        let limit = self.limit();
        let count_in = |running| (running < limit).then_some(running + 1);
        let Ok(others) = self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_in) else {
            return Err(InvokeError::Throttled(self.owner.when_busy()));
        };
        if self.owner == Owner::Provisioned {
            self.peak.fetch_max(others + 1, Ordering::Relaxed);
        }
        if self.requests_per_s > 0 {
            let rate = RateLimit::new(u64::from(limit) * u64::from(self.requests_per_s), RATE_PERIOD);
            let take = |unused_at_ns| rate.take(unused_at_ns, now).ok();
            if self.unused_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                self.leave();
                return Err(InvokeError::Throttled(self.owner.when_frequent()));
            }
        }
        Ok(())
    }

    fn leave(&self) {
        let before = self.running.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "an invoke is counted in before it is counted out");
    }
}

impl Owner {
    fn when_busy(self) -> Throttle {
        match self {
            Self::Reserve => Throttle::ReservedConcurrency,
            Self::Account | Self::Unreserved | Self::Provisioned => Throttle::Concurrency,
        }
    }

    fn when_frequent(self) -> Throttle {
        match self {
            Self::Reserve => Throttle::ReservedRate,
            Self::Account | Self::Unreserved | Self::Provisioned => Throttle::Rate,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.account.gauge.decrement(1);
        self.account.share.leave();
        self.share.leave();
    }
}
