//! Notices when a relayed connection has gone silent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Counts the transfers of the streams that it watches.
pub(super) struct Activity {
    transfers: Arc<AtomicU64>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self { transfers: Arc::default() }
    }

    pub(super) fn watch(&self, stream: TcpStream) -> Watched {
        Watched { stream, transfers: Arc::clone(&self.transfers) }
    }

    /// Returns after a whole period (at most two) without a transfer.
    pub(super) async fn silence(&self, period: Duration) {
        loop {
            let before = self.transfers.load(Ordering::Relaxed);
            tokio::time::sleep(period).await;
            if self.transfers.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// A stream whose transfers are counted.
pub(super) struct Watched {
    stream: TcpStream,
    transfers: Arc<AtomicU64>,
}

impl Watched {
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn count(&self) {
        self.transfers.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.count();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
