//! The handle of one sandbox: its streams, its end, its figures.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::cgroup::Group;
use crate::child::Report;
use crate::error::SandboxError;
use crate::launcher::requests::{Request, read_outcome};
use crate::launcher::wire::Reader;
use crate::launcher::{Connection, Peer};
use crate::parking::{Berth, Slot};
use crate::pid_one::EXIT_RECORD_BYTES;
use crate::spec::Mount;

/// How the main command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The whole tree is gone, and nobody was left to say how: it was killed from outside or ran out of memory.
    Lost,
}

/// A confined process tree. Dropping it kills the tree and removes what belongs to it, in the background.
#[derive(Debug)]
pub struct Sandbox {
    id: u64,
    /// Process 1, or a copy itself.
    pid_one: Slot<OwnedFd>,
    /// Tells the end: the pipe of process 1, or a copy's process.
    status: Slot<OwnedFd>,
    is_copy: bool,
    stdout: Slot<OwnedFd>,
    stderr: Slot<OwnedFd>,
    log: Slot<OwnedFd>,
    control: Option<OwnedFd>,
    group: Group,
    memory_limit_bytes: AtomicU64,
    exit: Mutex<Option<Exit>>,
    connection: Weak<Connection>,
}

impl Sandbox {
    /// Takes the launcher's answer and waits until the command has been executed.
    pub(crate) fn from_reply(
        reader: &mut Reader<'_>,
        descriptors: Vec<OwnedFd>,
        connection: Weak<Connection>,
        memory_limit_bytes: u64,
    ) -> Result<Sandbox, SandboxError> {
        let gone = |source: io::Error| SandboxError::LauncherGone { source };
        let missing = || gone(io::ErrorKind::InvalidData.into());
        let id = reader.u64().map_err(|error| gone(error.into()))?;
        let has_control = reader.u8().map_err(|error| gone(error.into()))? != 0;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(missing);
        let (pid_one, status, report) = (Slot::new(next()?), Slot::new(next()?), next()?);
        let (stdout, stderr, log) = (Slot::new(next()?), Slot::new(next()?), Slot::new(next()?));
        let control = if has_control { Some(next()?) } else { None };
        let group = Group::read(reader).map_err(gone)?;
        let sandbox = Sandbox {
            id,
            pid_one,
            status,
            is_copy: false,
            stdout,
            stderr,
            log,
            control,
            group,
            memory_limit_bytes: memory_limit_bytes.into(),
            exit: Mutex::new(None),
            connection,
        };
        match Report::receive(&report) {
            Ok(None) => Ok(sandbox),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(gone(error)),
        }
    }

    /// A copy of a process, in groups of its own; see `copy.rs`.
    pub(crate) fn of_copy(
        id: u64,
        [process, status]: [OwnedFd; 2],
        [stdout, stderr, log]: [OwnedFd; 3],
        group: Group,
        connection: Weak<Connection>,
        memory_limit_bytes: u64,
    ) -> Sandbox {
        Sandbox {
            id,
            status: Slot::new(status),
            pid_one: Slot::new(process),
            is_copy: true,
            stdout: Slot::new(stdout),
            stderr: Slot::new(stderr),
            log: Slot::new(log),
            control: None,
            group,
            memory_limit_bytes: memory_limit_bytes.into(),
            exit: Mutex::new(None),
            connection,
        }
    }

    /// The read end of the command's standard output; non-blocking.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// The read end of the command's standard error; non-blocking.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// The read end of the framed log pipe; non-blocking.
    pub fn take_log(&mut self) -> Option<OwnedFd> {
        self.log.take()
    }

    /// The server's end of the control socket, of a spec that has one; blocking.
    pub fn take_control(&mut self) -> Option<OwnedFd> {
        self.control.take()
    }

    /// Shows read-only directories in the running sandbox. Only for one that has not run any code of a function yet.
    /// Blocks for less than a millisecond as a rule.
    ///
    /// # Errors
    /// Names the step that failed; what of it was done is not known then.
    pub fn attach(&self, mounts: &[Mount]) -> Result<(), SandboxError> {
        let Some(connection) = self.connection.upgrade() else {
            return Err(SandboxError::Outlived);
        };
        let pid_one = self.pid_one.get().map_err(|source| SandboxError::Control { action: "attach to", source })?;
        let request = Request::Attach(mounts.to_vec());
        let (bytes, _) = connection.ask(Peer::Attacher, &request, &[pid_one.as_fd()])?;
        read_outcome(&mut Reader::new(&bytes))
    }

    /// Changes the limit of memory.
    ///
    /// # Errors
    /// When the control file cannot be written, for example because more is in use than the new limit allows.
    pub fn set_memory_bytes(&self, bytes: u64) -> Result<(), SandboxError> {
        let set = self.group.limit_memory(bytes);
        set.map_err(|source| SandboxError::Control { action: "set the memory limit of", source })?;
        self.memory_limit_bytes.store(bytes, Ordering::Release);
        Ok(())
    }

    /// Becomes readable when the main command, or the whole tree, has ended.
    ///
    /// # Errors
    /// While it is parked.
    pub fn status(&self) -> io::Result<Arc<OwnedFd>> {
        self.status.get()
    }

    /// Its descriptors, which can be parked while nobody waits for its end: killing it by its control group, freezing
    /// and the figures need none.
    pub fn berths(&self) -> impl Iterator<Item = &dyn Berth> {
        [&self.pid_one, &self.status, &self.stdout, &self.stderr, &self.log].into_iter().map(|slot| slot as &dyn Berth)
    }

    /// How the main command ended, or `None` while it runs. Never blocks.
    ///
    /// # Errors
    /// When the status pipe cannot be read, or is parked.
    pub fn try_exit(&self) -> io::Result<Option<Exit>> {
        let mut known = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = self.read_exit()?;
        }
        Ok(*known)
    }

    fn read_exit(&self) -> io::Result<Option<Exit>> {
        let status = self.status.get()?;
        if self.is_copy {
            // Its parent is a process of the function, so nobody here learns its status.
            let mut sources = [PollFd::new(&*status, PollFlags::IN)];
            let ended = poll(&mut sources, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0;
            return Ok(ended.then_some(Exit::Lost));
        }
        let mut record = [0; EXIT_RECORD_BYTES];
        match rustix::io::read(&*status, &mut record) {
            Ok(EXIT_RECORD_BYTES) => Ok(Some(crate::pid_one::decode_exit(record))),
            Ok(_) => Ok(Some(Exit::Lost)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills the whole tree from outside; returns when the signals are sent. Works on a frozen tree.
    ///
    /// # Errors
    /// When neither process 1 nor the control group can be signalled.
    pub fn kill(&self) -> Result<(), SandboxError> {
        let by_group = self.group.kill();
        // Process 1 takes its process-identifier namespace, and thereby everything, with it.
        let signalled = self.pid_one.get().and_then(|pid_one| match pidfd_send_signal(&*pid_one, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        });
        if let Err(source) = signalled
            && !by_group
        {
            return Err(SandboxError::Control { action: "kill", source });
        }
        // A v1 freezer holds killed processes back until it lets go.
        self.group.thaw_before_death();
        Ok(())
    }

    /// Stops every process of the tree; it uses no CPU until [`Sandbox::thaw`].
    ///
    /// # Errors
    /// When the machine has no freezer for it, or the control file cannot be written.
    pub fn freeze(&self) -> Result<(), SandboxError> {
        self.group.freeze(true).map_err(|source| SandboxError::Control { action: "freeze", source })
    }

    /// Lets a frozen tree go on.
    ///
    /// # Errors
    /// As [`Sandbox::freeze`].
    pub fn thaw(&self) -> Result<(), SandboxError> {
        self.group.freeze(false).map_err(|source| SandboxError::Control { action: "thaw", source })
    }

    /// The most memory that the tree held at once, at most its limit; 0 when the machine cannot tell.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> u64 {
        self.group.memory_peak_bytes().unwrap_or(0).min(self.memory_limit_bytes.load(Ordering::Acquire))
    }

    /// The memory in use now, by all its processes and by the kernel for them. 0 where the kernel does not tell.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.group.memory_bytes().unwrap_or(0)
    }

    /// Whether the kernel killed a process of the tree because the limit was reached. Also right after its end.
    #[must_use]
    pub fn out_of_memory(&self) -> bool {
        self.group.out_of_memory()
    }

    /// CPU time of all processes so far, in microseconds; 0 when the machine cannot tell.
    #[must_use]
    pub fn cpu_time_us(&self) -> u64 {
        self.group.cpu_time_us().unwrap_or(0)
    }

    /// Changes the CPU share: thousandths of one processor, `None` for no limit.
    ///
    /// # Errors
    /// When the control file cannot be written. A machine without the cpu controller (see
    /// [`crate::Launcher::layers`]) has no limit to change, and that is no error.
    pub fn set_cpu_millis(&self, cpu_millis: Option<u64>) -> Result<(), SandboxError> {
        self.group
            .limit_cpu(cpu_millis)
            .map_err(|source| SandboxError::Control { action: "set the CPU limit of", source })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.kill();
        if let Some(connection) = self.connection.upgrade() {
            connection.tell(Peer::Launcher, &Request::Remove(self.id));
        }
    }
}
