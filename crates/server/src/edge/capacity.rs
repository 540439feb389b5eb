//! `GET /_tindra/capacity`: how much of the account's concurrency and of the machine is used.
//!
//! Like the list of environments it is for the accounts' own keys, and the machine's part for the operator's account alone.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;

use super::head::Claim;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer, local};

impl<B: Backends> Edge<B> {
    pub(super) async fn capacity(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let viewer = self.viewer(parts, claim, peer).await;
        let viewer = viewer.map_err(|error| Refusal::Api(tindra_model::lambda(), error))?;
        let machine = if viewer.sees_machine { self.backends.headroom().await } else { None };
        let text = serde_json::to_string(&serde_json::json!({
            "account": viewer.scope.account,
            "region": viewer.scope.region,
            "concurrency": self.backends.concurrency(&viewer.scope),
            "machine": machine,
        }));
        Ok(local::answer("application/json", text.map_err(|error| Refusal::Failed(error.to_string()))?))
    }
}
