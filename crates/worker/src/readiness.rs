//! Waiting for descriptors of the sandbox.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for reading. `inner` owns one descriptor, and keeps it until it is dropped.
#[expect(deprecated, reason = "the replacement is unsafe to call; our descriptors are owned and never change")]
pub(crate) fn watch<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}
