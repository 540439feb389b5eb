//! What a sandbox sees: a read-only root with read-only code, a private `/tmp`, a minimal `/dev`, a masked `/proc`.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::mount::{
    MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, move_mount, open_tree,
    unmount,
};

use crate::child::Plan;
use crate::error::{Failure, Named, Step};
use crate::spec::Mount;
use crate::system;

/// Devices, with their numbers.
const DEVICES: [(&str, u32, u32); 5] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)];
/// What programs expect in /dev and find in /proc.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// /dev/shm: shared memory of one sandbox, charged to its memory limit.
const SHM_OPTIONS: &str = "size=64m,nr_inodes=1024,mode=1777";
/// Files of /proc that tell about, or act on, the whole machine.
const MASKED_FILES: [&str; 12] = [
    "config.gz",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "modules",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
    "vmallocinfo",
];
/// Directories of /proc of the same kind.
const MASKED_DIRECTORIES: [&str; 5] = ["acpi", "bus", "driver", "fs", "scsi"];
/// Tries to resolve a path while other mounts change; the kernel asks to try again.
const RESOLVE_ATTEMPTS: usize = 16;

/// Read-only, no set-user-id programs, no devices.
const READ_ONLY: u64 = (MountAttrFlags::MOUNT_ATTR_RDONLY.bits()
    | MountAttrFlags::MOUNT_ATTR_NOSUID.bits()
    | MountAttrFlags::MOUNT_ATTR_NODEV.bits()) as u64;

/// Made once by the launcher: the ready `/dev`, an empty directory for masks, and the place where roots are built.
#[derive(Debug)]
pub(crate) struct Scaffold {
    devices: PathBuf,
    empty: PathBuf,
    stage: PathBuf,
    masked_files: Vec<&'static str>,
    masked_directories: Vec<&'static str>,
}

impl Scaffold {
    /// Builds the scaffold on a small tmpfs that exists only in the launcher's mount namespace.
    pub(crate) fn make(state: &Path) -> Result<Scaffold, Failure> {
        let base = state.join("template");
        fs::create_dir_all(&base).step_on(Step::DeviceTemplate, &base)?;
        mount("tmpfs", &base, "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, c"size=1m,nr_inodes=64,mode=755")
            .step_on(Step::DeviceTemplate, &base)?;
        let scaffold = Scaffold {
            devices: base.join("dev"),
            empty: base.join("empty"),
            stage: base.join("stage"),
            masked_files: present_in_proc(&MASKED_FILES),
            masked_directories: present_in_proc(&MASKED_DIRECTORIES),
        };
        scaffold.fill().step_on(Step::DeviceTemplate, &base)?;
        let tree = open_tree(CWD, &base, OpenTreeFlags::OPEN_TREE_CLOEXEC).step(Step::DeviceTemplate)?;
        let read_only = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
        system::restrict_mounts(tree.as_fd(), read_only).step(Step::DeviceTemplate)?;
        Ok(scaffold)
    }

    fn fill(&self) -> io::Result<()> {
        for directory in [&self.devices, &self.empty, &self.stage, &self.devices.join("shm")] {
            fs::create_dir(directory)?;
        }
        for (name, major, minor) in DEVICES {
            let path = self.devices.join(name);
            let text = CString::new(path.as_os_str().as_bytes())?;
            if system::make_device(&text, major, minor).is_ok() {
                // The umask took a part.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
            } else {
                // Without root there are no new devices, but the host's can be shown.
                fs::File::create(&path)?;
                mount_bind(Path::new("/dev").join(name), &path)?;
            }
        }
        LINKS.iter().try_for_each(|(name, target)| symlink(target, self.devices.join(name)))
    }
}

fn present_in_proc(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| Path::new("/proc").join(name).symlink_metadata().is_ok()).collect()
}

/// Makes the root of a template: the pack and its devices, nothing else.
pub(crate) fn assemble_template(root: &Path, scaffold: &Scaffold) -> Result<(), Failure> {
    let root = mount_root(root, scaffold)?;
    mount_devices(root.as_fd(), scaffold)?;
    pivot(root.as_fd())
}

/// Builds the tree and makes it this process's root.
pub(crate) fn assemble(plan: &Plan<'_>) -> Result<(), Failure> {
    let root = mount_root(&plan.spec.root, plan.scaffold)?;
    let root = root.as_fd();
    for directory in &plan.spec.mounts {
        mount_directory(root, directory)?;
    }
    place(root, plan.tmp, Path::new("/tmp"), Step::MountTmp)?;
    mount_devices(root, plan.scaffold)?;
    mount_proc(root, plan.scaffold)?;
    pivot(root)
}

fn mount_root(source: &Path, scaffold: &Scaffold) -> Result<OwnedFd, Failure> {
    let stage = &scaffold.stage;
    let tree = read_only_tree(source).step_on(Step::MountRoot, source)?;
    move_mount(&tree, "", CWD, stage, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step_on(Step::MountRoot, source)?;
    Ok(tree)
}

fn mount_directory(root: BorrowedFd<'_>, directory: &Mount) -> Result<(), Failure> {
    let tree = read_only_tree(&directory.source).step_on(Step::MountDirectory, &directory.source)?;
    place(root, tree.as_fd(), &directory.target, Step::MountDirectory)
}

/// A copy of a directory's mount, attached nowhere, that nobody can write through.
pub(crate) fn read_only_tree(source: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags)?;
    system::restrict_mounts(tree.as_fd(), READ_ONLY)?;
    Ok(tree)
}

/// Attaches a tree at a path of the new root.
pub(crate) fn place(root: BorrowedFd<'_>, tree: BorrowedFd<'_>, target: &Path, step: Step) -> Result<(), Failure> {
    let place = resolve(root, target).step_on(Step::MountTargetMissing, target)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", place, "", flags).step_on(step, target)
}

/// Opens a path as the sandbox will see it: no symbolic link leads out of the new root.
fn resolve(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RESOLVE_ATTEMPTS {
        match openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(rustix::io::Errno::AGAIN) => {}
            other => return Ok(other?),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// A path that names an open file to calls that only take paths.
fn path_of(file: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn mount_devices(root: BorrowedFd<'_>, scaffold: &Scaffold) -> Result<(), Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, &scaffold.devices, flags).step(Step::MountDev)?;
    place(root, tree.as_fd(), Path::new("/dev"), Step::MountDev)?;
    let shm = openat(&tree, "shm", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).step(Step::MountShm)?;
    let options = CString::new(SHM_OPTIONS).expect("the options hold no NUL");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", path_of(shm.as_fd()), "tmpfs", flags, options.as_c_str()).step(Step::MountShm)
}

fn mount_proc(root: BorrowedFd<'_>, scaffold: &Scaffold) -> Result<(), Failure> {
    let target = resolve(root, Path::new("/proc")).step_on(Step::MountTargetMissing, "/proc")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Only the sandbox's own processes are in this pid namespace; hidepid hides process 1 among them.
    mount("proc", path_of(target.as_fd()), "proc", flags, c"hidepid=2").step(Step::MountProc)?;
    let proc = resolve(root, Path::new("/proc")).step(Step::MountProc)?;
    let base = path_of(proc.as_fd());
    let null = scaffold.devices.join("null");
    for file in &scaffold.masked_files {
        mask(&null, &base.join(file)).step_on(Step::MaskProc, file)?;
    }
    for directory in &scaffold.masked_directories {
        mask(&scaffold.empty, &base.join(directory)).step_on(Step::MaskProc, directory)?;
    }
    let settings = read_only_tree(&base.join("sys")).step_on(Step::MaskProc, "sys")?;
    place(root, settings.as_fd(), Path::new("/proc/sys"), Step::MaskProc)
}

/// Hides a file or directory; one that this pid namespace's /proc does not have needs no hiding.
fn mask(with: &Path, target: &Path) -> io::Result<()> {
    match mount_bind(with, target) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Makes the new tree the root, and forgets the host's.
fn pivot(root: BorrowedFd<'_>) -> Result<(), Failure> {
    rustix::process::fchdir(root).step(Step::PivotRoot)?;
    // Both on the same directory: the old root ends up on top of the new one and is taken off.
    rustix::process::pivot_root(".", ".").step(Step::PivotRoot)?;
    unmount(".", UnmountFlags::DETACH).step(Step::DetachOldRoot)?;
    rustix::process::chdir("/").step(Step::PivotRoot)
}
