//! What the machine has left for more environments.
//!
//! Looked at before an environment is started and for the metrics, never by an invoke that finds one. A machine that runs
//! short refuses starts, which the callers may try again, so that what runs already keeps what it needs.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::memory::Memory;

/// How old a look may be. What has been begun since is counted with what a start takes.
const LOOK_AGE_MAX: Duration = Duration::from_millis(50);
/// Processes and threads that stay free, for those of starts under way and for the operator.
const PROCESSES_LEFT: u64 = 256;
/// Share of this process's descriptors that stays free, in percent: connections, logs and the files
/// of control groups need them, too.
const DESCRIPTORS_LEFT_PERCENT: u64 = 10;
/// What a start takes that does not show yet: a busy environment holds 14 descriptors and its caller's connection.
const DESCRIPTORS_OF_A_START: u64 = 16;
const PROCESSES_OF_A_START: u64 = 16;

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

    /// What is too short for another environment, when so many starts do not show yet.
    pub(crate) fn shortage(&self, starts: u64) -> Option<&'static str> {
        if self.memory.is_some_and(|memory| memory.shortage_bytes() > 0) {
            return Some("the machine is short of memory");
        }
        let left = PROCESSES_LEFT + starts * PROCESSES_OF_A_START;
        if self.processes.saturating_add(left) > self.processes_max {
            return Some("the machine is short of processes (kernel.pid_max, kernel.threads-max)");
        }
        let descriptors = self.descriptors.saturating_add(starts * DESCRIPTORS_OF_A_START);
        if descriptors > self.descriptors_max.saturating_mul(100 - DESCRIPTORS_LEFT_PERCENT) / 100 {
            return Some("the server is short of descriptors (ulimit -n)");
        }
        None
    }
}

/// The last look, for starts that follow each other quickly, and the starts under way.
#[derive(Debug, Default)]
pub(crate) struct LastLook {
    look: Mutex<Option<Look>>,
    under_way: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Look {
    at: Duration,
    capacity: Capacity,
    /// Starts that were under way then, or were begun since.
    starts: u64,
}

/// One start under way. Dropped, it is over and shows in the next look.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<AtomicU64>);

impl LastLook {
    /// Counts a start in at `now`, or says what is too short for it.
    pub(crate) fn begin(&self, now: Duration, look: impl FnOnce() -> Capacity) -> Result<UnderWay, &'static str> {
        let mut last = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|last| now.saturating_sub(last.at) >= LOOK_AGE_MAX) {
            *last = Some(Look { at: now, capacity: look(), starts: self.under_way.load(Ordering::Acquire) });
        }
        if let Some(last) = last.as_mut() {
            if let Some(shortage) = last.capacity.shortage(last.starts + 1) {
                return Err(shortage);
            }
            last.starts += 1;
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Ok(UnderWay(Arc::clone(&self.under_way)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
        Capacity { memory, processes, processes_max: 32_768, descriptors: 100, descriptors_max: 1_000 }
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
        assert_eq!(capacity(51, 100).shortage(0), None);
        assert!(capacity(49, 100).shortage(0).unwrap().contains("memory"));
        assert!(capacity(500, 32_600).shortage(0).unwrap().contains("processes"));
        assert!(Capacity { descriptors: 901, ..capacity(500, 1) }.shortage(0).unwrap().contains("descriptors"));
        assert_eq!(Capacity { memory: None, ..capacity(0, 1) }.shortage(0), None, "what is not known is no reason");
    }

    #[test]
    fn starts_that_do_not_show_yet_are_counted() {
        let now = Capacity { descriptors: 800, ..capacity(500, 32_768 - 256 - 64) };
        assert_eq!(
            (now.shortage(3), now.shortage(5)),
            (None, Some("the machine is short of processes (kernel.pid_max, kernel.threads-max)"))
        );
        let now = Capacity { processes: 1, ..now };
        assert_eq!((now.shortage(6), now.shortage(7)), (None, Some("the server is short of descriptors (ulimit -n)")));
    }

    #[test]
    fn a_look_is_good_for_a_moment() {
        let last = LastLook::default();
        let ms = Duration::from_millis;
        assert!(last.begin(ms(0), || capacity(500, 1)).is_ok());
        assert!(last.begin(ms(49), || capacity(1, 1)).is_ok());
        assert!(last.begin(ms(50), || capacity(1, 1)).is_err());
    }

    #[test]
    fn a_burst_of_starts_takes_no_more_than_there_is() {
        let (last, ms) = (LastLook::default(), Duration::from_millis);
        let look = || Capacity { descriptors: 700, ..capacity(500, 1) };
        let begun: Vec<_> = (0..50).map_while(|at| last.begin(ms(at % 50), look).ok()).collect();
        assert_eq!(begun.len(), 12, "twelve times 16 descriptors are left of the nine hundred");
        assert!(last.begin(ms(60), look).is_err(), "those under way do not show yet");
        drop(begun);
        assert!(last.begin(ms(70), look).is_err(), "a refusal is as old as its look");
        assert!(last.begin(ms(120), look).is_ok());
    }
}
