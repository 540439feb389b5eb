//! Control groups: one directory per sandbox and hierarchy, on v1 (also hybrid) and on v2.
//!
//! A process is attached by writing `0` to the v1 file `tasks` from within, while it has one thread: that
//! takes 0.17 ms where `cgroup.procs` takes 13 ms, because only the latter waits for a grace period of the
//! whole machine (measured on Linux 6.18). On v2 process 1 is attached before it starts the command.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Failure, SandboxError, Step};
use crate::spec::Limits;

/// The controllers that are used on v1, each perhaps on a mount of its own.
const CONTROLLERS_V1: [&str; 5] = ["memory", "pids", "cpu", "cpuacct", "freezer"];
/// Length of a period of CPU bandwidth.
const CPU_PERIOD_US: u64 = 100_000;
/// Memory for process 1 itself beside the function's: it is charged to the same group.
const INIT_OVERHEAD_BYTES: u64 = 1024 * 1024;

/// Where the hierarchies are on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchies {
    /// Mount point of each controller.
    V1(Vec<(&'static str, PathBuf)>),
    /// The unified mount point, or the delegated directory below it.
    V2(PathBuf),
    /// None that can be written.
    Missing(String),
}

impl Hierarchies {
    /// Reads them from the mount table, and tries whether a directory can be made in each.
    pub(crate) fn probe(parent: &str) -> Self {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let found = Self::parse(&table);
        match found.prepare(parent) {
            Ok(()) => found,
            Err(failure) => Self::Missing(format!("{}: {}", failure.step, failure.cause)),
        }
    }

    fn parse(mount_table: &str) -> Self {
        let mut v1 = Vec::new();
        let mut v2 = None;
        for line in mount_table.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(path) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut right = right.split(' ');
            match right.next() {
                Some("cgroup") => {
                    let options = right.nth(1).unwrap_or_default();
                    for controller in CONTROLLERS_V1 {
                        if options.split(',').any(|option| option == controller) {
                            v1.push((controller, path.clone()));
                        }
                    }
                }
                Some("cgroup2") => v2 = Some(path),
                _ => {}
            }
        }
        if v1.iter().any(|(controller, _)| *controller == "memory") {
            return Self::V1(v1);
        }
        v2.map_or_else(|| Self::Missing("no control groups are mounted".to_owned()), Self::V2)
    }

    /// Makes the parent directory of every sandbox's group, with the controllers passed down.
    fn prepare(&self, parent: &str) -> Result<(), Failure> {
        match self {
            Self::V1(mounts) => mounts.iter().try_for_each(|(_, mount)| make(&mount.join(parent))),
            Self::V2(mount) => {
                make(&mount.join(parent))?;
                for directory in [mount.clone(), mount.join(parent)] {
                    write(&directory.join("cgroup.subtree_control"), "+memory +pids +cpu")?;
                }
                Ok(())
            }
            Self::Missing(reason) => Err(Failure { step: "find control groups".to_owned(), cause: reason.clone() }),
        }
    }

    /// Ends and removes every group below the parent: what a killed server left.
    pub(crate) fn sweep(&self, parent: &str) {
        for directory in self.directories(parent) {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    end_and_remove(&entry.path());
                }
            }
        }
    }

    /// Removes the parent itself; it is empty by then.
    pub(crate) fn remove(&self, parent: &str) {
        for directory in self.directories(parent) {
            let _ = fs::remove_dir(directory);
        }
    }

    fn directories(&self, relative: &str) -> Vec<PathBuf> {
        match self {
            Self::V1(mounts) => mounts.iter().map(|(_, mount)| mount.join(relative)).collect(),
            Self::V2(mount) => vec![mount.join(relative)],
            Self::Missing(_) => Vec::new(),
        }
    }

    /// The group of one sandbox.
    pub(crate) fn group(&self, relative: &str) -> Group {
        Group { hierarchies: self.clone(), relative: relative.to_owned() }
    }
}

/// The group of one sandbox, in every hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    hierarchies: Hierarchies,
    relative: String,
}

impl Group {
    /// Makes the directories and sets the limits.
    pub(crate) fn create(&self, limits: &Limits) -> Result<(), Failure> {
        for directory in self.hierarchies.directories(&self.relative) {
            make(&directory)?;
        }
        let memory = limits.memory_bytes + INIT_OVERHEAD_BYTES;
        // The runtime's processes and process 1.
        let processes = limits.processes + 1;
        match &self.hierarchies {
            Hierarchies::V1(_) => {
                self.write_v1("memory", "memory.limit_in_bytes", &memory.to_string())?;
                let _ = self.write_v1("memory", "memory.memsw.limit_in_bytes", &memory.to_string());
                let _ = self.write_v1("memory", "memory.swappiness", "0");
                self.write_v1("pids", "pids.max", &processes.to_string())?;
            }
            Hierarchies::V2(mount) => {
                let directory = mount.join(&self.relative);
                write(&directory.join("memory.max"), &memory.to_string())?;
                let _ = write(&directory.join("memory.swap.max"), "0");
                write(&directory.join("memory.oom.group"), "1")?;
                write(&directory.join("pids.max"), &processes.to_string())?;
            }
            Hierarchies::Missing(_) => {}
        }
        self.set_cpu(limits.cpu_millis).step("limit the processor time of the sandbox")
    }

    /// Attaches the calling process, which has one thread.
    pub(crate) fn join(&self) -> Result<(), Failure> {
        let file = if matches!(self.hierarchies, Hierarchies::V1(_)) { "tasks" } else { "cgroup.procs" };
        self.hierarchies.directories(&self.relative).iter().try_for_each(|directory| write(&directory.join(file), "0"))
    }

    /// CPU time per second of wall time, in thousandths of a processor.
    pub(crate) fn set_cpu(&self, millis: Option<u64>) -> Result<(), SandboxError> {
        let quota = millis.map(|millis| (millis * CPU_PERIOD_US / 1000).max(1000));
        let (path, text) = match &self.hierarchies {
            Hierarchies::V1(_) => {
                let Some(path) = self.path_v1("cpu", "cpu.cfs_quota_us") else { return Ok(()) };
                (path, quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string()))
            }
            Hierarchies::V2(mount) => (
                mount.join(&self.relative).join("cpu.max"),
                quota.map_or_else(|| format!("max {CPU_PERIOD_US}"), |quota| format!("{quota} {CPU_PERIOD_US}")),
            ),
            Hierarchies::Missing(_) => return Ok(()),
        };
        fs::write(&path, text).map_err(|source| SandboxError::ControlGroup { path, source })
    }

    /// Stops every process of the group in its tracks, or lets them go on.
    pub(crate) fn set_frozen(&self, frozen: bool) -> Result<(), SandboxError> {
        let (path, text) = match &self.hierarchies {
            Hierarchies::V1(_) => {
                let Some(path) = self.path_v1("freezer", "freezer.state") else { return Ok(()) };
                (path, if frozen { "FROZEN" } else { "THAWED" })
            }
            Hierarchies::V2(mount) => {
                (mount.join(&self.relative).join("cgroup.freeze"), if frozen { "1" } else { "0" })
            }
            Hierarchies::Missing(_) => return Ok(()),
        };
        fs::write(&path, text).map_err(|source| SandboxError::ControlGroup { path, source })
    }

    /// The most memory that was in use at once, not more than the limit.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        match &self.hierarchies {
            Hierarchies::V1(_) => self.number_v1("memory", "memory.max_usage_in_bytes"),
            Hierarchies::V2(mount) => number(&mount.join(&self.relative).join("memory.peak")),
            Hierarchies::Missing(_) => 0,
        }
    }

    /// Whether the kernel has killed a process of the group for want of memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        let (path, key) = match &self.hierarchies {
            Hierarchies::V1(_) => (self.path_v1("memory", "memory.oom_control").unwrap_or_default(), "oom_kill "),
            Hierarchies::V2(mount) => (mount.join(&self.relative).join("memory.events"), "oom_kill "),
            Hierarchies::Missing(_) => return false,
        };
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix(key)).any(|count| count.trim() != "0")
    }

    /// CPU time used by all processes, in microseconds.
    pub(crate) fn cpu_time_us(&self) -> u64 {
        match &self.hierarchies {
            Hierarchies::V1(_) => self.number_v1("cpuacct", "cpuacct.usage") / 1000,
            Hierarchies::V2(mount) => {
                let text = fs::read_to_string(mount.join(&self.relative).join("cpu.stat")).unwrap_or_default();
                text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok()).unwrap_or(0)
            }
            Hierarchies::Missing(_) => 0,
        }
    }

    /// The v1 files whose event descriptor tells of an out-of-memory kill: the counter and the registration.
    pub(crate) fn oom_event_files(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.path_v1("memory", "memory.oom_control")?, self.path_v1("memory", "cgroup.event_control")?))
    }

    /// Removes the directories, ending what may still be inside.
    pub(crate) fn remove(&self) {
        for directory in self.hierarchies.directories(&self.relative) {
            end_and_remove(&directory);
        }
    }

    fn path_v1(&self, controller: &str, file: &str) -> Option<PathBuf> {
        let Hierarchies::V1(mounts) = &self.hierarchies else { return None };
        let (_, mount) = mounts.iter().find(|(name, _)| *name == controller)?;
        Some(mount.join(&self.relative).join(file))
    }

    fn write_v1(&self, controller: &str, file: &str, text: &str) -> Result<(), Failure> {
        self.path_v1(controller, file).map_or(Ok(()), |path| write(&path, text))
    }

    fn number_v1(&self, controller: &str, file: &str) -> u64 {
        self.path_v1(controller, file).map_or(0, |path| number(&path))
    }
}

fn make(directory: &Path) -> Result<(), Failure> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).step(&format!("make the control group {}", directory.display()))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .step(&format!("write {text:?} to {}", path.display()))
}

fn number(path: &Path) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Kills what is in a group until it can be removed; bounded, because a process may be stuck in the kernel.
fn end_and_remove(directory: &Path) {
    for _ in 0..500 {
        match fs::remove_dir(directory) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        let _ = fs::write(directory.join("cgroup.kill"), "1");
        let _ = fs::write(directory.join("freezer.state"), "THAWED");
        for line in fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Some(pid) = line.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_machines_use_the_old_hierarchies() {
        let table = "\
30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
31 25 0:27 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct
32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let Hierarchies::V1(mounts) = Hierarchies::parse(table) else { panic!("not v1") };
        assert_eq!(mounts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["cpu", "cpuacct", "memory"]);
    }

    #[test]
    fn unified_machines_use_the_one_hierarchy() {
        let table = "35 25 0:29 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(Hierarchies::parse(table), Hierarchies::V2(PathBuf::from("/sys/fs/cgroup")));
        assert!(matches!(Hierarchies::parse(""), Hierarchies::Missing(_)));
    }

    #[test]
    fn limits_are_written_to_a_unified_group() {
        let directory = std::env::temp_dir().join(format!("tindra-cgroup-{}", std::process::id()));
        let inside = directory.join("one");
        fs::create_dir_all(&inside).unwrap();
        for file in ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.freeze"] {
            fs::write(inside.join(file), "").unwrap();
        }
        let group = Hierarchies::V2(directory.clone()).group("one");
        let limits = Limits { memory_bytes: 128 << 20, cpu_millis: Some(72), processes: 1024, open_files: 1024 };
        group.create(&limits).unwrap();
        group.set_frozen(true).unwrap();
        let read = |file: &str| fs::read_to_string(inside.join(file)).unwrap();
        assert_eq!(read("memory.max"), ((128_u64 << 20) + INIT_OVERHEAD_BYTES).to_string());
        assert_eq!((read("pids.max"), read("cpu.max")), ("1025".to_owned(), "7200 100000".to_owned()));
        assert_eq!((read("memory.oom.group"), read("cgroup.freeze")), ("1".to_owned(), "1".to_owned()));
        fs::remove_dir_all(directory).unwrap();
    }
}
