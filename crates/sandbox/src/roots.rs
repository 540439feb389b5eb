//! Roots: mount namespaces that hold one directory, its devices, and nothing of the host.
//!
//! Every sandbox begins as a copy of one. Making it out of the host's namespace each time would copy all of the host's mounts
//! to throw them away again, and `pivot_root`, which does the throwing, looks at every process of the machine.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{Failure, Named, SandboxError, Step};
use crate::filesystem::{self, Scaffold};
use crate::launcher::requests::{read_outcome, write_outcome};
use crate::launcher::transport;
use crate::launcher::wire::{Reader, Writer};
use crate::system::{self, Fork};

/// The roots that have been wanted so far; there are few, one for each runtime pack.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    by_path: HashMap<PathBuf, Root>,
}

#[derive(Debug)]
struct Root {
    /// Device and inode: a directory that was made anew is another one, whatever it is called.
    identity: (u64, u64),
    namespace: OwnedFd,
}

impl Roots {
    /// The mount namespace of a directory, made if this is the first time.
    pub(crate) fn namespace(&mut self, directory: &Path, scaffold: &Scaffold) -> Result<BorrowedFd<'_>, Failure> {
        let metadata = fs::metadata(directory).step_on(Step::MountRoot, directory)?;
        let identity = (metadata.dev(), metadata.ino());
        if self.by_path.get(directory).is_none_or(|root| root.identity != identity) {
            let namespace = make(directory, scaffold)?;
            self.by_path.insert(directory.to_path_buf(), Root { identity, namespace });
        }
        Ok(self.by_path[directory].namespace.as_fd())
    }
}

/// Enters a private copy of a root. The namespace itself stays as it is for the next one.
pub(crate) fn enter_copy(namespace: BorrowedFd<'_>) -> Result<(), Failure> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Mount)).step(Step::EnterRoot)?;
    system::unshare(UnshareFlags::NEWNS).step(Step::EnterRoot)
}

/// A process makes it and ends; the descriptor that it leaves keeps it.
fn make(directory: &Path, scaffold: &Scaffold) -> Result<OwnedFd, Failure> {
    let (ours, theirs) = transport::pair().step(Step::MountRoot)?;
    let Fork::Parent(_) = system::fork().step(Step::MountRoot)? else {
        let made = make_here(directory, scaffold);
        let mut writer = Writer::default();
        write_outcome(&mut writer, made.as_ref().map(|_| ()));
        let descriptors: Vec<_> = made.iter().map(AsFd::as_fd).collect();
        let _ = transport::send(&theirs, &writer.finish(), &descriptors);
        system::exit_now(0);
    };
    drop(theirs);
    receive(&ours).map_err(|error| match error {
        SandboxError::Step { step, subject, source } => Failure { step, subject, source },
        other => Failure {
            step: Step::MountRoot,
            subject: directory.display().to_string(),
            source: io::Error::other(other.to_string()),
        },
    })
}

fn make_here(directory: &Path, scaffold: &Scaffold) -> Result<OwnedFd, Failure> {
    system::unshare(UnshareFlags::NEWNS).step(Step::MountRoot)?;
    // Afterwards there is no /proc to find it in.
    let namespace = system::own_namespace("mnt").step(Step::MountRoot)?;
    filesystem::assemble_root(directory, scaffold)?;
    Ok(namespace)
}

fn receive(socket: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    let gone = |source| SandboxError::LauncherGone { source };
    let mut buffer = vec![0; 8 * 1024];
    let received = transport::receive(socket, &mut buffer).map_err(gone)?;
    let (length, descriptors) = received.ok_or_else(|| gone(io::ErrorKind::UnexpectedEof.into()))?;
    read_outcome(&mut Reader::new(&buffer[..length]))?;
    descriptors.into_iter().next().ok_or_else(|| gone(io::ErrorKind::InvalidData.into()))
}
