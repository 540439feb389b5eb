//! The environments of this machine, by the generation of the deployment that they run and by the tenant they are for.
//!
//! An invoke takes the environment that was used last; when none is idle a new one is started, and whichever
//! is ready first (the new one, or one that another invoke gives back) serves the invoke that waits longest.
//! Idle environments are frozen within [`FREEZE_AFTER`] and kept for as long as their version's habit says they are
//! worth it; they end earlier when the machine is full or short of memory, or when their generation no longer serves.
//! Those that provisioned concurrency keeps ready stay and are taken first. Locks are held for a few instructions,
//! never across an await.

mod acquire;
mod allotment;
mod drain;
mod eviction;
mod generation;
mod healing;
mod idle;
mod janitor;
mod line;
#[cfg(all(test, feature = "model"))]
mod model;
mod prewarm;
mod provision;
mod scaling;
mod snapshots;
mod tenants;
mod warmth;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tindra_core::function::Function;
use tindra_core::keep_warm::GreedyDual;
use tindra_core::limits::WAITING_FOR_ROOM_MAX;
use tindra_invoke::environments::{AcquireError, Target};
use tokio::sync::Notify;

use crate::capacity::{Capacity, LastLook, UnderWay};
use crate::environment::{Environment, Machine, Straggler};
use crate::headroom::{EnvironmentCounts, Headroom, Used};
use crate::inventory::Listed;
use crate::memory::Memory;
use crate::place::{Bell, Place, Places};
use crate::worker::KeepWarm;
use acquire::{Refusal, Starter};
use generation::{Generation, Key};
use line::Line;
use scaling::Scaling;
use tenants::Tenants;
use warmth::{Policy, Warmth};

pub(crate) use allotment::Allotted;
pub(crate) use drain::follow;
pub(crate) use generation::{Held, Lease};
pub(crate) use healing::heal;
pub(crate) use janitor::tend;
pub(crate) use provision::provision;
pub(crate) use snapshots::SnapshotMaker;

/// Idle for so long, an environment is frozen.
const FREEZE_AFTER: Duration = Duration::from_millis(20);
/// After so much idle time what a frozen environment does not need is parked. Its next invoke takes that back first, which takes
/// about a tenth of a millisecond.
const PARK_AFTER: Duration = Duration::from_secs(1);
/// Memory of a machine that does not tell how much it has.
const MEMORY_GUESS_BYTES: u64 = 4 << 30;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    machine: Arc<Machine>,
    places: Places,
    tenants: Tenants,
    line: Line<Box<Environment>>,
    scaling: Scaling,
    policy: Arc<Policy>,
    /// By the key of the version's record, so that they outlive generations. Those of tenants are not among them.
    warmths: Mutex<HashMap<String, Arc<Warmth>>>,
    greedy_dual: Mutex<GreedyDual>,
    /// Reads the machine's memory.
    memory: fn() -> Option<Memory>,
    last_look: LastLook,
    generations: RwLock<HashMap<Key, Arc<Generation>>>,
    /// Wakes the janitor, unless it is up.
    work: Notify,
    janitor_is_up: AtomicBool,
    is_stopping: AtomicBool,
}

/// How many environments there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSizes {
    /// At once.
    pub(crate) environments_max: usize,
    /// Of the tenants of one account and region, at once.
    pub(crate) tenant_environments_max: usize,
    /// Of one function, started within ten seconds.
    pub(crate) scaling_environments: u32,
}

impl Pool {
    pub(crate) fn new(machine: Arc<Machine>, sizes: PoolSizes, keep_warm: KeepWarm) -> Self {
        let total_bytes = Memory::read().map_or(MEMORY_GUESS_BYTES, |memory| memory.total_bytes);
        let policy = Policy::new(keep_warm, Arc::clone(&machine.clock), total_bytes);
        let bell = Arc::new(Bell::new());
        Self {
            machine,
            places: Places::new(sizes.environments_max, Arc::clone(&bell)),
            tenants: Tenants::new(sizes.tenant_environments_max),
            line: Line::new(WAITING_FOR_ROOM_MAX, bell),
            scaling: Scaling::new(sizes.scaling_environments),
            policy: Arc::new(policy),
            warmths: Mutex::default(),
            greedy_dual: Mutex::default(),
            memory: Memory::read,
            last_look: LastLook::default(),
            generations: RwLock::default(),
            work: Notify::new(),
            janitor_is_up: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Takes whichever environment of the target is ready first.
    pub(crate) async fn acquire(self: &Arc<Self>, target: &Arc<Target>) -> Result<Lease, AcquireError> {
        let generation = self.generation(target);
        let acquired = acquire::acquire(self, &generation).await;
        if acquired.is_err() {
            self.forget_refused(&generation);
        }
        acquired
    }

    /// Takes an environment back after an invoke, once its runtime asks for the next event: before that it can
    /// neither be given one nor be frozen. A runtime that does not ask until the invoke's deadline is ended.
    pub(crate) fn take_back(self: &Arc<Self>, mut lease: Lease) {
        let Held::Alone(environment) = lease.held() else { return self.release(lease) };
        if environment.is_at_rest() {
            return self.release(lease);
        }
        let (pool, returning) = (Arc::clone(self), lease.returning());
        tokio::spawn(async move {
            if let Held::Alone(environment) = lease.held() {
                environment.come_to_rest().await;
            }
            drop(returning);
            pool.release(lease);
        });
    }

    /// Takes a seat back, once a function that works on beyond its time has given up.
    pub(crate) fn take_back_after(self: &Arc<Self>, lease: Lease, straggler: Option<Straggler>) {
        let Some(straggler) = straggler else { return self.release(lease) };
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            straggler.gave_up().await;
            pool.release(lease);
        });
    }

    /// Gives an environment to whoever waits for one, or keeps it.
    pub(crate) fn release(self: &Arc<Self>, lease: Lease) {
        acquire::release(self, lease);
        if !self.janitor_is_up.load(Ordering::Acquire) {
            self.work.notify_one();
        }
    }

    fn generation(&self, target: &Arc<Target>) -> Arc<Generation> {
        let key = Key::of(target);
        if let Some(generation) = self.generations.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(generation);
        }
        let record_key = Function::version_key(&target.scope, &target.name, target.version);
        let warmth = match target.tenant {
            None => self.warmth(&record_key),
            // What a tenant does is remembered for as long as it has environments: there is no end of tenants.
            Some(_) => Arc::new(Warmth::new(Arc::clone(&self.policy))),
        };
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Generation::new(Arc::clone(target), record_key, warmth));
        Arc::clone(generations.entry(key).or_insert_with(make))
    }

    /// A place for a start on a machine that can take one more; idle environments go when there is none. The start is over
    /// when its second part is dropped.
    pub(super) fn room(&self) -> Result<(Place, UnderWay), Refusal> {
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(Refusal::Because(acquire::stopping()));
        }
        let place = self.place().ok_or(Refusal::Full)?;
        let look = || {
            let capacity = Capacity::read(self.memory);
            if capacity.shortage(1).is_none() {
                return capacity;
            }
            self.relieve();
            Capacity::read(self.memory)
        };
        let begun = self.last_look.begin(self.machine.clock.monotonic(), look);
        let under_way = begun.map_err(|shortage| Refusal::Because(acquire::no_capacity(shortage)))?;
        Ok((place, under_way))
    }

    /// The environments and spares of this machine. Reads a file for each.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all = self.machine.inventory.list(self.machine.clock.monotonic());
        all.extend(self.machine.spares.list());
        all
    }

    /// What is taken and what is left. Reads a file for each spare.
    pub(crate) fn headroom(&self) -> Headroom {
        Headroom::new(
            EnvironmentCounts::new(&self.machine.inventory.count(), self.places.max()),
            Used::of(self.line.invokes(), WAITING_FOR_ROOM_MAX),
            Used::of(self.machine.spares.list().len(), self.machine.spares.max()),
            &Capacity::read(self.memory),
        )
    }

    /// Brings the figures of the metrics up to date.
    pub(crate) fn show(&self) {
        for (state, count) in self.machine.inventory.count() {
            metrics::gauge!("tindra_environments", "state" => state.as_str()).set(count as f64);
        }
        metrics::gauge!("tindra_environments_max").set(self.places.max() as f64);
        metrics::gauge!("tindra_invokes_waiting_for_room").set(self.line.invokes() as f64);
        let capacity = Capacity::read(self.memory);
        if let Some(memory) = capacity.memory {
            metrics::gauge!("tindra_machine_memory_bytes").set(memory.total_bytes as f64);
            metrics::gauge!("tindra_machine_memory_available_bytes").set(memory.available_bytes as f64);
        }
        metrics::gauge!("tindra_machine_processes").set(capacity.processes as f64);
        metrics::gauge!("tindra_machine_processes_max").set(capacity.processes_max as f64);
        metrics::gauge!("tindra_server_descriptors").set(capacity.descriptors as f64);
        metrics::gauge!("tindra_server_descriptors_max").set(capacity.descriptors_max as f64);
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

impl Starter<Box<Environment>> for Pool {
    /// In a task of its own, which offers what it started to whoever waits longest.
    fn begin(self: &Arc<Self>, generation: &Arc<Generation>) -> Result<(), Refusal> {
        let (target, now) = (Arc::clone(generation.target()), self.machine.clock.monotonic());
        // Asked first, so that nothing idle ends for a start that may not be.
        let of_tenants = self.tenants.place(&target).map_err(Refusal::Because)?;
        if self.scaling.is_too_fast(target.function_id, now) {
            return Err(Refusal::Because(AcquireError::TooFast));
        }
        let (place, under_way) = self.room()?;
        let place = place.beside(of_tenants);
        if !self.scaling.may_start(target.function_id, now) {
            return Err(Refusal::Because(AcquireError::TooFast));
        }
        self.remake_snapshot(&target);
        let (pool, generation) = (Arc::clone(self), Arc::clone(generation));
        tokio::spawn(async move {
            let made = make_for(&generation, &pool.machine, &target, place).await;
            drop(under_way);
            match made {
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

    fn line(&self) -> &Line<Box<Environment>> {
        &self.line
    }

    fn now(&self) -> Duration {
        self.machine.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// Gives room that appears to who waits for it. Runs until it is aborted.
pub(crate) async fn usher(pool: Arc<Pool>) {
    loop {
        pool.line.bell().rung().await;
        acquire::serve_line(&pool);
    }
}

/// Makes an environment and notes what that takes. In a task of its own, so that a panic is this start's failure and leaves
/// nobody waiting.
async fn make_for(
    generation: &Generation,
    machine: &Arc<Machine>,
    target: &Arc<Target>,
    place: Place,
) -> Result<Box<Environment>, AcquireError> {
    let began = machine.clock.monotonic();
    let (own_machine, target) = (Arc::clone(machine), Arc::clone(target));
    let made = tokio::spawn(async move { make(&own_machine, &target, place).await }).await;
    let environment = made.unwrap_or_else(|panic| Err(AcquireError::Start { source: Arc::new(panic) }))?;
    generation.warmth().note_start(machine.clock.monotonic().saturating_sub(began));
    Ok(environment)
}

async fn make(machine: &Arc<Machine>, target: &Arc<Target>, place: Place) -> Result<Box<Environment>, AcquireError> {
    let mut environment = Box::new(Environment::start(machine, target, place, None).await?);
    environment.initialise_somewhere().await?;
    Ok(environment)
}
