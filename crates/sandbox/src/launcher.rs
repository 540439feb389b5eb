//! The server's side of the launcher: start it, ask it, end it.
//!
//! Each request carries its own reply socket, so threads need no lock among them. The launcher and its maker
//! are reached over one socket each; when the server's ends close, however that comes about, both end
//! themselves and every sandbox. A launcher that ends by itself, or by somebody's hand, takes every sandbox with it, too;
//! then another one takes its place ([`Launcher::heal`]).

mod attacher;
mod connection;
mod healing;
mod maker;
mod pool;
mod process;
mod remover;
pub(crate) mod requests;
mod start;
mod state;
mod templates;
pub(crate) mod transport;
mod watch;
pub(crate) mod wire;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use crate::copy::Copy;
use crate::error::SandboxError;
#[cfg(doc)]
use crate::error::Step;
use crate::layers::{self, Layer};
use crate::network::{Network, Reach};
use crate::sandbox::Sandbox;
use crate::spec::{Limits, Spec};
use crate::storage::Storage;
use crate::template::Template;
use healing::Healing;
use requests::Request;
use wire::Reader;

pub(crate) use connection::{Connection, Peer};

pub use start::run_if_launcher;

/// How often one request is asked again of a new launcher.
const HEALED_ASKS_MAX: u32 = 3;

/// Where and how the launcher works.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// Scratch for `/tmp` images; the name of the control groups is derived from it, so it must be this server's own.
    pub state_directory: PathBuf,
    /// Where functions cannot connect to.
    pub reach: Reach,
}

/// The launcher process, and the one that takes its place when it has ended. Cheap to clone; dropping the last clone ends
/// the process and every sandbox.
#[derive(Clone, Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

/// What the handles share.
#[derive(Debug)]
struct Shared {
    options: LauncherOptions,
    layers: Vec<Layer>,
    current: RwLock<Arc<Connection>>,
    /// One heals; who else wants to waits for it.
    healing: Mutex<Healing>,
}

impl Launcher {
    /// Starts the launcher process, waits for an earlier one of the same state directory to end, sweeps what a
    /// killed one left, and probes the layers. To be called before the process has any other thread.
    ///
    /// # Errors
    /// When no sandbox can be made on this machine; the text says what to do.
    pub fn start(options: LauncherOptions) -> Result<Launcher, SandboxError> {
        let (connection, layers) = Connection::start(&options)?;
        let current = RwLock::new(Arc::new(connection));
        Ok(Launcher { shared: Arc::new(Shared { options, layers, current, healing: Mutex::default() }) })
    }

    /// Which protections hold on this machine.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.shared.layers
    }

    /// Whether [`Sandbox::attach`] works here: with the power of root alone.
    #[must_use]
    pub fn can_attach(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Takes a network namespace from the pool, or makes one. Blocks for up to a few milliseconds.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn network(&self) -> Result<Network, SandboxError> {
        self.ask_healed(Peer::Maker, &Request::Network, |reader, descriptors, _| {
            Network::from_reply(reader, descriptors)
        })
    }

    /// Takes a private `/tmp` of `size_mb` MiB from the pool, or makes one. Blocks: milliseconds as a rule, longer
    /// for the first one of a size.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn storage(&self, size_mb: u32) -> Result<Storage, SandboxError> {
        self.ask_healed(Peer::Maker, &Request::Storage(size_mb), Storage::from_reply)
    }

    /// Starts a command in a new sandbox and returns when it has been executed. Blocks for a few milliseconds.
    ///
    /// # Errors
    /// Names the step that failed; nothing is left running. [`SandboxError::Outlived`] when the storage is of a launcher
    /// that has ended: with a new one it may work.
    pub fn spawn(&self, spec: &Spec, network: &Network, storage: &Storage) -> Result<Sandbox, SandboxError> {
        self.spawn_or_fork(spec, None, network, storage)
    }

    /// Starts a template: an interpreter that runs the spec's command, with the launcher's power, in the spec's root, and
    /// waits to be forked. Its mounts and memory limit do not count. Blocks until it is ready, about a second.
    ///
    /// # Errors
    /// Names the step that failed, or what the template itself said.
    pub fn template(&self, spec: &Spec) -> Result<Template, SandboxError> {
        let request = Request::StartTemplate(Box::new(spec.clone()));
        self.ask_healed(Peer::Launcher, &request, |reader, _, connection| Ok(Template::new(reader.u64()?, connection)))
    }

    /// As [`Launcher::spawn`], but the command is a fork of the template: the spec's command, environment and working
    /// directory do not count.
    ///
    /// # Errors
    /// As [`Launcher::spawn`]; [`Step::TemplateGone`] when the template has ended.
    pub fn fork(
        &self,
        template: &Template,
        spec: &Spec,
        network: &Network,
        storage: &Storage,
    ) -> Result<Sandbox, SandboxError> {
        self.spawn_or_fork(spec, Some(template), network, storage)
    }

    /// Asks a process that waits to be copied for a copy; `control` is its socket (see [`Sandbox::take_control`]), `storage`
    /// that of its sandbox. Blocks for milliseconds.
    ///
    /// # Errors
    /// When no control groups can be made, or the process gives no copy within ten seconds.
    pub fn copy(&self, control: BorrowedFd<'_>, storage: &Storage, limits: &Limits) -> Result<Copy, SandboxError> {
        let connection = self.connection_of(storage)?;
        Copy::make(&connection, control, storage, limits).map_err(|error| outlived(&connection, error))
    }

    fn spawn_or_fork(
        &self,
        spec: &Spec,
        template: Option<&Template>,
        network: &Network,
        storage: &Storage,
    ) -> Result<Sandbox, SandboxError> {
        let connection = self.connection_of(storage)?;
        if template.is_some_and(|template| !template.is_of(&connection)) {
            return Err(SandboxError::Outlived);
        }
        let request = Request::Spawn(Box::new(spec.clone()), storage.host_ids(), template.map(Template::id));
        let passed = [network.namespace(), storage.mount(), storage.user_namespace()];
        let [network, mount, user_namespace] =
            passed.map(|place| place.map_err(|source| SandboxError::Control { action: "use the place of", source }));
        let (network, mount, user_namespace) = (network?, mount?, user_namespace?);
        let passed = [network.as_fd(), mount.as_fd(), user_namespace.as_fd()];
        let (bytes, descriptors) =
            connection.ask(Peer::Launcher, &request, &passed).map_err(|error| outlived(&connection, error))?;
        let mut reader = Reader::new(&bytes);
        requests::read_outcome(&mut reader)?;
        let memory_limit_bytes = spec.limits.memory_bytes;
        Sandbox::from_reply(&mut reader, descriptors, Arc::downgrade(&connection), memory_limit_bytes)
    }

    /// The launcher that is there, if the storage is of it: another one may give the storage's host ids to somebody else.
    fn connection_of(&self, storage: &Storage) -> Result<Arc<Connection>, SandboxError> {
        let connection = self.connection();
        if storage.is_of(&connection) { Ok(connection) } else { Err(SandboxError::Outlived) }
    }

    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for what needs nothing that was made before; when the launcher turns out to have ended, once more.
    fn ask_healed<T>(
        &self,
        peer: Peer,
        request: &Request,
        read: impl Fn(&mut Reader<'_>, Vec<OwnedFd>, Weak<Connection>) -> io::Result<T>,
    ) -> Result<T, SandboxError> {
        let ask = |connection: &Arc<Connection>| {
            let (bytes, descriptors) = connection.ask(peer, request, &[])?;
            let mut reader = Reader::new(&bytes);
            requests::read_outcome(&mut reader)?;
            read(&mut reader, descriptors, Arc::downgrade(connection))
                .map_err(|source| SandboxError::LauncherGone { source })
        };
        for _ in 0..HEALED_ASKS_MAX {
            let connection = self.connection();
            let outcome = ask(&connection);
            // A helper may have answered that outlives its launcher for a moment.
            if !connection.has_ended() {
                return outcome;
            }
            drop((outcome, connection));
            self.heal()?;
        }
        ask(&self.connection())
    }

    /// Starts a launcher in place of one that has ended, however that came about; does nothing while it lives. What the old
    /// one had made is gone or of no use. Blocks: a tenth of a second as a rule, seconds when launchers keep ending.
    ///
    /// # Errors
    /// As [`Launcher::start`]; also when a protection that held at first does not any more.
    pub fn heal(&self) -> Result<(), SandboxError> {
        let mut healing = self.shared.healing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.connection();
        if !old.has_ended() {
            return Ok(());
        }
        old.end();
        healing.pause();
        let (new, layers) = Connection::start(&self.shared.options)?;
        layers::require(&self.shared.layers, &layers)?;
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// The launcher process that is there now.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.connection().process_id()
    }

    /// A descriptor that becomes readable when the launcher that is there now has ended.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn end_signal(&self) -> io::Result<OwnedFd> {
        self.connection().end_signal()
    }
}

/// An error of a launcher that has ended is nobody's but the launcher's.
fn outlived(connection: &Connection, error: SandboxError) -> SandboxError {
    if connection.has_ended() { SandboxError::Outlived } else { error }
}
