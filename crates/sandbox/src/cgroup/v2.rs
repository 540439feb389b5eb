//! The files of the unified hierarchy.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use crate::cgroup::{files, v1};

/// Sets the limit of memory, allows no swap, and makes the kernel kill the group as a whole.
pub(crate) fn limit_memory(directory: &Path, bytes: u64) -> io::Result<()> {
    files::write_number(directory, "memory.max", bytes)?;
    files::write_if_present(directory, "memory.swap.max", "0")?;
    files::write_if_present(directory, "memory.oom.group", "1")
}

/// Sets the CPU share in thousandths of a processor.
pub(crate) fn limit_cpu(directory: &Path, cpu_millis: Option<u64>) -> io::Result<()> {
    let value = match cpu_millis {
        Some(millis) => format!("{} {}", v1::quota_us(millis), v1::period_us()),
        None => format!("max {}", v1::period_us()),
    };
    files::write(directory, "cpu.max", &value)
}

/// The peak; kernels before 5.19 only know the present.
pub(crate) fn memory_peak_bytes(directory: &Path) -> io::Result<u64> {
    files::read_number(directory, "memory.peak").or_else(|_| files::read_number(directory, "memory.current"))
}

/// How many processes the kernel killed because the limit was reached.
pub(crate) fn out_of_memory_kills(directory: &Path) -> io::Result<u64> {
    files::read_field(directory, "memory.events", "oom_kill")
}

/// Opens the file to which a process writes `0` to move here.
pub(crate) fn open_processes(directory: &Path) -> io::Result<OwnedFd> {
    Ok(open(directory.join("cgroup.procs"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)
}
