//! One execution environment: a network, a `/tmp`, a log stream, and the processes that live in them one after
//! the other.
//!
//! Its life: Starting ([`Environment::start`]) → Initialising ([`Environment::initialise`]) → Idle (in the pool)
//! ⇄ Busy ([`Environment::invoke`]) → Gone (dropped: everything in it is killed and removed). After an invoke
//! that failed, the process is gone while the environment, with its `/tmp`, stays; the next invoke starts a new one.

mod beside;
mod failure;
mod identity;
mod init;
mod invoke;
mod original;
mod process;
mod restore;
mod tally;
mod variables;

use std::ffi::CString;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::Clock;
use tindra_core::limits::{OPEN_FILES_MAX, PROCESSES_MAX};
use tindra_core::report::{Initialization, Restore, Subject};
use tindra_core::runtime::Runtime;
use tindra_invoke::environments::{AcquireError, Target};
use tindra_sandbox::{Copy, Launcher, Limits, Mount, Spec};

use crate::code_cache::CodeCache;
use crate::habitat::{Habitat, sockets};
use crate::inventory::{Card, Inventory};
use crate::living::Living;
use crate::log_book::{LogBook, LogSink, LogStreamName, stream_name};
use crate::network::{self, NetworkGuard, Shared};
use crate::packs::{Pack, Packs, Silent};
use crate::place::Place;
use crate::pool::Allotted;
use crate::runtime_api::Exchange;
use crate::snapshot::{Snapshot, SnapshotTable};
use crate::spares::{CONTROL_DESCRIPTOR, Origin, Spares, Waiting};

pub(crate) use beside::{Ended, Straggler};
pub(crate) use failure::Failure;
pub(crate) use original::Snapshotted;
pub(crate) use process::Process;
pub(crate) use variables::LOG_DESCRIPTOR;

/// Processor share of an init phase, unless the function has more (observed on AWS: about two processors).
const INIT_CPU_MILLIS: u64 = 2_000;

/// What all environments of this machine share.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) launcher: Launcher,
    pub(crate) packs: Arc<Packs>,
    pub(crate) code: Arc<CodeCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) logs: Arc<dyn LogSink>,
    pub(crate) network: Shared,
    pub(crate) living: Living,
    pub(crate) inventory: Inventory,
    pub(crate) spares: Arc<Spares>,
    pub(crate) snapshots: SnapshotTable,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Environment {
    target: Arc<Target>,
    machine: Arc<Machine>,
    pack: Arc<Pack>,
    code: PathBuf,
    /// What lies under /opt.
    layers: Option<PathBuf>,
    runtime_version_arn: String,
    variables: Vec<CString>,
    book: Arc<LogBook>,
    // Order of the end: the process, then what it talks to, then where it lives.
    process: Option<Arc<Process>>,
    /// The runtime that waits to become the first process.
    spare: Option<Waiting>,
    /// The copy that waits to become the first process.
    copy: Option<Copy>,
    /// Whose copies its processes are.
    snapshot: Option<Arc<Snapshot>>,
    /// It is to be copied itself: its process forks itself when it is asked over this socket, see [`original`].
    control: Option<UnixStream>,
    is_original: bool,
    /// When this environment began to be made, on the machine's clock.
    began: Duration,
    first_init: FirstInit,
    /// Deadline of the last invoke.
    busy_until: tokio::time::Instant,
    /// False once its state is unknown.
    is_good: bool,
    _network_guard: Option<NetworkGuard>,
    habitat: Habitat,
    place: Option<Place>,
    /// Of provisioned concurrency.
    allotted: Option<Allotted>,
    /// For the operator, until all of it has gone.
    card: Arc<Card>,
}

/// How the init phase went, until the first invoke has told.
#[derive(Debug)]
enum FirstInit {
    /// It took this long; the first `REPORT` says so.
    Done(Duration),
    /// It was restored; the first `REPORT` says so.
    Restored(Restore),
    /// It failed; the first invoke repeats it, and says so.
    Failed,
    /// Told.
    Told,
}

impl Environment {
    /// Makes the environment, without a process yet. `place` is its share of the machine, `allotted`
    /// its part in provisioned concurrency.
    pub(crate) async fn start(
        machine: &Arc<Machine>,
        target: &Arc<Target>,
        place: Place,
        allotted: Option<Allotted>,
    ) -> Result<Self, AcquireError> {
        let configuration = &target.deployment.configuration;
        let initialization = initialization(target, allotted.as_ref());
        let card = Card::new(target, initialization, machine.clock.monotonic());
        machine.inventory.add(&card);
        let runtime = Runtime::parse(&configuration.runtime);
        let pack = match machine.packs.get(&runtime) {
            Some(pack) => pack,
            None => machine.packs.ensure(&runtime, &Silent).await.map_err(start_error)?,
        };
        let code = match machine.code.get(&target.deployment.code) {
            Some(code) => code,
            None => machine.code.ensure(&target.deployment.code).await.map_err(start_error)?,
        };
        let layers = match machine.code.get_layers(&configuration.layers) {
            Some(layers) => layers,
            None => machine.code.ensure_layers(&configuration.layers).await.map_err(start_error)?,
        };
        let began = machine.clock.monotonic();
        let parts = Parts { machine, target, pack, code, layers, place, allotted, card, began };
        let snapshot = match parts.allotted {
            None => machine.snapshots.get(target.deployment.generation),
            Some(_) => None,
        };
        if let Some(snapshot) = snapshot
            && let Some(copy) = snapshot.take(began).await
        {
            return parts.restored(snapshot, copy).map_err(start_error);
        }
        let taken = machine.spares.take(&parts.pack, configuration, &parts.code, parts.layers.as_deref()).await;
        let (habitat, spare, origin) = match taken {
            Some((spare, origin)) => {
                let (habitat, waiting) = spare.furnish().map_err(start_error)?;
                (habitat, Some(waiting), origin)
            }
            None => (new_habitat(machine, configuration.ephemeral_storage_mb).await?, None, Origin::Plain),
        };
        parts.initialised(initialization, habitat, spare, origin).map_err(start_error)
    }

    fn exchange(&self) -> &Arc<Exchange> {
        &self.habitat.exchange
    }

    /// The process, for freezing and killing it from elsewhere.
    pub(crate) fn process(&self) -> Option<&Arc<Process>> {
        self.process.as_ref()
    }

    /// Whether provisioned concurrency keeps it ready.
    pub(crate) fn is_provisioned(&self) -> bool {
        self.allotted.as_ref().is_some_and(Allotted::is_wanted)
    }

    /// Whether provisioned concurrency kept it ready and does so no longer. Then it ends: it tells its function that it
    /// is provisioned.
    pub(crate) fn is_released(&self) -> bool {
        self.allotted.as_ref().is_some_and(|allotted| !allotted.is_wanted())
    }

    /// Whether the function failed in the init phase, and no invoke has told so yet.
    pub(crate) fn has_failed_init(&self) -> bool {
        matches!(self.first_init, FirstInit::Failed)
    }

    /// When it began to be made, on the machine's clock.
    pub(crate) fn began(&self) -> Duration {
        self.began
    }

    /// Whether the launcher that made its place has ended, and with it whatever ran there.
    pub(crate) fn is_outlived(&self) -> bool {
        self.habitat.is_outlived()
    }

    /// Whether it may serve another invoke.
    pub(crate) fn is_good(&self) -> bool {
        self.is_good
    }

    fn initialization(&self) -> Initialization {
        initialization(&self.target, self.allotted.as_ref())
    }

    /// Invokes that its process runs at once.
    fn invokes_at_once(&self) -> usize {
        usize::try_from(self.target.deployment.configuration.invokes_at_once()).unwrap_or(1)
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            function_name: &self.target.name,
            function_version: self.target.version,
            runtime_version: &self.pack.version,
            runtime_version_arn: &self.runtime_version_arn,
            initialization: self.initialization(),
        }
    }

    fn mounts(&self) -> Vec<Mount> {
        let mount = |source: &PathBuf, target: &str| Mount { source: source.clone(), target: target.into() };
        let layers = self.layers.as_ref().map(|layers| mount(layers, "/opt"));
        std::iter::once(mount(&self.code, "/var/task")).chain(layers).collect()
    }

    fn limits(&self, cpu_millis: u64) -> Limits {
        Limits {
            memory_bytes: u64::from(self.target.deployment.configuration.memory_mb) << 20,
            cpu_millis: Some(cpu_millis),
            processes: PROCESSES_MAX,
            open_files: OPEN_FILES_MAX,
        }
    }

    fn spec(&self, command: Vec<CString>, cpu_millis: u64) -> Spec {
        Spec {
            root: self.pack.root.clone(),
            mounts: self.mounts(),
            command,
            environment: self.variables.clone(),
            working_directory: "/var/task".into(),
            limits: self.limits(cpu_millis),
            log_descriptor: variables::LOG_DESCRIPTOR,
            control_descriptor: self.is_original.then_some(CONTROL_DESCRIPTOR),
        }
    }
}

fn initialization(target: &Target, allotted: Option<&Allotted>) -> Initialization {
    match allotted {
        Some(_) => Initialization::ProvisionedConcurrency,
        None if target.has_snapshot() => Initialization::SnapStart,
        None if target.deployment.configuration.managed_instances.is_some() => Initialization::ManagedInstances,
        None => Initialization::OnDemand,
    }
}

/// What every environment is made of.
struct Parts<'a> {
    machine: &'a Arc<Machine>,
    target: &'a Arc<Target>,
    pack: Arc<Pack>,
    code: PathBuf,
    layers: Option<PathBuf>,
    place: Place,
    allotted: Option<Allotted>,
    card: Arc<Card>,
    began: Duration,
}

impl Parts<'_> {
    /// One whose process has its init phase before it.
    fn initialised(
        self,
        initialization: Initialization,
        habitat: Habitat,
        spare: Option<Waiting>,
        origin: Origin,
    ) -> std::io::Result<Environment> {
        let (machine, target) = (self.machine, self.target);
        let name = new_stream(machine, target);
        let identity = Arc::new(identity::identity(target));
        let variables = variables::variables(target, &self.pack, &identity, &name, initialization);
        let network = target.deployment.configuration.network.as_ref();
        let guard = network::serve(sockets(&habitat.network)?, &machine.network, &identity, network)?;
        habitat.is_served_on(Arc::clone(guard.gates()));
        let environment = self.environment(name, habitat, origin);
        Ok(Environment { variables, spare, _network_guard: Some(guard), ..environment })
    }

    /// One whose process is a copy of a snapshot.
    fn restored(self, snapshot: Arc<Snapshot>, copy: Copy) -> std::io::Result<Environment> {
        let habitat = snapshot.habitat_of(&copy)?;
        let name = new_stream(self.machine, self.target);
        let environment = self.environment(name, habitat, Origin::Copy);
        Ok(Environment { copy: Some(copy), snapshot: Some(snapshot), ..environment })
    }

    fn environment(self, name: LogStreamName, habitat: Habitat, origin: Origin) -> Environment {
        let Self { machine, target, pack, code, layers, place, allotted, card, began } = self;
        card.made(origin, &name.stream);
        let logging = &target.deployment.configuration.logging;
        let book = LogBook::new(name, logging, Arc::clone(&machine.clock), Arc::clone(&machine.logs));
        Environment {
            target: Arc::clone(target),
            machine: Arc::clone(machine),
            runtime_version_arn: pack.version_arn.replace("REGION", &target.scope.region),
            pack,
            code,
            layers,
            variables: Vec::new(),
            book: Arc::new(book),
            process: None,
            spare: None,
            copy: None,
            snapshot: None,
            control: None,
            is_original: false,
            began,
            first_init: FirstInit::Told,
            busy_until: tokio::time::Instant::now(),
            is_good: true,
            _network_guard: None,
            habitat,
            place: Some(place),
            allotted,
            card,
        }
    }
}

fn new_stream(machine: &Machine, target: &Target) -> LogStreamName {
    LogStreamName {
        scope: target.scope.clone(),
        group: target.deployment.configuration.logging.group.clone(),
        stream: stream_name(machine.clock.unix_ms(), target.version),
    }
}

async fn new_habitat(machine: &Machine, storage_mb: u32) -> Result<Habitat, AcquireError> {
    let launcher = machine.launcher.clone();
    let made = blocking(move || Habitat::material(&launcher, storage_mb)).await;
    let (network, storage) = made.map_err(|source| AcquireError::Start { source: source.into() })?;
    Habitat::furnish(Arc::new(network), Arc::new(storage)).map_err(start_error)
}

/// The platform could not build the environment.
fn start_error(source: impl std::error::Error + Send + Sync + 'static) -> AcquireError {
    AcquireError::Start { source: Arc::new(source) }
}

/// Runs calls of the launcher, which block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, tindra_sandbox::SandboxError> + Send + 'static,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(error.into()),
    }
}
