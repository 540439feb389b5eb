//! The server's end of one launcher process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::Shutdown;

use crate::error::SandboxError;
use crate::launcher::requests::Request;
use crate::launcher::{LauncherOptions, start, transport};
use crate::layers::Layer;

/// How long an answer may take; the longest honest one is a first file system image on a slow disk.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);
/// How long a launcher whose sockets are shut may take to end before it is killed.
const END_PATIENCE: Duration = Duration::from_secs(30);
const END_LOOK_AFTER: Duration = Duration::from_millis(2);

/// See the module. Dropped, it ends the process and every sandbox.
#[derive(Debug)]
pub(crate) struct Connection {
    launcher: OwnedFd,
    maker: OwnedFd,
    attacher: OwnedFd,
    process: Mutex<Child>,
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Launcher,
    Maker,
    Attacher,
}

impl Connection {
    /// Starts a launcher; also tells which protections hold.
    pub(crate) fn start(options: &LauncherOptions) -> Result<(Connection, Vec<Layer>), SandboxError> {
        let started = start::start(options)?;
        let start::Started { launcher, maker, attacher, layers, process } = started;
        Ok((Connection { launcher, maker, attacher, process: Mutex::new(process) }, layers))
    }

    fn socket(&self, peer: Peer) -> BorrowedFd<'_> {
        match peer {
            Peer::Launcher => self.launcher.as_fd(),
            Peer::Maker => self.maker.as_fd(),
            Peer::Attacher => self.attacher.as_fd(),
        }
    }

    /// Becomes readable when the launcher has ended.
    pub(crate) fn end_signal(&self) -> io::Result<OwnedFd> {
        self.launcher.try_clone()
    }

    /// Whether the launcher has ended, or one of its helpers, which it does not outlive.
    pub(crate) fn has_ended(&self) -> bool {
        let mut sockets =
            [&self.launcher, &self.maker, &self.attacher].map(|socket| PollFd::new(socket, PollFlags::empty()));
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = poll(&mut sockets, Some(&at_once));
        sockets.iter().any(|socket| socket.revents().intersects(PollFlags::HUP | PollFlags::ERR))
    }

    /// Ends the process and every sandbox, by force if need be. Blocks until it has.
    pub(crate) fn end(&self) {
        // The shut sockets are the signal; the process ends every sandbox, removes what it made, and exits.
        for socket in [&self.launcher, &self.maker, &self.attacher] {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
        let mut process = self.process();
        let deadline = Instant::now() + END_PATIENCE;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
            }
            std::thread::sleep(END_LOOK_AFTER);
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process().id()
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
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
        transport::send(self.socket(peer), bytes, &descriptors)?;
        drop(theirs);
        let mut buffer = vec![0; 4096];
        let (length, descriptors) = transport::receive(&ours, &mut buffer)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.truncate(length);
        Ok((buffer, descriptors))
    }

    /// Sends a request that has no answer; a launcher that is gone has already done what it asks.
    pub(crate) fn tell(&self, peer: Peer, request: &Request) {
        let _ = transport::send(self.socket(peer), &request.encode(), &[]);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}
