//! One spare: how it is made, and how it becomes a function's.

use std::ffi::CString;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::limits::{OPEN_FILES_MAX, PROCESSES_MAX};
use tindra_sandbox::{
    Berth, Launcher, Limits, Mount, Network, Parking, Sandbox, SandboxError, Spec, Storage, Template, has_hung_up,
};
use tokio::sync::OnceCell;

use super::Kind;
use super::kind::Way;
use crate::environment::LOG_DESCRIPTOR;
use crate::habitat::Habitat;
use crate::packs::Pack;

/// Where a spare finds the socket over which it is bound.
pub(crate) const CONTROL_DESCRIPTOR: i32 = 4;
/// What a spare writes when it is warm.
const READY: u8 = b'R';
/// What a forked one is told first: whether it has time to rehearse.
const AHEAD: u8 = b'A';
const AT_ONCE: u8 = b'O';
/// How long a runtime may take to be warm; a virtual machine on a busy host takes seconds.
const WARM_PATIENCE: Duration = Duration::from_secs(60);
/// How long a spare may take to read its message.
const BIND_PATIENCE: Duration = Duration::from_secs(2);
/// Until it is bound, a spare of a runtime that takes any limit has this one.
const UNBOUND_MEMORY_MB: u32 = 512;
/// As for an init phase.
const UNBOUND_CPU_MILLIS: u64 = 2_000;

/// A waiting runtime and the place in which it waits.
#[derive(Debug)]
pub(crate) struct Spare {
    /// What is not needed before it is taken.
    parking: Option<Parking>,
    waiting: Waiting,
    network: Network,
    storage: Storage,
    pack: Arc<Pack>,
    made: tokio::time::Instant,
}

/// The runtime's process, ready to be told whose it is.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) sandbox: Sandbox,
    control: UnixStream,
    /// It waits for its command too.
    is_parked: bool,
}

impl Spare {
    pub(super) fn is_of(&self, pack: &Arc<Pack>) -> bool {
        Arc::ptr_eq(&self.pack, pack)
    }

    /// Since it is ready.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// What it uses now.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.waiting.sandbox.memory_bytes()
    }

    pub(super) fn is_alive(&self) -> bool {
        let has_ended = match self.parking {
            // Its end of the control socket goes with it.
            Some(_) => has_hung_up(&self.waiting.control),
            None => !matches!(self.waiting.sandbox.try_exit(), Ok(None)),
        };
        !has_ended && !self.storage.is_outlived()
    }

    /// Parks what is not needed before it is taken; where the kernel refuses, it stays open.
    pub(super) fn park(&mut self) {
        if self.parking.is_none() {
            self.parking = Parking::park(&self.berths()).ok();
        }
    }

    fn berths(&self) -> Vec<&dyn Berth> {
        self.waiting.sandbox.berths().chain(self.network.berths()).chain(self.storage.berths()).collect()
    }

    /// Makes its place an environment's. To be called inside a tokio runtime.
    pub(crate) fn furnish(mut self) -> std::io::Result<(Habitat, Waiting)> {
        if let Some(parking) = self.parking.take() {
            parking.unpark(&self.berths())?;
        }
        Ok((Habitat::furnish(Arc::new(self.network), Arc::new(self.storage))?, self.waiting))
    }
}

impl Waiting {
    /// The sandbox, and the socket over which a process that is to be copied is asked for copies.
    pub(crate) fn into_parts(self) -> (Sandbox, UnixStream) {
        (self.sandbox, self.control)
    }

    /// Shows the function's code, sets its limit of memory, and gives the runtime the function's whole environment (and
    /// one that is parked its command). Blocks for less than a millisecond as a rule.
    pub(crate) fn bind(&mut self, binding: &Binding) -> Result<(), BindError> {
        self.sandbox.set_memory_bytes(binding.memory_bytes)?;
        self.sandbox.attach(&binding.mounts)?;
        let mut body = Vec::new();
        if self.is_parked {
            body.extend_from_slice(&u32::try_from(binding.command.len()).unwrap_or(u32::MAX).to_le_bytes());
            binding.command.iter().for_each(|argument| body.extend_from_slice(argument.as_bytes_with_nul()));
        }
        binding.variables.iter().for_each(|variable| body.extend_from_slice(variable.as_bytes_with_nul()));
        let mut message = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        message.extend_from_slice(&body);
        self.control.set_write_timeout(Some(BIND_PATIENCE))?;
        self.control.write_all(&message)?;
        if self.is_parked { self.executed() } else { Ok(()) }
    }

    /// The socket closes when the command has been executed.
    fn executed(&mut self) -> Result<(), BindError> {
        self.control.set_read_timeout(Some(BIND_PATIENCE))?;
        let mut said = Vec::new();
        self.control.read_to_end(&mut said)?;
        match <[u8; 4]>::try_from(said) {
            Ok(errno) => Err(BindError::Execute(std::io::Error::from_raw_os_error(i32::from_le_bytes(errno)))),
            Err(_) => Ok(()),
        }
    }
}

/// What makes a spare a function's.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) memory_bytes: u64,
    /// Program and arguments, as for a plain start.
    pub(crate) command: Vec<CString>,
    /// The whole environment, `NAME=value`.
    pub(crate) variables: Vec<CString>,
}

/// Why a spare could not be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("failed to {0}")]
    Sandbox(#[from] SandboxError),
    #[error("the spare does not listen: {0}")]
    Control(#[from] std::io::Error),
    /// The function's fault: its command is none.
    #[error("the command could not be executed: {0}")]
    Execute(std::io::Error),
}

/// Starts the template of a kind.
pub(super) async fn template(launcher: &Launcher, kind: &Kind, pack: &Arc<Pack>) -> Result<Template, String> {
    let command = pack.template_command().ok_or("the runtime has no template")?;
    let mut spec = spec(kind, pack, command);
    spec.environment.extend(CString::new(format!("TINDRA_TEMPLATE_PRELOAD={}", kind.preload.modules())));
    let launcher = launcher.clone();
    blocking(move || launcher.template(&spec).map_err(|error| text(&error))).await
}

/// Forks a template. One that is bound at once does not rehearse: its first invoke would wait for that.
pub(super) async fn fork(
    launcher: &Launcher,
    template: &Arc<OnceCell<Template>>,
    kind: &Kind,
    pack: &Arc<Pack>,
    is_ahead: bool,
) -> Result<Spare, String> {
    let (spec, template) = (spec(kind, pack, Vec::new()), Arc::clone(template));
    let told = if is_ahead { AHEAD } else { AT_ONCE };
    make(launcher, kind, pack, Some(told), move |launcher, network, storage| {
        let template = template.get().ok_or("the template is not there")?;
        launcher.fork(template, &spec, network, storage).map_err(|error| text(&error))
    })
    .await
}

/// Executes the runtime, or leaves the sandbox empty.
pub(super) async fn start(launcher: &Launcher, kind: &Kind, pack: &Arc<Pack>) -> Result<Spare, String> {
    let memory_mb = kind.memory_mb.unwrap_or(UNBOUND_MEMORY_MB);
    let command = match kind.way {
        Way::Parked => Vec::new(),
        Way::Forked | Way::Started => pack.spare_command(memory_mb).ok_or("the runtime has no spares")?,
    };
    let spec = spec(kind, pack, command);
    make(launcher, kind, pack, None, move |launcher, network, storage| {
        launcher.spawn(&spec, network, storage).map_err(|error| text(&error))
    })
    .await
}

async fn make(
    launcher: &Launcher,
    kind: &Kind,
    pack: &Arc<Pack>,
    told: Option<u8>,
    spawn: impl FnOnce(&Launcher, &Network, &Storage) -> Result<Sandbox, String> + Send + 'static,
) -> Result<Spare, String> {
    let (launcher, storage_mb, is_parked) = (launcher.clone(), kind.storage_mb, kind.way == Way::Parked);
    let (network, storage, waiting) = blocking(move || {
        let (network, storage) = Habitat::material(&launcher, storage_mb).map_err(|error| text(&error))?;
        let mut sandbox = spawn(&launcher, &network, &storage)?;
        let control = sandbox.take_control().ok_or("the sandbox has no control socket")?;
        Ok((network, storage, Waiting { control: warm(control, told)?, sandbox, is_parked }))
    })
    .await?;
    let (pack, made) = (Arc::clone(pack), tokio::time::Instant::now());
    Ok(Spare { parking: None, waiting, network, storage, pack, made })
}

/// Tells the runtime what it is to be told, and waits until it says that it is warm.
fn warm(control: OwnedFd, told: Option<u8>) -> Result<UnixStream, String> {
    let mut control = UnixStream::from(control);
    let mut said = [0];
    let tell = told.map_or(Ok(()), |told| control.write_all(&[told]));
    let read =
        tell.and_then(|()| control.set_read_timeout(Some(WARM_PATIENCE))).and_then(|()| control.read_exact(&mut said));
    match read {
        Ok(()) if said == [READY] => Ok(control),
        Ok(()) => Err("the runtime said something unexpected".to_owned()),
        Err(error) => Err(format!("the runtime did not become ready: {error}")),
    }
}

fn spec(kind: &Kind, pack: &Pack, command: Vec<String>) -> Spec {
    let variables = pack.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let memory_mb = kind.memory_mb.unwrap_or(UNBOUND_MEMORY_MB);
    Spec {
        root: pack.root.clone(),
        mounts: Vec::new(),
        command: command.into_iter().filter_map(|text| CString::new(text).ok()).collect(),
        environment: variables
            .chain(["TINDRA_SPARE=1".to_owned()])
            .filter_map(|text| CString::new(text).ok())
            .collect(),
        working_directory: if kind.way == Way::Parked { "/var/task" } else { "/" }.into(),
        limits: Limits {
            memory_bytes: u64::from(memory_mb) << 20,
            cpu_millis: Some(UNBOUND_CPU_MILLIS),
            processes: PROCESSES_MAX,
            open_files: OPEN_FILES_MAX,
        },
        log_descriptor: LOG_DESCRIPTOR,
        control_descriptor: Some(CONTROL_DESCRIPTOR),
    }
}

fn text(error: &SandboxError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("failed to {error}{cause}")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
