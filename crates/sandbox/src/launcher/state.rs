//! The state directory: its lock, and the record of control groups that a killed server may have left.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Failure, Named, Step};
use crate::launcher::remover;

/// How long to wait for an earlier launcher of the same directory to clean up.
const LOCK_PATIENCE_MS: u64 = 15_000;
const LOCK_RETRY_MS: u64 = 10;

/// A locked state directory. Helpers inherit the lock, so it is free only when all of them have ended.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) directory: PathBuf,
    _lock: File,
}

impl State {
    /// Takes the directory for this launcher.
    pub(crate) fn take(directory: PathBuf) -> Result<State, Failure> {
        let lock = File::create(directory.join("lock")).step_on(Step::StateDirectory, &directory)?;
        for _ in 0..LOCK_PATIENCE_MS / LOCK_RETRY_MS {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(State { directory, _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(LOCK_RETRY_MS)),
                Err(error) => return Err(error).step_on(Step::StateInUse, &directory),
            }
        }
        Err(io::Error::from(io::ErrorKind::WouldBlock)).step_on(Step::StateInUse, &directory)
    }

    /// The name of this server's control groups: the same for the same directory, another for another.
    pub(crate) fn group_name(&self) -> String {
        format!("tindra-{:016x}", self.number())
    }

    /// A number that tells this server from others on the machine.
    pub(crate) fn number(&self) -> u64 {
        hash(self.directory.as_os_str().as_bytes())
    }

    fn record(&self) -> PathBuf {
        self.directory.join("control-groups")
    }

    /// Kills and removes what the control groups of an earlier launcher still hold.
    pub(crate) fn sweep(&self) {
        let text = fs::read_to_string(self.record()).unwrap_or_default();
        let name = self.group_name();
        // Only directories of our own name, whatever the file says.
        let parents: Vec<PathBuf> =
            text.lines().map(PathBuf::from).filter(|path| path.ends_with(&name) && path.is_dir()).collect();
        remover::sweep(&parents);
    }

    /// Notes where control groups are made, for the sweep of a later start.
    pub(crate) fn remember<'a>(&self, parents: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
        let text: String = parents.map(|path| format!("{}\n", path.display())).collect();
        fs::write(self.record(), text).step_on(Step::StateDirectory, self.record())
    }
}

/// FNV-1a: a name, not a secret.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_from_the_directory() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = State::take(one.path().into()).unwrap();
        let second = State::take(two.path().into()).unwrap();
        assert_ne!(first.group_name(), second.group_name());
        let name = first.group_name();
        drop(first);
        assert_eq!(State::take(one.path().into()).unwrap().group_name(), name);
    }

    #[test]
    fn the_sweep_touches_only_directories_of_its_own_name() {
        let scratch = tempfile::tempdir().unwrap();
        let state = State::take(scratch.path().into()).unwrap();
        let (ours, other) = (scratch.path().join(state.group_name()), scratch.path().join("other"));
        fs::create_dir_all(ours.join("1")).unwrap();
        fs::create_dir(&other).unwrap();
        state.remember([ours.as_path(), other.as_path()].into_iter()).unwrap();
        state.sweep();
        assert!(!ours.exists());
        assert!(other.exists());
    }
}
