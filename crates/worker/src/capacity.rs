//! What the machine has left for more environments.
//!
//! Looked at before an environment is started and for the metrics, never by an invoke that finds one. A machine that runs
//! short refuses starts, which the callers may try again, so that what runs already keeps what it needs.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::memory::Memory;

/// How old a look may be: with a start in every few milliseconds, hardly more than a dozen environments.
const LOOK_AGE_MAX: Duration = Duration::from_millis(50);
/// Processes and threads that stay free, for those of starts under way and for the operator.
const PROCESSES_LEFT: u64 = 256;
/// Share of this process's descriptors that stays free, in percent: a busy environment holds some twenty, and connections,
/// logs and the files of control groups need them, too.
const DESCRIPTORS_LEFT_PERCENT: u64 = 10;

/// One look at the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// `None` where the kernel does not tell.
    pub(crate) memory: Option<Memory>,
    /// Processes and threads of the whole machine.
    pub(crate) processes: u64,
    /// The most that there can be.
    pub(crate) processes_max: u64,
    /// Descriptors of this process.
    pub(crate) descriptors: u64,
    /// The most that it may have (`ulimit -n`).
    pub(crate) descriptors_max: u64,
}

impl Capacity {
    pub(crate) fn read(memory: fn() -> Option<Memory>) -> Self {
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let bounds = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map(number);
        Self {
            memory: memory(),
            processes: processes(&text).unwrap_or(0),
            processes_max: bounds.into_iter().flatten().min().unwrap_or(u64::MAX),
            descriptors: descriptors(),
            descriptors_max: descriptors_max(&fs::read_to_string("/proc/self/limits").unwrap_or_default())
                .unwrap_or(u64::MAX),
        }
    }

    /// What is too short for another environment.
    pub(crate) fn shortage(&self) -> Option<&'static str> {
        if self.memory.is_some_and(|memory| memory.shortage_bytes() > 0) {
            return Some("the machine is short of memory");
        }
        if self.processes.saturating_add(PROCESSES_LEFT) > self.processes_max {
            return Some("the machine is short of processes (kernel.pid_max, kernel.threads-max)");
        }
        if self.descriptors > self.descriptors_max / 100 * (100 - DESCRIPTORS_LEFT_PERCENT) {
            return Some("the server is short of descriptors (ulimit -n)");
        }
        None
    }
}

/// The last look, for starts that follow each other quickly.
#[derive(Debug, Default)]
pub(crate) struct LastLook(Mutex<Option<(Duration, Option<&'static str>)>>);

impl LastLook {
    /// What is too short for another environment at `now`.
    pub(crate) fn shortage(&self, now: Duration, look: impl FnOnce() -> Capacity) -> Option<&'static str> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, shortage)) if now.saturating_sub(at) < LOOK_AGE_MAX => shortage,
            _ => {
                let shortage = look().shortage();
                *last = Some((now, shortage));
                shortage
            }
        }
    }
}

/// The fourth field is `runnable/all`.
fn processes(loadavg: &str) -> Option<u64> {
    loadavg.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

/// The size of the directory is their number since Linux 6.2.
fn descriptors() -> u64 {
    const ALL: &str = "/proc/self/fd";
    match fs::metadata(ALL).map(|metadata| metadata.len()) {
        Ok(count) if count > 0 => count,
        _ => fs::read_dir(ALL).map_or(0, |entries| entries.count() as u64),
    }
}

/// The soft limit.
fn descriptors_max(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(available_bytes: u64, processes: u64) -> Capacity {
        let memory = Some(Memory { total_bytes: 1_000, available_bytes });
        Capacity { memory, processes, processes_max: 32_768, descriptors: 900, descriptors_max: 1_000 }
    }

    #[test]
    fn the_kernels_figures_are_read() {
        assert_eq!(processes("0.20 0.18 0.12 1/80 11206\n"), Some(80));
        assert_eq!(processes("nonsense"), None);
        let now = Capacity::read(Memory::read);
        assert!(now.processes > 0 && now.processes < now.processes_max && now.memory.is_some());
        assert!(now.descriptors > 0 && now.descriptors < now.descriptors_max);
        assert_eq!(
            descriptors_max("Limit  Soft  Hard\nMax open files            1024                 4096   files\n"),
            Some(1_024)
        );
        assert_eq!(descriptors_max("Max open files   unlimited   unlimited   files\n"), None);
    }

    #[test]
    fn a_machine_that_is_short_takes_no_more() {
        assert_eq!(capacity(51, 100).shortage(), None);
        assert!(capacity(49, 100).shortage().unwrap().contains("memory"));
        assert!(capacity(500, 32_600).shortage().unwrap().contains("processes"));
        assert!(Capacity { descriptors: 901, ..capacity(500, 1) }.shortage().unwrap().contains("descriptors"));
        assert_eq!(Capacity { memory: None, ..capacity(0, 1) }.shortage(), None, "what is not known is no reason");
    }

    #[test]
    fn a_look_is_good_for_a_moment() {
        let last = LastLook::default();
        let ms = Duration::from_millis;
        assert_eq!(last.shortage(ms(0), || capacity(500, 1)), None);
        assert_eq!(last.shortage(ms(49), || capacity(1, 1)), None);
        assert!(last.shortage(ms(50), || capacity(1, 1)).is_some());
    }
}
