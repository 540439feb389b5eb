//! A connection that does not wait forever for a client.
//!
//! Three waits are bounded: for the rest of a request head (slowloris), for the next request on an idle
//! connection, and for a client that does not take its answer. Waiting for a function is not: while a request
//! is being answered only writes are watched. Waiting for the rest of a body is the body reader's business.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long each wait may be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request head to its last.
    pub head: Duration,
    /// Between two requests, and before the first one.
    pub idle: Duration,
    /// For the client to take some more bytes of an answer.
    pub write: Duration,
}

impl Default for Patience {
    /// 10 s for a head, as the front ends of AWS; 75 s between requests, longer than the pools of the SDKs
    /// keep a connection; a minute for a stalled reader.
    fn default() -> Self {
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(75), write: Duration::from_secs(60) }
    }
}

/// Tells the stream when a request is being answered.
///
/// A counter and not a flag, because the stream may not be read at all while a request is answered, and must
/// still notice that one was: odd while answering, even between requests.
#[derive(Clone, Debug, Default)]
pub(super) struct InRequest(Arc<AtomicU64>);

/// A request is being answered as long as this is kept.
#[derive(Debug)]
pub(super) struct Answering(InRequest);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl InRequest {
    pub(super) fn begin(&self) -> Answering {
        self.0.fetch_or(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A deadline whose timer is moved only when it fires, so that setting it costs nothing.
#[derive(Debug)]
struct Deadline {
    at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Deadline {
    fn new() -> Self {
        Self { at: None, timer: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }

    fn set_once(&mut self, wait: Duration) {
        if self.at.is_none() {
            self.at = Some(Instant::now() + wait);
        }
    }

    fn clear(&mut self) {
        self.at = None;
    }

    fn poll_passed(&mut self, context: &mut Context<'_>) -> bool {
        let Some(at) = self.at else { return false };
        loop {
            if Instant::now() >= at {
                return true;
            }
            // A timer set for an earlier wait fires too early and is then moved; one set for a later wait is moved now.
            if self.timer.deadline() > at || self.timer.is_elapsed() {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return false;
            }
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    patience: Patience,
    in_request: InRequest,
    /// The count of `in_request` that the two fields below belong to.
    seen: u64,
    /// Some bytes of a head have come.
    head_started: bool,
    read: Deadline,
    write: Deadline,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, patience: Patience, in_request: InRequest) -> Self {
        Self {
            stream,
            patience,
            in_request,
            seen: 0,
            head_started: false,
            read: Deadline::new(),
            write: Deadline::new(),
        }
    }

    fn poll_write_with(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>>
    where
        S: Unpin,
    {
        match attempt(Pin::new(&mut self.stream), context) {
            Poll::Ready(done) => {
                self.write.clear();
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.write.set_once(self.patience.write);
                if self.write.poll_passed(context) { Poll::Ready(Err(too_slow())) } else { Poll::Pending }
            }
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client was too slow")
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let count = this.in_request.count();
        if count != this.seen {
            this.seen = count;
            this.head_started = false;
            this.read.clear();
        }
        if count % 2 == 1 {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(done) => {
                if !this.head_started && buffer.filled().len() > before {
                    this.head_started = true;
                    this.read.clear();
                    this.read.set_once(this.patience.head);
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                let wait = if this.head_started { this.patience.head } else { this.patience.idle };
                this.read.set_once(wait);
                if this.read.poll_passed(context) { Poll::Ready(Err(too_slow())) } else { Poll::Pending }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_with(context, |stream, context| stream.poll_flush(context).map_ok(|()| 0)))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_with(context, |stream, context| stream.poll_shutdown(context).map_ok(|()| 0)))?;
        Poll::Ready(Ok(()))
    }
}
