//! A private file system for `/tmp`, with hard limits on bytes and files that are not the function's memory.
//!
//! An ext4 image in a sparse file, attached to a loop device and mounted detached, seen by nobody until a
//! sandbox moves a clone of the mount into its tree. The file is unlinked as soon as the loop device holds it,
//! so nothing is left whatever happens. Where that cannot be done (no root, no loop devices, no `mkfs.ext4`)
//! it is a tmpfs with the same limits, whose pages count as the function's memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::error::{Failure, Step};

/// One inode for this many bytes: mke2fs's own default.
const BYTES_PER_INODE: u64 = 16_384;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// How storages are made on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Loop-mounted images below this directory.
    Image(PathBuf),
    /// Memory, and why.
    Memory(String),
}

impl Kind {
    /// Tries whether an image can be made and mounted.
    pub(crate) fn probe(directory: &Path) -> Self {
        let kind = Self::Image(directory.to_owned());
        match fs::create_dir_all(directory).step("make the scratch directory").and_then(|()| kind.make(64)) {
            Ok(_) => kind,
            Err(failure) => Self::Memory(format!("failed to {}: {}", failure.step, failure.cause)),
        }
    }

    /// Makes one of this size: a detached mount.
    pub(crate) fn make(&self, size_mb: u32) -> Result<OwnedFd, Failure> {
        match self {
            Self::Image(directory) => mount_image(directory, size_mb),
            Self::Memory(_) => mount_memory(size_mb),
        }
    }
}

fn mount_image(directory: &Path, size_mb: u32) -> Result<OwnedFd, Failure> {
    let template = template(directory, size_mb)?;
    let path = directory.join(format!("image-{}", std::process::id()));
    let image = copy_sparse(&template, &path).step("copy the image of a private /tmp")?;
    let device = attach(&image).step("attach the image of a private /tmp to a loop device");
    let removed = fs::remove_file(&path).step("unlink the image of a private /tmp");
    let (device, _held) = device?;
    removed?;
    let context = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC).step("open ext4")?;
    rustix::mount::fsconfig_set_string(&context, "source", &device).step("name the loop device")?;
    mount(context)
}

fn mount_memory(size_mb: u32) -> Result<OwnedFd, Failure> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step("open tmpfs")?;
    let inodes = u64::from(size_mb) * 1024 * 1024 / BYTES_PER_INODE;
    for (name, value) in [("size", format!("{size_mb}m")), ("nr_inodes", inodes.to_string())] {
        rustix::mount::fsconfig_set_string(&context, name, value).step("limit a private /tmp")?;
    }
    mount(context)
}

fn mount(context: OwnedFd) -> Result<OwnedFd, Failure> {
    rustix::mount::fsconfig_create(&context).step("create the file system of a private /tmp")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step("mount a private /tmp")
}

/// An empty ext4 of this size, made once; the file is sparse.
fn template(directory: &Path, size_mb: u32) -> Result<PathBuf, Failure> {
    let path = directory.join(format!("template-{size_mb}.ext4"));
    if path.exists() {
        return Ok(path);
    }
    let fresh = directory.join(format!("fresh-{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let status = Command::new("mkfs.ext4")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args([
            "-q",
            "-F",
            "-m",
            "0",
            "-O",
            "^has_journal,uninit_bg",
            "-E",
            "lazy_itable_init=1,root_owner=0:0,nodiscard",
        ])
        .args(["-i", &BYTES_PER_INODE.to_string()])
        .arg(&fresh)
        .arg(format!("{size_mb}M"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .step("run mkfs.ext4 (install e2fsprogs)")?;
    if !status.success() {
        return Err(io::Error::other(status.to_string())).step("make an ext4 image with mkfs.ext4");
    }
    fs::rename(&fresh, &path).step("keep the ext4 template")?;
    Ok(path)
}

/// Copies the parts of a sparse file that hold data.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<File> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(to)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut position = 0;
    while let Ok(start) = rustix::fs::seek(&source, rustix::fs::SeekFrom::Data(position)) {
        let end = rustix::fs::seek(&source, rustix::fs::SeekFrom::Hole(start))?;
        source.seek(SeekFrom::Start(start))?;
        target.seek(SeekFrom::Start(start))?;
        io::copy(&mut (&mut source).take(end - start), &mut target)?;
        position = end;
    }
    target.flush()?;
    Ok(target)
}

/// Attaches a file to a free loop device, which lets go of it when its last user is gone.
fn attach(image: &File) -> io::Result<(String, File)> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    for _ in 0..64 {
        // SAFETY: the request takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let path = format!("/dev/loop{number}");
        let device = OpenOptions::new().read(true).write(true).open(&path)?;
        if configure(&device, image)? {
            return Ok((path, device));
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "every free loop device was taken by somebody else"))
}

/// False when somebody else took the device in between.
fn configure(device: &File, image: &File) -> io::Result<bool> {
    // struct loop_config: fd, block_size, struct loop_info64 (232 bytes), reserved (64 bytes).
    let mut config = [0_u8; 304];
    config[0..4].copy_from_slice(&image.as_raw_fd().to_ne_bytes());
    // lo_flags stands at 52 in loop_info64, which stands at 8.
    config[60..64].copy_from_slice(&LO_FLAGS_AUTOCLEAR.to_ne_bytes());
    // SAFETY: the buffer has the size of struct loop_config and is only read.
    if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, config.as_ptr()) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EBUSY) { Ok(false) } else { Err(error) }
}
