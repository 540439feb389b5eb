//! The way out of a sandbox: connections are accepted in its namespace and relayed from the host's side.
//!
//! The function's connection is already established when it is seen here, so a destination that is denied or
//! does not answer shows as a reset instead of a failed connect.

mod idle;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::function::NetworkMembership;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::accept;
use super::egress_policy::{Decision, EgressPolicy};
use super::local_address::is_of_this_machine;
use crate::gate::Gate;
use crate::readiness::Listener;

/// Connections of one environment at once; beyond it they are reset. Each costs the server two descriptors, and a
/// function may hold 1,024 of its own.
const CONNECTIONS_MAX: usize = 512;
/// Time to reach the destination; the kernel's own patience is over two minutes, longer than most functions run.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence in both directions after which a connection is given up, so that a peer that vanished is not kept for
/// ever. Longer than any function runs (15 minutes) and than NAT gateways wait (350 s on AWS).
const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Copied at a time, in each direction.
const BUFFER_BYTES: usize = 65_536;

/// What holds for the connections of one environment.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) policy: Arc<EgressPolicy>,
    /// The private networks that the function is in.
    pub(super) membership: Option<Arc<NetworkMembership>>,
}

/// Relays every connection that comes; dropping the future closes them all.
pub(super) async fn accept_all(listener: Arc<Gate<Listener>>, rules: Rules) {
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            connection = accept(&listener) => {
                if relays.len() >= CONNECTIONS_MAX {
                    refuse(connection, "too_many");
                } else {
                    relays.spawn(relay(connection, rules.clone()));
                }
            }
            Some(_) = relays.join_next() => {}
        }
    }
}

async fn relay(connection: TcpStream, rules: Rules) {
    let Ok(destination) = connection.local_addr() else { return };
    let membership = rules.membership.as_deref();
    if let Decision::Denied(reason) = rules.policy.decide_for(membership, destination, is_of_this_machine) {
        tracing::debug!(%destination, reason, "connection denied");
        return refuse(connection, "denied");
    }
    match connect(destination).await {
        Ok(upstream) => copy(connection, upstream).await,
        Err(error) => {
            tracing::debug!(%destination, %error, "connection failed");
            refuse(connection, "unreachable");
        }
    }
}

/// Ends a connection with a reset, so that the function sees an error and not an empty answer.
fn refuse(connection: TcpStream, why: &'static str) {
    metrics::counter!("tindra_egress_refused_total", "reason" => why).increment(1);
    reset(&connection);
}

fn reset(connection: &TcpStream) {
    // Fails only on a socket that is gone already.
    let _ = connection.set_zero_linger();
}

async fn connect(destination: SocketAddr) -> io::Result<TcpStream> {
    let upstream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(destination))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    upstream.set_nodelay(true)?;
    Ok(upstream)
}

/// Copies both ways; the end of one direction is passed on while the other goes on. An error on either side
/// becomes a reset on the other.
async fn copy(connection: TcpStream, upstream: TcpStream) {
    let _ = connection.set_nodelay(true);
    metrics::gauge!("tindra_egress_connections").increment(1.0);
    let _count = Counted;
    let activity = idle::Activity::new();
    let (mut near, mut far) = (activity.watch(connection), activity.watch(upstream));
    let copied = tokio::select! {
        copied = tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER_BYTES, BUFFER_BYTES) => copied,
        () = activity.silence(IDLE_TIMEOUT) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = copied {
        tracing::debug!(%error, "connection broken");
        reset(near.stream());
        reset(far.stream());
    }
}

/// Takes a connection out of the gauge, however it ends.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("tindra_egress_connections").decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
