//! Copies of a process that forks itself on request, inside its own sandbox.
//!
//! A copy shares the sandbox of the process that it was forked from (user, namespaces, network, `/tmp`) and has control
//! groups, output pipes and a connection to the server of its own. The server hands all of these over with the request;
//! the copy joins the groups itself, says that it is ready, and waits to be let go.

use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::net::sockopt::{Timeout, set_socket_passcred, set_socket_timeout};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cgroup::Group;
use crate::error::SandboxError;
use crate::launcher::requests::{Request, read_outcome};
use crate::launcher::wire::Reader;
use crate::launcher::{Connection, Peer, transport};
use crate::parked::READY;
use crate::sandbox::Sandbox;
use crate::spec::Limits;
use crate::storage::Storage;
use crate::system;

/// What asks for a copy. The descriptors beside it: connection, ready socket, stdout, stderr, log, and the files to which
/// the copy writes `0`. `runtimes/python/runtime_client.py` knows the order.
const FORK: u8 = b'F';
/// What lets a copy go.
const GO: u8 = b'G';
/// A fork takes as long as the process is large.
const READY_PATIENCE: Duration = Duration::from_secs(10);

/// A copy that waits.
#[derive(Debug)]
pub struct Copy {
    /// Its processes, under limits of their own.
    pub sandbox: Sandbox,
    /// The server's end of its connection.
    pub connection: UnixStream,
    ready: UnixStream,
}

impl Copy {
    /// Lets it run on. Never blocks.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go(&mut self) -> io::Result<()> {
        self.ready.write_all(&[GO])
    }

    /// Asks the process behind `control` for a copy of itself; `storage` is that of its sandbox. Blocks for milliseconds.
    pub(crate) fn make(
        launcher: &Arc<Connection>,
        control: BorrowedFd<'_>,
        storage: &Storage,
        limits: &Limits,
    ) -> Result<Copy, SandboxError> {
        let (id, group) = make_group(launcher, limits)?;
        let made = ask(control, storage, &group);
        match made {
            Ok(asked) => {
                let pipes = [asked.stdout, asked.stderr, asked.log];
                let weak = Arc::downgrade(launcher);
                let sandbox = Sandbox::of_copy(id, asked.process, pipes, group, weak, limits.memory_bytes);
                Ok(Copy { sandbox, connection: asked.connection, ready: asked.ready })
            }
            Err(source) => {
                launcher.tell(Peer::Launcher, &Request::Remove(id));
                Err(SandboxError::Copy { source })
            }
        }
    }
}

fn make_group(launcher: &Connection, limits: &Limits) -> Result<(u64, Group), SandboxError> {
    let gone = |source: io::Error| SandboxError::LauncherGone { source };
    let (bytes, _) = launcher.ask(Peer::Launcher, &Request::MakeGroup(limits.clone()), &[])?;
    let mut reader = Reader::new(&bytes);
    read_outcome(&mut reader)?;
    let id = reader.u64().map_err(|error| gone(error.into()))?;
    Ok((id, Group::read(&mut reader).map_err(gone)?))
}

struct Asked {
    /// The same twice: to signal it, and to wait for its end.
    process: [OwnedFd; 2],
    connection: UnixStream,
    ready: UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
    log: OwnedFd,
}

fn ask(control: BorrowedFd<'_>, storage: &Storage, group: &Group) -> io::Result<Asked> {
    let (connection, its_connection) = UnixStream::pair()?;
    let (ready, its_ready) = UnixStream::pair()?;
    // The kernel tells who says that it is ready: nobody can give another's process id.
    set_socket_passcred(&ready, true)?;
    set_socket_timeout(&ready, Timeout::Recv, Some(READY_PATIENCE))?;
    let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
        system::change_owner(write.as_fd(), storage.host_ids().user)?;
        Ok((read, write))
    };
    let ((stdout, its_stdout), (stderr, its_stderr), (log, its_log)) = (pipe()?, pipe()?, pipe()?);
    let doors = group.own_doors()?;
    let mut passed = vec![its_connection.as_fd(), its_ready.as_fd(), its_stdout.as_fd(), its_stderr.as_fd()];
    passed.push(its_log.as_fd());
    passed.extend(doors.iter().map(AsFd::as_fd));
    transport::send(control, &[FORK], &passed)?;
    drop((its_connection, its_ready, its_stdout, its_stderr, its_log));
    let process = pidfd_open(receive_ready(&ready)?, PidfdFlags::empty())?;
    let process = [process.try_clone()?, process];
    Ok(Asked { process, connection, ready, stdout, stderr, log })
}

/// Waits for the word that it is ready; tells who said it.
fn receive_ready(ready: &UnixStream) -> io::Result<Pid> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut said = [0];
    let received = loop {
        match recvmsg(ready, &mut [IoSliceMut::new(&mut said)], &mut control, RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid),
        _ => None,
    });
    sender.filter(|_| said == [READY]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What a process that is asked to become an original says first.
#[derive(Debug, PartialEq, Eq)]
pub enum Suitable {
    /// It can be copied.
    Yes,
    /// It cannot, because of this.
    No(String),
}

/// Reads whether the process behind `control` can be copied; it says so when it has come to its snapshot.
///
/// # Errors
/// When it says nothing within ten seconds, or has ended.
pub fn read_suitable(control: &mut UnixStream) -> io::Result<Suitable> {
    control.set_read_timeout(Some(READY_PATIENCE))?;
    let mut said = [0; 512];
    let length = control.read(&mut said)?;
    match said[..length].split_first() {
        Some((b'S', _)) => Ok(Suitable::Yes),
        Some((b'U', reason)) => Ok(Suitable::No(String::from_utf8_lossy(reason).into_owned())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
