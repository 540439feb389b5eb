//! The operator's listening socket: bind, accept within the limit of connections, hand over, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::edge::{Backends, Edge, Peer, Protocol};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u32 = 4_096;
/// For a client to finish the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between two attempts when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// The whole answer to a connection too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/json\r\nx-amzn-errortype: ServiceException\r\ncontent-length: 68\r\n\r\n{\"Type\":\"Server\",\"Message\":\"Too many connections to this server.\"  }";

/// Binds an address; a server that has just ended does not hinder it.
///
/// # Errors
/// When the address is taken, not of this machine, or not allowed.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until `stop` turns true, then waits until the last connection has ended.
pub async fn accept_all<B: Backends>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    edge: Arc<Edge<B>>,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, from)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => {
                    let peer = Peer::Operator { address: from.ip() };
                    connections.spawn(one(stream, peer, tls.clone(), Arc::clone(&edge), stop.clone(), place));
                }
                Err(_) => refuse(&stream),
            },
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn one<B: Backends>(
    stream: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    edge: Arc<Edge<B>>,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return edge.serve(stream, peer, Protocol::ByPreface, stop).await };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                Some(_) => Protocol::Http1,
                // The asynchronous clients of Java's SDK take HTTP/2 for granted where the service has it.
                None => Protocol::ByPreface,
            };
            edge.serve(stream, peer, protocol, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

fn refuse(stream: &TcpStream) {
    metrics::counter!("tindra_connections_refused_total").increment(1);
    // Fits the empty send buffer of a new socket; a client that does not read it is not waited for.
    let _ = stream.try_write(TOO_MANY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_states_its_own_length() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
