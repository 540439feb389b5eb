//! The server's side of the launcher: start it, ask it, end it.
//!
//! Each request carries its own reply socket, so threads need no lock among them. The launcher and its maker
//! are reached over one socket each; when the server's ends close, however that comes about, both end
//! themselves and every sandbox.

mod attacher;
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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::copy::Copy;
use crate::error::SandboxError;
#[cfg(doc)]
use crate::error::Step;
use crate::layers::Layer;
use crate::network::{Network, Reach};
use crate::sandbox::Sandbox;
use crate::spec::{Limits, Spec};
use crate::storage::Storage;
use crate::template::Template;
use requests::Request;
use wire::Reader;

pub use start::run_if_launcher;

/// How long an answer may take; the longest honest one is a first file system image on a slow disk.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);

/// Where and how the launcher works.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// Scratch for `/tmp` images; the name of the control groups is derived from it, so it must be this server's own.
    pub state_directory: PathBuf,
    /// Where functions cannot connect to.
    pub reach: Reach,
}

/// The launcher process. Cheap to clone; dropping the last clone ends the process and every sandbox.
#[derive(Clone, Debug)]
pub struct Launcher {
    connection: Arc<Connection>,
}

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Connection {
    sockets: Option<Sockets>,
    layers: Vec<Layer>,
    process: Mutex<Child>,
}

#[derive(Debug)]
struct Sockets {
    launcher: OwnedFd,
    maker: OwnedFd,
    attacher: OwnedFd,
}

impl Launcher {
    /// Starts the launcher process, waits for an earlier one of the same state directory to end, sweeps what a
    /// killed one left, and probes the layers. To be called before the process has any other thread.
    ///
    /// # Errors
    /// When no sandbox can be made on this machine; the text says what to do.
    pub fn start(options: LauncherOptions) -> Result<Launcher, SandboxError> {
        let started = start::start(&options)?;
        let sockets = Some(Sockets { launcher: started.launcher, maker: started.maker, attacher: started.attacher });
        let process = Mutex::new(started.process);
        Ok(Launcher { connection: Arc::new(Connection { sockets, layers: started.layers, process }) })
    }

    /// Which protections hold on this machine.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.connection.layers
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
        let (bytes, descriptors) = self.connection.ask(Peer::Maker, &Request::Network, &[])?;
        let mut reader = Reader::new(&bytes);
        requests::read_outcome(&mut reader)?;
        Network::from_reply(&mut reader, descriptors).map_err(|source| SandboxError::LauncherGone { source })
    }

    /// Takes a private `/tmp` of `size_mb` MiB from the pool, or makes one. Blocks: milliseconds as a rule, longer
    /// for the first one of a size.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn storage(&self, size_mb: u32) -> Result<Storage, SandboxError> {
        let (bytes, descriptors) = self.connection.ask(Peer::Maker, &Request::Storage(size_mb), &[])?;
        let mut reader = Reader::new(&bytes);
        requests::read_outcome(&mut reader)?;
        Storage::from_reply(&mut reader, descriptors, Arc::downgrade(&self.connection))
            .map_err(|source| SandboxError::LauncherGone { source })
    }

    /// Starts a command in a new sandbox and returns when it has been executed. Blocks for a few milliseconds.
    ///
    /// # Errors
    /// Names the step that failed; nothing is left running.
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
        let (bytes, _) = self.connection.ask(Peer::Launcher, &request, &[])?;
        let mut reader = Reader::new(&bytes);
        requests::read_outcome(&mut reader)?;
        let id = reader.u64().map_err(|error| SandboxError::LauncherGone { source: error.into() })?;
        Ok(Template::new(id, Arc::downgrade(&self.connection)))
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
        self.spawn_or_fork(spec, Some(template.id()), network, storage)
    }

    /// Asks a process that waits to be copied for a copy; `control` is its socket (see [`Sandbox::take_control`]), `storage`
    /// that of its sandbox. Blocks for milliseconds.
    ///
    /// # Errors
    /// When no control groups can be made, or the process gives no copy within ten seconds.
    pub fn copy(&self, control: BorrowedFd<'_>, storage: &Storage, limits: &Limits) -> Result<Copy, SandboxError> {
        Copy::make(&self.connection, control, storage, limits)
    }

    fn spawn_or_fork(
        &self,
        spec: &Spec,
        template: Option<u64>,
        network: &Network,
        storage: &Storage,
    ) -> Result<Sandbox, SandboxError> {
        let request = Request::Spawn(Box::new(spec.clone()), storage.host_ids(), template);
        let passed = [network.namespace(), storage.mount(), storage.user_namespace()];
        let (bytes, descriptors) = self.connection.ask(Peer::Launcher, &request, &passed)?;
        let mut reader = Reader::new(&bytes);
        requests::read_outcome(&mut reader)?;
        let memory_limit_bytes = spec.limits.memory_bytes;
        Sandbox::from_reply(&mut reader, descriptors, Arc::downgrade(&self.connection), memory_limit_bytes)
    }
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Launcher,
    Maker,
    Attacher,
}

impl Connection {
    fn socket(&self, peer: Peer) -> io::Result<BorrowedFd<'_>> {
        let sockets = self.sockets.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(match peer {
            Peer::Launcher => sockets.launcher.as_fd(),
            Peer::Maker => sockets.maker.as_fd(),
            Peer::Attacher => sockets.attacher.as_fd(),
        })
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(
        &self,
        peer: Peer,
        request: &Request,
        passed: &[BorrowedFd<'_>],
    ) -> Result<(Vec<u8>, Vec<OwnedFd>), SandboxError> {
        let bytes = request.encode();
        if bytes.len() > transport::MESSAGE_BYTES_MAX {
            let (limit_bytes, actual_bytes) = (transport::MESSAGE_BYTES_MAX, bytes.len());
            return Err(SandboxError::SpecTooLong { limit_bytes, actual_bytes });
        }
        self.exchange(peer, &bytes, passed).map_err(|source| SandboxError::LauncherGone { source })
    }

    fn exchange(&self, peer: Peer, bytes: &[u8], passed: &[BorrowedFd<'_>]) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let (ours, theirs) = transport::pair()?;
        rustix::net::sockopt::set_socket_timeout(&ours, rustix::net::sockopt::Timeout::Recv, Some(REPLY_PATIENCE))?;
        let mut descriptors = vec![theirs.as_fd()];
        descriptors.extend_from_slice(passed);
        transport::send(self.socket(peer)?, bytes, &descriptors)?;
        drop(theirs);
        let mut buffer = vec![0; 4096];
        let (length, descriptors) = transport::receive(&ours, &mut buffer)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.truncate(length);
        Ok((buffer, descriptors))
    }

    /// Sends a request that has no answer; a launcher that is gone has already done what it asks.
    pub(crate) fn tell(&self, peer: Peer, request: &Request) {
        if let Ok(socket) = self.socket(peer) {
            let _ = transport::send(socket, &request.encode(), &[]);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The closed sockets are the signal; the process ends every sandbox, removes what it made, and exits.
        self.sockets = None;
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = process.wait();
    }
}
