//! Control groups: limits, figures, freezing and killing, on v1, v2 and the hybrid of both.
//!
//! A [`Group`] is one sandbox's directories, known by path, so that the server works on them without asking the
//! launcher, and none costs a descriptor. No two sandboxes of a machine ever have the same path. On a hybrid machine limits live in v1 hierarchies, while freezing and killing use the
//! core files of the v2 mount.

pub(crate) mod files;
mod sweep;
mod tree;
mod v1;
mod v2;

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::launcher::wire::{Reader, Writer};
use crate::spec::Limits;

pub(crate) use sweep::{RemovalOutcome, kill_and_remove};
pub(crate) use tree::Tree;
pub(crate) use v1::watch_out_of_memory;

/// What a directory of a control group hierarchy can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Controller {
    Memory = 1,
    Processes = 2,
    Cpu = 4,
    /// The core files of v2: `cgroup.freeze`, `cgroup.kill`, `cpu.stat`.
    Core = 8,
    /// The freezer of v1, used only where there is no v2 mount.
    Freezer = 16,
}

/// A set of controllers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controllers(pub(crate) u8);

impl Controllers {
    pub(crate) fn has(self, controller: Controller) -> bool {
        self.0 & controller as u8 != 0
    }

    pub(crate) fn with(self, controller: Controller) -> Controllers {
        Controllers(self.0 | controller as u8)
    }

    pub(crate) fn without(self, other: Controllers) -> Controllers {
        Controllers(self.0 & !other.0)
    }

    pub(crate) fn and(self, other: Controllers) -> Controllers {
        Controllers(self.0 | other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// Which interface a hierarchy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// One directory of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) version: Version,
    pub(crate) controllers: Controllers,
    pub(crate) directory: PathBuf,
}

/// See [`Group::doors`].
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) clone_target: Option<OwnedFd>,
    pub(crate) tasks: Vec<OwnedFd>,
}

/// The directories of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) members: Vec<Member>,
}

impl Group {
    fn member(&self, controller: Controller) -> Option<(Version, &Path)> {
        let member = self.members.iter().find(|member| member.controllers.has(controller))?;
        Some((member.version, member.directory.as_path()))
    }

    /// The v2 directory that a process can be cloned into.
    pub(crate) fn clone_target(&self) -> io::Result<Option<OwnedFd>> {
        let v2 = self.members.iter().find(|member| member.version == Version::V2);
        v2.map(|member| files::open_directory(&member.directory)).transpose()
    }

    /// Moves the calling, single-threaded process into the v1 groups.
    pub(crate) fn join(&self) -> io::Result<()> {
        let v1 = self.members.iter().filter(|member| member.version == Version::V1);
        v1.map(|member| member.directory.as_path()).try_for_each(v1::join)
    }

    /// The files to which a process of another sandbox, that is handed them, writes `0` to move here.
    pub(crate) fn own_doors(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |member: &Member| match member.version {
            Version::V1 => v1::open_tasks(&member.directory),
            Version::V2 => v2::open_processes(&member.directory),
        };
        self.members.iter().map(open).collect()
    }

    /// What somebody else needs to bring a child into the groups: the files to which that child writes `0`, and before
    /// them, where there is v2, the directory to be cloned into.
    pub(crate) fn doors(&self) -> io::Result<Doors> {
        let v1 = self.members.iter().filter(|member| member.version == Version::V1);
        let tasks = v1.map(|member| v1::open_tasks(&member.directory)).collect::<io::Result<_>>()?;
        Ok(Doors { clone_target: self.clone_target()?, tasks })
    }

    /// The v1 memory directory, whose out-of-memory events have to be watched.
    pub(crate) fn watched_memory(&self) -> Option<&Path> {
        match self.member(Controller::Memory)? {
            (Version::V1, directory) => Some(directory),
            (Version::V2, _) => None,
        }
    }

    /// Sets the limits of a group before its first process.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        self.limit_memory(limits.memory_bytes)?;
        if let Some((_, directory)) = self.member(Controller::Processes) {
            // Process 1 is ours and does not count against the function.
            files::write_number(directory, "pids.max", limits.processes.saturating_add(1))?;
        }
        self.limit_cpu(limits.cpu_millis)
    }

    /// Sets the limit of memory, before the first process or later; nothing to do without the controller.
    pub(crate) fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        match self.member(Controller::Memory) {
            Some((Version::V1, directory)) => v1::limit_memory(directory, bytes),
            Some((Version::V2, directory)) => v2::limit_memory(directory, bytes),
            None => Ok(()),
        }
    }

    /// Sets the CPU share; nothing to do without the controller.
    pub(crate) fn limit_cpu(&self, cpu_millis: Option<u64>) -> io::Result<()> {
        match self.member(Controller::Cpu) {
            Some((Version::V1, directory)) => v1::limit_cpu(directory, cpu_millis),
            Some((Version::V2, directory)) => v2::limit_cpu(directory, cpu_millis),
            None => Ok(()),
        }
    }

    pub(crate) fn memory_peak_bytes(&self) -> io::Result<u64> {
        match self.member(Controller::Memory).ok_or(io::ErrorKind::Unsupported)? {
            (Version::V1, directory) => files::read_number(directory, "memory.max_usage_in_bytes"),
            (Version::V2, directory) => v2::memory_peak_bytes(directory),
        }
    }

    pub(crate) fn memory_bytes(&self) -> io::Result<u64> {
        match self.member(Controller::Memory).ok_or(io::ErrorKind::Unsupported)? {
            (Version::V1, directory) => files::read_number(directory, "memory.usage_in_bytes"),
            (Version::V2, directory) => files::read_number(directory, "memory.current"),
        }
    }

    pub(crate) fn out_of_memory(&self) -> bool {
        let kills = match self.member(Controller::Memory) {
            Some((Version::V1, directory)) => v1::out_of_memory_kills(directory),
            Some((Version::V2, directory)) => v2::out_of_memory_kills(directory),
            None => Ok(0),
        };
        kills.unwrap_or(0) > 0
    }

    pub(crate) fn cpu_time_us(&self) -> io::Result<u64> {
        let core = self.member(Controller::Core).map(|(_, directory)| directory);
        match core {
            Some(directory) => files::read_field(directory, "cpu.stat", "usage_usec"),
            None => {
                let (_, directory) = self.member(Controller::Cpu).ok_or(io::ErrorKind::Unsupported)?;
                // Mounted together with cpu by every distribution that has v1 alone.
                Ok(files::read_number(directory, "cpuacct.usage")? / 1_000)
            }
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        if let Some((_, directory)) = self.member(Controller::Core) {
            return files::write(directory, "cgroup.freeze", if frozen { "1" } else { "0" });
        }
        let (_, directory) = self.member(Controller::Freezer).ok_or(io::ErrorKind::Unsupported)?;
        v1::freeze(directory, frozen)
    }

    /// Kills by the control group, where the kernel can; says whether it did.
    pub(crate) fn kill(&self) -> bool {
        self.member(Controller::Core).is_some_and(|(_, directory)| files::write(directory, "cgroup.kill", "1").is_ok())
    }

    /// Lets a v1 freezer go, so that sent signals act.
    pub(crate) fn thaw_before_death(&self) {
        if let Some((_, directory)) = self.member(Controller::Freezer) {
            let _ = v1::freeze(directory, false);
        }
    }

    /// Describes the group in a reply.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(u8::try_from(self.members.len()).unwrap_or(0));
        for member in &self.members {
            writer.u8(u8::from(member.version == Version::V2));
            writer.u8(member.controllers.0);
            writer.bytes(member.directory.as_os_str().as_bytes());
        }
    }

    /// Reads what [`Group::write`] wrote.
    pub(crate) fn read(reader: &mut Reader<'_>) -> io::Result<Group> {
        let count = reader.u8()?;
        let mut members = Vec::new();
        for _ in 0..count {
            let version = if reader.u8()? != 0 { Version::V2 } else { Version::V1 };
            let controllers = Controllers(reader.u8()?);
            let directory = PathBuf::from(OsStr::from_bytes(reader.bytes()?));
            members.push(Member { version, controllers, directory });
        }
        Ok(Group { members })
    }
}
