//! The server's side of a sandbox's network: name resolution, the way out, and the way back to Tindra.
//!
//! Each sandbox has a network namespace of its own in which nothing is routed. The sockets that its programs
//! can reach were bound inside it and handed to the server; [`serve`] answers on them until the
//! [`NetworkGuard`] is dropped. Who is asking follows from the socket, never from what is sent over it.

pub mod cidr;
pub mod dns;
mod egress;
pub mod egress_policy;
mod endpoint;
mod local_address;
pub mod vpc;

pub use cidr::Cidr;
pub use dns::{Resolver, ResolverOptions};
pub use egress_policy::{EgressMode, EgressPolicy};
pub use endpoint::{EnvironmentIdentity, FunctionEndpoint};

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tindra_core::function::NetworkMembership;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::gate::Gate;
use crate::readiness::{Datagrams, Listener};

/// Wait after `accept` failed, for example because the server is out of descriptors.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(50);

/// The listening sockets of one namespace.
#[derive(Debug)]
pub struct Sockets {
    /// Where a function finds its `AWS_ENDPOINT_URL`.
    pub endpoint: Arc<TcpListener>,
    /// Name server, UDP.
    pub dns_udp: Arc<UdpSocket>,
    /// Name server, TCP.
    pub dns_tcp: Arc<TcpListener>,
    /// Transparent listener that accepts connections to every other address: `local_addr()` of a connection is
    /// the destination that was asked for. `None` when this machine cannot have one; then nothing leads out.
    pub egress: Option<Arc<TcpListener>>,
}

/// What the namespaces of one server share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Which destinations may be reached.
    pub policy: Arc<EgressPolicy>,
    /// Who knows names.
    pub resolver: Arc<Resolver>,
    /// Who serves functions' calls to Tindra.
    pub endpoint: Arc<dyn FunctionEndpoint>,
}

/// The tasks of one namespace. Dropping it ends them and closes every connection that they hold.
#[derive(Debug)]
pub struct NetworkGuard {
    gates: Arc<Gates>,
    _tasks: JoinSet<()>,
}

/// What the tasks of one namespace wait on.
#[derive(Debug)]
pub(crate) struct Gates {
    endpoint: Arc<Gate<Listener>>,
    dns_udp: Arc<Gate<Datagrams>>,
    dns_tcp: Arc<Gate<Listener>>,
    egress: Option<Arc<Gate<Listener>>>,
}

impl Gates {
    fn new(sockets: Sockets) -> io::Result<Self> {
        Ok(Self {
            endpoint: Arc::new(Gate::new(Listener::new(sockets.endpoint)?)),
            dns_udp: Arc::new(Gate::new(Datagrams::new(sockets.dns_udp)?)),
            dns_tcp: Arc::new(Gate::new(Listener::new(sockets.dns_tcp)?)),
            egress: sockets.egress.map(Listener::new).transpose()?.map(Gate::new).map(Arc::new),
        })
    }

    /// Lets go of the sockets; connections that are there go on.
    pub(crate) fn close(&self) {
        self.dns_udp.close();
        [&self.endpoint, &self.dns_tcp].into_iter().chain(&self.egress).for_each(|gate| gate.close());
    }

    /// Goes on with the same sockets.
    pub(crate) fn open(&self, sockets: Sockets) -> io::Result<()> {
        self.endpoint.open(Listener::new(sockets.endpoint)?);
        self.dns_udp.open(Datagrams::new(sockets.dns_udp)?);
        self.dns_tcp.open(Listener::new(sockets.dns_tcp)?);
        if let (Some(gate), Some(egress)) = (&self.egress, sockets.egress) {
            gate.open(Listener::new(egress)?);
        }
        Ok(())
    }
}

impl NetworkGuard {
    pub(crate) fn gates(&self) -> &Arc<Gates> {
        &self.gates
    }
}

/// Answers on the sockets of one namespace, as `identity`, until the guard is dropped. `membership` tells the private
/// networks that the function is in.
///
/// To be called inside a tokio runtime.
///
/// # Errors
/// When a socket cannot be used asynchronously.
pub fn serve(
    sockets: Sockets,
    shared: &Shared,
    identity: &Arc<EnvironmentIdentity>,
    membership: Option<&NetworkMembership>,
) -> io::Result<NetworkGuard> {
    let function = identity.function_name.as_str();
    let gates = Arc::new(Gates::new(sockets)?);
    let (endpoint, dns_udp) = (Arc::clone(&gates.endpoint), Arc::clone(&gates.dns_udp));
    let dns_tcp = Arc::clone(&gates.dns_tcp);

    let mut tasks = JoinSet::new();
    let questions = Arc::new(dns::Questioner::new(Arc::clone(&shared.resolver)));
    tasks.spawn(dns::serve_udp(dns_udp, Arc::clone(&questions)).instrument(tracing::debug_span!("dns_udp", function)));
    tasks.spawn(dns::serve_tcp(dns_tcp, questions).instrument(tracing::debug_span!("dns_tcp", function)));
    tasks.spawn(
        endpoint::accept_all(endpoint, Arc::clone(&shared.endpoint), Arc::clone(identity))
            .instrument(tracing::debug_span!("endpoint", function)),
    );
    if let Some(listener) = gates.egress.clone() {
        let rules = egress::Rules { policy: Arc::clone(&shared.policy), membership: membership.cloned().map(Arc::new) };
        let relaying = egress::accept_all(listener, rules);
        tasks.spawn(relaying.instrument(tracing::debug_span!("egress", function)));
    }
    Ok(NetworkGuard { gates, _tasks: tasks })
}

/// The next connection; a failing `accept` is tried again for ever, because the namespace needs its sockets.
async fn accept(listener: &Gate<Listener>) -> tokio::net::TcpStream {
    loop {
        match listener.run(|listener| async move { listener.accept().await }).await {
            Ok(connection) => return connection,
            Err(error) => {
                tracing::warn!(%error, "a connection from a sandbox could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
