//! Making a private `/tmp`: a sparse ext4 image on a loop device, or, named as the fallback it is, a tmpfs.
//!
//! The image never has a name: it is an unnamed file, attached and mounted without a mount point, so that
//! nothing is left when every process that holds it is killed. A template per size is made once by mkfs.ext4.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, SeekFrom, copy_file_range, open, openat, seek};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, open_tree,
};

use crate::error::{Failure, Named, Step};
use crate::storage::loop_device;
use crate::system;

const MIB: u64 = 1024 * 1024;
/// mkfs.ext4's usual ratio; a /tmp of 512 MiB has 32,768 inodes.
const BYTES_PER_INODE: u64 = 16 * 1024;
/// On-disk size of an inode.
const INODE_BYTES: u64 = 256;
/// Where mkfs.ext4 is looked for; the launcher has no PATH.
const PROGRAM_DIRECTORIES: [&str; 6] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// How a `/tmp` is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageKind {
    /// On disk; not counted as the function's memory.
    Image,
    /// In memory, counted as the function's.
    Tmpfs,
}

/// Makes mounts for `/tmp`.
#[derive(Debug)]
pub(crate) struct Images {
    directory: PathBuf,
    pub(crate) kind: StorageKind,
    /// Kernels before 6.15 cannot clone a mount that is attached nowhere.
    attach: bool,
}

/// One `/tmp`, mounted but (if the kernel can) attached nowhere.
#[derive(Debug)]
pub(crate) struct MadeMount {
    pub(crate) mount: OwnedFd,
    /// Where it is attached, on kernels that need it.
    pub(crate) attached: Option<PathBuf>,
}

impl Images {
    /// `directory` holds templates and, on old kernels, mount points.
    pub(crate) fn new(directory: &Path, kind: StorageKind) -> Images {
        Images { directory: directory.to_path_buf(), kind, attach: false }
    }

    /// Makes an empty `/tmp` that belongs to the host user `owner`. `slot` is a number that no other live one has.
    pub(crate) fn make(&mut self, size_mb: u32, owner: u32, slot: u32) -> Result<MadeMount, Failure> {
        let mount = match self.kind {
            StorageKind::Image => self.mount_image(size_mb)?,
            StorageKind::Tmpfs => mount_tmpfs(size_mb).step(Step::StorageMount)?,
        };
        give_root_to(mount.as_fd(), owner).step(Step::StorageMount)?;
        if !self.attach && clone_mount(mount.as_fd()).is_err() {
            self.prepare_mount_points()?;
            self.attach = true;
        }
        let attached = self.attach.then(|| self.attach_at(mount.as_fd(), slot)).transpose()?;
        Ok(MadeMount { mount, attached })
    }

    fn mount_image(&self, size_mb: u32) -> Result<OwnedFd, Failure> {
        let template = self.template(size_mb)?;
        let image = self.copy(&template).step_on(Step::StorageCopy, &template)?;
        mount_image(image.as_fd())
    }

    /// The template of a size, made if this is the first use.
    fn template(&self, size_mb: u32) -> Result<PathBuf, Failure> {
        let templates = self.directory.join("templates");
        let path = templates.join(format!("{size_mb}.ext4"));
        if path.exists() {
            return Ok(path);
        }
        let unfinished = templates.join("unfinished");
        fs::create_dir_all(&templates).step_on(Step::StorageTemplate, &templates)?;
        make_file_system(&unfinished, size_mb).step_on(Step::StorageTemplate, &unfinished)?;
        remove_lost_and_found(&unfinished)?;
        fs::rename(&unfinished, &path).step_on(Step::StorageTemplate, &path)?;
        Ok(path)
    }

    /// A copy of a template, without a name, in which holes stay holes.
    fn copy(&self, template: &Path) -> io::Result<OwnedFd> {
        let source = File::open(template)?;
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let target = open(&self.directory, flags, Mode::RUSR | Mode::WUSR)?;
        let length = source.metadata()?.len();
        rustix::fs::ftruncate(&target, length)?;
        let mut position = 0;
        while let Some((start, end)) = next_data(source.as_fd(), position)? {
            copy_range(source.as_fd(), target.as_fd(), start, end)?;
            position = end;
        }
        Ok(target)
    }

    fn mount_points(&self) -> PathBuf {
        self.directory.join("mounts")
    }

    /// Puts mount points on a file system that exists only in the launcher's mount namespace, so that they vanish
    /// with it, as the mounts do.
    fn prepare_mount_points(&self) -> Result<(), Failure> {
        let path = self.mount_points();
        fs::create_dir_all(&path).step_on(Step::StorageMount, &path)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("tmpfs", &path, "tmpfs", flags, c"size=1m,mode=700").step_on(Step::StorageMount, &path)
    }

    fn attach_at(&self, mount: BorrowedFd<'_>, slot: u32) -> Result<PathBuf, Failure> {
        let path = self.mount_points().join(slot.to_string());
        fs::create_dir_all(&path).step_on(Step::StorageMount, &path)?;
        move_mount(mount, "", rustix::fs::CWD, &path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .step_on(Step::StorageMount, &path)?;
        Ok(path)
    }
}

/// Detaches a mount of an old kernel and removes its mount point.
pub(crate) fn detach(attached: &Path) {
    let _ = rustix::mount::unmount(attached, UnmountFlags::DETACH);
    let _ = fs::remove_dir(attached);
}

/// A second mount of the same file system, attached nowhere.
pub(crate) fn clone_mount(mount: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(mount, "", flags)?)
}

fn make_file_system(path: &Path, size_mb: u32) -> io::Result<()> {
    let bytes = u64::from(size_mb) * MIB;
    let inodes = bytes / BYTES_PER_INODE;
    // The tables of inodes come on top, so that the function gets very nearly what it was promised.
    let image_bytes = bytes + inodes * INODE_BYTES;
    File::create(path)?.set_len(image_bytes)?;
    let program = find_program("mkfs.ext4")?;
    let output = Command::new(program)
        .args(["-q", "-F", "-m", "0", "-b", "4096", "-O", "^has_journal,^resize_inode", "-E"])
        .args(["lazy_itable_init=1,nodiscard", "-N", &inodes.to_string()])
        .arg(path)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn find_program(name: &str) -> io::Result<PathBuf> {
    let candidates = PROGRAM_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
    candidates.into_iter().find(|path| path.exists()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn remove_lost_and_found(image: &Path) -> Result<(), Failure> {
    let file = open(image, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).step(Step::StorageTemplate)?;
    let mount = mount_image(file.as_fd())?;
    let flags = rustix::fs::AtFlags::REMOVEDIR;
    rustix::fs::unlinkat(&mount, "lost+found", flags).step(Step::StorageTemplate)
}

fn mount_image(image: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let device = loop_device::attach(image).step(Step::StorageLoop)?;
    mount_device(&device.path).step_on(Step::StorageMount, &device.path)
}

fn mount_device(device: &Path) -> io::Result<OwnedFd> {
    let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "source", device)?;
    // Nothing here has to survive a power cut.
    fsconfig_set_flag(context.as_fd(), "nobarrier")?;
    // Nor have tables of inodes that nobody uses to be written in the background: they are holes, which read as zeros.
    fsconfig_set_flag(context.as_fd(), "noinit_itable")?;
    // Nor to be read ahead; kernels before 5.13 do not know the word, because they do not do it.
    let _ = fsconfig_set_flag(context.as_fd(), "no_prefetch_block_bitmaps");
    fsconfig_create(context.as_fd())?;
    detached_mount(context.as_fd())
}

fn mount_tmpfs(size_mb: u32) -> io::Result<OwnedFd> {
    let bytes = u64::from(size_mb) * MIB;
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "size", bytes.to_string())?;
    fsconfig_set_string(context.as_fd(), "nr_inodes", (bytes / BYTES_PER_INODE).to_string())?;
    fsconfig_create(context.as_fd())?;
    detached_mount(context.as_fd())
}

fn detached_mount(context: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOATIME;
    Ok(fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Lambda's own /tmp is for its user alone, too.
fn give_root_to(mount: BorrowedFd<'_>, owner: u32) -> io::Result<()> {
    let root = openat(mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::fchmod(&root, Mode::RWXU)?;
    system::change_owner(root.as_fd(), owner)
}

/// The next stretch of a sparse file that holds data, from `position` on.
fn next_data(file: BorrowedFd<'_>, position: u64) -> io::Result<Option<(u64, u64)>> {
    let start = match seek(file, SeekFrom::Data(position)) {
        Err(rustix::io::Errno::NXIO) => return Ok(None),
        other => other?,
    };
    Ok(Some((start, seek(file, SeekFrom::Hole(start))?)))
}

fn copy_range(source: BorrowedFd<'_>, target: BorrowedFd<'_>, start: u64, end: u64) -> io::Result<()> {
    let (mut from, mut to) = (start, start);
    while from < end {
        let wanted = usize::try_from(end - from).unwrap_or(usize::MAX);
        if copy_file_range(source, Some(&mut from), target, Some(&mut to), wanted)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_stay_holes() {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        let scratch = tempfile::tempdir().unwrap();
        let template = scratch.path().join("template");
        let file = File::create(&template).unwrap();
        file.set_len(64 * MIB).unwrap();
        file.write_all_at(b"near the end", 60 * MIB).unwrap();
        let images = Images::new(scratch.path(), StorageKind::Image);
        let copy = File::from(images.copy(&template).unwrap());
        let mut read = [0; 12];
        copy.read_exact_at(&mut read, 60 * MIB).unwrap();
        assert_eq!(&read, b"near the end");
        let metadata = copy.metadata().unwrap();
        assert_eq!(metadata.len(), 64 * MIB);
        assert!(metadata.blocks() * 512 < MIB, "{} blocks", metadata.blocks());
    }
}
