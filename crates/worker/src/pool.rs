//! The environments of this machine, by the generation of the deployment that they run.
//!
//! An invoke takes the environment that was used last; when none is idle a new one is started, and whichever
//! is ready first (the new one, or one that another invoke gives back) serves the invoke that waits longest.
//! Idle environments are frozen within [`FREEZE_AFTER`] and ended after the idle timeout, when the machine is
//! full, or when their generation no longer serves; those that provisioned concurrency keeps ready stay and are
//! taken first. Locks are held for a few instructions, never across an await.

mod allotment;
mod drain;
mod generation;
mod janitor;
mod provision;
mod snapshots;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_core::function::Function;
use tindra_invoke::environments::{AcquireError, Target};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::environment::{Environment, Machine};
use crate::inventory::Listed;
use crate::place::{Place, Places};
use generation::{Generation, Taken};

pub(crate) use allotment::Allotted;
pub(crate) use drain::follow;
pub use generation::Lease;
pub(crate) use janitor::tend;
pub(crate) use provision::provision;
pub(crate) use snapshots::SnapshotMaker;

/// How long an invoke waits for an environment that has just answered another one, before one more is started.
/// Runtimes ask for the next event well within a millisecond.
const RETURN_PATIENCE: Duration = Duration::from_millis(5);
/// Idle for so long, an environment is frozen.
const FREEZE_AFTER: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    machine: Arc<Machine>,
    places: Places,
    idle_timeout: Duration,
    generations: RwLock<HashMap<Uuid, Arc<Generation>>>,
    /// Wakes the janitor, unless it is up.
    work: Notify,
    janitor_is_up: AtomicBool,
    is_stopping: AtomicBool,
}

impl Pool {
    pub(crate) fn new(machine: Arc<Machine>, environments_max: usize, idle_timeout: Duration) -> Self {
        Self {
            machine,
            places: Places::new(environments_max),
            idle_timeout,
            generations: RwLock::default(),
            work: Notify::new(),
            janitor_is_up: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Takes whichever environment of the target is ready first.
    pub(crate) async fn acquire(self: &Arc<Self>, target: &Arc<Target>) -> Result<Lease, AcquireError> {
        let generation = self.generation(target);
        let waiter = match generation.take_or_wait() {
            Taken::Idle(lease) => return Ok(lease),
            Taken::Wait(waiter) => waiter,
            Taken::WaitABit(mut waiter) => match tokio::time::timeout(RETURN_PATIENCE, &mut waiter).await {
                Ok(result) => return result.unwrap_or_else(|_| Err(no_capacity("the server is stopping"))),
                Err(_) => {
                    if generation.needs_start()
                        && let Err(error) = self.start(&generation, target)
                        && !generation.has_returning()
                    {
                        return Err(error);
                    }
                    waiter
                }
            },
            Taken::WaitAndStart(waiter) => {
                self.start(&generation, target)?;
                waiter
            }
        };
        match waiter.await {
            Ok(result) => result,
            Err(_) => Err(no_capacity("the server is stopping")),
        }
    }

    /// Takes an environment back after an invoke, once its runtime asks for the next event: before that it can
    /// neither be given one nor be frozen. A runtime that does not ask until the invoke's deadline is ended.
    pub(crate) fn take_back(self: &Arc<Self>, mut lease: Lease) {
        if lease.environment().is_at_rest() {
            return self.release(lease);
        }
        let (pool, returning) = (Arc::clone(self), lease.returning());
        tokio::spawn(async move {
            lease.environment().come_to_rest().await;
            drop(returning);
            pool.release(lease);
        });
    }

    /// Gives an environment to whoever waits for one, or keeps it.
    pub(crate) fn release(&self, lease: Lease) {
        let surplus = lease.offer(self.machine.clock.monotonic(), self.is_stopping.load(Ordering::Acquire));
        if surplus.is_none() && !self.janitor_is_up.load(Ordering::Acquire) {
            self.work.notify_one();
        }
    }

    fn generation(&self, target: &Target) -> Arc<Generation> {
        let id = target.deployment.generation;
        if let Some(generation) = self.generations.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Arc::clone(generation);
        }
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        let key = || Function::version_key(&target.scope, &target.name, target.version);
        Arc::clone(generations.entry(id).or_insert_with(|| Arc::new(Generation::new(id, key()))))
    }

    /// Starts an environment in the background and offers it to whoever waits longest.
    fn start(self: &Arc<Self>, generation: &Arc<Generation>, target: &Arc<Target>) -> Result<(), AcquireError> {
        let place = if self.is_stopping.load(Ordering::Acquire) { None } else { self.place() };
        let Some(place) = place else {
            generation.not_started();
            return Err(no_capacity(&format!("all {} are in use", self.places.max())));
        };
        self.remake_snapshot(target);
        let (pool, generation, target) = (Arc::clone(self), Arc::clone(generation), Arc::clone(target));
        tokio::spawn(async move {
            let (machine, wanted) = (Arc::clone(&pool.machine), Arc::clone(&target));
            // A task of its own, so that a panic is this start's failure and leaves nobody waiting.
            let made = tokio::spawn(async move { make(&machine, &wanted, place).await }).await;
            match made.unwrap_or_else(|panic| Err(AcquireError::Start { source: panic.into() })) {
                Ok(environment) => pool.take_back(generation.started(environment)),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(function = target.name, cause, "an environment could not be started");
                    generation.failed(error);
                }
            }
        });
        Ok(())
    }

    /// A place for a new environment, that of the longest idle one when the machine is full.
    fn place(&self) -> Option<Place> {
        self.places.take().or_else(|| {
            let generations = self.all();
            let oldest = generations.iter().filter_map(|generation| Some((generation.idle_since()?, generation)));
            let (_, generation) = oldest.min_by_key(|(since, _)| *since)?;
            drop(generation.take_oldest());
            self.places.take()
        })
    }

    /// The environments and spares of this machine. Reads a file for each.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all = self.machine.inventory.list(self.machine.clock.monotonic());
        all.extend(self.machine.spares.list());
        all
    }

    /// Brings the figures of the metrics up to date.
    pub(crate) fn show(&self) {
        for (state, count) in self.machine.inventory.count() {
            metrics::gauge!("tindra_environments", "state" => state.as_str()).set(count as f64);
        }
    }

    fn all(&self) -> Vec<Arc<Generation>> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Ends every environment: the idle ones by dropping them, the busy ones by killing what runs in them.
    pub(crate) async fn shutdown(&self, patience: Duration) {
        self.is_stopping.store(true, Ordering::Release);
        self.machine.snapshots.clear();
        for generation in self.all() {
            drop(generation.take_all_idle());
        }
        self.machine.living.kill_all();
        let deadline = tokio::time::Instant::now() + patience;
        while self.places.taken() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.machine.living.kill_all();
        }
    }
}

async fn make(machine: &Arc<Machine>, target: &Arc<Target>, place: Place) -> Result<Box<Environment>, AcquireError> {
    let mut environment = Box::new(Environment::start(machine, target, place, None).await?);
    match environment.initialise().await {
        Err(_) if environment.has_lost_snapshot().await => {
            // Which is no fault of the function's: once more, without it.
            environment.begin_anew().await?;
        }
        outcome => outcome?,
    }
    Ok(environment)
}

fn no_capacity(reason: &str) -> AcquireError {
    AcquireError::NoCapacity { reason: reason.to_owned() }
}
