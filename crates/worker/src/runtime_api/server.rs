//! Serves the Runtime API on a listener.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, JoinSet};

use super::answer_body::{self, Posted};
use super::exchange::{Answer, Claimed, Exchange, Refusal};
use super::holding::{HeldConnection, Holding};
use super::replies::{self, Reply};
use crate::gate::Gate;
use crate::readiness::Listener;

const PREFIX: &str = "/2018-06-01/runtime/";
/// How a runtime says that its answer comes as it is made.
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// How the transports of the runtime packs say, with a result, that they read the answer to it together with the next event.
const READ_WITH_NEXT: &str = "tindra-answer-is-read-with-next";
/// Connections of one sandbox at once; clients use one or two. Each may hold a head, and one of them a body.
const CONNECTIONS_MAX: usize = 8;
/// The same where several events are worked on at once, and for each of them: a client has some for each of its workers, of which
/// there may be more than events.
const CONNECTIONS_OF_SEVERAL_MAX: usize = 64;
const CONNECTIONS_FOR_EACH_EVENT: usize = 2;
/// Request line and headers: Python's client sends up to 1 MB of error cause in a header.
const HEAD_BYTES_MAX: usize = (1 << 20) + (1 << 17);
/// Wait after `accept` failed, for example because the server is out of descriptors.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(50);

/// The running server. Dropped, it ends with all its connections.
#[derive(Debug)]
pub(crate) struct RuntimeServer {
    task: JoinHandle<()>,
    /// None where one connection is all there is.
    gate: Option<Arc<Gate<Listener>>>,
}

impl RuntimeServer {
    /// Serves `exchange` on a listener.
    pub(crate) fn start(listener: Arc<TcpListener>, exchange: Arc<Exchange>) -> io::Result<Self> {
        let gate = Arc::new(Gate::new(Listener::new(listener)?));
        Ok(Self { task: tokio::spawn(accept_all(Arc::clone(&gate), exchange)), gate: Some(gate) })
    }

    /// Lets go of the listener; connections that are there go on.
    pub(crate) fn close(&self) {
        if let Some(gate) = &self.gate {
            gate.close();
        }
    }

    /// Goes on with the same listener.
    pub(crate) fn open(&self, listener: Arc<TcpListener>) -> io::Result<()> {
        if let Some(gate) = &self.gate {
            gate.open(Listener::new(listener)?);
        }
        Ok(())
    }

    /// Serves `exchange` on one connection.
    pub(crate) fn on_connection(
        connection: std::os::unix::net::UnixStream,
        exchange: Arc<Exchange>,
    ) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        let connection = UnixStream::from_std(connection)?;
        Ok(Self { task: tokio::spawn(serve(connection, exchange)), gate: None })
    }
}

impl Drop for RuntimeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_all(gate: Arc<Gate<Listener>>, exchange: Arc<Exchange>) {
    // Aborting this task drops the set, and that closes the connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let connection = match gate.run(|listener| async move { listener.accept().await }).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "a connection to the Runtime API could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
                continue;
            }
        };
        if connections.len() >= connections_max(exchange.events_at_once()) {
            // The oldest ones are of processes that have gone, or the function wastes them.
            connections.join_next().await;
        }
        let _ = connection.set_nodelay(true);
        connections.spawn(serve(connection, Arc::clone(&exchange)));
    }
}

fn connections_max(events_at_once: usize) -> usize {
    match events_at_once {
        0 | 1 => CONNECTIONS_MAX,
        several => CONNECTIONS_OF_SEVERAL_MAX.max(several.saturating_mul(CONNECTIONS_FOR_EACH_EVENT)),
    }
}

async fn serve(connection: impl AsyncRead + AsyncWrite + Unpin, exchange: Arc<Exchange>) {
    let holding = Holding::default();
    let connection = HeldConnection::new(connection, holding.clone());
    let service = service_fn(move |request| {
        let (exchange, holding) = (Arc::clone(&exchange), holding.clone());
        async move { Ok::<_, Infallible>(answer(request, &exchange, &holding).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).keep_alive(true);
    // An error here is the sandbox's: it spoke no HTTP, or has gone.
    let _ = tindra_invoke::promptly(builder.serve_connection(TokioIo::new(connection), service)).await;
}

/// What is asked for.
enum Asked {
    Next,
    Response(String),
    Error(String),
    InitError,
    RestoreNext,
    RestoreError,
    Ping,
    Unknown,
}

fn asked(method: &Method, path: &str) -> Asked {
    if path == "/ping" && method == Method::GET {
        return Asked::Ping;
    }
    let Some(path) = path.strip_prefix(PREFIX) else { return Asked::Unknown };
    if method == Method::GET && path == "invocation/next" {
        return Asked::Next;
    }
    if method == Method::GET && path == "restore/next" {
        return Asked::RestoreNext;
    }
    if method == Method::POST {
        if path == "restore/error" {
            return Asked::RestoreError;
        }
        if path == "init/error" {
            return Asked::InitError;
        }
        return match path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
            Some((id, "response")) => Asked::Response(id.to_owned()),
            Some((id, "error")) => Asked::Error(id.to_owned()),
            _ => Asked::Unknown,
        };
    }
    Asked::Unknown
}

async fn answer(request: Request<Incoming>, exchange: &Exchange, holding: &Holding) -> Reply {
    let asked = asked(request.method(), request.uri().path());
    if !matches!(asked, Asked::Next) {
        // Whoever sends something else may wait for what is held.
        holding.set(false);
    }
    let is_read_with_next = request.headers().contains_key(READ_WITH_NEXT);
    let reply = match asked {
        Asked::Next => next(exchange).await,
        Asked::Response(id) => response(request, exchange, &id).await,
        Asked::Error(id) => error(request, exchange, &id).await,
        Asked::InitError => init_error(request, exchange).await,
        Asked::RestoreNext => restore_next(exchange).await,
        Asked::RestoreError => restore_error(request, exchange).await,
        Asked::Ping => replies::pong(),
        Asked::Unknown => replies::not_found(),
    };
    holding.set(is_read_with_next && reply.status() == StatusCode::ACCEPTED);
    reply
}

async fn next(exchange: &Exchange) -> Reply {
    match exchange.next() {
        // Never answered when another `/next` or another process has taken this one's place.
        Ok(delivery) => match delivery.await {
            Ok(delivery) => replies::event(delivery),
            Err(_) => replies::refused(Refusal::Transition { from: "Ready", to: "Ready" }),
        },
        Err(refusal) => replies::refused(refusal),
    }
}

async fn restore_next(exchange: &Exchange) -> Reply {
    match exchange.restore_next() {
        Ok(told) => match told.await {
            Ok(()) => replies::restored(),
            Err(_) => replies::refused(Refusal::Transition { from: "RestoreReady", to: "RestoreReady" }),
        },
        Err(refusal) => replies::refused(refusal),
    }
}

async fn response(request: Request<Incoming>, exchange: &Exchange, id: &str) -> Reply {
    let Claimed { answer: mut owed, sink } = match exchange.claim(id) {
        Ok(claimed) => claimed,
        Err(refusal) => return replies::refused(refusal),
    };
    let (head, body) = request.into_parts();
    let is_streamed = match head.headers.get(RESPONSE_MODE).map(http::HeaderValue::as_bytes) {
        None | Some(b"") => false,
        Some(mode) if mode.eq_ignore_ascii_case(b"streaming") => true,
        Some(_) => {
            exchange.answered(id);
            let _ = owed.send(Answer::InvalidMode);
            return replies::invalid_mode();
        }
    };
    let posted = match sink {
        Some(sink) if is_streamed => {
            sink.begin(content_type(&head.headers)).await;
            tokio::select! {
                posted = answer_body::pass_on(body, &sink) => posted,
                // The environment has given the invoke up; whoever reads slowly must not hold this connection.
                () = owed.closed() => Posted::Truncated,
            }
        }
        _ => answer_body::read(body).await,
    };
    let (answer, reply) = match posted {
        Posted::Whole(body) => (Answer::Response(body), replies::accepted()),
        Posted::Failed { error_type, body } => (Answer::Error { error_type, body }, replies::accepted()),
        Posted::TooLarge { bytes, bytes_max } => (Answer::TooLarge { bytes, bytes_max }, replies::too_large(bytes_max)),
        Posted::Truncated => return broken_off(exchange, id),
    };
    exchange.answered(id);
    let _ = owed.send(answer);
    reply
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn error(request: Request<Incoming>, exchange: &Exchange, id: &str) -> Reply {
    let owed = match exchange.claim(id) {
        Ok(claimed) => claimed.answer,
        Err(refusal) => return replies::refused(refusal),
    };
    let (head, body) = request.into_parts();
    let (answer, reply) = match answer_body::read(body).await {
        Posted::Whole(body) | Posted::Failed { body, .. } => {
            let error_type = answer_body::error_type(&head.headers, &body);
            (Answer::Error { error_type, body }, replies::accepted())
        }
        Posted::TooLarge { bytes, bytes_max } => (Answer::TooLarge { bytes, bytes_max }, replies::too_large(bytes_max)),
        Posted::Truncated => return broken_off(exchange, id),
    };
    exchange.answered(id);
    let _ = owed.send(answer);
    reply
}

/// The sender goes unused, which tells that the answer broke off.
fn broken_off(exchange: &Exchange, id: &str) -> Reply {
    exchange.answered(id);
    replies::truncated()
}

async fn init_error(request: Request<Incoming>, exchange: &Exchange) -> Reply {
    // Before anything of the body is kept.
    if let Err(refusal) = exchange.claim_init_error() {
        return replies::refused(refusal);
    }
    match error_object(request).await {
        Ok((error_type, body)) => told(exchange.init_failed(error_type, body)),
        Err(reply) => reply,
    }
}

async fn restore_error(request: Request<Incoming>, exchange: &Exchange) -> Reply {
    if let Err(refusal) = exchange.claim_restore_error() {
        return replies::refused(refusal);
    }
    match error_object(request).await {
        Ok((error_type, body)) => told(exchange.restore_failed(error_type, body)),
        Err(reply) => reply,
    }
}

/// Type and body of an error that ends a phase.
async fn error_object(request: Request<Incoming>) -> Result<(String, Bytes), Reply> {
    let (head, body) = request.into_parts();
    let body = match answer_body::read(body).await {
        Posted::Whole(body) | Posted::Failed { body, .. } => body,
        Posted::TooLarge { bytes_max, .. } => return Err(replies::too_large(bytes_max)),
        Posted::Truncated => return Err(replies::truncated()),
    };
    Ok((answer_body::error_type(&head.headers, &body), body))
}

fn told(outcome: Result<(), Refusal>) -> Reply {
    match outcome {
        Ok(()) => replies::accepted(),
        Err(refusal) => replies::refused(refusal),
    }
}
