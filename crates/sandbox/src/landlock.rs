//! Landlock, on top of the other layers and never instead of one: what may be written where, and no signals or
//! abstract sockets across the border. Best effort: older kernels enforce the part they know.

use std::io;
use std::os::fd::OwnedFd;

use ::landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, Scope,
};

use crate::layers::{self, Layer};

/// The newest interface that the rules below were written for.
const NEWEST: ABI = ABI::V6;

/// Makes the rules for the sandbox whose root this process has; `None` when the kernel has no Landlock. They act on
/// whoever restricts itself by them.
pub(crate) fn rules() -> io::Result<Option<OwnedFd>> {
    make_rules().map(Into::into).map_err(|error| io::Error::other(error.to_string()))
}

fn make_rules() -> Result<RulesetCreated, ::landlock::RulesetError> {
    let rules =
        Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?.create()?;
    let read = AccessFs::from_read(NEWEST);
    let all = AccessFs::from_all(NEWEST);
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    let rules = allow(rules, "/", read)?;
    let rules = allow(rules, "/tmp", all)?;
    let rules = allow(rules, "/dev/shm", all)?;
    let rules = allow(rules, "/dev", read | write | AccessFs::IoctlDev)?;
    allow(rules, "/proc", read | write)
}

fn allow(
    rules: RulesetCreated,
    path: &str,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, ::landlock::RulesetError> {
    match PathFd::new(path) {
        Ok(directory) => rules.add_rule(PathBeneath::new(directory, access)),
        // What is not there needs no permission.
        Err(_) => Ok(rules),
    }
}

/// Which interface this kernel has.
pub(crate) fn layer() -> Layer {
    match abi_of_kernel() {
        Ok(abi) => Layer::holds(layers::LANDLOCK, format!("interface {abi}")),
        Err(error) => Layer::missing(
            layers::LANDLOCK,
            format!("the kernel does not offer it ({error}); the other layers do not depend on it"),
        ),
    }
}

fn abi_of_kernel() -> io::Result<i64> {
    const CREATE_RULESET_VERSION: libc::c_ulong = 1;
    // SAFETY: with a null pointer, size 0 and this flag the call only returns a number.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, CREATE_RULESET_VERSION)
    };
    if abi < 0 { Err(io::Error::last_os_error()) } else { Ok(abi) }
}
