//! The process outside a sandbox that made it, watches it and cleans up after it.
//!
//! One per sandbox, forked by the launcher. It ends the sandbox when the server lets go of the status socket,
//! for whatever reason, so a server that is killed leaves no sandbox behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags};

use crate::cgroup::Group;
use crate::child::{self, Plan};
use crate::error::{Failure, Step};
use crate::identity::Identity;
use crate::privileges;
use crate::protocol::{self, Ended, SpawnRequest, Status};
use crate::seccomp::Filters;
use crate::spec::Limits;

/// What the launcher gives a monitor.
pub(crate) struct Order<'a> {
    pub(crate) request: &'a SpawnRequest,
    /// Status socket, network namespace, storage, stdout, stderr, log.
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) group: Group,
    pub(crate) group_name: Option<String>,
    pub(crate) identity: Identity,
    pub(crate) filters: &'a Filters,
    pub(crate) stage: &'a Path,
}

/// Runs one sandbox from its start to its end.
pub(crate) fn run(order: Order<'_>) {
    let Some(status) = order.descriptors.first().map(OwnedFd::as_fd) else { return };
    let limits = Limits {
        memory_bytes: order.request.memory_bytes,
        cpu_millis: order.request.cpu_millis,
        processes: order.request.processes,
        open_files: order.request.open_files,
    };
    let ended = order.group.create(&limits).and_then(|()| start(&order, status)).map(|mut sandbox| {
        sandbox.watch(status, &order.group);
        sandbox.end(&order.group)
    });
    let message = ended.map_or_else(Status::Failed, Status::Ended);
    order.group.remove();
    let _ = protocol::send(status, &message, &[]);
}

struct Running {
    pid: i32,
    process: OwnedFd,
    channel: UnixStream,
    out_of_memory: Option<OwnedFd>,
    wait_status: Option<i32>,
}

fn start(order: &Order<'_>, status: BorrowedFd<'_>) -> Result<Running, Failure> {
    let [_, network, storage, output @ ..] = order.descriptors.as_slice() else {
        return Err(std::io::Error::other("descriptors are missing")).step("read the request for a sandbox");
    };
    let [stdout, stderr, log, ..] = output else {
        return Err(std::io::Error::other("pipes are missing")).step("read the request for a sandbox");
    };
    rustix::thread::move_into_link_name_space(network.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))
        .step("enter the network namespace of the sandbox")?;
    let (mut channel, monitor) = UnixStream::pair().step("make a channel to process 1")?;
    let out_of_memory = watch_memory(&order.group);
    match clone_into_namespaces().step("make the namespaces of the sandbox")? {
        0 => {
            drop(channel);
            let output = [stdout.as_fd(), stderr.as_fd(), log.as_fd()];
            let (storage, mut reply) = (storage.as_fd(), monitor.try_clone().ok());
            let plan = Plan {
                request: order.request,
                group: &order.group,
                identity: order.identity,
                filters: order.filters,
                stage: order.stage,
                storage,
                output,
                monitor,
            };
            let failure = child::enter(plan);
            if let Some(reply) = &mut reply {
                let _ = reply.write_all(format!("!{}\n{}", failure.step, failure.cause).as_bytes());
            }
            // SAFETY: ends this process without running anything that belongs to the launcher.
            unsafe { libc::_exit(1) }
        }
        pid => {
            drop(monitor);
            let process = rustix::process::Pid::from_raw(pid)
                .ok_or_else(|| std::io::Error::other("no process id"))
                .and_then(|pid| Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?))
                .step("watch process 1")?;
            let handed = hand_out_maps(pid, order.identity, &mut channel);
            let running = Running { pid, process, channel, out_of_memory, wait_status: None };
            if let Err(failure) = handed {
                running.kill();
                return Err(failure);
            }
            let started = Status::Started { pid, group: order.group_name.clone() };
            protocol::send(status, &started, &[]).step("tell of the new sandbox")?;
            Ok(running)
        }
    }
}

/// A process in namespaces of its own; the network namespace is the one that the caller is in.
fn clone_into_namespaces() -> std::io::Result<i32> {
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::SIGCHLD;
    // SAFETY: without a stack this is a fork; the process has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid < 0 { Err(std::io::Error::last_os_error()) } else { Ok(i32::try_from(pid).unwrap_or(-1)) }
}

/// Waits until process 1 is in its user namespace, writes its maps and lets it go on.
fn hand_out_maps(pid: i32, identity: Identity, channel: &mut UnixStream) -> Result<(), Failure> {
    let mut first = [0];
    channel.read_exact(&mut first).step("hear from process 1 of the sandbox")?;
    if first != *b"m" {
        let mut text = String::new();
        let _ = channel.read_to_string(&mut text);
        let (step, cause) = text.split_once('\n').unwrap_or((&text, "unknown"));
        return Err(Failure { step: step.to_owned(), cause: cause.to_owned() });
    }
    if identity.user == identity.init {
        let _ = fs::write(format!("/proc/{pid}/setgroups"), "deny");
    }
    for file in ["gid_map", "uid_map"] {
        fs::write(format!("/proc/{pid}/{file}"), identity.map()).step("map the user of the sandbox")?;
    }
    channel.write_all(b"m").step("let process 1 go on")
}

/// On v1 an event descriptor that fires when the group runs out of memory; v2 kills the whole group itself.
fn watch_memory(group: &Group) -> Option<OwnedFd> {
    let (control, registration) = group.oom_event_files()?;
    let control = fs::File::open(control).ok()?;
    // SAFETY: plain numbers; the descriptor is owned at once.
    let event = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) };
    fs::write(registration, format!("{} {}", event.as_raw_fd(), control.as_raw_fd())).ok()?;
    Some(event)
}

impl Running {
    /// Until the command has ended, the server has let go, or the group has run out of memory.
    fn watch(&mut self, status: BorrowedFd<'_>, group: &Group) {
        loop {
            let process = self.process.as_fd();
            let mut watched = vec![PollFd::new(&status, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
            watched.extend(self.out_of_memory.as_ref().map(|event| PollFd::new(event, PollFlags::IN)));
            if rustix::event::poll(&mut watched, None).is_err() {
                continue;
            }
            let ready: Vec<bool> = watched.iter().map(|entry| !entry.revents().is_empty()).collect();
            drop(watched);
            if ready[0] || ready[1] {
                return;
            }
            if group.out_of_memory() {
                return;
            }
            let mut counter = [0; 8];
            if let Some(event) = &self.out_of_memory {
                let _ = rustix::io::read(event, &mut counter);
            }
        }
    }

    /// Ends what is left, waits for it and reads what the command came to.
    fn end(&mut self, group: &Group) -> Ended {
        let _ = group.set_frozen(false);
        self.kill();
        let mut status = 0;
        // SAFETY: the pointer is to a local integer; the process is our child.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        let mut told = [0; 4];
        if self.channel.read_exact(&mut told).is_ok() {
            self.wait_status = Some(i32::from_ne_bytes(told));
        }
        Ended {
            wait_status: self.wait_status,
            out_of_memory: group.out_of_memory(),
            memory_peak_bytes: group.memory_peak_bytes(),
            cpu_time_us: group.cpu_time_us(),
        }
    }

    fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
    }
}

/// Makes the calling process a monitor: children are waited for here, and the launcher's sockets are not ours.
pub(crate) fn become_monitor() {
    // SAFETY: restores the default disposition of one signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let _ = privileges::prctl(libc::PR_SET_NAME, c"tindra-monitor".as_ptr() as libc::c_ulong);
}
