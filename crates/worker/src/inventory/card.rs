//! The card of one environment.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tindra_core::report::Initialization;
use tindra_invoke::environments::Target;

use super::{Listed, Owner, State, whole_ms};
use crate::environment::Process;
use crate::spares::Origin;

const STARTING: u8 = 0;
const INITIALISING: u8 = 1;
const IDLE: u8 = 2;
const BUSY: u8 = 3;
const SNAPSHOT: u8 = 4;

/// See the module. Times are of the machine's clock.
#[derive(Debug)]
pub(crate) struct Card {
    target: Arc<Target>,
    initialization: Initialization,
    began: Duration,
    state: AtomicU8,
    /// When it became idle, in milliseconds.
    idle_since_ms: AtomicU64,
    invokes: AtomicU64,
    origin: Mutex<Option<Origin>>,
    log_stream: OnceLock<String>,
    process: Mutex<Weak<Process>>,
}

impl Card {
    /// Of an environment that begins to be made.
    pub(crate) fn new(target: &Arc<Target>, initialization: Initialization, began: Duration) -> Arc<Self> {
        Arc::new(Self {
            target: Arc::clone(target),
            initialization,
            began,
            state: AtomicU8::new(STARTING),
            idle_since_ms: AtomicU64::new(0),
            invokes: AtomicU64::new(0),
            origin: Mutex::default(),
            log_stream: OnceLock::new(),
            process: Mutex::default(),
        })
    }

    /// It is put together: its runtime is to come from there, its lines are to go there.
    pub(crate) fn made(&self, origin: Origin, log_stream: &str) {
        self.set_origin(origin);
        let _ = self.log_stream.set(log_stream.to_owned());
        self.state.store(INITIALISING, Ordering::Relaxed);
    }

    pub(crate) fn set_origin(&self, origin: Origin) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = Some(origin);
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs in it now.
    pub(crate) fn set_process(&self, process: &Arc<Process>) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(process);
    }

    /// It takes an invoke.
    pub(crate) fn busy(&self) {
        self.invokes.fetch_add(1, Ordering::Relaxed);
        self.state.store(BUSY, Ordering::Relaxed);
    }

    /// It may take an invoke.
    pub(crate) fn idle(&self, now: Duration) {
        self.idle_since_ms.store(whole_ms(now), Ordering::Relaxed);
        self.state.store(IDLE, Ordering::Relaxed);
    }

    /// It is to be copied.
    pub(crate) fn snapshot(&self) {
        self.state.store(SNAPSHOT, Ordering::Relaxed);
    }

    fn process(&self) -> Option<Arc<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            STARTING => State::Starting,
            INITIALISING => State::Initialising,
            BUSY => State::Busy,
            SNAPSHOT => State::Snapshot,
            _ if self.process().is_some_and(|process| process.is_frozen()) => State::Frozen,
            _ => State::Idle,
        }
    }

    pub(super) fn listed(&self, now: Duration) -> Listed {
        let state = self.state();
        let configuration = &self.target.deployment.configuration;
        let is_idle = matches!(state, State::Idle | State::Frozen);
        let idle_since_ms = self.idle_since_ms.load(Ordering::Relaxed);
        let owner = Owner {
            invokes: self.invokes.load(Ordering::Relaxed),
            initialization: self.initialization.as_str(),
            start: self.origin().map(Origin::as_str),
            log_stream: self.log_stream.get().cloned(),
            ..Owner::new(&self.target)
        };
        Listed {
            owner: Some(owner),
            state,
            runtime: configuration.runtime.clone(),
            memory_mb: Some(configuration.memory_mb),
            memory_bytes: self.process().map_or(0, |process| process.memory_bytes()),
            age_ms: whole_ms(now.saturating_sub(self.began)),
            idle_ms: is_idle.then(|| whole_ms(now).saturating_sub(idle_since_ms)),
        }
    }
}
