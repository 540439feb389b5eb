//! Answers that wait for the next one.
//!
//! A client that does not wait for the answer to a result reads it together with the next event. Sent at once, that answer would
//! wake the client for nothing, and a switch to its process and back is a good part of what a warm invoke costs. So it is held
//! here until there is something that the client does wait for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More is not held: a client that only posts is not to fill the server's memory.
const HELD_BYTES_MAX: usize = 4096;
/// Pieces of what is written after what was held, in one call.
const PIECES_MAX: usize = 16;

/// Whether what is written to a connection may wait. Shared by who answers and who writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Holding(Arc<AtomicBool>);

impl Holding {
    /// From here on what is written waits, or no longer.
    pub(super) fn set(&self, holds: bool) {
        self.0.store(holds, Ordering::Relaxed);
    }

    fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose writes can be held.
#[derive(Debug)]
pub(super) struct HeldConnection<C> {
    connection: C,
    holding: Holding,
    held: BytesMut,
}

impl<C: AsyncWrite + Unpin> HeldConnection<C> {
    pub(super) fn new(connection: C, holding: Holding) -> Self {
        Self { connection, holding, held: BytesMut::new() }
    }

    /// Takes all pieces to hold them; false when they are to be written.
    fn hold(&mut self, pieces: &[IoSlice<'_>]) -> bool {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let is_held = self.holding.holds() && self.held.len() + bytes <= HELD_BYTES_MAX;
        if is_held {
            pieces.iter().for_each(|piece| self.held.extend_from_slice(piece));
        }
        is_held
    }

    /// Writes what was held and, after it, something of the pieces: as many bytes of them as are told.
    fn write_all_held(&mut self, context: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if self.held.is_empty() {
                return Pin::new(&mut self.connection).poll_write_vectored(context, pieces);
            }
            let mut together = [IoSlice::new(&[]); PIECES_MAX];
            together[0] = IoSlice::new(&self.held);
            let pieces = &pieces[..pieces.len().min(PIECES_MAX - 1)];
            together[1..=pieces.len()].copy_from_slice(pieces);
            let together = &together[..=pieces.len()];
            let written = ready!(Pin::new(&mut self.connection).poll_write_vectored(context, together))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_held = written.min(self.held.len());
            self.held.advance(of_held);
            if written > of_held {
                return Poll::Ready(Ok(written - of_held));
            }
        }
    }

    /// Writes what was held.
    fn write_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.connection).poll_write(context, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for HeldConnection<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for HeldConnection<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.hold(pieces) {
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        self.write_all_held(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.holding.holds() {
            ready!(self.write_held(context))?;
        }
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_held(context))?;
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    proptest! {
        /// Whatever is held and however little the peer takes at once, all bytes come in their order.
        #[test]
        fn all_bytes_come_in_order(
            writes in prop::collection::vec((any::<bool>(), any::<bool>(), 0_usize..6_000), 1..20),
            room in 1_usize..3_000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (wanted, read) = runtime.block_on(async {
                let (ours, mut theirs) = tokio::io::duplex(room);
                let holding = Holding::default();
                let mut connection = HeldConnection::new(ours, holding.clone());
                let reader = tokio::spawn(async move {
                    let mut read = Vec::new();
                    theirs.read_to_end(&mut read).await.unwrap();
                    read
                });
                let mut wanted = Vec::new();
                for (number, (holds, flushes, length)) in writes.into_iter().enumerate() {
                    let data: Vec<u8> = (0..length).map(|at| (at + number) as u8).collect();
                    holding.set(holds);
                    wanted.extend_from_slice(&data);
                    connection.write_all(&data).await.unwrap();
                    if flushes {
                        connection.flush().await.unwrap();
                    }
                }
                connection.shutdown().await.unwrap();
                drop(connection);
                (wanted, reader.await.unwrap())
            });
            prop_assert!(wanted == read, "{} bytes were written, {} came", wanted.len(), read.len());
        }
    }

    #[tokio::test]
    async fn what_is_held_goes_before_what_is_written_in_one_call() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let holding = Holding::default();
        let mut connection = HeldConnection::new(ours, holding.clone());
        holding.set(true);
        connection.write_all(b"first ").await.unwrap();
        holding.set(false);
        let pieces = [IoSlice::new(b"second "), IoSlice::new(b"third")];
        let written = connection.write_vectored(&pieces).await.unwrap();
        assert_eq!(written, 12);
        let mut read = [0; 18];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"first second third");
    }
}
