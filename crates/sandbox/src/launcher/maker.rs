//! The maker: a process that makes network namespaces and private `/tmp` mounts ahead of need.
//!
//! It answers the server directly, over its own socket, so that the launcher's loop never waits for it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};

use crate::error::{Failure, Step};
use crate::identity::{self, Identities};
use crate::launcher::pool::Pool;
use crate::launcher::remover::RemoverClient;
use crate::launcher::requests::{HostIds, Request, write_outcome};
use crate::launcher::state::State;
use crate::launcher::transport::{self, MESSAGE_BYTES_MAX};
use crate::launcher::wire::Writer;
use crate::layers::{self, Layer};
use crate::network::{self, Reach};
use crate::storage::{Images, MadeMount, StorageKind};

/// Network namespaces kept ready: a burst of this many cold starts does not wait.
const NETWORKS_READY: usize = 4;
/// Storages of the default size kept ready.
const STORAGES_READY: usize = 2;
/// The size nearly every function has (Lambda's default).
const STORAGE_MB_DEFAULT: u32 = 512;

/// What the maker works with.
#[derive(Debug)]
pub(crate) struct Maker {
    socket: OwnedFd,
    reach: Reach,
    remover: RemoverClient,
    identities: Identities,
    images: Images,
    networks: Pool<network::Made>,
    storages: Pool<MadeStorage>,
    held: HashMap<u32, MadeMount>,
}

/// A storage that nobody has asked for yet.
#[derive(Debug)]
struct MadeStorage {
    ids: HostIds,
    mount: MadeMount,
    user_namespace: OwnedFd,
}

impl Maker {
    pub(crate) fn new(
        socket: OwnedFd,
        remover: RemoverClient,
        state: &State,
        kind: StorageKind,
        reach: Reach,
    ) -> Maker {
        Maker {
            socket,
            reach,
            remover,
            identities: Identities::find(state.number()),
            images: Images::new(&state.directory, kind),
            networks: Pool::new(NETWORKS_READY),
            storages: Pool::new(STORAGES_READY),
            held: HashMap::new(),
        }
    }

    /// Probes, says hello, and serves until the server is gone.
    pub(crate) fn run(mut self) {
        let hello = self.probe();
        let mut writer = Writer::default();
        write_outcome(&mut writer, hello.as_ref().map(|_| ()));
        if let Ok(layers) = &hello {
            Layer::write_all(layers, &mut writer);
        }
        let sent = transport::send(&self.socket, &writer.finish(), &[]);
        if sent.is_ok() && hello.is_ok() {
            let _ = self.serve();
        }
    }

    /// Makes the first network and the first storage, and thereby learns what this machine can do.
    fn probe(&mut self) -> Result<Vec<Layer>, Failure> {
        let mut table = vec![self.identities.layer()];
        let made = network::make(&self.reach)?;
        table.push(Layer::holds(layers::NETWORK, "a namespace of its own with loopback only"));
        table.push(match &made.without_egress {
            None => Layer::holds(layers::EGRESS, "handed to the relay by nf_tables TPROXY"),
            Some(error) => Layer::missing(
                layers::EGRESS,
                format!("nothing leaves a sandbox, because the kernel refused the nf_tables TPROXY rule: {error}"),
            ),
        });
        self.networks.put(made);
        table.push(self.probe_storage()?);
        Ok(table)
    }

    fn probe_storage(&mut self) -> Result<Layer, Failure> {
        let refused = match self.images.kind {
            StorageKind::Image => match self.make_storage(STORAGE_MB_DEFAULT) {
                Ok(made) => {
                    self.storages.put(made);
                    return Ok(Layer::holds(
                        layers::STORAGE,
                        "an ext4 image per environment, bytes and inodes limited",
                    ));
                }
                Err(failure) => format!("failed to {}: {}", failure.step.words(), failure.source),
            },
            StorageKind::Tmpfs => "loop devices need root".to_owned(),
        };
        self.images.kind = StorageKind::Tmpfs;
        let made = self.make_storage(STORAGE_MB_DEFAULT)?;
        self.storages.put(made);
        Ok(Layer::missing(layers::STORAGE, format!("/tmp is a tmpfs and counts as function memory; {refused}")))
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            if self.is_idle_time()? {
                self.refill();
                continue;
            }
            let Some((length, descriptors)) = transport::receive(&self.socket, &mut buffer)? else { return Ok(()) };
            self.handle(&buffer[..length], descriptors);
        }
    }

    /// Whether a pool wants filling and nobody is asking.
    fn is_idle_time(&self) -> io::Result<bool> {
        if !self.networks.wants_more() && !self.storages.wants_more() {
            return Ok(false);
        }
        let mut sources = [PollFd::new(&self.socket, PollFlags::IN)];
        let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(poll(&mut sources, Some(&at_once))? == 0)
    }

    fn refill(&mut self) {
        if self.networks.wants_more() {
            match network::make(&self.reach) {
                Ok(made) => self.networks.put(made),
                Err(_) => self.networks.pause(),
            }
        } else if self.storages.wants_more() {
            match self.make_storage(STORAGE_MB_DEFAULT) {
                Ok(made) => self.storages.put(made),
                Err(_) => self.storages.pause(),
            }
        }
    }

    fn handle(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) {
        let reply = descriptors.into_iter().next();
        match (Request::decode(bytes), reply) {
            (Ok(Request::Network), Some(reply)) => self.give_network(&reply),
            (Ok(Request::Storage(size_mb)), Some(reply)) => self.give_storage(size_mb, &reply),
            (Ok(Request::Release(slot)), _) => self.release(slot),
            (_, Some(reply)) => {
                let source = io::ErrorKind::InvalidData.into();
                let failure = Failure { step: Step::UnknownRequest, subject: String::new(), source };
                answer(&reply, Err(&failure));
            }
            (_, None) => {}
        }
    }

    fn give_network(&mut self, reply: &OwnedFd) {
        match self.networks.take().map_or_else(|| network::make(&self.reach), Ok) {
            Ok(made) => answer(reply, Ok((&[u8::from(made.has_egress)], &made.descriptors))),
            Err(failure) => answer(reply, Err(&failure)),
        }
    }

    fn give_storage(&mut self, size_mb: u32, reply: &OwnedFd) {
        let ready = if size_mb == STORAGE_MB_DEFAULT { self.storages.take() } else { None };
        match ready.map_or_else(|| self.make_storage(size_mb), Ok) {
            Ok(made) => self.hand_over(made, reply),
            Err(failure) => answer(reply, Err(&failure)),
        }
    }

    fn hand_over(&mut self, made: MadeStorage, reply: &OwnedFd) {
        let MadeStorage { ids, mount, user_namespace } = made;
        let mut writer = Writer::default();
        writer.u8(0);
        writer.u32(ids.slot);
        writer.u32(ids.user);
        writer.u32(ids.pid_one_inside);
        let sent = transport::send(reply, &writer.finish(), &[mount.mount.as_fd(), user_namespace.as_fd()]);
        self.held.insert(ids.slot, mount);
        if sent.is_err() {
            self.release(ids.slot);
        }
    }

    fn make_storage(&mut self, size_mb: u32) -> Result<MadeStorage, Failure> {
        let ids = self.identities.take()?;
        let made = identity::make_user_namespace(ids).and_then(|user_namespace| {
            let mount = self.images.make(size_mb, ids.user, ids.slot)?;
            Ok(MadeStorage { ids, mount, user_namespace })
        });
        if made.is_err() {
            self.identities.give_back(ids.slot);
        }
        made
    }

    /// The remover holds the last descriptor, so that unmounting falls to it.
    fn release(&mut self, slot: u32) {
        if let Some(mount) = self.held.remove(&slot) {
            self.remover.close(mount);
            self.identities.give_back(slot);
        }
    }
}

/// Sends a reply; a server that has gone away shows at the next receive.
fn answer(reply: &OwnedFd, outcome: Result<(&[u8], &Vec<OwnedFd>), &Failure>) {
    let mut writer = Writer::default();
    write_outcome(&mut writer, outcome.as_ref().map(|_| ()).map_err(|failure| *failure));
    let mut message = writer.finish();
    let mut descriptors = Vec::new();
    if let Ok((bytes, passed)) = outcome {
        message.extend_from_slice(bytes);
        descriptors.extend(passed.iter().map(AsFd::as_fd));
    }
    let _ = transport::send(reply, &message, &descriptors);
}
