//! The worker: its options, its start as a list, its handle.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::Clock;
use tindra_core::function::WATCH_PREFIX;
use tindra_core::keep_warm::Bounds;
use tindra_core::limits;
use tindra_core::provisioned::PROVISIONED_PREFIX;
use tindra_core::tenant;
use tindra_invoke::environments::{AcquireError, Environments, Finished, Invocation, Target};
use tindra_sandbox::Launcher;
use tindra_store::Store;
use tokio::task::JoinSet;

use crate::code_cache::{CodeCache, CodeError};
use crate::environment::{Ended, Machine};
use crate::headroom::Headroom;
use crate::inventory::{Inventory, Listed};
use crate::living::Living;
use crate::log_book::LogSink;
use crate::network::{EgressPolicy, FunctionEndpoint, Resolver, ResolverOptions, Shared};
use crate::packs::{PackError, Packs};
use crate::pool::{self, Held, Lease, Pool, PoolSizes};
use crate::preparation::Preparation;
use crate::snapshot::SnapshotTable;
use crate::spares::{self, Spares};

/// How long the environments may take to end at a shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// What the operator decides about environments.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Directory of the runtime packs.
    pub packs: PathBuf,
    /// Directory of unpacked code.
    pub code_cache: PathBuf,
    /// How long idle environments are kept.
    pub keep_warm: KeepWarm,
    /// Environments at once; one more evicts the idle one whose loss costs least, or is refused. Default 500.
    pub environments_max: usize,
    /// Environments at once, idle ones among them, of all tenants of one account and region. Default 2,500.
    pub tenant_environments_max: usize,
    /// Environments that one function may have started at once, and again in the course of each
    /// [`limits::SCALING_PERIOD_S`] seconds. Default 1,000.
    pub scaling_environments: u32,
    /// Waiting runtimes at once, of all kinds together, that make cold starts short. 0 for none. Default 100.
    pub spares_max: usize,
    /// Where functions may connect to.
    pub egress: EgressPolicy,
    /// Who answers functions' DNS questions.
    pub resolver: ResolverOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            packs: "runtimes".into(),
            code_cache: "code".into(),
            keep_warm: KeepWarm::default(),
            environments_max: 500,
            tenant_environments_max: tenant::environments_max(limits::CONCURRENT_EXECUTIONS_DEFAULT),
            scaling_environments: limits::SCALING_ENVIRONMENTS_DEFAULT,
            spares_max: 100,
            egress: EgressPolicy::default(),
            resolver: ResolverOptions::default(),
        }
    }
}

/// What the operator decides about idle environments.
#[derive(Clone, Copy, Debug)]
pub struct KeepWarm {
    /// How long they are kept at least, at most, and when too little is known. Default: 5 seconds, four hours, ten minutes.
    pub bounds: Bounds,
    /// Memory meant for them. Default: a quarter of the machine's.
    pub idle_memory_bytes: Option<u64>,
    /// An idle environment older than this is not used again. Default six hours; AWS ends environments "every few hours",
    /// too, and names no figure.
    pub environment_age_max: Duration,
}

impl Default for KeepWarm {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            bounds: Bounds::new(seconds(5), seconds(14_400), seconds(600)),
            idle_memory_bytes: None,
            environment_age_max: seconds(21_600),
        }
    }
}

/// Why the worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The runtime packs cannot be used.
    #[error("failed to open the runtime packs")]
    Packs(#[source] PackError),
    /// The code cache cannot be used.
    #[error("failed to open the code cache")]
    Code(#[source] CodeError),
    /// A blocking task ended without an answer.
    #[error("failed to open the worker's directories")]
    Crashed(#[source] tokio::task::JoinError),
}

/// A cheap handle to the environments of this machine.
#[derive(Clone, Debug)]
pub struct Worker {
    pool: Arc<Pool>,
    packs: Arc<Packs>,
    /// Ends with the last handle.
    _background: Arc<Background>,
}

#[derive(Debug)]
struct Background {
    _preparation: Preparation,
    _tasks: JoinSet<()>,
}

impl Worker {
    /// Opens packs and code cache, begins to prepare deployments and to look after the pool.
    ///
    /// # Errors
    /// When a directory cannot be used.
    pub async fn start(
        options: WorkerOptions,
        launcher: Launcher,
        store: Store,
        clock: Arc<dyn Clock>,
        logs: Arc<dyn LogSink>,
        endpoint: Arc<dyn FunctionEndpoint>,
    ) -> Result<Self, WorkerError> {
        let (packs, code) = open(&options, &store).await?;
        let resolver = Arc::new(Resolver::new(options.resolver));
        let network = Shared { policy: Arc::new(options.egress), resolver, endpoint };
        let (packs, code) = (Arc::new(packs), Arc::new(code));
        let spares = Spares::new(launcher.clone(), Arc::clone(&packs), Arc::clone(&clock), options.spares_max);
        let spares = Arc::new(spares);
        let machine = Machine {
            launcher,
            spares: Arc::clone(&spares),
            snapshots: SnapshotTable::default(),
            packs: Arc::clone(&packs),
            code: Arc::clone(&code),
            clock,
            logs,
            network,
            living: Living::default(),
            inventory: Inventory::default(),
        };
        let sizes = PoolSizes {
            environments_max: options.environments_max,
            tenant_environments_max: options.tenant_environments_max,
            scaling_environments: options.scaling_environments,
        };
        let pool = Arc::new(Pool::new(Arc::new(machine), sizes, options.keep_warm));
        let mut tasks = JoinSet::new();
        let watch = store.metadata.watch(WATCH_PREFIX);
        tasks.spawn(pool::follow(Arc::clone(&pool), store.clone(), watch));
        tasks.spawn(pool::tend(Arc::clone(&pool)));
        tasks.spawn(pool::usher(Arc::clone(&pool)));
        tasks.spawn(pool::heal(Arc::clone(&pool)));
        let (records, functions) = (store.metadata.watch(PROVISIONED_PREFIX), store.metadata.watch(WATCH_PREFIX));
        tasks.spawn(pool::provision(Arc::clone(&pool), store.clone(), records, functions));
        tasks.spawn(spares::keep(Arc::clone(&spares)));
        let snapshots = Arc::new(pool::SnapshotMaker(Arc::clone(&pool)));
        let preparation = Preparation::start(store, Arc::clone(&packs), code, spares, snapshots);
        let background = Background { _preparation: preparation, _tasks: tasks };
        Ok(Self { pool, packs, _background: Arc::new(background) })
    }

    /// The runtime packs that it uses.
    #[must_use]
    pub fn packs(&self) -> &Arc<Packs> {
        &self.packs
    }

    /// Every environment of this machine, the oldest first, then the spares.
    pub async fn environments(&self) -> Vec<Listed> {
        let pool = Arc::clone(&self.pool);
        tokio::task::spawn_blocking(move || pool.list()).await.unwrap_or_default()
    }

    /// What is taken of this machine and what is left.
    pub async fn headroom(&self) -> Option<Headroom> {
        let pool = Arc::clone(&self.pool);
        tokio::task::spawn_blocking(move || pool.headroom()).await.ok()
    }

    /// Brings those figures of the metrics up to date that are counted only when somebody looks.
    pub fn show_figures(&self) {
        self.pool.show();
    }

    /// Ends every environment, busy or not, and waits until they have gone, for five seconds at most.
    pub async fn shutdown(self) {
        self.pool.shutdown(SHUTDOWN_PATIENCE).await;
    }
}

async fn open(options: &WorkerOptions, store: &Store) -> Result<(Packs, CodeCache), WorkerError> {
    let (packs, code, blobs) = (options.packs.clone(), options.code_cache.clone(), Arc::clone(&store.blobs));
    let opened = tokio::task::spawn_blocking(move || {
        let packs = Packs::open(packs).map_err(WorkerError::Packs)?;
        Ok((packs, CodeCache::open(code, blobs).map_err(WorkerError::Code)?))
    });
    opened.await.map_err(WorkerError::Crashed)?
}

/// One environment, taken. Dropped, it is destroyed.
#[derive(Debug)]
pub struct WorkerLease(Lease);

impl Environments for Worker {
    type Lease = WorkerLease;

    async fn acquire(&self, target: &Arc<Target>) -> Result<WorkerLease, AcquireError> {
        self.pool.acquire(target).await.map(WorkerLease)
    }

    /// To be run to its end: given up halfway, the environment is destroyed, because its state is not known.
    async fn deliver(
        &self,
        WorkerLease(mut lease): WorkerLease,
        mut invocation: Invocation,
    ) -> Result<Finished, AcquireError> {
        loop {
            let environment = match lease.held() {
                Held::Alone(environment) => {
                    let finished = environment.invoke(invocation).await?;
                    // Before the answer, so that a caller's next invoke finds this environment, or one on its way back.
                    self.pool.take_back(lease);
                    return Ok(finished);
                }
                Held::Beside(environment) => Arc::clone(environment),
            };
            let ended = environment.invoke_beside(invocation).await;
            // The lease alone holds it, so that who leaves last has it for himself.
            drop(environment);
            match ended {
                Ended::Finished { finished, straggler } => {
                    self.pool.take_back_after(lease, straggler);
                    return Ok(finished);
                }
                Ended::Unseen(unseen) => {
                    let target = Arc::clone(lease.target());
                    drop(lease);
                    (lease, invocation) = (self.pool.acquire(&target).await?, unseen);
                }
            }
        }
    }
}
