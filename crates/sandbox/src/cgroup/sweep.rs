//! Removing control groups: after a sandbox, and after a server that was killed.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// What became of a directory that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovalOutcome {
    /// It is gone.
    Removed,
    /// Processes are still dying in it.
    Busy,
}

/// Removes a group without processes.
fn remove_if_empty(path: &Path) -> RemovalOutcome {
    match fs::remove_dir(path) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => RemovalOutcome::Busy,
        // Gone already, or beyond our rights: neither gets better by trying again.
        _ => RemovalOutcome::Removed,
    }
}

/// Kills everything in a group and its children, and tries to remove it.
pub(crate) fn kill_and_remove(path: &Path) -> RemovalOutcome {
    kill_all(path);
    let mut outcome = RemovalOutcome::Removed;
    for child in children(path) {
        if kill_and_remove(&child) == RemovalOutcome::Busy {
            outcome = RemovalOutcome::Busy;
        }
    }
    if outcome == RemovalOutcome::Busy { outcome } else { remove_if_empty(path) }
}

fn children(path: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter_map(Result::ok).filter(is_directory).map(|entry| entry.path()).collect()
}

fn kill_all(path: &Path) {
    // Absent on v1; there each process is signalled, and the freezer, if any, lets go.
    let killed = write_existing(&path.join("cgroup.kill"), "1");
    if killed.is_err() {
        let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        let pids = processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw);
        for pid in pids {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = write_existing(&path.join("freezer.state"), "THAWED");
}

/// Writes a control file without making one on an ordinary file system.
fn write_existing(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}
