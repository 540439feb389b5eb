//! Landlock on top: files may be written below `/tmp` and `/dev` only. Best effort by the kernel's version,
//! and never the only layer, because the mounts say the same.

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus,
};

use crate::error::{Failure, Step};

/// The newest version whose rights are used.
const VERSION: ABI = ABI::V5;

/// Restricts the calling thread and its children, for good.
pub(crate) fn restrict() -> Result<(), Failure> {
    apply().step("restrict the file system with Landlock").map(|_| ())
}

/// Whether the kernel has Landlock at all; answered in a child process, because restricting cannot be undone.
pub(crate) fn is_supported() -> bool {
    // SAFETY: landlock_create_ruleset with the version flag takes no pointer and changes nothing.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32) };
    version > 0
}

fn apply() -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    let everything = AccessFs::from_all(VERSION);
    let reading = AccessFs::from_read(VERSION);
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(everything)?.create()?;
    for (path, access) in [("/", reading), ("/tmp", everything), ("/dev", everything)] {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
    }
    // /proc/self/* (oom_score_adj, comm, task names) are written by ordinary programs about themselves.
    if let Ok(proc) = PathFd::new("/proc") {
        ruleset = ruleset.add_rule(PathBeneath::new(proc, reading | AccessFs::WriteFile))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}
