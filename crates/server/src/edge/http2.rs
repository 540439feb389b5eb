//! One client connection of HTTP/2: many requests at once, each a task, and bounds on everything a client can pile up.
//!
//! What a connection can hold: [`STREAMS_MAX`] heads of [`HEAD_BYTES_MAX`](super::connection::HEAD_BYTES_MAX), bodies of
//! [`CONNECTION_WINDOW_BYTES`] that nobody has read yet, and answers that are sent only as far as the client has room. A
//! stream counts like a connection against the server's limit, so that HTTP/2 opens no way around it.
//!
//! What cuts a client off: a head that does not come to its end ([`frames`]), frames without requests, resets without
//! end, silence while it waits for an answer, and idleness, whatever pings it answers.

mod allowance;
mod body;
pub(super) mod frames;
mod stream;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::connection::{HEAD_BYTES_MAX, stopped};
use super::timed_stream::{Heard, TimedStream};
use super::{Backends, Edge, Patience, Peer};
use allowance::Allowance;
use stream::Ended;

/// Requests of one connection at once; a client keeps further ones to itself until there is room.
const STREAMS_MAX: u32 = 250;
/// Tasks of one connection: those of reset streams end at once, but not in no time.
const TASKS_MAX: usize = 2 * STREAMS_MAX as usize;
/// What a client may send of a body before any of it is read.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// What a client may send of all bodies together before any is read.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// The largest frame, the smallest that the protocol lets us ask for.
const FRAME_BYTES_MAX: u32 = 16_384;
/// What waits for the socket, of all answers of a connection.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// Requests that a client may take back at once: those of a page or a pool that is closed.
const RESETS_MAX: u32 = 1_000;
/// And again each second. Beyond it, opening and taking back is all that the client does.
const RESETS_PER_S: u32 = 33;
/// After this long without a word a client that waits for an answer is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// For the answer to that.
const PING_ANSWER: Duration = Duration::from_secs(20);

impl<B: Backends> Edge<B> {
    /// Serves a connection that was found to speak HTTP/2, from its preface on.
    pub(super) async fn serve_http2<S>(
        self: Arc<Self>,
        stream: TimedStream<S>,
        peer: Peer,
        stop: watch::Receiver<bool>,
    ) -> Result<(), h2::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let patience = self.options.patience;
        let heard = stream.heard();
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buffer_size(SEND_BUFFER_BYTES);
        let Ok(connection) = timeout(patience.head, builder.handshake(stream)).await else { return Ok(()) };
        let mut connection = connection?;
        let ping = connection.ping_pong();
        let served = Served {
            edge: self,
            peer,
            streams: JoinSet::new(),
            resets: Allowance::new(RESETS_MAX, RESETS_PER_S),
            watch: Watch { patience, heard, ping, asked_at: None, idle_since: Instant::now(), closing_at: None },
        };
        served.run(connection, stop).await
    }
}

/// The state of a connection beside what `h2` keeps.
struct Served<B> {
    edge: Arc<Edge<B>>,
    peer: Peer,
    /// The requests under way. They end with the connection.
    streams: JoinSet<Ended>,
    resets: Allowance,
    watch: Watch,
}

impl<B: Backends> Served<B> {
    async fn run<S>(
        mut self,
        mut connection: Connection<S, Bytes>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), h2::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut timer = Box::pin(tokio::time::sleep(self.watch.patience.idle));
        loop {
            tokio::select! {
                accepted = connection.accept(), if self.streams.len() < TASKS_MAX => match accepted {
                    Some(accepted) => {
                        let (request, respond) = accepted?;
                        self.begin(request, respond);
                    }
                    None => return Ok(()),
                },
                Some(ended) = self.streams.join_next(), if !self.streams.is_empty() => {
                    self.watch.idle_since = Instant::now();
                    if matches!(ended, Ok(Ended::Reset)) && !self.resets.take() {
                        tracing::debug!("a client opens requests only to take them back");
                        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    }
                }
                () = stopped(&mut stop), if self.watch.closing_at.is_none() => {
                    self.watch.closing_at = Some(Instant::now());
                    connection.graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + self.watch.patience.head);
                }
                () = timer.as_mut() => match self.watch.look(!self.streams.is_empty()) {
                    Look::Again(at) => timer.as_mut().reset(at),
                    Look::Close(at) => {
                        connection.graceful_shutdown();
                        timer.as_mut().reset(at);
                    }
                    Look::Gone => return Ok(()),
                },
            }
        }
    }

    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let Ok(place) = Arc::clone(&self.edge.streams).try_acquire_owned() else {
            // Says that nothing was done, so that the client may try again at once elsewhere.
            respond.send_reset(Reason::REFUSED_STREAM);
            metrics::counter!("tindra_streams_refused_total").increment(1);
            return;
        };
        let (edge, peer, write) = (Arc::clone(&self.edge), self.peer.clone(), self.watch.patience.write);
        self.streams.spawn(async move {
            let ended = stream::serve(edge, peer, request, respond, write).await;
            drop(place);
            ended
        });
    }
}

/// Watches that a client is there, and that it wants something.
struct Watch {
    patience: Patience,
    /// When the last bytes came.
    heard: Heard,
    ping: Option<PingPong>,
    /// When a silent client was asked whether it is there.
    asked_at: Option<Instant>,
    /// Since when no request is under way, if none is.
    idle_since: Instant,
    /// When the client was told that the connection ends.
    closing_at: Option<Instant>,
}

/// What is to be done about a client.
enum Look {
    /// Nothing; look again then.
    Again(Instant),
    /// Tell it that the connection ends, and give it until then.
    Close(Instant),
    /// Leave.
    Gone,
}

impl Watch {
    fn look(&mut self, is_busy: bool) -> Look {
        let now = Instant::now();
        if is_busy {
            return self.look_at_silence(now);
        }
        self.asked_at = None;
        if let Some(at) = self.closing_at {
            let until = at.max(self.idle_since) + self.patience.head;
            return if now >= until { Look::Gone } else { Look::Again(until) };
        }
        let until = self.idle_since + self.patience.idle;
        if now < until {
            return Look::Again(until);
        }
        self.closing_at = Some(now);
        Look::Close(now + self.patience.head)
    }

    fn look_at_silence(&mut self, now: Instant) -> Look {
        let heard_at = self.heard.at();
        if let Some(asked_at) = self.asked_at.filter(|asked_at| *asked_at >= heard_at) {
            let until = asked_at + PING_ANSWER;
            return if now >= until { Look::Gone } else { Look::Again(until) };
        }
        let until = heard_at + SILENCE;
        if now < until {
            return Look::Again(until);
        }
        self.asked_at = Some(now);
        if let Some(ping) = &mut self.ping {
            // The answer to the last one is taken away; that bytes came was seen already.
            let _ = ping.poll_pong(&mut Context::from_waker(Waker::noop()));
            // It fails when one is under way, which is as good.
            let _ = ping.send_ping(Ping::opaque());
        }
        Look::Again(now + PING_ANSWER)
    }
}
