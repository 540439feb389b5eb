//! The child's way from clone to the sandbox, as a list.
//!
//! It starts as host root in new namespaces, builds its world with full power, and only then enters the user
//! namespace, in which it has nobody's power. Mount, pid and net namespaces stay the property of the initial
//! user namespace, so that even a capability gained inside would buy nothing there.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::cgroup::Group;
use crate::error::{Failure, Named, SandboxError, Step};
use crate::filesystem::{self, Scaffold};
use crate::launcher::requests::{HostIds, read_outcome, write_outcome};
use crate::launcher::wire::{Reader, Writer};
use crate::seccomp::Filter;
use crate::spec::Spec;
use crate::system::{self, Cloned, Fork};
use crate::{command, fork_request, network, pid_one};

/// Namespaces that the child is born into; network, control group, mounts and user follow as steps of its own.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
/// A sandbox is ready in milliseconds; beyond this the machine hangs, for example on a dead network mount.
const READY_PATIENCE_S: i64 = 30;

/// Everything that a child needs to know.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) ids: HostIds,
    pub(crate) network: BorrowedFd<'a>,
    pub(crate) user_namespace: BorrowedFd<'a>,
    pub(crate) tmp: BorrowedFd<'a>,
    pub(crate) group: &'a Group,
    /// The mount namespace of its root, see `roots.rs`.
    pub(crate) root: BorrowedFd<'a>,
    pub(crate) scaffold: &'a Scaffold,
    pub(crate) filter: &'a Filter,
    pub(crate) is_root: bool,
    pub(crate) streams: &'a Streams,
    /// Where the command comes from, when it is not executed.
    pub(crate) template: Option<BorrowedFd<'a>>,
    /// Number of the sandbox.
    pub(crate) id: u64,
}

/// One end of each pipe of a sandbox: the server's or the child's.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) status: OwnedFd,
    pub(crate) report: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) log: OwnedFd,
    /// A socket for both directions, for a spec that wants one.
    pub(crate) control: Option<OwnedFd>,
}

impl Streams {
    /// In the order in which they travel.
    pub(crate) fn all(&self) -> impl Iterator<Item = &OwnedFd> {
        [&self.status, &self.report, &self.stdout, &self.stderr, &self.log].into_iter().chain(&self.control)
    }
}

/// Opens the pipes: the server's read ends and the child's write ends.
pub(crate) fn streams(ids: HostIds, has_control: bool) -> io::Result<(Streams, Streams)> {
    let open = |non_blocking: bool| -> io::Result<(OwnedFd, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        if non_blocking {
            rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
        }
        Ok((read, write))
    };
    let ((status, w_status), (report, w_report)) = (open(true)?, open(false)?);
    let ((stdout, w_stdout), (stderr, w_stderr), (log, w_log)) = (open(true)?, open(true)?, open(true)?);
    for written in [&w_stdout, &w_stderr, &w_log] {
        // Programs reopen /dev/stdout by name, which checks the owner of the pipe.
        system::change_owner(written.as_fd(), ids.user)?;
    }
    let (control, c_control) = if has_control {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        (Some(ours), Some(theirs))
    } else {
        (None, None)
    };
    let servers = Streams { status, report, stdout, stderr, log, control };
    let childs = Streams {
        status: w_status,
        report: w_report,
        stdout: w_stdout,
        stderr: w_stderr,
        log: w_log,
        control: c_control,
    };
    Ok((servers, childs))
}

/// Clones the child. Returns in the launcher only; the child runs [`start`] and never comes back.
pub(crate) fn clone_and_run(plan: &Plan<'_>) -> Result<Cloned, Failure> {
    let target = plan.group.clone_target().step(Step::Clone)?;
    let cloned = match system::clone_into(NEW_NAMESPACES, target.as_ref().map(AsFd::as_fd)) {
        Ok(cloned) => cloned,
        Err(source) => return Err(Failure { step: Step::Clone, subject: String::new(), source }),
    };
    match cloned {
        Some(cloned) => Ok(cloned),
        None => {
            let Err(failure) = start(plan);
            Report::send(&plan.streams.report, &failure);
            system::exit_now(1);
        }
    }
}

/// The steps of the child, from clone to two processes: ours (process 1) and the command, which a template forks when
/// there is one.
fn start(plan: &Plan<'_>) -> Result<Infallible, Failure> {
    let doors = plan.template.map(|_| plan.group.doors()).transpose().step(Step::CgroupJoin)?;
    plan.group.join().step(Step::CgroupJoin)?;
    network::enter(plan.network).step(Step::NetworkJoin)?;
    system::unshare(UnshareFlags::NEWCGROUP).step(Step::CgroupNamespace)?;
    filesystem::assemble(plan)?;
    rustix::system::sethostname(b"localhost").step(Step::Hostname)?;
    // Sent with the launcher's power: the kernel refuses to pass descriptors to everybody else when more of them lie in queues
    // than one process may hold, and parked ones do.
    if let (Some(template), Some(doors)) = (plan.template, doors) {
        fork_request::send(template, plan, &doors).step(Step::ForkTemplate)?;
    }
    move_into_link_name_space(plan.user_namespace, Some(LinkNameSpaceType::User)).step(Step::UserNamespaceJoin)?;
    if plan.template.is_some() {
        return pid_one::run(plan, None);
    }
    match system::fork().step(Step::ForkCommand)? {
        Fork::Child => command::run(plan),
        Fork::Parent(pid) => pid_one::run(plan, Some(pid)),
    }
}

/// The pipe over which the child says which step failed; its end without a word means that the command runs.
#[derive(Debug)]
pub(crate) struct Report;

impl Report {
    pub(crate) fn send(report: impl AsFd, failure: &Failure) {
        let mut writer = Writer::default();
        write_outcome(&mut writer, Err(failure));
        let _ = rustix::io::write(report, &writer.finish());
    }

    /// Waits for the end of the pipe.
    pub(crate) fn receive(report: &OwnedFd) -> io::Result<Option<SandboxError>> {
        let patience = Timespec { tv_sec: READY_PATIENCE_S, tv_nsec: 0 };
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            let mut sources = [PollFd::new(report, PollFlags::IN)];
            match poll(&mut sources, Some(&patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match rustix::io::read(report, &mut buffer)? {
                0 if text.is_empty() => return Ok(None),
                0 => return Ok(read_outcome(&mut Reader::new(&text)).err()),
                length => text.extend_from_slice(&buffer[..length]),
            }
        }
    }
}
