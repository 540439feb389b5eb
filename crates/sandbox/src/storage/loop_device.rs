//! Loop devices that free themselves when their last user is gone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;

use rustix::fs::{Mode, OFlags};

use crate::system;

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const FLAG_AUTOCLEAR: u32 = 4;
/// The device that "get free" named may be taken by somebody else before we configure it.
const ATTEMPTS: usize = 64;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A loop device with a file attached; detached when this and every mount of it is gone.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
    _device: OwnedFd,
}

/// Attaches an image file to a free loop device.
pub(crate) fn attach(image: BorrowedFd<'_>) -> io::Result<LoopDevice> {
    let control = rustix::fs::open("/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let mut last = io::Error::from(io::ErrorKind::ResourceBusy);
    for _ in 0..ATTEMPTS {
        // SAFETY: this request takes no argument.
        let number = unsafe { system::device_control(control.as_fd(), LOOP_CTL_GET_FREE, 0) }?;
        match configure(number, image) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            other => return other,
        }
    }
    Err(last)
}

fn configure(number: i32, image: BorrowedFd<'_>) -> io::Result<LoopDevice> {
    let path = PathBuf::from(format!("/dev/loop{number}"));
    let device = rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // SAFETY: every field is a plain number or an array of them, for which zero is a valid value.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.file = image.as_raw_fd().cast_unsigned();
    config.block_size = 4096;
    config.info.flags = FLAG_AUTOCLEAR;
    // SAFETY: LOOP_CONFIGURE (kernel 5.8) reads one loop_config, which lives across the call.
    unsafe { system::device_control(device.as_fd(), LOOP_CONFIGURE, ptr::from_ref(&config) as libc::c_ulong) }?;
    Ok(LoopDevice { path, _device: device })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }
}
