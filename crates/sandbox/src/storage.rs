//! A private `/tmp`: the server's handle, and how the maker makes one.

mod image;
mod loop_device;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use crate::launcher::requests::{HostIds, Request};
use crate::launcher::wire::Reader;
use crate::launcher::{Connection, Peer};
use crate::parking::{Berth, Slot};

pub(crate) use image::{Images, MadeMount, StorageKind, clone_mount, detach};

/// A private `/tmp` with a limit of bytes and inodes, and the host ids that own it. It keeps its content across
/// spawns; dropped, it is gone.
#[derive(Debug)]
pub struct Storage {
    ids: HostIds,
    mount: Slot<OwnedFd>,
    user_namespace: Slot<OwnedFd>,
    connection: Weak<Connection>,
}

impl Storage {
    pub(crate) fn from_reply(
        reader: &mut Reader<'_>,
        descriptors: Vec<OwnedFd>,
        connection: Weak<Connection>,
    ) -> io::Result<Storage> {
        let ids = HostIds { slot: reader.u32()?, user: reader.u32()?, pid_one_inside: reader.u32()? };
        let [mount, user_namespace] = <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
        let (mount, user_namespace) = (Slot::new(mount), Slot::new(user_namespace));
        Ok(Storage { ids, mount, user_namespace, connection })
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

    pub(crate) fn mount(&self) -> io::Result<Arc<OwnedFd>> {
        self.mount.get()
    }

    pub(crate) fn user_namespace(&self) -> io::Result<Arc<OwnedFd>> {
        self.user_namespace.get()
    }

    /// Its descriptors, which can be parked while nothing is started in it. The parking has to go before the storage.
    pub fn berths(&self) -> impl Iterator<Item = &dyn Berth> {
        [&self.mount, &self.user_namespace].into_iter().map(|slot| slot as &dyn Berth)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // Closed here first, so that the unmounting falls to the helper that holds the last descriptor.
        self.berths().for_each(Berth::leave);
        if let Some(connection) = self.connection.upgrade() {
            connection.tell(Peer::Maker, &Request::Release(self.ids.slot));
        }
    }
}
