//! The server's handle to the launcher process.

mod process;

pub use process::run_if_launcher;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::cgroup::Hierarchies;
use crate::error::{Failure, SandboxError};
use crate::layers::Layer;
use crate::network::Network;
use crate::protocol::{self, Request, SpawnRequest, Status};
use crate::sandbox::Sandbox;
use crate::spec::Spec;

/// The hidden first argument that makes this binary the launcher.
const ARGUMENT: &str = "sandbox-launcher";

/// What the launcher needs to know.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// A directory of its own: scratch for images of `/tmp`, and the name of its control groups.
    pub state_directory: PathBuf,
}

/// A handle to the launcher process. When the last clone is dropped, the launcher and every sandbox end.
#[derive(Clone, Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: OwnedFd,
    making: OwnedFd,
    layers: Vec<Layer>,
    hierarchies: Hierarchies,
    process: std::sync::Mutex<Option<std::process::Child>>,
}

/// A private file system for `/tmp`. It keeps its content from one sandbox to the next; dropped, it is gone.
#[derive(Debug)]
pub struct Storage {
    pub(crate) mount: OwnedFd,
}

impl Launcher {
    /// Starts the launcher process. To be called before any thread exists, by a binary whose `main` calls
    /// [`run_if_launcher`] first. What a killed server left under the same directory is swept up.
    ///
    /// # Errors
    /// When the process cannot be started, or cannot make namespaces at all.
    pub fn start(options: LauncherOptions) -> Result<Self, SandboxError> {
        let directory = options.state_directory;
        prepare_directory(&directory).map_err(failed("prepare its directory"))?;
        let (requests, its_requests) = packet_pair().map_err(failed("make its socket"))?;
        let (making, its_making) = packet_pair().map_err(failed("make its socket"))?;
        let child = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .arg(&directory)
            .env_clear()
            .stdin(Stdio::from(its_requests))
            .stdout(Stdio::from(its_making))
            .spawn()
            .map_err(failed("run this binary again"))?;
        let (hello, _) = protocol::receive::<Result<Vec<Layer>, Failure>>(&requests)
            .map_err(failed("hear from it"))?
            .ok_or(SandboxError::LauncherGone)?;
        let layers = hello?;
        let hierarchies = Hierarchies::probe(&group_parent(&directory));
        let process = std::sync::Mutex::new(Some(child));
        Ok(Self { shared: Arc::new(Shared { requests, making, layers, hierarchies, process }) })
    }

    /// Which layers of the sandbox hold on this machine, and why not.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.shared.layers
    }

    /// A network namespace with its sockets, usually made ahead. Blocks for a few milliseconds at most.
    ///
    /// # Errors
    /// When the launcher is gone or the kernel refuses.
    pub fn network(&self) -> Result<Network, SandboxError> {
        let descriptors = self.make(&Request::Network)?;
        Network::from_descriptors(descriptors).ok_or(SandboxError::LauncherGone)
    }

    /// A private file system of this size, usually made ahead. Blocks for some milliseconds at most.
    ///
    /// # Errors
    /// When the launcher is gone or the kernel refuses.
    pub fn storage(&self, size_mb: u32) -> Result<Storage, SandboxError> {
        let mut descriptors = self.make(&Request::Storage { size_mb })?;
        descriptors.pop().map(|mount| Storage { mount }).ok_or(SandboxError::LauncherGone)
    }

    fn make(&self, request: &Request) -> Result<Vec<OwnedFd>, SandboxError> {
        let (mine, its) = packet_pair().map_err(failed("make a reply socket"))?;
        protocol::send(&self.shared.making, request, &[its.as_fd()]).map_err(|_| SandboxError::LauncherGone)?;
        drop(its);
        let reply = protocol::receive::<Result<(), Failure>>(&mine).ok().flatten().ok_or(SandboxError::LauncherGone)?;
        reply.0?;
        Ok(reply.1)
    }

    /// Starts a command in a sandbox. Blocks until it has been set up, a few milliseconds.
    ///
    /// # Errors
    /// Names the step that failed; nothing is left of the sandbox then.
    pub fn spawn(&self, spec: &Spec, network: &Network, storage: &Storage) -> Result<Sandbox, SandboxError> {
        let (mine, its) = packet_pair().map_err(failed("make a status socket"))?;
        let (stdout, its_stdout) = pipe().map_err(failed("make a pipe"))?;
        let (stderr, its_stderr) = pipe().map_err(failed("make a pipe"))?;
        let (log, its_log) = pipe().map_err(failed("make a pipe"))?;
        let descriptors = [
            its.as_fd(),
            network.namespace.as_fd(),
            storage.mount.as_fd(),
            its_stdout.as_fd(),
            its_stderr.as_fd(),
            its_log.as_fd(),
        ];
        let request = Request::Spawn(Box::new(on_the_wire(spec)));
        protocol::send(&self.shared.requests, &request, &descriptors).map_err(|_| SandboxError::LauncherGone)?;
        drop((its, its_stdout, its_stderr, its_log));
        let (status, _) = protocol::receive::<Status>(&mine).ok().flatten().ok_or(SandboxError::LauncherGone)?;
        match status {
            Status::Started { group, .. } => {
                let group = group.map_or_else(
                    || Hierarchies::Missing(String::new()).group(""),
                    |name| self.shared.hierarchies.group(&name),
                );
                Sandbox::new(mine, group, [stdout, stderr, log])
            }
            Status::Failed(failure) => Err(failure.into()),
            Status::Ended(_) => Err(SandboxError::LauncherGone),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Its sockets are about to close, which ends it; not waiting would leave a zombie.
        let _ = rustix::net::shutdown(&self.requests, rustix::net::Shutdown::Both);
        let _ = rustix::net::shutdown(&self.making, rustix::net::Shutdown::Both);
        if let Some(mut process) = self.process.lock().ok().and_then(|mut slot| slot.take()) {
            let _ = process.wait();
        }
    }
}

fn on_the_wire(spec: &Spec) -> SpawnRequest {
    SpawnRequest {
        root: spec.root.clone(),
        mounts: spec.mounts.iter().map(|mount| (mount.source.clone(), mount.target.clone())).collect(),
        command: spec.command.iter().map(|text| text.as_bytes().to_vec()).collect(),
        environment: spec.environment.iter().map(|text| text.as_bytes().to_vec()).collect(),
        working_directory: spec.working_directory.clone(),
        memory_bytes: spec.limits.memory_bytes,
        cpu_millis: spec.limits.cpu_millis,
        processes: spec.limits.processes,
        open_files: spec.limits.open_files,
        log_descriptor: spec.log_descriptor,
    }
}

fn failed(attempt: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |source| SandboxError::Launcher { attempt, source }
}

fn prepare_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

/// The name of this server's control groups: from its directory, so that a restart finds what was left.
pub(crate) fn group_parent(directory: &Path) -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned()).hash(&mut hasher);
    format!("tindra-{:016x}", hasher.finish())
}

fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A pipe whose read end does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK)?;
    Ok((read, write))
}

/// Sends an answer with descriptors; the asker may have gone.
pub(crate) fn answer<T: serde::Serialize>(reply: impl AsFd, message: &T, descriptors: &[BorrowedFd<'_>]) {
    let _ = protocol::send(reply, message, descriptors);
}
