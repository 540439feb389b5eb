//! A private `/tmp`: the server's handle, and how the maker makes one.

mod image;
mod loop_device;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use crate::launcher::requests::{HostIds, Request};
use crate::launcher::wire::Reader;
use crate::launcher::{Connection, Peer};

pub(crate) use image::{Images, MadeMount, StorageKind, clone_mount, detach};

/// A private `/tmp` with a limit of bytes and inodes, and the host ids that own it. It keeps its content across
/// spawns; dropped, it is gone.
#[derive(Debug)]
pub struct Storage {
    ids: HostIds,
    open: Option<Open>,
    connection: Weak<Connection>,
}

#[derive(Debug)]
struct Open {
    mount: OwnedFd,
    user_namespace: OwnedFd,
}

impl Storage {
    pub(crate) fn from_reply(
        reader: &mut Reader<'_>,
        descriptors: Vec<OwnedFd>,
        connection: Weak<Connection>,
    ) -> io::Result<Storage> {
        let ids = HostIds { slot: reader.u32()?, user: reader.u32()?, pid_one_inside: reader.u32()? };
        let [mount, user_namespace] = <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Storage { ids, open: Some(Open { mount, user_namespace }), connection })
    }

    pub(crate) fn is_of(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ptr() == Arc::as_ptr(connection)
    }

    /// Whether the launcher that made it has ended: nothing can be started in it any more.
    #[must_use]
    pub fn is_outlived(&self) -> bool {
        self.connection.upgrade().is_none_or(|connection| connection.has_ended())
    }

    pub(crate) fn host_ids(&self) -> HostIds {
        self.ids
    }

    fn open(&self) -> &Open {
        self.open.as_ref().expect("a storage is open until it is dropped")
    }

    pub(crate) fn mount(&self) -> BorrowedFd<'_> {
        self.open().mount.as_fd()
    }

    pub(crate) fn user_namespace(&self) -> BorrowedFd<'_> {
        self.open().user_namespace.as_fd()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // Closed here first, so that the unmounting falls to the helper that holds the last descriptor.
        self.open = None;
        if let Some(connection) = self.connection.upgrade() {
            connection.tell(Peer::Maker, &Request::Release(self.ids.slot));
        }
    }
}
