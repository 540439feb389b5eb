//! The launcher's loop: start sandboxes, notice their end, watch their memory, and end when the server is gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, Signal, kill_process};

use crate::cgroup::{Group, Tree};
use crate::child::{self, Plan, Streams};
use crate::error::{Failure, Named, Step};
use crate::filesystem::Scaffold;
use crate::launcher::remover::{self, RemoverClient};
use crate::launcher::requests::{HostIds, Request, write_outcome};
use crate::launcher::state::State;
use crate::launcher::templates::{News, TemplateProcess};
use crate::launcher::transport::{self, MESSAGE_BYTES_MAX};
use crate::launcher::watch::MemoryWatch;
use crate::launcher::wire::Writer;
use crate::pid_one::encode_exit;
use crate::roots::Roots;
use crate::seccomp::Filter;
use crate::spec::{Limits, Spec};
use crate::storage;
use crate::system;

/// Made once, used by every spawn.
#[derive(Debug)]
pub(crate) struct Ground {
    state: State,
    tree: Tree,
    scaffold: Scaffold,
    filter: Filter,
    is_root: bool,
}

impl Ground {
    pub(crate) fn new(state: State, tree: Tree, scaffold: Scaffold, filter: Filter, is_root: bool) -> Ground {
        Ground { state, tree, scaffold, filter, is_root }
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
/// Tokens from here on are templates.
const TOKEN_TEMPLATE: u64 = 1 << 63;

/// The kill follows its event within microseconds; this long after, there was none.
const SUSPECT_LOOKS_MAX: u32 = 200;
const SUSPECT_LOOK_AFTER: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// One running sandbox.
#[derive(Debug)]
struct Running {
    /// Process 1, until it has been waited for; of a copy there is none. Only this process waits for it, so that the id is
    /// nobody else's until then, and a descriptor for each is spared.
    process_one: Option<Pid>,
    group: Group,
    watch: Option<MemoryWatch>,
    /// Where to report the end of a command that a template has forked, whose parent is this process.
    status: Option<OwnedFd>,
}

/// What a child of this process is.
#[derive(Clone, Copy, Debug)]
enum Child {
    /// Process 1 of a sandbox.
    ProcessOne(u64),
    /// The command of a sandbox, forked from a template.
    Command(u64),
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
    by_pid: HashMap<i32, Child>,
    templates: HashMap<u64, TemplateProcess>,
    roots: Roots,
    next_id: u64,
    suspects: Vec<Suspect>,
    /// Without one of its helpers a launcher is no good: it ends, and the server starts another one.
    helpers: [i32; 3],
    has_lost_helper: bool,
}

/// Ids name control groups, which a server knows by path alone: one that a launcher has given out is never given out by a
/// later one, so that nothing that is done to a sandbox of the old one meets one of the new.
fn first_id() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| u64::try_from(since.as_nanos()).unwrap_or(1))
}

/// A sandbox whose memory reached the limit, while the kernel has not yet counted a kill.
#[derive(Debug)]
struct Suspect {
    id: u64,
    looks: u32,
}

impl Loop {
    pub(crate) fn new(socket: OwnedFd, remover: RemoverClient, helpers: [i32; 3], ground: Ground) -> io::Result<Loop> {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let children = system::child_signals()?;
        // Children of templates: what forks them ends at once.
        system::adopt_orphans()?;
        epoll::add(&events, &socket, epoll::EventData::new_u64(TOKEN_REQUEST), epoll::EventFlags::IN)?;
        epoll::add(&events, &children, epoll::EventData::new_u64(TOKEN_CHILD), epoll::EventFlags::IN)?;
        Ok(Loop {
            socket,
            remover,
            ground,
            events,
            children,
            running: HashMap::new(),
            by_pid: HashMap::new(),
            templates: HashMap::new(),
            roots: Roots::default(),
            next_id: first_id(),
            suspects: Vec::new(),
            helpers,
            has_lost_helper: false,
        })
    }

    /// Serves until the server or a helper is gone, then ends every sandbox and waits for the helpers.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let served = self.serve();
        let Loop { remover, socket, templates, running, ground, .. } = self;
        // A server that is there learns of the end before any of the ends that follow from it.
        drop(socket);
        running.values().for_each(Running::kill);
        drop((templates, running));
        // The remover sweeps all control groups once nobody can send to it.
        drop(remover);
        while system::wait_any(true).is_ok_and(|waited| waited.is_some()) {}
        // In case that it was the remover that is gone.
        remover::sweep(&ground.tree.parents().map(Into::into).collect::<Vec<_>>());
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
                    TOKEN_CHILD => {
                        self.reap();
                        if self.has_lost_helper {
                            return Ok(());
                        }
                    }
                    token if token >= TOKEN_TEMPLATE => self.hear_template(token - TOKEN_TEMPLATE),
                    token => self.memory_ran_out(token - TOKEN_SANDBOX),
                }
            }
        }
    }

    fn handle(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) {
        match Request::decode(bytes) {
            Ok(Request::Spawn(spec, ids, template)) => self.spawn(&spec, ids, template, descriptors),
            Ok(Request::MakeGroup(limits)) => self.make_group(&limits, descriptors),
            Ok(Request::StartTemplate(spec)) => self.start_template(&spec, descriptors),
            Ok(Request::EndTemplate(id)) => self.end_template(id),
            Ok(Request::Remove(id)) => self.remove(id),
            // Anything else drops its reply socket, which the asker sees.
            _ => {}
        }
    }

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn spawn(&mut self, spec: &Spec, ids: HostIds, template: Option<u64>, descriptors: Vec<OwnedFd>) {
        let Ok([reply, network, tmp, user_namespace]) = <[OwnedFd; 4]>::try_from(descriptors) else { return };
        let id = self.new_id();
        let started = self.start(id, spec, ids, template, [network.as_fd(), tmp.as_fd(), user_namespace.as_fd()]);
        let sent = match &started {
            Ok((pidfd, streams)) => self.announce(id, &reply, pidfd, streams),
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
        template: Option<u64>,
        [network, tmp, user_namespace]: [BorrowedFd<'_>; 3],
    ) -> Result<(OwnedFd, Streams), Failure> {
        let template = match template {
            None => None,
            Some(id) => Some(self.templates.get(&id).ok_or(io::ErrorKind::NotFound).step(Step::TemplateGone)?.socket()),
        };
        let root = self.roots.namespace(&spec.root, &self.ground.scaffold)?;
        let tmp = storage::clone_mount(tmp).step(Step::MountTmp)?;
        let (streams, childs) = child::streams(ids, spec.control_descriptor.is_some()).step(Step::Pipes)?;
        let status = template.map(|_| childs.status.try_clone()).transpose().step(Step::Pipes)?;
        let made = self.ground.tree.make(&id.to_string(), &spec.limits);
        let group = made.inspect_err(|_| self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string())))?;
        let plan = Plan {
            spec,
            ids,
            network,
            user_namespace,
            tmp: tmp.as_fd(),
            group: &group,
            root,
            scaffold: &self.ground.scaffold,
            filter: &self.ground.filter,
            is_root: self.ground.is_root,
            streams: &childs,
            template,
            id,
        };
        let cloned = child::clone_and_run(&plan);
        let (pid, pidfd) = match cloned {
            Ok(cloned) => (cloned.pid, cloned.pidfd),
            Err(failure) => {
                self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string()));
                return Err(failure);
            }
        };
        let watch = self.watch(id, &group)?;
        self.by_pid.insert(pid, Child::ProcessOne(id));
        self.running.insert(id, Running { process_one: Pid::from_raw(pid), group, watch, status });
        Ok((pidfd, streams))
    }

    fn watch(&self, id: u64, group: &Group) -> Result<Option<MemoryWatch>, Failure> {
        let watch = group.watched_memory().and_then(|directory| MemoryWatch::new(directory).ok());
        if let Some(watch) = &watch {
            let data = epoll::EventData::new_u64(TOKEN_SANDBOX + id);
            epoll::add(&self.events, watch, data, epoll::EventFlags::IN).step(Step::CgroupLimit)?;
        }
        Ok(watch)
    }

    /// Makes control groups that a copy will move into by itself.
    fn make_group(&mut self, limits: &Limits, descriptors: Vec<OwnedFd>) {
        let Some(reply) = descriptors.into_iter().next() else { return };
        let id = self.new_id();
        let made = self.ground.tree.make(&id.to_string(), limits);
        let made = made.and_then(|group| Ok((self.watch(id, &group)?, group)));
        let mut writer = Writer::default();
        write_outcome(&mut writer, made.as_ref().map(|_| ()));
        let sent = match made {
            Ok((watch, group)) => {
                writer.u64(id);
                group.write(&mut writer);
                let sent = transport::send(&reply, &writer.finish(), &[]);
                self.running.insert(id, Running { process_one: None, group, watch, status: None });
                sent
            }
            Err(_) => {
                let _ = transport::send(&reply, &writer.finish(), &[]);
                Err(io::ErrorKind::Other.into())
            }
        };
        if sent.is_err() {
            self.remove(id);
            self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string()));
        }
    }

    fn announce(&self, id: u64, reply: &OwnedFd, pidfd: &OwnedFd, streams: &Streams) -> io::Result<()> {
        let Some(running) = self.running.get(&id) else { return Err(io::ErrorKind::NotFound.into()) };
        let mut writer = Writer::default();
        write_outcome(&mut writer, Ok(()));
        writer.u64(id);
        writer.u8(u8::from(streams.control.is_some()));
        running.group.write(&mut writer);
        let descriptors: Vec<_> = std::iter::once(pidfd).chain(streams.all()).map(AsFd::as_fd).collect();
        transport::send(reply, &writer.finish(), &descriptors)
    }

    fn remove(&mut self, id: u64) {
        if let Some(running) = self.running.remove(&id) {
            running.kill();
            self.remover.remove_groups(&self.ground.tree.leaf_paths(&id.to_string()));
        }
    }

    /// Collects the ends of children. What the end of a command means is told by the status pipe: process 1 writes to it,
    /// or for a command from a template, whose parent is here, this does.
    fn reap(&mut self) {
        let mut drained = [0; 128];
        while rustix::io::read(&self.children, &mut drained).is_ok_and(|length| length > 0) {}
        while let Ok(Some(waited)) = system::wait_any(false) {
            if !self.by_pid.contains_key(&waited.pid) {
                // A template tells of a child before that child can become an orphan.
                self.hear_templates();
            }
            match self.by_pid.remove(&waited.pid) {
                Some(Child::ProcessOne(id)) => {
                    if let Some(running) = self.running.get_mut(&id) {
                        running.watch = None;
                        running.process_one = None;
                    }
                }
                Some(Child::Command(id)) => {
                    if let Some(running) = self.running.get(&id) {
                        running.end_with(waited.status);
                    }
                }
                None => self.has_lost_helper |= self.helpers.contains(&waited.pid),
            }
        }
    }

    fn start_template(&mut self, spec: &Spec, descriptors: Vec<OwnedFd>) {
        let Some(asker) = descriptors.into_iter().next() else { return };
        let ground = &self.ground;
        let started = match self.roots.namespace(&spec.root, &ground.scaffold) {
            Ok(root) => TemplateProcess::start(spec, root, &ground.scaffold, &ground.filter, ground.is_root, asker),
            Err(failure) => Err((asker, failure)),
        };
        match started {
            Ok(template) => {
                let id = self.new_id();
                let data = epoll::EventData::new_u64(TOKEN_TEMPLATE + id);
                // Without its events nobody would ever learn that it is ready; dropped, its asker sees the end.
                if epoll::add(&self.events, template.socket(), data, epoll::EventFlags::IN).is_ok() {
                    self.templates.insert(id, template);
                }
            }
            Err((asker, failure)) => {
                let mut writer = Writer::default();
                write_outcome(&mut writer, Err(&failure));
                let _ = transport::send(&asker, &writer.finish(), &[]);
            }
        }
    }

    /// What it had to say is heard first: its children outlive it.
    fn end_template(&mut self, id: u64) {
        self.hear_template(id);
        self.templates.remove(&id);
    }

    fn hear_templates(&mut self) {
        let ids: Vec<u64> = self.templates.keys().copied().collect();
        ids.into_iter().for_each(|id| self.hear_template(id));
    }

    fn hear_template(&mut self, id: u64) {
        while let Some(template) = self.templates.get_mut(&id) {
            match template.news(id) {
                News::Forked { sandbox, pid } => {
                    self.by_pid.insert(pid, Child::Command(sandbox));
                }
                News::None => return,
                News::Gone => {
                    self.templates.remove(&id);
                }
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
    /// The command has ended, so the sandbox ends.
    fn end_with(&self, status: i32) {
        if let Some(pipe) = &self.status {
            let _ = rustix::io::write(pipe, &encode_exit(status));
        }
        self.kill_process_one();
    }

    fn kill_process_one(&self) {
        if let Some(process) = self.process_one {
            let _ = kill_process(process, Signal::KILL);
        }
    }

    fn kill(&self) {
        self.group.kill();
        self.kill_process_one();
        self.group.thaw_before_death();
    }
}
