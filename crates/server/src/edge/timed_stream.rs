//! A connection that does not wait forever for a client.
//!
//! Three waits are bounded: for the rest of a request head (slowloris), for the next request on an idle
//! connection, and for a client that does not take its answer. Waiting for a function is not: while a request
//! is being answered only writes are watched. Waiting for the rest of a body is the body reader's business.
//! In HTTP/2 heads and idleness look different: the frames tell whether a head is unfinished, and the connection itself
//! knows when it is idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::http2::frames::Frames;
use super::preface::{Opening, PREFACE};

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

/// When the last bytes of a connection came.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    began_at: Instant,
    after_ms: Arc<AtomicU64>,
}

impl Heard {
    fn now() -> Self {
        Self { began_at: Instant::now(), after_ms: Arc::default() }
    }

    fn note(&self) {
        let after_ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.after_ms.store(after_ms, Ordering::Relaxed);
    }

    pub(super) fn at(&self) -> Instant {
        self.began_at + Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

/// What reads are watched for.
#[derive(Debug)]
enum Reads {
    Http1 {
        in_request: InRequest,
        /// The count of `in_request` that `head_started` and the deadline belong to.
        seen: u64,
        /// Some bytes of a head have come.
        head_started: bool,
    },
    /// In a box, because it is the larger one and the rarer one.
    Http2(Box<(Frames, Heard)>),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    patience: Patience,
    reads: Reads,
    /// What has been read already, and is read again.
    opening: Opening,
    reread: usize,
    read: Deadline,
    write: Deadline,
}

impl<S> TimedStream<S> {
    /// A connection of HTTP/1.1, for as long as nothing else is known.
    pub(super) fn new(stream: S, patience: Patience, in_request: InRequest) -> Self {
        Self {
            stream,
            patience,
            reads: Reads::Http1 { in_request, seen: 0, head_started: false },
            opening: Opening::default(),
            reread: 0,
            read: Deadline::new(),
            write: Deadline::new(),
        }
    }

    /// Lets what was read to see which HTTP this is be read again.
    pub(super) fn reread(&mut self, opening: Opening) {
        self.opening = opening;
        self.reread = 0;
    }

    /// From its first byte on this is a connection of HTTP/2.
    pub(super) fn into_http2(mut self) -> Self {
        self.read.clear();
        self.reads = Reads::Http2(Box::new((Frames::after(PREFACE.len()), Heard::now())));
        self
    }

    /// When the last bytes came; of a connection of HTTP/1.1 nothing is noted.
    pub(super) fn heard(&self) -> Heard {
        match &self.reads {
            Reads::Http1 { .. } => Heard::now(),
            Reads::Http2(watched) => watched.1.clone(),
        }
    }

    /// Reads from what was read before, then from the socket.
    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let again = &self.opening.bytes()[self.reread..];
        if again.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = again.len().min(buffer.remaining());
        buffer.put_slice(&again[..length]);
        self.reread += length;
        Poll::Ready(Ok(()))
    }

    /// [`AsyncRead::poll_read`] in HTTP/1.1.
    fn poll_http1(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let before = buffer.filled().len();
        let polled = self.poll_bytes(context, buffer);
        let Reads::Http1 { in_request, seen, head_started } = &mut self.reads else { return polled };
        let count = in_request.count();
        if count != *seen {
            *seen = count;
            *head_started = false;
            self.read.clear();
        }
        if count % 2 == 1 {
            return polled;
        }
        match polled {
            Poll::Ready(done) => {
                if !*head_started && buffer.filled().len() > before {
                    *head_started = true;
                    self.read.clear();
                    self.read.set_once(self.patience.head);
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.read.set_once(if *head_started { self.patience.head } else { self.patience.idle });
                if self.read.poll_passed(context) { Poll::Ready(Err(too_slow())) } else { Poll::Pending }
            }
        }
    }

    /// [`AsyncRead::poll_read`] in HTTP/2.
    fn poll_http2(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let before = buffer.filled().len();
        let polled = self.poll_bytes(context, buffer);
        let Reads::Http2(watched) = &mut self.reads else { return polled };
        let (frames, heard) = watched.as_mut();
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            heard.note();
            let was_unfinished = frames.is_unfinished();
            if frames.take(new).is_err() {
                return Poll::Ready(Err(io::Error::other("the client sends frames without requests")));
            }
            // Of one head after the other each has its own time.
            if !(was_unfinished && frames.is_unfinished()) {
                self.read.clear();
            }
        }
        if frames.is_unfinished() {
            self.read.set_once(self.patience.head);
        }
        if polled.is_pending() && self.read.poll_passed(context) { Poll::Ready(Err(too_slow())) } else { polled }
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
        match self.reads {
            Reads::Http1 { .. } => self.poll_http1(context, buffer),
            Reads::Http2(_) => self.poll_http2(context, buffer),
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
