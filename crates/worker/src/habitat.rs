//! Where an environment lives: its network, its `/tmp`, and the Runtime API in that network. Processes come and go in it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tindra_sandbox::{Berth, Launcher, Network, SandboxError, Storage};

use crate::network::{Gates, Sockets};
use crate::runtime_api::{Exchange, RuntimeServer};

/// See the module.
#[derive(Debug)]
pub(crate) struct Habitat {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) network: Arc<Network>,
    pub(crate) storage: Arc<Storage>,
    /// None where others live, too.
    own: Option<Arc<Own>>,
    _runtime_server: Arc<RuntimeServer>,
}

/// What of a habitat is one environment's alone, and can be parked with it.
#[derive(Debug)]
pub(crate) struct Own {
    network: Arc<Network>,
    storage: Arc<Storage>,
    runtime_server: Arc<RuntimeServer>,
    served: OnceLock<Arc<Gates>>,
    is_lost: AtomicBool,
}

impl Habitat {
    /// Takes network and storage from the launcher's pools. Blocks for milliseconds.
    pub(crate) fn material(launcher: &Launcher, storage_mb: u32) -> Result<(Network, Storage), SandboxError> {
        Ok((launcher.network()?, launcher.storage(storage_mb)?))
    }

    /// Begins to serve the Runtime API. To be called inside a tokio runtime.
    pub(crate) fn furnish(network: Arc<Network>, storage: Arc<Storage>) -> io::Result<Self> {
        let exchange = Arc::<Exchange>::default();
        let listener = network.runtime_api.get()?;
        let runtime_server = Arc::new(RuntimeServer::start(listener, Arc::clone(&exchange))?);
        let own = Own {
            network: Arc::clone(&network),
            storage: Arc::clone(&storage),
            runtime_server: Arc::clone(&runtime_server),
            served: OnceLock::new(),
            is_lost: AtomicBool::new(false),
        };
        Ok(Self { exchange, network, storage, own: Some(Arc::new(own)), _runtime_server: runtime_server })
    }

    /// A place that another process has, too: a copy, which has a connection of its own.
    pub(crate) fn shared(network: Arc<Network>, storage: Arc<Storage>, connection: UnixStream) -> io::Result<Self> {
        let exchange = Arc::<Exchange>::default();
        let runtime_server = Arc::new(RuntimeServer::on_connection(connection, Arc::clone(&exchange))?);
        Ok(Self { exchange, network, storage, own: None, _runtime_server: runtime_server })
    }

    pub(crate) fn own(&self) -> Option<&Arc<Own>> {
        self.own.as_ref()
    }

    /// What has to be closed when it is parked.
    pub(crate) fn is_served_on(&self, gates: Arc<Gates>) {
        if let Some(own) = &self.own {
            let _ = own.served.set(gates);
        }
    }

    /// Whether nothing can be started in it any more: the launcher that made it has ended, or it could not be brought
    /// back after it had been parked.
    pub(crate) fn is_outlived(&self) -> bool {
        self.storage.is_outlived() || self.own.as_ref().is_some_and(|own| own.is_lost.load(Ordering::Acquire))
    }
}

impl Own {
    pub(crate) fn berths(&self) -> impl Iterator<Item = &dyn Berth> {
        self.network.berths().chain(self.storage.berths())
    }

    /// What has been parked is no longer waited for. What comes meanwhile waits in the kernel.
    pub(crate) fn close(&self) {
        self.runtime_server.close();
        if let Some(gates) = self.served.get() {
            gates.close();
        }
    }

    /// Waits for all again. To be called inside a tokio runtime.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.runtime_server.open(self.network.runtime_api.get()?)?;
        match self.served.get() {
            Some(gates) => gates.open(sockets(&self.network)?),
            None => Ok(()),
        }
    }

    /// It could not be brought back.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }
}

/// What is served besides the Runtime API.
pub(crate) fn sockets(network: &Network) -> io::Result<Sockets> {
    Ok(Sockets {
        endpoint: network.endpoint.get()?,
        dns_udp: network.dns_udp.get()?,
        dns_tcp: network.dns_tcp.get()?,
        egress: network.egress.as_ref().map(|egress| egress.get()).transpose()?,
    })
}
