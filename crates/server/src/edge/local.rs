//! The server's own pages: health, metrics, capacity, environments, sources, queue, clock, reset, and the code behind GetFunction's
//! link.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::head::Claim;
use super::refusal::Refusal;
use super::route::Page;
use super::{Backends, Edge, Peer};
use crate::config::Mode;

impl<B: Backends> Edge<B> {
    /// Answers one of the server's own pages.
    pub(super) async fn local(
        &self,
        page: Page<'_>,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        match page {
            Page::Health => self.health().await,
            Page::Metrics => Ok(answer("text/plain; version=0.0.4", self.backends.metrics())),
            Page::Capacity => self.capacity(parts, claim, peer).await,
            Page::Environments => self.environments(parts, claim, peer).await,
            Page::Sources => self.sources(parts, claim, peer).await,
            Page::Queue => self.queue(parts, claim, peer).await,
            Page::Redrive => self.redrive(parts, claim, peer).await,
            Page::Clock => Ok(self.clock()),
            Page::Advance => self.advance(parts).await,
            Page::Reset => self.reset().await,
            Page::Code(token) => match self.backends.code(token).await {
                Some(zip) => Ok(answer("application/zip", zip)),
                None => Err(Refusal::Forbidden("the link is wrong or has expired; ask GetFunction for a new one")),
            },
        }
    }

    async fn health(&self) -> Result<Response<Full<Bytes>>, Refusal> {
        let health = self.backends.health().await;
        let text = serde_json::to_string(&health).map_err(|error| Refusal::Failed(error.to_string()))?;
        let mut response = answer("application/json", text);
        if !health.store {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Ok(response)
    }

    async fn reset(&self) -> Result<Response<Full<Bytes>>, Refusal> {
        if self.options.mode != Mode::Dev {
            return Err(Refusal::Forbidden("reset empties everything and is for `tindra dev` only"));
        }
        self.backends.reset().await.map_err(Refusal::Failed)?;
        Ok(answer("application/json", "{}"))
    }
}

pub(super) fn answer(content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
