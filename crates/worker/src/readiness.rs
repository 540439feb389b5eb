//! Waiting for descriptors of the sandbox. Who waits shares the descriptor with the slot that it can be parked from, so that
//! waiting costs none.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;

/// Watches a descriptor for reading. `inner` owns one descriptor, and keeps it until it is dropped.
#[expect(deprecated, reason = "the replacement is unsafe to call; our descriptors are owned and never change")]
pub(crate) fn watch<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}

/// A listening socket whose connections can be waited for.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<Arc<TcpListener>>);

impl Listener {
    /// To be called inside a tokio runtime.
    pub(crate) fn new(listener: Arc<TcpListener>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(watch(listener)?))
    }

    /// The next connection. Dropped before it is ready, it has taken none.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let mut ready = self.0.readable().await?;
            let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) else { continue };
            let (connection, _) = accepted?;
            connection.set_nonblocking(true)?;
            return TcpStream::from_std(connection);
        }
    }
}

/// A socket whose datagrams can be waited for.
#[derive(Debug)]
pub(crate) struct Datagrams(AsyncFd<Arc<UdpSocket>>);

impl Datagrams {
    /// To be called inside a tokio runtime.
    pub(crate) fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(watch(socket)?))
    }

    /// The next datagram, at most so long. Dropped before it is ready, it has taken none.
    pub(crate) async fn receive(&self, bytes_max: usize) -> io::Result<(Vec<u8>, SocketAddr)> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut buffer = vec![0; bytes_max];
            let Ok(received) = ready.try_io(|socket| socket.get_ref().recv_from(&mut buffer)) else { continue };
            let (length, sender) = received?;
            buffer.truncate(length);
            return Ok((buffer, sender));
        }
    }

    /// Sends a datagram, unless there is no room for it: then it is lost, as datagrams may be.
    pub(crate) fn send(&self, datagram: &[u8], receiver: SocketAddr) -> io::Result<usize> {
        self.0.get_ref().send_to(datagram, receiver)
    }
}
