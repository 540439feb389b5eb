//! From a fresh process in new namespaces to the function's command, one step a line.
//!
//! [`enter`] runs as process 1 of the sandbox. It starts with all of the launcher's power, because mounts and
//! the root need it; it ends with none, and the command that it forks never had any.

use std::ffi::CString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::cgroup::Group;
use crate::error::{Failure, Step};
use crate::identity::{Identity, USER_INSIDE};
use crate::protocol::SpawnRequest;
use crate::seccomp::Filters;
use crate::{landlock_rules, privileges};

/// Files of `/proc` that tell of the host or command it; covered by an empty device.
const MASKED: &[&str] = &[
    "/proc/kallsyms",
    "/proc/keys",
    "/proc/key-users",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/sysrq-trigger",
    "/proc/latency_stats",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/kpagecgroup",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/mounts_host",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/modules",
    "/proc/swaps",
    "/proc/diskstats",
    "/proc/partitions",
];
/// Directories of `/proc` that are made read-only.
const READ_ONLY: &[&str] =
    &["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/driver", "/proc/acpi", "/proc/scsi"];
/// Devices, bound from the host one by one.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Bytes of the sandbox's `/dev/shm`; its pages count as the function's memory.
const SHARED_MEMORY_MAX: &str = "size=64m,mode=1777,nr_inodes=4096";

/// What process 1 is given.
pub(crate) struct Plan<'a> {
    pub(crate) request: &'a SpawnRequest,
    pub(crate) group: &'a Group,
    pub(crate) identity: Identity,
    pub(crate) filters: &'a Filters,
    /// A directory of the launcher's own to build the tree on.
    pub(crate) stage: &'a Path,
    pub(crate) storage: BorrowedFd<'a>,
    pub(crate) output: [BorrowedFd<'a>; 3],
    /// Where the maps are asked for and the end is told.
    pub(crate) monitor: UnixStream,
}

/// Becomes the sandbox's process 1; returns only to tell which step failed.
pub(crate) fn enter(mut plan: Plan<'_>) -> Failure {
    match prepare(&mut plan).and_then(|()| start_command(&plan)) {
        Ok(command) => crate::pid_one::run(plan.monitor, command),
        Err(failure) => failure,
    }
}

fn prepare(plan: &mut Plan<'_>) -> Result<(), Failure> {
    plan.group.join()?;
    hide_control_groups()?;
    rustix::system::sethostname(b"sandbox").step("name the host of the sandbox")?;
    build_root(plan)?;
    build_devices(plan.stage)?;
    build_proc(plan.stage)?;
    mount_storage(plan)?;
    change_root(plan.stage)?;
    mask_proc()?;
    enter_user_namespace(plan)
}

fn hide_control_groups() -> Result<(), Failure> {
    // SAFETY: the process has one thread, and nothing depends on its control-group root.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }
        .step("make a control-group namespace")
}

/// The runtime's tree and what is mounted on it, all read-only.
fn build_root(plan: &Plan<'_>) -> Result<(), Failure> {
    attach_read_only(&plan.request.root, plan.stage)?;
    for (source, target) in &plan.request.mounts {
        attach_read_only(source, &below(plan.stage, target))?;
    }
    Ok(())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn attach_read_only(source: &Path, target: &Path) -> Result<(), Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, source, flags)
        .step(&format!("open {} for the sandbox", source.display()))?;
    set_read_only(&tree).step(&format!("make {} read-only", source.display()))?;
    move_to(&tree, target)
}

fn move_to(tree: &OwnedFd, target: &Path) -> Result<(), Failure> {
    rustix::mount::move_mount(tree, "", rustix::fs::CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step(&format!("mount {} in the sandbox (the root must hold this directory)", target.display()))
}

fn set_read_only(tree: &OwnedFd) -> std::io::Result<()> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    const READ_ONLY: u64 = 1;
    const NO_SETUID: u64 = 2;
    const NO_DEVICES: u64 = 4;
    let attributes = MountAttributes {
        set: READ_ONLY | NO_SETUID | NO_DEVICES,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        user_namespace: 0,
    };
    // SAFETY: the path is an empty C string, the structure is the kernel's `mount_attr` and lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            std::mem::size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn build_devices(stage: &Path) -> Result<(), Failure> {
    let dev = stage.join("dev");
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", &dev, "tmpfs", quiet, c"size=64k,mode=755").step("mount /dev in the sandbox")?;
    for device in DEVICES {
        let target = dev.join(device);
        fs::write(&target, "").step("make a device in the sandbox")?;
        rustix::mount::mount_bind(Path::new("/dev").join(device), &target).step("bind a device into the sandbox")?;
    }
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        std::os::unix::fs::symlink(target, dev.join(name)).step("make a link in /dev of the sandbox")?;
    }
    let shm = dev.join("shm");
    fs::create_dir(&shm).step("make /dev/shm in the sandbox")?;
    let options = CString::new(SHARED_MEMORY_MAX).step("mount /dev/shm in the sandbox")?;
    rustix::mount::mount("tmpfs", &shm, "tmpfs", quiet | MountFlags::NODEV, options.as_c_str())
        .step("mount /dev/shm in the sandbox")?;
    rustix::mount::mount_remount(&dev, quiet | MountFlags::RDONLY, c"").step("make /dev of the sandbox read-only")
}

fn build_proc(stage: &Path) -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", stage.join("proc"), "proc", flags, c"hidepid=2").step("mount /proc in the sandbox")
}

/// A clone of the storage's mount, so that the same storage can be used again after a reset.
fn mount_storage(plan: &Plan<'_>) -> Result<(), Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(plan.storage, "", flags).step("clone the mount of /tmp")?;
    let target = plan.stage.join("tmp");
    move_to(&tree, &target)?;
    std::os::unix::fs::chown(&target, Some(plan.identity.user), Some(plan.identity.user))
        .step("give /tmp to the function")?;
    rustix::fs::chmod(&target, rustix::fs::Mode::from_raw_mode(0o700)).step("close /tmp to others")
}

fn change_root(stage: &Path) -> Result<(), Failure> {
    rustix::process::chdir(stage).step("enter the new root")?;
    rustix::process::pivot_root(".", ".").step("change the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step("let go of the old root")?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("make the root private")?;
    rustix::process::chdir("/").step("enter the new root")
}

/// Covers what tells of the host. A file that this kernel lacks needs no cover.
fn mask_proc() -> Result<(), Failure> {
    for path in MASKED.iter().filter(|path| Path::new(path).exists()) {
        rustix::mount::mount_bind("/dev/null", *path).step(&format!("cover {path}"))?;
    }
    for path in READ_ONLY.iter().filter(|path| Path::new(path).exists()) {
        rustix::mount::mount_bind(*path, *path).step(&format!("bind {path}"))?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount_remount(*path, flags, c"").step(&format!("make {path} read-only"))?;
    }
    Ok(())
}

/// From here on this process is somebody on the host who owns nothing, and nobody inside.
fn enter_user_namespace(plan: &mut Plan<'_>) -> Result<(), Failure> {
    // SAFETY: the process has one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }.step("make a user namespace")?;
    plan.monitor.write_all(b"m").step("ask for the id maps")?;
    let mut answer = [0];
    plan.monitor.read_exact(&mut answer).step("wait for the id maps")?;
    if answer == *b"m" { Ok(()) } else { Err(std::io::Error::other("refused")).step("get the id maps") }
}

/// Forks the command and takes the last privileges from this process.
fn start_command(plan: &Plan<'_>) -> Result<i32, Failure> {
    // SAFETY: the process has one thread; the child only makes system calls and small allocations before exec.
    let command = unsafe { libc::fork() };
    match command {
        -1 => Err(std::io::Error::last_os_error()).step("fork the command"),
        0 => {
            let failure = become_command(plan);
            let text = format!("{}: {}", failure.step, failure.cause);
            let _ = rustix::io::write(plan.output[1], format!("failed to {text}\n").as_bytes());
            // SAFETY: ends this process without running anything that belongs to the launcher.
            unsafe { libc::_exit(127) }
        }
        command => {
            privileges::close_all_but(&[plan.monitor.as_raw_fd()])?;
            privileges::drop_all(plan.identity.init_inside())?;
            privileges::hide_and_die_with_parent()?;
            plan.filters.install()?;
            Ok(command)
        }
    }
}

fn become_command(plan: &Plan<'_>) -> Failure {
    let request = plan.request;
    let prepared = (|| {
        rustix::process::setsid().step("start a session")?;
        place_descriptors(plan)?;
        privileges::limit(request.open_files)?;
        privileges::drop_all(USER_INSIDE)?;
        rustix::process::chdir(&request.working_directory)
            .step(&format!("enter the working directory {}", request.working_directory.display()))?;
        landlock_rules::restrict()?;
        let command = c_strings(&request.command)?;
        let environment = c_strings(&request.environment)?;
        plan.filters.install()?;
        Ok((command, environment))
    })();
    let (command, environment) = match prepared {
        Ok(ready) => ready,
        Err(failure) => return failure,
    };
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(&command), pointers(&environment));
    // SAFETY: both arrays end with a null pointer, and the strings live through the call.
    unsafe { libc::execve(arguments[0], arguments.as_ptr(), variables.as_ptr()) };
    let error = std::io::Error::last_os_error();
    Failure { step: format!("start {}", command[0].to_string_lossy()), cause: error.to_string() }
}

fn c_strings(texts: &[Vec<u8>]) -> Result<Vec<CString>, Failure> {
    texts
        .iter()
        .map(|text| CString::new(text.as_slice()))
        .collect::<Result<_, _>>()
        .step("pass the command and environment")
}

/// 0 is `/dev/null`, 1 and 2 are pipes, the log descriptor is a pipe; everything else is closed.
fn place_descriptors(plan: &Plan<'_>) -> Result<(), Failure> {
    let log = plan.request.log_descriptor;
    // High copies first, so that no target number is still in use as a source.
    let high = |descriptor: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(descriptor, 100).step("copy a descriptor");
    let null = fs::File::open("/dev/null").step("open /dev/null")?;
    let sources = [
        (high(null.as_fd())?, 0),
        (high(plan.output[0])?, 1),
        (high(plan.output[1])?, 2),
        (high(plan.output[2])?, log),
    ];
    for (source, target) in &sources {
        // SAFETY: plain numbers; the targets are this process's to replace, which is about to exec.
        if unsafe { libc::dup2(source.as_raw_fd(), *target) } < 0 {
            return Err(std::io::Error::last_os_error()).step("place a descriptor");
        }
    }
    std::mem::forget(sources);
    std::mem::forget(null);
    privileges::close_all_but(&[0, 1, 2, log])
}
