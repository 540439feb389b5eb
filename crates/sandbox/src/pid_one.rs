//! Process 1 of a sandbox: reaps, reports how the command ended, and ends; the kernel then kills the rest.
//!
//! It runs under another uid than the function and is not dumpable, so the function cannot stop, trace or read
//! it. Nobody outside waits for it either: a kill comes from outside.

use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::child::Plan;
use crate::confinement::Confinement;
use crate::error::{Failure, Named, Step};
use crate::sandbox::Exit;
use crate::system;

/// Length of the record in the status pipe: a kind and a number.
pub(crate) const EXIT_RECORD_BYTES: usize = 8;

const KIND_CODE: u32 = 1;
const KIND_SIGNAL: u32 = 2;

/// Confines itself and waits for the command, which is its child. Without one the command comes from a template: the
/// launcher learns its end and ends this process, which only reaps.
pub(crate) fn run(plan: &Plan<'_>, command_pid: Option<i32>) -> Result<Infallible, Failure> {
    let status = keep_only_status(plan).step(Step::ConfinePidOne)?;
    system::block_child_signal();
    // The command reports its own steps; the pipe is closed here by now, so a failure of ours shows as a lost tree.
    if Confinement::of_process_one(plan.filter, plan.is_root, plan.ids.pid_one_inside).perform(None).is_err() {
        system::exit_now(1);
    }
    loop {
        match system::wait_any(false) {
            Ok(Some(waited)) if Some(waited.pid) == command_pid => {
                let _ = rustix::io::write(status, &encode_exit(waited.status));
                system::exit_now(0);
            }
            Ok(Some(_)) => {}
            Ok(None) => system::await_child_signal(),
            // No children (ECHILD): only the command's own process 1 may not be without one.
            Err(_) if command_pid.is_none() => system::await_child_signal(),
            Err(_) => system::exit_now(1),
        }
    }
}

/// Moves the status pipe to a fixed place and closes everything else, the report pipe included.
fn keep_only_status(plan: &Plan<'_>) -> std::io::Result<BorrowedFd<'static>> {
    const STATUS: i32 = 0;
    system::duplicate_to(plan.streams.status.as_raw_fd(), STATUS)?;
    system::close_range(1, u32::MAX, false)?;
    // SAFETY: descriptor 0 is the status pipe from here on; this process closes nothing more until it exits.
    Ok(unsafe { BorrowedFd::borrow_raw(STATUS) })
}

/// The record of an end, from the status that `wait` gave.
pub(crate) fn encode_exit(status: i32) -> [u8; EXIT_RECORD_BYTES] {
    let (kind, number) = if libc::WIFSIGNALED(status) {
        (KIND_SIGNAL, libc::WTERMSIG(status))
    } else {
        (KIND_CODE, libc::WEXITSTATUS(status))
    };
    let mut record = [0; EXIT_RECORD_BYTES];
    record[..4].copy_from_slice(&kind.to_ne_bytes());
    record[4..].copy_from_slice(&number.to_ne_bytes());
    record
}

/// Reads the record that process 1 wrote.
pub(crate) fn decode_exit(record: [u8; EXIT_RECORD_BYTES]) -> Exit {
    let [a, b, c, d, e, f, g, h] = record;
    let number = i32::from_ne_bytes([e, f, g, h]);
    match u32::from_ne_bytes([a, b, c, d]) {
        KIND_CODE => Exit::Code(number),
        KIND_SIGNAL => Exit::Signal(number),
        _ => Exit::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_survive_the_pipe() {
        assert_eq!(decode_exit(encode_exit(7 << 8)), Exit::Code(7));
        assert_eq!(decode_exit(encode_exit(libc::SIGKILL)), Exit::Signal(9));
        assert_eq!(decode_exit([0; EXIT_RECORD_BYTES]), Exit::Lost);
    }
}
