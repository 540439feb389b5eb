//! The launcher's loop: start sandboxes, notice their end, watch their memory, and end when the server is gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::cgroup::{Group, Tree};
use crate::child::{self, Plan, Streams};
use crate::error::{Failure, Named, Step};
use crate::filesystem::Template;
use crate::launcher::remover::RemoverClient;
use crate::launcher::requests::{HostIds, Request, write_outcome};
use crate::launcher::state::State;
use crate::launcher::transport::{self, MESSAGE_BYTES_MAX};
use crate::launcher::watch::MemoryWatch;
use crate::launcher::wire::Writer;
use crate::seccomp::Filter;
use crate::spec::Spec;
use crate::storage;
use crate::system;

/// Made once, used by every spawn.
#[derive(Debug)]
pub(crate) struct Ground {
    state: State,
    tree: Tree,
    template: Template,
    filter: Filter,
    is_root: bool,
}

impl Ground {
    pub(crate) fn new(state: State, tree: Tree, template: Template, filter: Filter, is_root: bool) -> Ground {
        Ground { state, tree, template, filter, is_root }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn is_root(&self) -> bool {
        self.is_root
    }
}

const TOKEN_REQUEST: u64 = 0;
const TOKEN_CHILD: u64 = 1;
/// Tokens from here on are sandboxes whose memory is watched.
const TOKEN_SANDBOX: u64 = 2;

/// The kill follows its event within microseconds; this long after, there was none.
const SUSPECT_LOOKS_MAX: u32 = 200;
const SUSPECT_LOOK_AFTER: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// One running sandbox.
#[derive(Debug)]
struct Running {
    pid: i32,
    pidfd: OwnedFd,
    group: Group,
    watch: Option<MemoryWatch>,
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Loop {
    socket: OwnedFd,
    remover: RemoverClient,
    ground: Ground,
    events: OwnedFd,
    children: OwnedFd,
    running: HashMap<u64, Running>,
    next_id: u64,
    suspects: Vec<Suspect>,
}

/// A sandbox whose memory reached the limit, while the kernel has not yet counted a kill.
#[derive(Debug)]
struct Suspect {
    id: u64,
    looks: u32,
}

impl Loop {
    pub(crate) fn new(socket: OwnedFd, remover: RemoverClient, ground: Ground) -> io::Result<Loop> {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let children = system::child_signals()?;
        epoll::add(&events, &socket, epoll::EventData::new_u64(TOKEN_REQUEST), epoll::EventFlags::IN)?;
        epoll::add(&events, &children, epoll::EventData::new_u64(TOKEN_CHILD), epoll::EventFlags::IN)?;
        Ok(Loop {
            socket,
            remover,
            ground,
            events,
            children,
            running: HashMap::new(),
            next_id: 1,
            suspects: Vec::new(),
        })
    }

    /// Serves until the server is gone, then ends every sandbox and waits for the helpers.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let served = self.serve();
        for running in self.running.values() {
            running.kill();
        }
        let Loop { remover, socket, .. } = self;
        // The remover sweeps all control groups once nobody can send to it.
        drop((remover, socket));
        while system::wait_any(true).is_ok_and(|waited| waited.is_some()) {}
        served
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let mut ready = Vec::with_capacity(64);
        loop {
            ready.clear();
            self.look_at_suspects();
            let patience = (!self.suspects.is_empty()).then_some(&SUSPECT_LOOK_AFTER);
            match epoll::wait(&self.events, rustix::buffer::spare_capacity(&mut ready), patience) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                match event.data.u64() {
                    TOKEN_REQUEST => {
                        let Some((length, descriptors)) = transport::receive(&self.socket, &mut buffer)? else {
                            return Ok(());
                        };
                        self.handle(&buffer[..length], descriptors);
                    }
                    TOKEN_CHILD => self.reap(),
                    token => self.memory_ran_out(token - TOKEN_SANDBOX),
                }
            }
        }
    }

    fn handle(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) {
        match Request::decode(bytes) {
            Ok(Request::Spawn(spec, ids)) => self.spawn(&spec, ids, descriptors),
            Ok(Request::Remove(id)) => self.remove(id),
            // Anything else drops its reply socket, which the asker sees.
            _ => {}
        }
    }

    fn spawn(&mut self, spec: &Spec, ids: HostIds, descriptors: Vec<OwnedFd>) {
        let Ok([reply, network, tmp, user_namespace]) = <[OwnedFd; 4]>::try_from(descriptors) else { return };
        let id = self.next_id;
        self.next_id += 1;
        let started = self.start(id, spec, ids, [network.as_fd(), tmp.as_fd(), user_namespace.as_fd()]);
        let sent = match &started {
            Ok(streams) => self.announce(id, &reply, streams),
            Err(failure) => {
                let mut writer = Writer::default();
                write_outcome(&mut writer, Err(failure));
                transport::send(&reply, &writer.finish(), &[])
            }
        };
        if started.is_err() || sent.is_err() {
            self.remove(id);
        }
    }

    /// Makes the control groups and the pipes, and clones the child; the child does the rest on its own.
    fn start(
        &mut self,
        id: u64,
        spec: &Spec,
        ids: HostIds,
        [network, tmp, user_namespace]: [BorrowedFd<'_>; 3],
    ) -> Result<Streams, Failure> {
        let tmp = storage::clone_mount(tmp).step(Step::MountTmp)?;
        let (streams, childs) = child::streams(ids).step(Step::Pipes)?;
        let made = self.ground.tree.make(&id.to_string(), &spec.limits);
        let group = made.inspect_err(|_| self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string())))?;
        let plan = Plan {
            spec,
            ids,
            network,
            user_namespace,
            tmp: tmp.as_fd(),
            group: &group,
            template: &self.ground.template,
            filter: &self.ground.filter,
            is_root: self.ground.is_root,
            streams: &childs,
        };
        let cloned = child::clone_and_run(&plan);
        let (pid, pidfd) = match cloned {
            Ok(cloned) => (cloned.pid, cloned.pidfd),
            Err(failure) => {
                self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string()));
                return Err(failure);
            }
        };
        let watch = group.watched_memory().and_then(|directory| MemoryWatch::new(directory).ok());
        if let Some(watch) = &watch {
            let data = epoll::EventData::new_u64(TOKEN_SANDBOX + id);
            epoll::add(&self.events, watch, data, epoll::EventFlags::IN).step(Step::CgroupLimit)?;
        }
        self.running.insert(id, Running { pid, pidfd, group, watch });
        Ok(streams)
    }

    fn announce(&self, id: u64, reply: &OwnedFd, streams: &Streams) -> io::Result<()> {
        let Some(running) = self.running.get(&id) else { return Err(io::ErrorKind::NotFound.into()) };
        let mut writer = Writer::default();
        write_outcome(&mut writer, Ok(()));
        writer.u64(id);
        running.group.write(&mut writer);
        let mut descriptors = vec![running.pidfd.as_fd()];
        descriptors.extend(streams.all().map(AsFd::as_fd));
        descriptors.extend(running.group.members.iter().map(|member| member.directory.as_fd()));
        transport::send(reply, &writer.finish(), &descriptors)
    }

    fn remove(&mut self, id: u64) {
        if let Some(running) = self.running.remove(&id) {
            running.kill();
            self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string()));
        }
    }

    /// Collects the ends of children; what they mean is told by the status pipe, not here.
    fn reap(&mut self) {
        let mut drained = [0; 128];
        while rustix::io::read(&self.children, &mut drained).is_ok_and(|length| length > 0) {}
        while let Ok(Some(waited)) = system::wait_any(false) {
            let ended = self.running.values_mut().find(|running| running.pid == waited.pid);
            if let Some(running) = ended {
                running.watch = None;
            }
        }
    }

    /// The kernel looks for a process to kill in this sandbox; it counts the kill a moment after the event.
    fn memory_ran_out(&mut self, id: u64) {
        if let Some(watch) = self.running.get(&id).and_then(|running| running.watch.as_ref()) {
            watch.take();
            self.suspects.push(Suspect { id, looks: 0 });
        }
    }

    /// v1 kills one process; a sandbox goes as a whole.
    fn look_at_suspects(&mut self) {
        let running = &self.running;
        self.suspects.retain_mut(|suspect| {
            let Some(running) = running.get(&suspect.id) else { return false };
            if running.group.out_of_memory() {
                running.kill();
                return false;
            }
            suspect.looks += 1;
            suspect.looks < SUSPECT_LOOKS_MAX
        });
    }
}

impl Running {
    fn kill(&self) {
        self.group.kill();
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        self.group.thaw_before_death();
    }
}
