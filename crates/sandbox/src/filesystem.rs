//! What a sandbox sees: a read-only root with read-only code, a private `/tmp`, a minimal `/dev`, a masked `/proc`.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
use crate::{roots, system};

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
/// Shared memory of one sandbox, charged to its memory limit.
const SHARED_MEMORY: &str = "/dev/shm";
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
/// How a directory's mounts are copied, to be attached elsewhere.
const TREE_FLAGS: OpenTreeFlags =
    OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC).union(OpenTreeFlags::AT_RECURSIVE);
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
    /// Without root, the kernel lets only those mount a `/proc` who see one. Until they have, they see the launcher's.
    lends_proc: bool,
}

impl Scaffold {
    /// Builds the scaffold on a small tmpfs that exists only in the launcher's mount namespace.
    pub(crate) fn make(state: &Path, is_root: bool) -> Result<Scaffold, Failure> {
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
            lends_proc: !is_root,
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

/// Makes this process's mount namespace a root: the directory and its devices, nothing else. `/tmp` is empty there, and is what
/// hides directories of `/proc` until it is covered.
pub(crate) fn assemble_root(directory: &Path, scaffold: &Scaffold) -> Result<(), Failure> {
    let stage = &scaffold.stage;
    let root = read_only_tree(directory).step_on(Step::MountRoot, directory)?;
    move_mount(&root, "", CWD, stage, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).step_on(Step::MountRoot, directory)?;
    let (devices, empty) = (scaffold.devices.as_path(), scaffold.empty.as_path());
    let proc = scaffold.lends_proc.then_some((Path::new("/proc"), SHARED_MEMORY, Step::MountProc));
    for (source, target, step) in
        [(devices, "/dev", Step::MountDev), (empty, "/tmp", Step::MountTmp)].into_iter().chain(proc)
    {
        let tree = open_tree(CWD, source, TREE_FLAGS).step(step)?;
        place(root.as_fd(), tree.as_fd(), Path::new(target), step)?;
    }
    pivot(root.as_fd())
}

/// Makes what the sandbox sees this process's root.
pub(crate) fn assemble(plan: &Plan<'_>) -> Result<(), Failure> {
    // Found while the host's directories can be seen.
    let tree = |mount: &Mount| read_only_tree(&mount.source).step_on(Step::MountDirectory, &mount.source);
    let trees = plan.spec.mounts.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
    roots::enter_copy(plan.root)?;
    let root = own_root().step(Step::EnterRoot)?;
    for (tree, mount) in trees.iter().zip(&plan.spec.mounts) {
        place(root.as_fd(), tree.as_fd(), &mount.target, Step::MountDirectory)?;
    }
    mount_proc(root.as_fd(), plan.scaffold)?;
    mount_shared_memory(plan.scaffold)?;
    place(root.as_fd(), plan.tmp, Path::new("/tmp"), Step::MountTmp)
}

/// The same for a template: the root, and shared memory of its own.
pub(crate) fn assemble_template(root: BorrowedFd<'_>, scaffold: &Scaffold) -> Result<(), Failure> {
    roots::enter_copy(root)?;
    mount_shared_memory(scaffold)
}

/// The root directory of this process.
pub(crate) fn own_root() -> io::Result<OwnedFd> {
    Ok(openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A copy of a directory's mount, attached nowhere, that nobody can write through.
pub(crate) fn read_only_tree(source: &Path) -> io::Result<OwnedFd> {
    let tree = open_tree(CWD, source, TREE_FLAGS)?;
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

fn mount_shared_memory(scaffold: &Scaffold) -> Result<(), Failure> {
    if scaffold.lends_proc {
        unmount(SHARED_MEMORY, UnmountFlags::DETACH).step(Step::MountShm)?;
    }
    let options = CString::new(SHM_OPTIONS).expect("the options hold no NUL");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", SHARED_MEMORY, "tmpfs", flags, options.as_c_str()).step(Step::MountShm)
}

fn mount_proc(root: BorrowedFd<'_>, scaffold: &Scaffold) -> Result<(), Failure> {
    let proc = Path::new("/proc");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Only the sandbox's own processes are in this pid namespace; hidepid hides process 1 among them.
    mount("proc", proc, "proc", flags, c"hidepid=2").step(Step::MountProc)?;
    for file in &scaffold.masked_files {
        mask("/dev/null", &proc.join(file)).step_on(Step::MaskProc, file)?;
    }
    for directory in &scaffold.masked_directories {
        mask("/tmp", &proc.join(directory)).step_on(Step::MaskProc, directory)?;
    }
    let settings = read_only_tree(&proc.join("sys")).step_on(Step::MaskProc, "sys")?;
    place(root, settings.as_fd(), Path::new("/proc/sys"), Step::MaskProc)
}

/// Hides a file or directory; one that this pid namespace's /proc does not have needs no hiding.
fn mask(with: &str, target: &Path) -> io::Result<()> {
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
