//! System calls: what a function may ask of the kernel.
//!
//! Two filters are stacked. The outer one is an allowlist; anything else answers ENOSYS, so that a C library
//! falls back when it tries a call that is newer than this list (`clone3` is left out for that reason: its
//! flags cannot be looked at). The inner one names what is refused on purpose and answers EPERM. Only the
//! native architecture passes; another one ends the process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::{Failure, Step};
use crate::seccomp_calls as calls;

/// `SOCK_PACKET`, which libc no longer names.
const SOCK_PACKET: libc::c_int = 10;
/// Every namespace flag of `clone` and `unshare`.
const NAMESPACE_FLAGS: u64 = 0x7E02_0080;

/// The compiled filters, in the order in which they are installed.
pub(crate) struct Filters {
    programs: [BpfProgram; 2],
}

impl Filters {
    /// Compiles both; done once, in the launcher.
    pub(crate) fn compile() -> Result<Self, Failure> {
        Ok(Self {
            programs: [
                compile(allowed(), SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow)?,
                compile(refused()?, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?,
            ],
        })
    }

    /// Installs them in the calling thread, for good.
    pub(crate) fn install(&self) -> Result<(), Failure> {
        self.programs
            .iter()
            .try_for_each(|program| seccompiler::apply_filter(program))
            .step("install the system-call filter")
    }
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    when_listed: SeccompAction,
) -> Result<BpfProgram, Failure> {
    let arch = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };
    let filter = SeccompFilter::new(rules, otherwise, when_listed, arch).step("build the system-call filter")?;
    filter.try_into().step("compile the system-call filter")
}

fn allowed() -> BTreeMap<i64, Vec<SeccompRule>> {
    calls::ALLOWED_EVERYWHERE.iter().chain(calls::ALLOWED_HERE).map(|&number| (number, Vec::new())).collect()
}

fn refused() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Failure> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls::REFUSED.iter().chain(calls::REFUSED_HERE).map(|&number| (number, Vec::new())).collect();
    for number in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(number, socket_rules()?);
    }
    // Any flag of a new namespace: the bits are tested one by one, because a masked comparison is an equality.
    let flags: Vec<SeccompRule> = (0..32)
        .map(|bit| 1_u64 << bit)
        .filter(|flag| NAMESPACE_FLAGS & flag != 0)
        .map(|flag| rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)]))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, flags);
    // Pushing characters into a terminal's input, and its console relative.
    let terminal = [libc::TIOCSTI, libc::TIOCLINUX];
    let ioctl = terminal.iter().map(|&request| rule(&[(1, SeccompCmpOp::Eq, request)])).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, ioctl);
    let prctl = [libc::PR_SET_MM, libc::PR_SET_PTRACER];
    let prctl = prctl.iter().map(|&option| rule(&[(0, SeccompCmpOp::Eq, option as u64)])).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_prctl, prctl);
    Ok(rules)
}

/// Families other than UNIX, INET, INET6 and NETLINK_ROUTE; raw and packet types.
fn socket_rules() -> Result<Vec<SeccompRule>, Failure> {
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let other: Vec<_> = families.iter().map(|&family| (0, SeccompCmpOp::Ne, family as u64)).collect();
    let typed = |kind: libc::c_int| rule(&[(1, SeccompCmpOp::MaskedEq(0xf), kind as u64)]);
    Ok(vec![
        rule(&other)?,
        typed(SOCK_PACKET)?,
        rule(&[
            (0, SeccompCmpOp::Ne, libc::AF_NETLINK as u64),
            (1, SeccompCmpOp::MaskedEq(0xf), libc::SOCK_RAW as u64),
        ])?,
        rule(&[(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64), (2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64)])?,
    ])
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, Failure> {
    let conditions = conditions
        .iter()
        .map(|(argument, operation, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operation.clone(), *value)
        })
        .collect::<Result<Vec<_>, _>>()
        .step("build a condition of the system-call filter")?;
    SeccompRule::new(conditions).step("build a rule of the system-call filter")
}
