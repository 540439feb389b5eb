//! What is asked of the launcher and the maker, and what they answer.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::{Failure, SandboxError, Step};
use crate::launcher::wire::{Reader, Truncated, Writer};
use crate::spec::{Limits, Mount, Spec};

/// The host ids that a storage, and the sandboxes that use it, belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostIds {
    /// Number of the slot in the reserved range.
    pub(crate) slot: u32,
    /// Host uid and gid of the function's user.
    pub(crate) user: u32,
    /// Uid and gid of process 1 as seen inside.
    pub(crate) pid_one_inside: u32,
}

/// A request; descriptors travel beside it, the reply socket first.
#[derive(Debug)]
pub(crate) enum Request {
    /// To the launcher; descriptors: reply, network namespace, /tmp mount, user namespace. With the number of a template
    /// the command is forked from it and not executed.
    Spawn(Box<Spec>, HostIds, Option<u64>),
    /// To the launcher, no reply: the sandbox is no longer wanted.
    Remove(u64),
    /// To the maker; descriptor: reply.
    Network,
    /// To the maker, with its size in MiB; descriptor: reply.
    Storage(u32),
    /// To the maker, no reply: the storage in this slot is no longer wanted.
    Release(u32),
    /// To the launcher; descriptor: reply, which comes when the template says that it is ready.
    StartTemplate(Box<Spec>),
    /// To the launcher, no reply: the template is no longer wanted.
    EndTemplate(u64),
    /// To the launcher; descriptor: reply. Control groups for a copy, see `copy.rs`; they go as a sandbox goes.
    MakeGroup(Limits),
    /// To the attacher; descriptors: reply, process 1 of the sandbox.
    Attach(Vec<Mount>),
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Request::Spawn(spec, ids, template) => {
                writer.u8(0);
                writer.u32(ids.slot);
                writer.u32(ids.user);
                writer.u32(ids.pid_one_inside);
                writer.u64(template.unwrap_or(0));
                write_spec(&mut writer, spec);
            }
            Request::Remove(id) => {
                writer.u8(1);
                writer.u64(*id);
            }
            Request::Network => writer.u8(2),
            Request::Storage(size_mb) => {
                writer.u8(3);
                writer.u32(*size_mb);
            }
            Request::Release(slot) => {
                writer.u8(4);
                writer.u32(*slot);
            }
            Request::StartTemplate(spec) => {
                writer.u8(5);
                write_spec(&mut writer, spec);
            }
            Request::EndTemplate(id) => {
                writer.u8(6);
                writer.u64(*id);
            }
            Request::MakeGroup(limits) => {
                writer.u8(8);
                write_limits(&mut writer, limits);
            }
            Request::Attach(mounts) => {
                writer.u8(7);
                write_mounts(&mut writer, mounts);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Request, Truncated> {
        let mut reader = Reader::new(bytes);
        Ok(match reader.u8()? {
            0 => {
                let ids = HostIds { slot: reader.u32()?, user: reader.u32()?, pid_one_inside: reader.u32()? };
                let template = Some(reader.u64()?).filter(|id| *id != 0);
                Request::Spawn(Box::new(read_spec(&mut reader)?), ids, template)
            }
            1 => Request::Remove(reader.u64()?),
            2 => Request::Network,
            3 => Request::Storage(reader.u32()?),
            4 => Request::Release(reader.u32()?),
            5 => Request::StartTemplate(Box::new(read_spec(&mut reader)?)),
            6 => Request::EndTemplate(reader.u64()?),
            7 => Request::Attach(read_mounts(&mut reader)?),
            8 => Request::MakeGroup(read_limits(&mut reader)?),
            _ => return Err(Truncated),
        })
    }
}

fn write_spec(writer: &mut Writer, spec: &Spec) {
    writer.bytes(spec.root.as_os_str().as_bytes());
    writer.bytes(spec.working_directory.as_os_str().as_bytes());
    write_mounts(writer, &spec.mounts);
    for strings in [&spec.command, &spec.environment] {
        writer.u32(u32::try_from(strings.len()).unwrap_or(0));
        strings.iter().for_each(|string| writer.bytes(string.as_bytes()));
    }
    write_limits(writer, &spec.limits);
    writer.u32(spec.log_descriptor.cast_unsigned());
    writer.u32(spec.control_descriptor.unwrap_or(-1).cast_unsigned());
}

fn write_limits(writer: &mut Writer, limits: &Limits) {
    writer.u64(limits.memory_bytes);
    writer.u8(u8::from(limits.cpu_millis.is_some()));
    writer.u64(limits.cpu_millis.unwrap_or(0));
    writer.u64(limits.processes);
    writer.u64(limits.open_files);
}

fn read_limits(reader: &mut Reader<'_>) -> Result<Limits, Truncated> {
    let memory_bytes = reader.u64()?;
    let has_cpu = reader.u8()? != 0;
    let cpu = reader.u64()?;
    let (processes, open_files) = (reader.u64()?, reader.u64()?);
    Ok(Limits { memory_bytes, cpu_millis: has_cpu.then_some(cpu), processes, open_files })
}

fn write_mounts(writer: &mut Writer, mounts: &[Mount]) {
    writer.u32(u32::try_from(mounts.len()).unwrap_or(0));
    for mount in mounts {
        writer.bytes(mount.source.as_os_str().as_bytes());
        writer.bytes(mount.target.as_os_str().as_bytes());
    }
}

fn read_mounts(reader: &mut Reader<'_>) -> Result<Vec<Mount>, Truncated> {
    let mut mounts = Vec::new();
    for _ in 0..reader.u32()? {
        mounts.push(Mount { source: read_path(reader)?, target: read_path(reader)? });
    }
    Ok(mounts)
}

fn read_spec(reader: &mut Reader<'_>) -> Result<Spec, Truncated> {
    let root = read_path(reader)?;
    let working_directory = read_path(reader)?;
    let mounts = read_mounts(reader)?;
    let command = read_strings(reader)?;
    let environment = read_strings(reader)?;
    let limits = read_limits(reader)?;
    let log_descriptor = reader.u32()?.cast_signed();
    let control_descriptor = Some(reader.u32()?.cast_signed()).filter(|descriptor| *descriptor >= 0);
    Ok(Spec { root, mounts, command, environment, working_directory, limits, log_descriptor, control_descriptor })
}

fn read_path(reader: &mut Reader<'_>) -> Result<PathBuf, Truncated> {
    Ok(PathBuf::from(OsStr::from_bytes(reader.bytes()?)))
}

fn read_strings(reader: &mut Reader<'_>) -> Result<Vec<CString>, Truncated> {
    let mut strings = Vec::new();
    for _ in 0..reader.u32()? {
        strings.push(CString::new(reader.bytes()?).map_err(|_| Truncated)?);
    }
    Ok(strings)
}

/// The start of every reply: fine, or which step failed and why.
pub(crate) fn write_outcome(writer: &mut Writer, outcome: Result<(), &Failure>) {
    match outcome {
        Ok(()) => writer.u8(0),
        Err(failure) => {
            writer.u8(1);
            writer.u8(failure.step as u8);
            writer.u32(failure.source.raw_os_error().unwrap_or(libc::EIO).cast_unsigned());
            writer.bytes(failure.subject.as_bytes());
        }
    }
}

/// Reads what [`write_outcome`] wrote.
pub(crate) fn read_outcome(reader: &mut Reader<'_>) -> Result<(), SandboxError> {
    let gone = |error: Truncated| SandboxError::LauncherGone { source: error.into() };
    if reader.u8().map_err(gone)? == 0 {
        return Ok(());
    }
    let step = Step::from_code(reader.u8().map_err(gone)?);
    let errno = reader.u32().map_err(gone)?.cast_signed();
    let subject = String::from_utf8_lossy(reader.bytes().map_err(gone)?).into_owned();
    Err(SandboxError::step(step, subject, io::Error::from_raw_os_error(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spawn_survives_the_wire() {
        let spec = Spec {
            root: "/packs/python".into(),
            mounts: vec![Mount { source: "/code/1".into(), target: "/var/task".into() }],
            command: vec![c"/bin/true".into(), c"".into()],
            environment: vec![c"A=b\nc".into()],
            working_directory: "/var/task".into(),
            limits: Limits { memory_bytes: 1 << 40, cpu_millis: Some(72), processes: 1024, open_files: 1024 },
            log_descriptor: 3,
            control_descriptor: Some(4),
        };
        let ids = HostIds { slot: 7, user: 2_000_000_014, pid_one_inside: 994 };
        let bytes = Request::Spawn(Box::new(spec.clone()), ids, Some(9)).encode();
        let Request::Spawn(read, read_ids, Some(9)) = Request::decode(&bytes).unwrap() else {
            panic!("another request")
        };
        assert_eq!(format!("{read:?}"), format!("{spec:?}").replace("Spec {", "Spec {"));
        assert_eq!(read_ids, ids);
        assert!(Request::decode(&bytes[..bytes.len() - 2]).is_err());
    }

    #[test]
    fn failures_survive_the_wire() {
        let failure = Failure {
            step: Step::MountTargetMissing,
            subject: "/opt".into(),
            source: io::Error::from_raw_os_error(libc::ENOENT),
        };
        let mut writer = Writer::default();
        write_outcome(&mut writer, Err(&failure));
        let bytes = writer.finish();
        let error = read_outcome(&mut Reader::new(&bytes)).unwrap_err();
        assert!(error.to_string().contains("(/opt)"), "{error}");
    }
}
