//! `/_tindra/queue`, `/_tindra/sources` and `/_tindra/clock`: what waits of asynchronous invokes, what event source mappings
//! are doing, and the clock that all of it waits by.
//!
//! Like the list of environments, the queue is for the accounts' own keys: the operator's account sees all of it, every other
//! account its own functions' events. The clock can be moved only where `--clock manual` says so, which no server has that
//! others can reach.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use serde_json::{Value, json};
use uuid::Uuid;

use super::head::Claim;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer, local};

/// Messages shown of one function.
const SHOWN_MAX: usize = 1_000;

impl<B: Backends> Edge<B> {
    /// All queues, or with `function=NAME` the messages of that function.
    pub(super) async fn queue(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let account = self.account(parts, claim, peer).await?;
        let now_ms = self.backends.clock().unix_ms;
        let page = match parameter(parts, "function") {
            Some(function) => {
                let messages = self.backends.queued(account.as_deref(), &function, SHOWN_MAX).await;
                json!({ "now_ms": now_ms, "messages": messages.map_err(Refusal::Failed)? })
            }
            None => {
                let mut queues = self.backends.queues().await.map_err(Refusal::Failed)?;
                queues.retain(|queue| account.as_ref().is_none_or(|account| queue.account == *account));
                json!({ "now_ms": now_ms, "queues": queues })
            }
        };
        Ok(shown(&page))
    }

    /// What event source mappings are doing.
    pub(super) async fn sources(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let account = self.account(parts, claim, peer).await?;
        let sources = self.backends.sources(account.as_deref()).await.map_err(Refusal::Failed)?;
        Ok(shown(&json!({ "now_ms": self.backends.clock().unix_ms, "sources": sources })))
    }

    /// Makes what waits of `function=NAME` due now, or with `id=ID` one message of it.
    pub(super) async fn redrive(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let account = self.account(parts, claim, peer).await?;
        let function = parameter(parts, "function").ok_or(Refusal::Malformed("add ?function=NAME to the URL"))?;
        let id = parameter(parts, "id").map(|id| Uuid::parse_str(&id)).transpose();
        let id =
            id.map_err(|_| Refusal::Malformed("the id is not one; GET /_tindra/queue?function=NAME shows them"))?;
        let redriven = self.backends.redrive(account.as_deref(), &function, id).await.map_err(Refusal::Failed)?;
        Ok(shown(&json!({ "redriven": redriven })))
    }

    /// What time it is for all that waits.
    pub(super) fn clock(&self) -> Response<Full<Bytes>> {
        shown(&json!(self.backends.clock()))
    }

    /// Moves the clock by `seconds=N` or `ms=N`, and answers when everything that became due is done.
    pub(super) async fn advance(&self, parts: &Parts) -> Result<Response<Full<Bytes>>, Refusal> {
        let number = |name: &str| parameter(parts, name).map(|text| text.parse::<u64>()).transpose();
        let by_ms = match (number("seconds"), number("ms")) {
            (Ok(Some(seconds)), Ok(None)) => seconds.checked_mul(1_000),
            (Ok(None), Ok(Some(ms))) => Some(ms),
            _ => None,
        };
        let by_ms = by_ms.ok_or(Refusal::Malformed("add ?seconds=N or ?ms=N to the URL, a whole number"))?;
        match self.backends.advance(by_ms).await {
            true => Ok(self.clock()),
            false => Err(Refusal::Forbidden("the clock is the machine's; start the server with --clock manual")),
        }
    }

    /// Whose functions may be seen: none for everybody's.
    async fn account(&self, parts: &Parts, claim: Option<Claim<'_>>, peer: &Peer) -> Result<Option<String>, Refusal> {
        let viewer = self.viewer(parts, claim, peer).await;
        let viewer = viewer.map_err(|error| Refusal::Api(tindra_model::lambda(), error))?;
        Ok((!viewer.sees_machine).then_some(viewer.scope.account))
    }
}

fn shown(page: &Value) -> Response<Full<Bytes>> {
    local::answer("application/json", page.to_string())
}

/// A parameter of the query, which has no need of escapes: names, ids and numbers have none.
fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}
