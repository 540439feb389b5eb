//! What process 1 of a sandbox asks of a template: a child, to be brought in here.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use crate::cgroup::Doors;
use crate::child::Plan;
use crate::landlock;
use crate::launcher::transport;
use crate::launcher::wire::Writer;

/// Sends the request. From here on the template's child is on its way; it closes the report pipe when it is confined, or
/// says what failed. The order of the descriptors is known to `runtimes/python/template.py`.
pub(crate) fn send(template: BorrowedFd<'_>, plan: &Plan<'_>, doors: &Doors) -> io::Result<()> {
    let process = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty())?;
    let rules = landlock::rules()?;
    let streams = plan.streams;
    let mut descriptors = vec![
        process.as_fd(),
        plan.user_namespace,
        streams.report.as_fd(),
        streams.stdout.as_fd(),
        streams.stderr.as_fd(),
        streams.log.as_fd(),
    ];
    let optional = [&streams.control, &rules, &doors.clone_target];
    descriptors.extend(optional.into_iter().flatten().map(|descriptor| descriptor.as_fd()));
    descriptors.extend(doors.tasks.iter().map(|tasks| tasks.as_fd()));
    let mut writer = Writer::default();
    writer.u64(plan.id);
    optional.iter().for_each(|descriptor| writer.u8(u8::from(descriptor.is_some())));
    transport::send(template, &writer.finish(), &descriptors)
}
