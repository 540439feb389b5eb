//! The remover: a process that unmounts storages and removes control groups, which may take a while.
//!
//! It ends after the launcher and the maker, and sweeps every control group on the way out; so nothing stays
//! behind even when the launcher itself is killed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroup::{RemovalOutcome, kill_and_remove};
use crate::launcher::transport;
use crate::launcher::wire::{Reader, Truncated, Writer};
use crate::storage::{MadeMount, detach};

/// Wait between attempts to remove a group in which processes still die.
const RETRY_AFTER: Duration = Duration::from_millis(5);
/// Attempts before a group is left to the sweep at the end: ten seconds.
const ATTEMPTS_MAX: u32 = 2_000;

/// The sender's side; the launcher and the maker have one each.
#[derive(Debug)]
pub(crate) struct RemoverClient(OwnedFd);

impl RemoverClient {
    pub(crate) fn pair() -> io::Result<(RemoverClient, OwnedFd)> {
        let (client, server) = transport::pair()?;
        Ok((RemoverClient(client), server))
    }

    pub(crate) fn try_clone(&self) -> io::Result<RemoverClient> {
        Ok(RemoverClient(self.0.try_clone()?))
    }

    /// Hands over control groups to kill and remove.
    pub(crate) fn remove_groups(&self, paths: &[PathBuf]) {
        for path in paths {
            let mut writer = Writer::default();
            writer.u8(0);
            writer.bytes(path.as_os_str().as_bytes());
            let _ = transport::send(&self.0, &writer.finish(), &[]);
        }
    }

    /// Hands over a mount to close.
    pub(crate) fn close(&self, made: MadeMount) {
        let mut writer = Writer::default();
        writer.u8(1);
        let attached = made.attached.as_ref().map_or(&b""[..], |path| path.as_os_str().as_bytes());
        writer.bytes(attached);
        let _ = transport::send(&self.0, &writer.finish(), &[made.mount.as_fd()]);
    }
}

/// Removes what it is handed until every sender is gone, then sweeps `parents`.
pub(crate) fn run(socket: &OwnedFd, parents: &[PathBuf]) {
    let mut busy: Vec<(PathBuf, u32)> = Vec::new();
    let mut looked = Instant::now();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match is_readable(socket, !busy.is_empty()) {
            Ok(true) => match transport::receive(socket, &mut buffer) {
                Ok(Some((length, descriptors))) => {
                    if let Ok(Some(path)) = take(&buffer[..length], descriptors)
                        && kill_and_remove(&path) == RemovalOutcome::Busy
                    {
                        busy.push((path, 1));
                    }
                }
                Ok(None) | Err(_) => break,
            },
            Ok(false) => {}
            Err(_) => break,
        }
        // Not after each message: when a thousand sandboxes end together, nearly all of their groups are busy.
        if looked.elapsed() >= RETRY_AFTER {
            busy.retain_mut(|(path, attempts)| {
                *attempts += 1;
                kill_and_remove(path) == RemovalOutcome::Busy && *attempts < ATTEMPTS_MAX
            });
            looked = Instant::now();
        }
    }
    sweep(parents);
}

/// Kills and removes whole trees of control groups, waiting for their processes to be gone, at most ten seconds.
pub(crate) fn sweep(parents: &[PathBuf]) {
    for _ in 0..ATTEMPTS_MAX {
        let busy = parents.iter().filter(|parent| kill_and_remove(parent) == RemovalOutcome::Busy).count();
        if busy == 0 {
            return;
        }
        std::thread::sleep(RETRY_AFTER);
    }
}

fn is_readable(socket: &OwnedFd, has_work: bool) -> io::Result<bool> {
    let mut sources = [PollFd::new(socket, PollFlags::IN)];
    let patience = Timespec { tv_sec: 0, tv_nsec: RETRY_AFTER.subsec_nanos().into() };
    match poll(&mut sources, has_work.then_some(&patience)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Closes a mount at once; returns a group to remove.
fn take(bytes: &[u8], descriptors: Vec<OwnedFd>) -> Result<Option<PathBuf>, Truncated> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8()?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(reader.bytes()?));
    if kind == 0 {
        return Ok(Some(path));
    }
    if !path.as_os_str().is_empty() {
        detach(&path);
    }
    drop(descriptors);
    Ok(None)
}
