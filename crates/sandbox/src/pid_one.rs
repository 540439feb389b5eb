//! Process 1 of a sandbox: reaps, and tells when the command has ended. Its end is the end of the rest.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

/// Waits for the command; tells its wait status; exits, and with it the kernel ends every other process.
pub(crate) fn run(mut monitor: UnixStream, command: i32) -> ! {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a local integer.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        let interrupted = pid < 0 && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted;
        if pid == command {
            let _ = monitor.write_all(&status.to_ne_bytes());
        }
        if pid == command || (pid < 0 && !interrupted) {
            // SAFETY: ends this process without running anything that belongs to the launcher.
            unsafe { libc::_exit(0) }
        }
    }
}
