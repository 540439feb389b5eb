//! Giving up privileges, for good.

use std::io;
use std::os::fd::RawFd;

use crate::error::{Failure, Step};

/// Locks the securebits: no capabilities come back with user 0, none are kept, none are ambient.
const SECUREBITS: libc::c_ulong = 0b1110_1111;
/// Highest capability number that is tried; higher ones do not exist and answer EINVAL.
const CAPABILITY_LAST: libc::c_ulong = 63;

/// Takes one user and group, no others, no capability in any set, and no way to get one.
pub(crate) fn drop_all(id: u32) -> Result<(), Failure> {
    for capability in 0..=CAPABILITY_LAST {
        if prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS).step("lock the securebits")?;
    // Raw calls: only this thread exists, and the C library's forms look for others.
    // Groups first; while setgroups is denied (without root) there are none to drop.
    // SAFETY: no pointer is read for an empty list.
    let _ = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) };
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) }).step("take the group of the sandbox")?;
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) }).step("take the user of the sandbox")?;
    clear_capabilities().step("drop the capabilities")?;
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).step("give up new privileges")
}

/// Not to be traced or read by anybody, and gone with the parent. For process 1.
pub(crate) fn hide_and_die_with_parent() -> Result<(), Failure> {
    prctl(libc::PR_SET_DUMPABLE, 0).step("hide process 1")?;
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).step("tie process 1 to its monitor")
}

/// Resource limits beside the control group's.
pub(crate) fn limit(open_files: u64) -> Result<(), Failure> {
    let limits = [
        (libc::RLIMIT_NOFILE, open_files),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MEMLOCK, 64 * 1024),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_RTPRIO, 0),
        (libc::RLIMIT_SIGPENDING, 4096),
    ];
    for (resource, value) in limits {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives through both calls.
        check(unsafe { libc::getrlimit(resource, &raw mut limit) }.into()).step("read a resource limit")?;
        // Never raised above what there is: that needs a privilege that the host may not have.
        let value = value.min(limit.rlim_max);
        limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: as above.
        check(unsafe { libc::setrlimit(resource, &raw const limit) }.into()).step("set a resource limit")?;
    }
    Ok(())
}

/// Closes every descriptor but these.
pub(crate) fn close_all_but(keep: &[RawFd]) -> Result<(), Failure> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|&descriptor| u32::try_from(descriptor).ok()).collect();
    keep.sort_unstable();
    let mut next = 0;
    for descriptor in keep {
        if descriptor > next {
            close_range(next, descriptor - 1)?;
        }
        next = descriptor + 1;
    }
    close_range(next, u32::MAX)
}

/// Closes every descriptor from this number on: what the server had open when it started the launcher.
pub(crate) fn close_all_but_first(number: u32) -> Result<(), Failure> {
    close_range(number, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Failure> {
    // SAFETY: plain numbers; callers are about to exec, or own nothing that they still use in the range.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).step("close inherited descriptors")
}

fn clear_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    let sets = [0_u32; 6];
    // SAFETY: header and sets have the layout of version 3 and live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) })
}

pub(crate) fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take plain numbers.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }.into())
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
