//! Watching the memory of a v1 control group, which cannot be told to kill its processes together.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::cgroup::watch_out_of_memory;

/// Becomes readable when the limit was reached and the kernel looks for a process to kill.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    event: OwnedFd,
}

impl MemoryWatch {
    pub(crate) fn new(directory: &Path) -> io::Result<MemoryWatch> {
        Ok(MemoryWatch { event: watch_out_of_memory(directory)? })
    }

    /// Takes the event, so that the descriptor shows the next one.
    pub(crate) fn take(&self) {
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

impl AsFd for MemoryWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
