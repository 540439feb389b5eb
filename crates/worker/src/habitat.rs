//! Where an environment lives: its network, its `/tmp`, and the Runtime API in that network. Processes come and go in it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tindra_sandbox::{Launcher, Network, SandboxError, Storage};

use crate::runtime_api::{Exchange, RuntimeServer};

/// See the module.
#[derive(Debug)]
pub(crate) struct Habitat {
    pub(crate) exchange: Arc<Exchange>,
    _runtime_server: RuntimeServer,
    pub(crate) network: Arc<Network>,
    pub(crate) storage: Arc<Storage>,
}

impl Habitat {
    /// Takes network and storage from the launcher's pools. Blocks for milliseconds.
    pub(crate) fn material(launcher: &Launcher, storage_mb: u32) -> Result<(Network, Storage), SandboxError> {
        Ok((launcher.network()?, launcher.storage(storage_mb)?))
    }

    /// Begins to serve the Runtime API. To be called inside a tokio runtime.
    pub(crate) fn furnish(network: Arc<Network>, storage: Arc<Storage>) -> io::Result<Self> {
        let exchange = Arc::<Exchange>::default();
        let listener = network.runtime_api.try_clone()?;
        let runtime_server = RuntimeServer::start(listener, Arc::clone(&exchange))?;
        Ok(Self { exchange, _runtime_server: runtime_server, network, storage })
    }

    /// A place that another process has, too: a copy, which has a connection of its own.
    pub(crate) fn shared(network: Arc<Network>, storage: Arc<Storage>, connection: UnixStream) -> io::Result<Self> {
        let exchange = Arc::<Exchange>::default();
        let runtime_server = RuntimeServer::on_connection(connection, Arc::clone(&exchange))?;
        Ok(Self { exchange, _runtime_server: runtime_server, network, storage })
    }
}
