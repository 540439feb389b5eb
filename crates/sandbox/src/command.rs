//! The last steps before the function's command is executed: everything is given up, then locked.

use std::convert::Infallible;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::child::{Plan, Report};
use crate::confinement::Confinement;
use crate::error::{Failure, Named, Step};
use crate::{landlock, parked, system};

/// Descriptors are parked above this while those of the command are put in place.
const PARKING: RawFd = 512;

/// Confines this process and executes the command; says over the report pipe what failed, if anything does.
pub(crate) fn run(plan: &Plan<'_>) -> Result<Infallible, Failure> {
    let report = arrange_descriptors(plan).step(Step::Descriptors)?;
    let Err(failure) = confine_and_execute(plan);
    Report::send(report, &failure);
    system::exit_now(1);
}

fn confine_and_execute(plan: &Plan<'_>) -> Result<Infallible, Failure> {
    let spec = plan.spec;
    system::reset_signals();
    if !spec.command.is_empty() {
        rustix::process::chdir(&spec.working_directory).step_on(Step::WorkingDirectory, &spec.working_directory)?;
    }
    let rules: Option<OwnedFd> = landlock::rules().step(Step::Landlock)?;
    let confinement = Confinement::of_command(plan.filter, plan.is_root, spec.limits.open_files, false);
    let rules = rules.as_ref().map(OwnedFd::as_fd);
    confinement.step(Step::ResourceLimits)?.perform(rules)?;
    if let (true, Some(control)) = (spec.command.is_empty(), spec.control_descriptor) {
        // No exec closes the rest before the command comes. Whoever made this sandbox waits for the report's end.
        system::close_range(control.cast_unsigned() + 1, u32::MAX, false).step(Step::Descriptors)?;
        let control = system::own(control).step(Step::Descriptors)?;
        if parked::wait_and_execute(control, &spec.working_directory).is_err() {
            system::exit_now(127);
        }
    }
    let program = spec.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    Err(system::execute(&spec.command, &spec.environment)).step_on(Step::Execute, program)
}

/// Puts the command's descriptors in place and marks all others to be closed by exec.
fn arrange_descriptors(plan: &Plan<'_>) -> std::io::Result<BorrowedFd<'static>> {
    let (streams, spec) = (plan.streams, plan.spec);
    let mut wanted = vec![(streams.stdout.as_raw_fd(), 1), (streams.stderr.as_raw_fd(), 2)];
    if spec.log_descriptor > 2 {
        wanted.push((streams.log.as_raw_fd(), spec.log_descriptor));
    }
    if let (Some(control), Some(descriptor)) = (&streams.control, spec.control_descriptor) {
        wanted.push((control.as_raw_fd(), descriptor));
    }
    let highest = wanted.iter().map(|(_, target)| *target).max().unwrap_or(2);
    let report = system::duplicate_above(streams.report.as_raw_fd(), PARKING.max(highest.saturating_add(1)))?;
    let mut parked = Vec::new();
    for (source, target) in &wanted {
        parked.push((system::duplicate_above(*source, PARKING)?, *target));
    }
    // First all are to be closed, then those that the command keeps are put in place, which opens them again.
    system::close_range(3, u32::MAX, true)?;
    for (source, target) in parked {
        system::duplicate_to(source, target)?;
    }
    // SAFETY: the duplicate stays open until exec or exit, and this process does not close it.
    Ok(unsafe { BorrowedFd::borrow_raw(report) })
}
