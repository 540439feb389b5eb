//! `GET /_tindra/environments`: the execution environments of this machine.
//!
//! It names functions, so it wants what an operation wants: with `--auth sigv4` a signature by an account's own key. The
//! operator's account sees the whole machine, every other account its own functions' environments.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_services::iam;
use tindra_worker::Listed;

use super::head::Claim;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer, local};
use crate::config::Auth;

/// Who asks what runs here.
pub(super) struct Viewer {
    pub(super) scope: Scope,
    /// Everything, not only what belongs to the account.
    pub(super) sees_machine: bool,
}

impl<B: Backends> Edge<B> {
    pub(super) async fn environments(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let viewer = self.viewer(parts, claim, peer).await;
        let viewer = viewer.map_err(|error| Refusal::Api(tindra_model::lambda(), error))?;
        let mut all = self.backends.environments().await;
        if !viewer.sees_machine {
            all.retain(|listed| is_of(listed, &viewer.scope.account));
        }
        let text = serde_json::to_string(&serde_json::json!({ "environments": all }));
        Ok(local::answer("application/json", text.map_err(|error| Refusal::Failed(error.to_string()))?))
    }

    /// Who asks what runs here; nobody but the accounts' own keys may, once there are any.
    pub(super) async fn viewer(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Viewer, ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        let who = authenticator.authenticate(parts, claim, &Bytes::new(), tindra_model::lambda(), peer, now_ms).await?;
        if authenticator.kind() == Auth::Off {
            return Ok(Viewer { scope: who.scope, sees_machine: true });
        }
        if !matches!(who.identity.who, iam::Who::Root) {
            let message = "Only an account's own key may see what runs here.";
            return Err(ApiError::new("AccessDeniedException", message));
        }
        let sees_machine = who.scope.account == authenticator.default_scope().account;
        Ok(Viewer { scope: who.scope, sees_machine })
    }
}

fn is_of(listed: &Listed, account: &str) -> bool {
    listed.owner.as_ref().is_some_and(|owner| owner.account == account)
}
