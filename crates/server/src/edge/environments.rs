//! `GET /_tindra/environments`: the execution environments of this machine.
//!
//! It names functions, so it wants what an operation wants: with `--auth sigv4` a signature by an account's own key. The
//! operator's account sees the whole machine, every other account its own functions' environments.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use tindra_model::ApiError;
use tindra_services::iam;
use tindra_worker::Listed;

use super::head::Claim;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer, local};
use crate::config::Auth;

impl<B: Backends> Edge<B> {
    pub(super) async fn environments(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let account = self.account_to_show(parts, claim, peer).await;
        let account = account.map_err(|error| Refusal::Api(tindra_model::lambda(), error))?;
        let mut all = self.backends.environments().await;
        if let Some(account) = account {
            all.retain(|listed| is_of(listed, &account));
        }
        let text = serde_json::to_string(&serde_json::json!({ "environments": all }));
        Ok(local::answer("application/json", text.map_err(|error| Refusal::Failed(error.to_string()))?))
    }

    /// `None`: all of them.
    async fn account_to_show(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
    ) -> Result<Option<String>, ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        if authenticator.kind() == Auth::Off {
            return Ok(None);
        }
        let who = authenticator.authenticate(parts, claim, &Bytes::new(), tindra_model::lambda(), peer, now_ms).await?;
        if !matches!(who.identity.who, iam::Who::Root) {
            let message = "Only an account's own key may list execution environments.";
            return Err(ApiError::new("AccessDeniedException", message));
        }
        Ok(Some(who.scope.account).filter(|account| *account != authenticator.default_scope().account))
    }
}

fn is_of(listed: &Listed, account: &str) -> bool {
    listed.owner.as_ref().is_some_and(|owner| owner.account == account)
}
