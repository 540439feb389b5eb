//! The files of the v1 controllers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use crate::cgroup::files;

/// Lambda's scheduling period as measured by many; short, so that a small share does not mean long stalls.
const CPU_PERIOD_US: u64 = 20_000;
/// The kernel refuses less.
const CPU_QUOTA_US_MIN: u64 = 1_000;

/// Sets the limit of memory, and allows no swap.
pub(crate) fn limit_memory(directory: &Path, bytes: u64) -> io::Result<()> {
    // The limit with swap may never be below the one without: going down it is set afterwards, going up before, which
    // the first try tells.
    if files::write_number(directory, "memory.limit_in_bytes", bytes).is_err() {
        files::write_if_present(directory, "memory.memsw.limit_in_bytes", &bytes.to_string())?;
        files::write_number(directory, "memory.limit_in_bytes", bytes)?;
    }
    // Absent without swap accounting; swappiness keeps anonymous pages in memory then.
    files::write_if_present(directory, "memory.memsw.limit_in_bytes", &bytes.to_string())?;
    files::write_if_present(directory, "memory.swappiness", "0")
}

/// Sets the CPU share in thousandths of a processor.
pub(crate) fn limit_cpu(directory: &Path, cpu_millis: Option<u64>) -> io::Result<()> {
    let Some(millis) = cpu_millis else {
        return files::write(directory, "cpu.cfs_quota_us", "-1");
    };
    files::write_number(directory, "cpu.cfs_period_us", CPU_PERIOD_US)?;
    files::write_number(directory, "cpu.cfs_quota_us", quota_us(millis))
}

/// CPU time per period, in microseconds.
pub(crate) fn quota_us(cpu_millis: u64) -> u64 {
    (cpu_millis.saturating_mul(CPU_PERIOD_US) / 1_000).max(CPU_QUOTA_US_MIN)
}

/// The period that [`quota_us`] counts in.
pub(crate) fn period_us() -> u64 {
    CPU_PERIOD_US
}

/// How many processes the kernel killed because the limit was reached.
pub(crate) fn out_of_memory_kills(directory: &Path) -> io::Result<u64> {
    files::read_field(directory, "memory.oom_control", "oom_kill")
}

/// An event descriptor that becomes readable each time the limit is reached. v1 cannot kill a whole group by
/// itself, so the launcher does when this fires.
pub(crate) fn watch_out_of_memory(directory: &Path) -> io::Result<OwnedFd> {
    let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
    let event = rustix::event::eventfd(0, flags)?;
    let control = open(directory.join("memory.oom_control"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let registration = format!("{} {}", raw(event.as_fd()), raw(control.as_fd()));
    files::write(directory, "cgroup.event_control", &registration)?;
    Ok(event)
}

fn raw(descriptor: BorrowedFd<'_>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&descriptor)
}

/// Freezes or thaws by the v1 freezer.
pub(crate) fn freeze(directory: &Path, frozen: bool) -> io::Result<()> {
    files::write(directory, "freezer.state", if frozen { "FROZEN" } else { "THAWED" })
}

/// Moves the calling, single-threaded process into the group.
///
/// Writing `0` to `tasks` concerns only the writer, so the kernel skips the lock that makes `cgroup.procs` wait
/// for an RCU grace period: 0.06 ms a controller instead of 5 to 14 ms on a quiet machine.
pub(crate) fn join(directory: &Path) -> io::Result<()> {
    files::write(directory, "tasks", "0")
}

/// Opens what [`join`] writes to.
pub(crate) fn open_tasks(directory: &Path) -> io::Result<OwnedFd> {
    Ok(open(directory.join("tasks"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)
}
