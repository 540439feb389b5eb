//! Who may post to the connections of a WebSocket API, look at them, and end them: `execute-api:ManageConnections`.

use tindra_core::function::Scope;
use tindra_core::policy::{self, Request};
use tindra_model::ApiError;

use super::{Asker, Authoriser, facts};
use crate::auth::Authenticator;
use crate::config::Auth;

const ACTION: &str = "execute-api:ManageConnections";

impl Authoriser {
    /// Refuses who may not manage a connection, which policies call `resource`, of an API of `owner`.
    ///
    /// # Errors
    /// `ForbiddenException`, and what the parts behind say when they fail.
    pub(crate) async fn check_manager(
        &self,
        authenticator: &Authenticator,
        asker: Asker<'_>,
        owner: &Scope,
        resource: &str,
    ) -> Result<(), ApiError> {
        if authenticator.kind() == Auth::Off {
            return Ok(());
        }
        let forbidden = |message: String| ApiError::new("ForbiddenException", message);
        let who = asker.who;
        if who.identity.principal().is_none() {
            return match who.scope.account == owner.account {
                true => Ok(()),
                false => Err(forbidden(format!("The connection is of another account than {}.", who.scope.account))),
            };
        }
        let held = self.held(authenticator, asker).await?;
        let requester = held.requester(asker);
        let context = facts::of_asker(asker, &requester, &held.tags);
        let request = Request { requester: &requester, action: ACTION, resource, context: &context };
        let verdict = policy::authorise(request, held.holdings(), None, &owner.account);
        verdict.refusal(request).map_or(Ok(()), |message| Err(forbidden(message)))
    }
}
