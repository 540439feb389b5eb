//! One client connection: HTTP/1.1 with keep-alive, bounded head and bounded patience.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tindra_invoke::promptly;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::timed_stream::{InRequest, TimedStream};
use super::{Backends, Edge, Peer};

/// A request head with all its headers; a larger one is answered 431.
const HEAD_BYTES_MAX: usize = 65_536;
/// Headers of one request; more are answered 431.
const HEADERS_MAX: usize = 100;

impl<B: Backends> Edge<B> {
    /// Serves a connection until the client leaves, or until `stop` turns true and the request under way is answered.
    pub async fn serve<S>(self: Arc<Self>, stream: S, peer: Peer, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let in_request = InRequest::default();
        let stream = TimedStream::new(stream, self.options.patience, in_request.clone());
        let service = service_fn(|request| {
            let (edge, peer, in_request) = (Arc::clone(&self), peer.clone(), in_request.clone());
            // In a box, so that a connection without a request, of which there may be thousands, does not hold the room of one.
            Box::pin(async move {
                let answering = in_request.begin();
                let mut response = edge.answer(request, &peer).await;
                if response.body().is_streamed() {
                    response.body_mut().keep(answering);
                }
                Ok::<_, Infallible>(response)
            })
        });
        let connection = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = promptly(connection.as_mut()) => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same as one that said stop.
    let _ = stop.wait_for(|stop| *stop).await;
}
