//! The server's handle to one running sandbox.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use crate::cgroup::Group;
use crate::error::SandboxError;
use crate::protocol::{self, Ended, Status};

/// How a sandbox's main command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal with this number ended it.
    Signal(i32),
    /// The whole tree was ended from outside before the command told anything.
    Lost,
}

/// A running sandbox. Dropped, it is killed and removed, by its monitor, in the background.
#[derive(Debug)]
pub struct Sandbox {
    status: OwnedFd,
    group: Group,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    log: Option<OwnedFd>,
    ended: Mutex<Option<Ended>>,
}

impl Sandbox {
    pub(crate) fn new(
        status: OwnedFd,
        group: Group,
        [stdout, stderr, log]: [OwnedFd; 3],
    ) -> Result<Self, SandboxError> {
        rustix::fs::fcntl_setfl(&status, rustix::fs::OFlags::NONBLOCK)
            .map_err(|error| SandboxError::Launcher { attempt: "make a status socket", source: error.into() })?;
        Ok(Self { status, group, stdout: Some(stdout), stderr: Some(stderr), log: Some(log), ended: Mutex::new(None) })
    }

    /// Read end of the command's standard output; does not block.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// Read end of the command's standard error; does not block.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// Read end of the framed log; does not block.
    pub fn take_log(&mut self) -> Option<OwnedFd> {
        self.log.take()
    }

    /// Becomes readable when the command has ended and the whole tree is gone.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.status.as_fd()
    }

    /// How the command ended; `None` while it runs.
    ///
    /// # Errors
    /// When the status socket cannot be read.
    pub fn try_exit(&self) -> io::Result<Option<Exit>> {
        let mut known = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.is_none() {
            *known = self.read_end()?;
        }
        Ok(known.map(|ended| match ended.wait_status {
            Some(status) if libc::WIFEXITED(status) => Exit::Code(libc::WEXITSTATUS(status)),
            Some(status) if libc::WIFSIGNALED(status) => Exit::Signal(libc::WTERMSIG(status)),
            _ => Exit::Lost,
        }))
    }

    fn read_end(&self) -> io::Result<Option<Ended>> {
        const GONE: Ended = Ended { wait_status: None, out_of_memory: false, memory_peak_bytes: 0, cpu_time_us: 0 };
        match protocol::receive::<Status>(&self.status) {
            Ok(Some((Status::Ended(ended), _))) => Ok(Some(ended)),
            Ok(_) => Ok(Some(GONE)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(GONE)),
            Err(error) => Err(error),
        }
    }

    /// Kills the whole tree from outside; returns when that has been ordered. [`Sandbox::status`] tells when it is done.
    ///
    /// # Errors
    /// Never today; the order is given by closing one direction of the status socket.
    pub fn kill(&self) -> Result<(), SandboxError> {
        match rustix::net::shutdown(&self.status, rustix::net::Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(error) => Err(SandboxError::Launcher { attempt: "end a sandbox", source: error.into() }),
        }
    }

    /// Stops every process in its tracks: no CPU is used until [`Sandbox::thaw`].
    ///
    /// # Errors
    /// When the control group refuses.
    pub fn freeze(&self) -> Result<(), SandboxError> {
        self.group.set_frozen(true)
    }

    /// Lets every process go on.
    ///
    /// # Errors
    /// When the control group refuses.
    pub fn thaw(&self) -> Result<(), SandboxError> {
        self.group.set_frozen(false)
    }

    /// The most memory that was in use at once, in bytes; also after the end.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.after_the_end(|ended| ended.memory_peak_bytes, Group::memory_peak_bytes)
    }

    /// Whether the kernel killed a process of the sandbox for want of memory; also after the end.
    pub fn out_of_memory(&self) -> bool {
        self.after_the_end(|ended| ended.out_of_memory, Group::out_of_memory)
    }

    /// CPU time used so far, in microseconds; also after the end.
    pub fn cpu_time_us(&self) -> u64 {
        self.after_the_end(|ended| ended.cpu_time_us, Group::cpu_time_us)
    }

    fn after_the_end<T>(&self, last: impl Fn(&Ended) -> T, live: impl Fn(&Group) -> T) -> T {
        let known = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.as_ref().map_or_else(|| live(&self.group), last)
    }

    /// Changes the CPU time per second of wall time, in thousandths of a processor; `None` lifts the limit.
    ///
    /// # Errors
    /// When the control group refuses.
    pub fn set_cpu_millis(&self, millis: Option<u64>) -> Result<(), SandboxError> {
        self.group.set_cpu(millis)
    }
}
