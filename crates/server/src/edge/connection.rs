//! One client connection: HTTP/1.1 with keep-alive or HTTP/2, bounded heads and bounded patience.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tindra_invoke::promptly;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::preface::Opening;
use super::timed_stream::{InRequest, TimedStream};
use super::websockets::Switching;
use super::{Backends, Edge, Peer};

/// A request head with all its headers; a larger one is answered 431.
pub(super) const HEAD_BYTES_MAX: usize = 65_536;
/// Headers of one request; more are answered 431.
pub(super) const HEADERS_MAX: usize = 100;

/// What is known of a connection before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing: the first bytes tell HTTP/1.1 from HTTP/2 (with prior knowledge).
    ByPreface,
    /// The client chose HTTP/1.1, or chose nothing, in the TLS handshake.
    Http1,
    /// The client chose HTTP/2 in the TLS handshake.
    Http2,
}

impl<B: Backends> Edge<B> {
    /// Serves a connection until the client leaves, or until `stop` turns true and the requests under way are answered.
    pub async fn serve<S>(self: Arc<Self>, stream: S, peer: Peer, protocol: Protocol, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let in_request = InRequest::default();
        let mut stream = TimedStream::new(stream, self.options.patience, in_request.clone());
        let is_http2 = match protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::ByPreface => match open(&mut stream, stop.clone()).await {
                Some(is_http2) => is_http2,
                None => return,
            },
        };
        let ended: Result<(), Box<dyn std::error::Error + Send + Sync>> = if is_http2 {
            // In a box, so that connections of HTTP/1.1 do not hold the room of one of HTTP/2.
            Box::pin(self.serve_http2(stream.into_http2(), peer, stop)).await.map_err(Into::into)
        } else {
            self.serve_http1(stream, in_request, peer, stop).await.map_err(Into::into)
        };
        if let Err(error) = ended {
            tracing::debug!(error = error.as_ref() as &dyn std::error::Error, "connection ended");
        }
    }

    async fn serve_http1<S>(
        self: Arc<Self>,
        stream: TimedStream<S>,
        in_request: InRequest,
        peer: Peer,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Filled by the request that makes the connection a WebSocket.
        let switch = Arc::new(Mutex::new(None));
        let service = service_fn(|request| {
            let (edge, peer, in_request) = (Arc::clone(&self), peer.clone(), in_request.clone());
            let switch = Arc::clone(&switch);
            // In a box, so that a connection without a request, of which there may be thousands, does not hold the room of one.
            Box::pin(async move {
                let answering = in_request.begin();
                let mut response = edge.answer(request, &peer).await;
                if response.body().is_streamed() {
                    response.body_mut().keep(answering);
                }
                if let Some(switching) = Switching::take(&mut response) {
                    *switch.lock().unwrap_or_else(PoisonError::into_inner) = Some(switching);
                }
                Ok::<_, Infallible>(response)
            })
        });
        let connection = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let ended = {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = promptly(connection.as_mut()) => ended,
                () = stopped(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        let switch = switch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(switch) = switch {
            // A WebSocket may be silent for longer than a connection without a request.
            let _answering = in_request.begin();
            Box::pin(self.switch(switch, stop)).await;
        }
        ended
    }
}

/// Waits for the first bytes; none when the client says nothing for too long, has left, or the server stops.
async fn open<S>(stream: &mut TimedStream<S>, mut stop: watch::Receiver<bool>) -> Option<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = tokio::select! {
        opening = Opening::read(stream) => opening.ok()?,
        () = stopped(&mut stop) => return None,
    };
    stream.reread(opening);
    Some(opening.is_http2())
}

pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same as one that said stop.
    let _ = stop.wait_for(|stop| *stop).await;
}
