//! The attacher: a process that shows read-only directories in sandboxes that already run.
//!
//! It steps into the sandbox's mount namespace and back. It looks at nothing in there but the root, which is
//! read-only, and the server asks it only about sandboxes that have not run any function's code yet.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces};

use crate::error::{Failure, Named as _, Step};
use crate::filesystem;
use crate::launcher::requests::{Request, write_outcome};
use crate::launcher::transport::{self, MESSAGE_BYTES_MAX};
use crate::launcher::wire::Writer;
use crate::spec::Mount;
use crate::system;

/// Serves until the server is gone, or until it cannot find back home.
pub(super) fn run(socket: &OwnedFd) {
    let Ok(home) = system::own_namespace("mnt") else { return };
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    while let Ok(Some((length, descriptors))) = transport::receive(socket, &mut buffer) {
        let (Ok(Request::Attach(mounts)), Ok([reply, process])) =
            (Request::decode(&buffer[..length]), <[OwnedFd; 2]>::try_from(descriptors))
        else {
            continue;
        };
        let attached = attach(&mounts, process.as_fd());
        let mut writer = Writer::default();
        write_outcome(&mut writer, attached.as_ref().copied());
        let at_home = move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Mount));
        let _ = transport::send(&reply, &writer.finish(), &[]);
        if at_home.is_err() {
            return;
        }
    }
}

fn attach(mounts: &[Mount], process: BorrowedFd<'_>) -> Result<(), Failure> {
    let tree = |mount: &Mount| filesystem::read_only_tree(&mount.source).step_on(Step::Attach, &mount.source);
    let trees = mounts.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
    move_into_thread_name_spaces(process, ThreadNameSpaceType::MOUNT).step(Step::Attach)?;
    let root = filesystem::own_root().step(Step::Attach)?;
    trees
        .iter()
        .zip(mounts)
        .try_for_each(|(tree, mount)| filesystem::place(root.as_fd(), tree.as_fd(), &mount.target, Step::Attach))
}
