//! Who a sandbox is on the host: an unused pair of uids in a high range, and a user namespace that maps them.
//!
//! Host uid 0 is never mapped. With it, plain file ownership would let the function write
//! `/proc/sys/kernel/core_pattern`, the classic way onto the host, without a single capability.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;

use crate::error::{Failure, Named, Step};
use crate::launcher::requests::HostIds;
use crate::layers::{self, Layer};
use crate::system::{self, Fork};

/// The function's uid and gid inside (Lambda: `sbx_user1051` is 993).
pub const USER_INSIDE: u32 = 993;
/// Uid and gid of process 1 inside.
const PID_ONE_INSIDE: u32 = 994;
/// Start of the windows on an ordinary host: above what systemd and shadow give out, below the signed limit.
const WINDOWS_START: u32 = 2_000_000_000;
/// Servers on one machine work in different windows, so that their sandboxes do not share ids.
const WINDOWS: u32 = 2_048;
/// Pairs of ids of one server. Slots are used round robin, so one is not reused while its processes still die.
const SLOTS: u32 = 32_768;
const RANGE_LENGTH: u32 = SLOTS * 2;
const WINDOWS_END: u64 = WINDOWS_START as u64 + WINDOWS as u64 * RANGE_LENGTH as u64;

const _: () = assert!(WINDOWS_END <= i32::MAX as u64, "some programs read ids as signed numbers");

/// Gives out host ids.
#[derive(Debug)]
pub(crate) struct Identities {
    range: Range,
    next: u32,
    used: HashSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// A pair per slot, from this id on.
    Pairs(u32),
    /// Only the launcher's own id is there to map: every sandbox is the same host user.
    Single,
}

impl Identities {
    /// Looks at what this user namespace can map; `server` tells servers of one machine apart.
    pub(crate) fn find(server: u64) -> Identities {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Identities { range: find_range(&map, server), next: 0, used: HashSet::new() }
    }

    /// Whether sandboxes differ in their host ids.
    pub(crate) fn layer(&self) -> Layer {
        match self.range {
            Range::Pairs(start) => Layer::holds(
                layers::IDENTITY,
                format!("{start} to {}, two per environment, never 0", start.saturating_add(RANGE_LENGTH - 1)),
            ),
            Range::Single => Layer::missing(
                layers::IDENTITY,
                "every sandbox runs as this server's own host user; run as root for a uid per environment",
            ),
        }
    }

    /// Takes an unused pair.
    pub(crate) fn take(&mut self) -> Result<HostIds, Failure> {
        if self.used.len() >= SLOTS as usize {
            return Err(io::Error::from(io::ErrorKind::StorageFull)).step(Step::IdentitiesUsedUp);
        }
        while !self.used.insert(self.next) {
            self.next = (self.next + 1) % SLOTS;
        }
        let slot = self.next;
        self.next = (slot + 1) % SLOTS;
        Ok(match self.range {
            Range::Pairs(start) => HostIds { slot, user: start + slot * 2, pid_one_inside: PID_ONE_INSIDE },
            Range::Single => HostIds { slot, user: 0, pid_one_inside: USER_INSIDE },
        })
    }

    /// Gives a pair back.
    pub(crate) fn give_back(&mut self, slot: u32) {
        self.used.remove(&slot);
    }
}

/// The last extent of the map that has room, at the usual place if possible. Lines are `inside outside count`.
fn find_range(uid_map: &str, server: u64) -> Range {
    let extents = uid_map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (first, _, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        Some((first, first + count))
    });
    let needed = u64::from(RANGE_LENGTH);
    // Id 0 of the extent stays out: it may be the host's root.
    let fitting = extents.rev().find(|(first, end)| first + needed < *end);
    match fitting {
        Some((first, end)) if first <= u64::from(WINDOWS_START) && WINDOWS_END <= end => {
            let window = u32::try_from(server % u64::from(WINDOWS)).unwrap_or(0);
            Range::Pairs(WINDOWS_START + window * RANGE_LENGTH)
        }
        Some((_, end)) => u32::try_from(end - needed).map_or(Range::Single, Range::Pairs),
        None => Range::Single,
    }
}

/// The lines for `uid_map` and `gid_map`.
fn id_map(ids: HostIds) -> String {
    if ids.pid_one_inside == USER_INSIDE {
        return format!("{USER_INSIDE} {} 1\n", ids.user);
    }
    format!("{USER_INSIDE} {} 1\n{} {} 1\n", ids.user, ids.pid_one_inside, ids.user + 1)
}

/// Makes a user namespace that knows only `ids`. A short-lived child holds it until it is opened here; the maps
/// are written from outside, because nobody inside may map ids that are not its own.
pub(crate) fn make_user_namespace(ids: HostIds) -> Result<OwnedFd, Failure> {
    let (mut made, made_by_child) = io::pipe().step(Step::UserNamespace)?;
    let (hold_in_child, hold) = io::pipe().step(Step::UserNamespace)?;
    let pid = match system::fork().step(Step::UserNamespace)? {
        Fork::Child => {
            drop((made, hold));
            hold_user_namespace(made_by_child, hold_in_child);
        }
        Fork::Parent(pid) => pid,
    };
    drop((made_by_child, hold_in_child));
    let mut errno = [0; 4];
    let namespace = made.read_exact(&mut errno).and_then(|()| match i32::from_ne_bytes(errno) {
        0 => map_and_open(pid, ids),
        errno => Err(io::Error::from_raw_os_error(errno)),
    });
    drop(hold);
    let _ = system::wait_for(pid);
    namespace.step(Step::UserNamespace)
}

fn hold_user_namespace(mut made: io::PipeWriter, mut hold: io::PipeReader) -> ! {
    let errno = match system::unshare(UnshareFlags::NEWUSER) {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    let _ = made.write_all(&errno.to_ne_bytes());
    let _ = hold.read(&mut [0]);
    system::exit_now(0)
}

fn map_and_open(pid: i32, ids: HostIds) -> io::Result<OwnedFd> {
    let map = id_map(ids);
    fs::write(format!("/proc/{pid}/uid_map"), &map)?;
    fs::write(format!("/proc/{pid}/gid_map"), &map)?;
    Ok(rustix::fs::open(format!("/proc/{pid}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_the_usual_range() {
        let host = "         0          0 4294967295\n";
        assert_eq!(find_range(host, 0), Range::Pairs(WINDOWS_START));
        assert_eq!(find_range(host, 2_049), Range::Pairs(WINDOWS_START + RANGE_LENGTH));
    }

    #[test]
    fn a_container_gives_the_top_of_what_it_has() {
        assert_eq!(find_range("0 100000 1000000\n", 7), Range::Pairs(1_000_000 - RANGE_LENGTH));
        assert_eq!(find_range("0 100000 65536\n", 0), Range::Single, "nothing would be left for the host's own ids");
        assert_eq!(find_range("0 1000 1\n", 0), Range::Single);
    }

    #[test]
    fn root_of_the_host_is_never_mapped() {
        let mut identities = Identities { range: Range::Pairs(WINDOWS_START), next: 0, used: HashSet::new() };
        for _ in 0..SLOTS {
            let ids = identities.take().unwrap();
            assert!(ids.user >= WINDOWS_START);
            assert!(!id_map(ids).lines().any(|line| line.split(' ').nth(1) == Some("0")));
        }
        assert!(identities.take().is_err());
        identities.give_back(5);
        assert_eq!(identities.take().unwrap().slot, 5);
    }
}
