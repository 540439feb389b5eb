//! How the launcher comes to life: the server's side first, then the launcher's own beginning.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::thread::UnshareFlags;

use crate::cgroup::Tree;
use crate::error::{Failure, Named, SandboxError, Step};
use crate::filesystem::Scaffold;
use crate::landlock;
use crate::launcher::attacher;
use crate::launcher::maker::Maker;
use crate::launcher::process::{Ground, Loop};
use crate::launcher::remover::{self, RemoverClient};
use crate::launcher::requests::{read_outcome, write_outcome};
use crate::launcher::state::State;
use crate::launcher::wire::{Reader, Writer};
use crate::launcher::{LauncherOptions, transport};
use crate::layers::{self, Layer};
use crate::network::Reach;
use crate::seccomp;
use crate::storage::StorageKind;
use crate::system::{self, Fork};

/// The argument that turns this binary into the launcher.
const LAUNCHER_ARGUMENT: &str = "sandbox-launcher";

/// What [`start`] hands to the client.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) launcher: OwnedFd,
    pub(super) maker: OwnedFd,
    pub(super) attacher: OwnedFd,
    pub(super) layers: Vec<Layer>,
    pub(super) process: Child,
}

/// Starts the launcher process and waits until it and its maker say hello.
pub(super) fn start(options: &LauncherOptions) -> Result<Started, SandboxError> {
    let directory = make_state_directory(&options.state_directory)?;
    let failed = |source: io::Error| SandboxError::StartLauncher { source };
    let (launcher, launchers_end) = transport::pair().map_err(failed)?;
    let (maker, makers_end) = transport::pair().map_err(failed)?;
    let (attacher, attachers_end) = transport::pair().map_err(failed)?;
    let mut process = Command::new("/proc/self/exe")
        .arg0("tindra")
        .arg(LAUNCHER_ARGUMENT)
        .env_clear()
        .stdin(launchers_end)
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    match greet(&launcher, &maker, [makers_end, attachers_end], &directory, &options.reach) {
        Ok(layers) => Ok(Started { launcher, maker, attacher, layers, process }),
        Err(error) => {
            drop((launcher, maker, attacher));
            let _ = process.wait();
            Err(error)
        }
    }
}

fn make_state_directory(path: &std::path::Path) -> Result<PathBuf, SandboxError> {
    let failed = |source| SandboxError::StateDirectory { path: path.to_path_buf(), source };
    fs::create_dir_all(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

fn greet(
    launcher: &OwnedFd,
    maker: &OwnedFd,
    helpers_ends: [OwnedFd; 2],
    directory: &std::path::Path,
    reach: &Reach,
) -> Result<Vec<Layer>, SandboxError> {
    let gone = |source| SandboxError::LauncherGone { source };
    let mut writer = Writer::default();
    writer.bytes(directory.as_os_str().as_bytes());
    reach.write(&mut writer);
    transport::send(launcher, &writer.finish(), &helpers_ends.each_ref().map(OwnedFd::as_fd)).map_err(gone)?;
    drop(helpers_ends);
    let mut layers = read_hello(launcher)?;
    layers.extend(read_hello(maker)?);
    Ok(layers)
}

fn read_hello(socket: &OwnedFd) -> Result<Vec<Layer>, SandboxError> {
    let gone = |source| SandboxError::LauncherGone { source };
    let mut buffer = vec![0; 16 * 1024];
    let received = transport::receive(socket, &mut buffer).map_err(gone)?;
    let (length, _) = received.ok_or_else(|| gone(io::ErrorKind::UnexpectedEof.into()))?;
    let mut reader = Reader::new(&buffer[..length]);
    read_outcome(&mut reader)?;
    Layer::read_all(&mut reader).map_err(|error| gone(error.into()))
}

/// To be called first in `main`: a process that was started as the launcher never returns from here.
pub fn run_if_launcher() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == LAUNCHER_ARGUMENT) {
        let code = match run() {
            Ok(()) => 0,
            Err(_) => 1,
        };
        system::exit_now(code);
    }
}

/// The launcher's life, as a list.
fn run() -> io::Result<()> {
    let socket = detach_from_the_server()?;
    let (directory, reach, [maker_socket, attacher_socket]) = read_start(&socket)?;
    let (ground, layers, parents) = match prepare(directory) {
        Ok(prepared) => prepared,
        Err(failure) => return say_hello(&socket, Err(&failure)),
    };
    let (client, remover_socket) = RemoverClient::pair()?;
    let Fork::Parent(remover) = system::fork()? else {
        drop((client, maker_socket, attacher_socket, socket));
        remover::run(&remover_socket, &parents);
        system::exit_now(0);
    };
    drop(remover_socket);
    let remover_for_maker = client.try_clone()?;
    let Fork::Parent(maker) = system::fork()? else {
        drop((client, attacher_socket, socket));
        // The maker has nothing to finish: what it holds vanishes with it.
        let _ = system::process_control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        Maker::new(maker_socket, remover_for_maker, ground.state(), ground.storage_kind(), reach).run();
        system::exit_now(0);
    };
    drop((maker_socket, remover_for_maker));
    let Fork::Parent(attacher) = system::fork()? else {
        drop((client, socket));
        let _ = system::process_control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        attacher::run(&attacher_socket);
        system::exit_now(0);
    };
    drop(attacher_socket);
    say_hello(&socket, Ok(&layers))?;
    Loop::new(socket, client, [remover, maker, attacher], ground)?.run()
}

/// Keeps nothing of the server's: no descriptors but the socket, no terminal, no signals meant for it.
fn detach_from_the_server() -> io::Result<OwnedFd> {
    system::close_range(3, u32::MAX, false)?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    system::duplicate_to(std::os::fd::AsRawFd::as_raw_fd(&null), 0)?;
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")?;
    // Service managers signal the whole group; the launcher ends when the server has.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE] {
        system::ignore_signal(signal);
    }
    Ok(socket)
}

fn read_start(socket: &OwnedFd) -> io::Result<(PathBuf, Reach, [OwnedFd; 2])> {
    let mut buffer = vec![0; 8 * 1024];
    let (length, descriptors) = transport::receive(socket, &mut buffer)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut reader = Reader::new(&buffer[..length]);
    let directory = PathBuf::from(std::ffi::OsString::from_vec(reader.bytes()?.to_vec()));
    let reach = Reach::read(&mut reader)?;
    let helpers_sockets = descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((directory, reach, helpers_sockets))
}

fn say_hello(socket: &OwnedFd, outcome: Result<&[Layer], &Failure>) -> io::Result<()> {
    let mut writer = Writer::default();
    write_outcome(&mut writer, outcome.map(|_| ()));
    if let Ok(layers) = outcome {
        Layer::write_all(layers, &mut writer);
    }
    transport::send(socket, &writer.finish(), &[])
}

/// Everything that is made once, before the first request.
fn prepare(directory: PathBuf) -> Result<(Ground, Vec<Layer>, Vec<PathBuf>), Failure> {
    let state = State::take(directory)?;
    let is_root = gain_privileges()?;
    system::unshare(UnshareFlags::NEWNS).step(Step::PrivateMounts)?;
    system::make_mounts_private().step(Step::PrivateMounts)?;
    system::join_empty_keyring();
    state.sweep();
    let tree = Tree::open(&state.group_name());
    state.remember(tree.parents())?;
    let parents = tree.parents().map(PathBuf::from).collect();
    let scaffold = Scaffold::make(&state.directory, is_root)?;
    let filter = seccomp::compile().step(Step::SeccompCompile)?;
    let mut table = vec![
        Layer::holds(layers::NAMESPACES, "user namespace, mount, pid, network, ipc, uts, cgroup"),
        Layer::holds(
            layers::READ_ONLY_ROOT,
            "a mount namespace of a read-only, nosuid, nodev tree, without the host's mounts; /proc masked",
        ),
        Layer::holds(layers::CAPABILITIES, "all sets empty, bounding set included; no_new_privs"),
        Layer::holds(layers::SECCOMP, format!("allowlist of system calls, {} only", std::env::consts::ARCH)),
        landlock::layer(),
    ];
    table.extend(tree.layers());
    Ok((Ground::new(state, tree, scaffold, filter, is_root), table, parents))
}

/// Root stays what it is; anybody else becomes the root of a user namespace, where the same code works with less.
fn gain_privileges() -> Result<bool, Failure> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    if has_admin_capability() {
        return Ok(true);
    }
    if uid == 0 {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied)).step(Step::PrivilegeOfRoot);
    }
    // A network namespace that belongs to the new user namespace, so that the maker can return to it.
    system::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET).step(Step::UserNamespaceOfLauncher)?;
    // The kernel wants groups frozen before an unprivileged user maps one.
    let maps = [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {uid} 1")), ("gid_map", format!("0 {gid} 1"))];
    for (file, text) in maps {
        fs::write(format!("/proc/self/{file}"), text).step(Step::UserNamespaceOfLauncher)?;
    }
    Ok(false)
}

fn has_admin_capability() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

impl Ground {
    fn storage_kind(&self) -> StorageKind {
        if self.is_root() { StorageKind::Image } else { StorageKind::Tmpfs }
    }
}
