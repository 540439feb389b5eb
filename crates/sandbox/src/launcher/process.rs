//! The launcher process itself: one thread, two loops.
//!
//! The launcher forks a monitor per sandbox and does nothing else; a second process, the maker, makes networks
//! and storages, which takes longer, ahead of need.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::mount::{MountPropagationFlags, mount_change};

use super::{ARGUMENT, answer, group_parent};
use crate::cgroup::Hierarchies;
use crate::error::{Failure, Step};
use crate::identity::Identity;
use crate::layers::{self, Layer};
use crate::monitor::{self, Order};
use crate::network::Network;
use crate::protocol::{self, Request};
use crate::seccomp::Filters;
use crate::{privileges, storage};

/// Networks kept ready.
const NETWORKS_READY: usize = 8;
/// Storages of the default size kept ready.
const STORAGES_READY: usize = 4;
/// The size that is kept ready.
const STORAGE_READY_MB: u32 = 512;

/// To be called first in `main`: when this process was started as the launcher it never returns.
pub fn run_if_launcher() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == ARGUMENT) {
        if let Some(directory) = arguments.next() {
            serve(&PathBuf::from(directory));
        }
        // SAFETY: ends the process at once; nothing here needs to be unwound.
        unsafe { libc::_exit(0) }
    }
}

struct Ground {
    hierarchies: Hierarchies,
    parent: String,
    filters: Filters,
    stage: PathBuf,
    storage: storage::Kind,
    is_root: bool,
}

fn serve(directory: &Path) {
    let (requests, making) = (take_descriptor(0), take_descriptor(1));
    let ground = match prepare(directory) {
        Ok(ground) => ground,
        Err(failure) => {
            answer(&requests, &Err::<Vec<Layer>, Failure>(failure), &[]);
            return;
        }
    };
    let layers = layers::probe(ground.is_root, &ground.hierarchies, &ground.storage);
    answer(&requests, &Ok::<_, Failure>(layers), &[]);
    // SAFETY: the process has one thread.
    if unsafe { libc::fork() } == 0 {
        drop(requests);
        let _ = privileges::prctl(libc::PR_SET_NAME, c"tindra-maker".as_ptr() as libc::c_ulong);
        make_ahead(&making, &ground.storage);
        return;
    }
    drop(making);
    let _ = privileges::prctl(libc::PR_SET_NAME, c"tindra-launcher".as_ptr() as libc::c_ulong);
    // Monitors are never waited for.
    // SAFETY: sets the disposition of one signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    launch(&requests, &ground);
    clean_up(&ground);
}

/// Stdin and stdout carry the sockets; both numbers are then free for whatever opens next, which is fine.
fn take_descriptor(number: i32) -> OwnedFd {
    use std::os::fd::FromRawFd as _;
    // SAFETY: the server passed its sockets as these numbers, and nothing else here uses them.
    let original = unsafe { OwnedFd::from_raw_fd(number) };
    let copy = rustix::io::fcntl_dupfd_cloexec(&original, 3);
    copy.unwrap_or(original)
}

fn prepare(directory: &Path) -> Result<Ground, Failure> {
    privileges::close_all_but_first(16)?;
    // A signal that a terminal sends to the whole group is the server's to act on.
    rustix::process::setsid().step("start a session of the launcher")?;
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        become_root_of_a_user_namespace()?;
    }
    // SAFETY: the process has one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.step("make a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("make mounts private")?;
    let parent = group_parent(directory);
    let hierarchies = Hierarchies::probe(&parent);
    hierarchies.sweep(&parent);
    let stage = directory.join("stage");
    fs::create_dir_all(&stage).step("make the directory to build sandboxes on")?;
    let storage = storage::Kind::probe(&directory.join("storage"));
    Ok(Ground { hierarchies, parent, filters: Filters::compile()?, stage, storage, is_root })
}

/// Without root: a user namespace in which this process may make the others.
fn become_root_of_a_user_namespace() -> Result<(), Failure> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: the process has one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }
        .step("make a user namespace (start the server as root, or let ordinary users make user namespaces)")?;
    fs::write("/proc/self/setgroups", "deny").step("deny groups")?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).step("map the group")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).step("map the user")
}

fn launch(requests: &OwnedFd, ground: &Ground) {
    let mut number: u32 = 0;
    while let Ok(Some((request, descriptors))) = protocol::receive::<Request>(requests) {
        let Request::Spawn(request) = request else { continue };
        number = number.wrapping_add(1);
        // SAFETY: the process has one thread.
        if unsafe { libc::fork() } != 0 {
            continue;
        }
        monitor::become_monitor();
        let name = format!("{}/{number}", ground.parent);
        let has_groups = !matches!(ground.hierarchies, Hierarchies::Missing(_));
        monitor::run(Order {
            request: &request,
            descriptors,
            group: ground.hierarchies.group(&name),
            group_name: has_groups.then_some(name),
            identity: if ground.is_root { Identity::of(number) } else { Identity::shared() },
            filters: &ground.filters,
            stage: &ground.stage,
        });
        // SAFETY: ends the monitor without running anything that belongs to the launcher.
        unsafe { libc::_exit(0) }
    }
}

/// The server is gone: its status sockets are closed, so every monitor is ending its sandbox.
fn clean_up(ground: &Ground) {
    ground.hierarchies.sweep(&ground.parent);
    ground.hierarchies.remove(&ground.parent);
}

/// Answers from what is ready, and refills while nobody asks.
fn make_ahead(making: &OwnedFd, kind: &storage::Kind) {
    let mut networks: VecDeque<Network> = VecDeque::new();
    let mut storages: VecDeque<OwnedFd> = VecDeque::new();
    let mut can_refill = true;
    loop {
        let wants_more = can_refill && (networks.len() < NETWORKS_READY || storages.len() < STORAGES_READY);
        if wants_more && !is_asked(making) {
            can_refill = refill(&mut networks, &mut storages, kind);
            continue;
        }
        let Ok(Some((request, descriptors))) = protocol::receive::<Request>(making) else { return };
        can_refill = true;
        let Some(reply) = descriptors.into_iter().next() else { continue };
        match request {
            Request::Network => match networks.pop_front().map_or_else(Network::make, Ok) {
                Ok(network) => answer(&reply, &Ok::<(), Failure>(()), &network.descriptors()),
                Err(failure) => answer(&reply, &Err::<(), _>(failure), &[]),
            },
            Request::Storage { size_mb } => {
                let ready = if size_mb == STORAGE_READY_MB { storages.pop_front() } else { None };
                match ready.map_or_else(|| kind.make(size_mb), Ok) {
                    Ok(mount) => answer(&reply, &Ok::<(), Failure>(()), &[mount.as_fd()]),
                    Err(failure) => answer(&reply, &Err::<(), _>(failure), &[]),
                }
            }
            Request::Spawn(_) => {}
        }
    }
}

/// Makes one more of what is short; false when the machine refuses, until the next request.
fn refill(networks: &mut VecDeque<Network>, storages: &mut VecDeque<OwnedFd>, kind: &storage::Kind) -> bool {
    if networks.len() * STORAGES_READY <= storages.len() * NETWORKS_READY && networks.len() < NETWORKS_READY {
        Network::make().map(|network| networks.push_back(network)).is_ok()
    } else if storages.len() < STORAGES_READY {
        kind.make(STORAGE_READY_MB).map(|mount| storages.push_back(mount)).is_ok()
    } else {
        Network::make().map(|network| networks.push_back(network)).is_ok()
    }
}

fn is_asked(socket: &OwnedFd) -> bool {
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::new(socket, PollFlags::IN)];
    rustix::event::poll(&mut watched, Some(&now)).is_ok_and(|count| count > 0)
}
