//! What services stand on in their tests: a real store, a clock that the test holds, and an outbox that keeps what it is given.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_core::function::Scope;
use tindra_outside::anywhere::Reach;
use tindra_store::{Batch, BoxFuture, Message, Store, StoreError};
use tindra_testkit::{FakeClock, TestStore, store};

use crate::Surroundings;
use crate::outbox::Outbox;

/// 2025-01-01T12:00:00Z, a Wednesday.
pub(crate) const START_MS: UnixMs = 1_735_732_800_000;

pub(crate) fn scope() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
}

/// What a test holds of it.
pub(crate) struct Ground {
    pub(crate) clock: Arc<HeldClock>,
    store: TestStore,
    outbox: Arc<Kept>,
    is_checked: bool,
}

/// A clock that moves when it is told to, and that nobody can wait for.
#[derive(Debug)]
pub(crate) struct HeldClock(FakeClock);

/// Keeps messages instead of handing them on.
#[derive(Debug)]
struct Kept {
    store: Store,
    messages: Mutex<Vec<Message>>,
    commits: Mutex<usize>,
}

/// Everywhere.
#[derive(Debug)]
struct Anywhere;

impl Ground {
    /// Policies are not asked.
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// Policies are asked.
    pub(crate) fn checked() -> Self {
        Self::with(true)
    }

    fn with(is_checked: bool) -> Self {
        let store = store();
        let outbox = Kept { store: store.store.clone(), messages: Mutex::default(), commits: Mutex::default() };
        let clock = Arc::new(HeldClock(FakeClock::at(START_MS)));
        Self { clock, store, outbox: Arc::new(outbox), is_checked }
    }

    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            store: self.store.store.clone(),
            timer: Arc::clone(&self.clock) as _,
            outbox: Arc::clone(&self.outbox) as _,
            reach: Arc::new(Anywhere),
            is_checked: self.is_checked,
        }
    }

    /// The messages that were committed since the last call.
    pub(crate) fn taken(&self) -> Vec<Message> {
        std::mem::take(&mut *self.outbox.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often something was committed.
    pub(crate) fn commits(&self) -> usize {
        *self.outbox.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what came of an alarm.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<u64, StoreError> {
        self.store.store.metadata.commit(batch).await
    }
}

impl HeldClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

impl Clock for HeldClock {
    fn unix_ms(&self) -> UnixMs {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Timer for HeldClock {
    fn wait_until(&self, _unix_ms: UnixMs) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

impl Outbox for Kept {
    fn commit(&self, batch: Batch, messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let revision = self.store.metadata.commit(batch).await?;
            self.messages.lock().unwrap_or_else(PoisonError::into_inner).extend(messages);
            *self.commits.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            Ok(revision)
        })
    }
}

impl Reach for Anywhere {
    fn check(&self, _address: IpAddr) -> Result<(), String> {
        Ok(())
    }
}
