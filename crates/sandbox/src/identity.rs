//! Who a sandbox runs as, inside and on the host.

/// User and group of the function inside (`sbx_user1051` on AWS).
pub const USER_INSIDE: u32 = 993;
/// User and group of process 1 inside: another one, so that the function can neither signal nor trace it.
pub(crate) const INIT_INSIDE: u32 = 994;

/// First host id: high above anything that a distribution or `subuid` hands out.
const HOST_FIRST: u32 = 0x6000_0000;
/// Sandboxes until the ids come round again; far more than can live at once.
const HOST_PAIRS: u32 = 0x0800_0000;

/// Host ids of one sandbox; never 0 unless the launcher itself is somebody else's 0 (without root).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Host id of the function.
    pub(crate) user: u32,
    /// Host id of process 1.
    pub(crate) init: u32,
}

impl Identity {
    /// The ids of the sandbox with this number.
    pub(crate) fn of(number: u32) -> Self {
        let user = HOST_FIRST + (number % HOST_PAIRS) * 2;
        Self { user, init: user + 1 }
    }

    /// Without root there is one id to give: the launcher's own, which it sees as 0.
    pub(crate) fn shared() -> Self {
        Self { user: 0, init: 0 }
    }

    /// The text for `uid_map` and `gid_map`.
    pub(crate) fn map(self) -> String {
        if self.user == self.init {
            format!("{USER_INSIDE} {} 1\n", self.user)
        } else {
            format!("{USER_INSIDE} {} 1\n{INIT_INSIDE} {} 1\n", self.user, self.init)
        }
    }

    /// The id that process 1 takes inside.
    pub(crate) fn init_inside(self) -> u32 {
        if self.user == self.init { USER_INSIDE } else { INIT_INSIDE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_the_hosts_root_and_never_twice() {
        let mut seen = std::collections::HashSet::new();
        for number in (0..1000).chain([u32::MAX - 1, u32::MAX]) {
            let identity = Identity::of(number);
            assert!(identity.user >= HOST_FIRST && identity.init == identity.user + 1);
            if number < 1000 {
                assert!(seen.insert(identity.user) && seen.insert(identity.init));
            }
        }
    }
}
