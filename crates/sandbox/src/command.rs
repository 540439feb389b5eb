//! The last steps before the function's command is executed: everything is given up, then locked.

use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::thread::{CapabilitySets, set_capabilities};

use crate::child::{Plan, Report};
use crate::error::{Failure, Named, Step};
use crate::identity::USER_INSIDE;
use crate::{landlock, system};

/// Descriptors are parked above this while 0, 1, 2 and the log descriptor are put in place.
const PARKING: RawFd = 512;
/// Locked memory (Linux's old default; enough for a key, too little to pin a sandbox).
const LOCKED_MEMORY_BYTES: u64 = 64 * 1024;
/// No root magic, no fix-up, no ambient capabilities, no kept capabilities, and none of it to be undone.
const SECURE_BITS: libc::c_ulong = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80;
/// More capabilities than any kernel has.
const CAPABILITIES_MAX: libc::c_ulong = 64;

/// Confines this process and executes the command; says over the report pipe what failed, if anything does.
pub(crate) fn run(plan: &Plan<'_>) -> Result<Infallible, Failure> {
    let report = arrange_descriptors(plan).step(Step::Descriptors)?;
    let Err(failure) = confine_and_execute(plan);
    Report::send(report, &failure);
    system::exit_now(1);
}

fn confine_and_execute(plan: &Plan<'_>) -> Result<Infallible, Failure> {
    let spec = plan.spec;
    let _ = rustix::process::setsid();
    system::reset_signals();
    limit_resources(plan).step(Step::ResourceLimits)?;
    drop_privileges(plan, USER_INSIDE)?;
    rustix::process::chdir(&spec.working_directory).step_on(Step::WorkingDirectory, &spec.working_directory)?;
    landlock::apply().step(Step::Landlock)?;
    plan.filter.install().step(Step::Seccomp)?;
    let program = spec.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    Err(system::execute(&spec.command, &spec.environment)).step_on(Step::Execute, program)
}

/// Puts the command's descriptors in place and marks all others to be closed by exec.
fn arrange_descriptors(plan: &Plan<'_>) -> std::io::Result<BorrowedFd<'static>> {
    let streams = plan.streams;
    let log_descriptor = plan.spec.log_descriptor;
    let mut wanted = vec![(streams.stdout.as_raw_fd(), 1), (streams.stderr.as_raw_fd(), 2)];
    if log_descriptor > 2 {
        wanted.push((streams.log.as_raw_fd(), log_descriptor));
    }
    let report = system::duplicate_above(streams.report.as_raw_fd(), PARKING.max(log_descriptor.saturating_add(1)))?;
    let mut parked = Vec::new();
    for (source, target) in wanted {
        parked.push((system::duplicate_above(source, PARKING)?, target));
    }
    for (source, target) in parked {
        system::duplicate_to(source, target)?;
    }
    let log = if log_descriptor > 2 { log_descriptor.cast_unsigned() } else { 2 };
    system::close_range(3, log.saturating_sub(1), true)?;
    system::close_range(log + 1, u32::MAX, true)?;
    // SAFETY: the duplicate stays open until exec or exit, and this process does not close it.
    Ok(unsafe { BorrowedFd::borrow_raw(report) })
}

fn limit_resources(plan: &Plan<'_>) -> std::io::Result<()> {
    let open_files = plan.spec.limits.open_files;
    // A process limit per uid is left alone: the pids controller counts what matters.
    let limits = [
        (libc::RLIMIT_NOFILE, open_files),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MEMLOCK, LOCKED_MEMORY_BYTES),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_RTPRIO, 0),
    ];
    limits.into_iter().try_for_each(|(resource, limit)| system::limit_resource(resource, limit))
}

/// Becomes an ordinary user without any capability, for good.
pub(crate) fn drop_privileges(plan: &Plan<'_>, id_inside: u32) -> Result<(), Failure> {
    for capability in 0..CAPABILITIES_MAX {
        // The first number that the kernel does not know ends the list.
        if system::process_control(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    system::process_control(libc::PR_SET_SECUREBITS, SECURE_BITS).step(Step::Capabilities)?;
    system::become_user(id_inside, !plan.is_root).step(Step::Identity)?;
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = rustix::thread::CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .step(Step::Capabilities)?;
    system::process_control(libc::PR_SET_NO_NEW_PRIVS, 1).step(Step::NoNewPrivileges)?;
    Ok(())
}
