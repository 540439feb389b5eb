//! What an execution role may do where nobody signs for it: what Tindra tells destinations on a function's behalf.

use std::fmt;
use std::sync::Arc;

use tindra_core::policy::{self, Context, Holdings, Request, Requester};
use tindra_services::iam;

use super::documents::Documents;
use crate::auth::Identities;

/// Decides by the policies of roles.
pub(crate) struct RoleAuthority {
    identities: Arc<dyn Identities>,
    documents: Documents,
}

impl fmt::Debug for RoleAuthority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RoleAuthority").finish_non_exhaustive()
    }
}

impl RoleAuthority {
    pub(crate) fn new(identities: Arc<dyn Identities>) -> Self {
        Self { identities, documents: Documents::default() }
    }

    /// Whether a role may, as the session of a function (by its unqualified ARN), do something to a resource.
    ///
    /// # Errors
    /// The refusal in AWS's words, for people.
    pub(crate) async fn check(&self, role: &str, function: &str, action: &str, resource: &str) -> Result<(), String> {
        let session = function.rsplit(':').next().unwrap_or_default();
        let principal = iam::Principal::role(role).ok_or_else(|| format!("{role} is no role"))?;
        let found = self.identities.policies_of(&principal).await.map_err(|error| error.message().to_owned())?;
        // A role of the same name under another path is another one.
        if found.arn.as_deref() != Some(role) {
            return Err(format!("the role {role} does not exist, so nothing can be told on its behalf; create it"));
        }
        let read = |error: tindra_model::ApiError| error.message().to_owned();
        let policies = self.documents.read_all(&found.identity).map_err(read)?;
        let boundary =
            found.boundary.as_ref().map(|boundary| self.documents.read(boundary)).transpose().map_err(read)?;
        let requester = Requester::Session {
            account: principal.account.clone(),
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{session}", principal.account, principal.name),
            role: role.to_owned(),
        };
        let context = Context::default()
            .with("aws:PrincipalArn", role)
            .with("aws:PrincipalAccount", &principal.account)
            .with("lambda:SourceFunctionArn", function);
        let request = Request { requester: &requester, action, resource, context: &context };
        let holdings = Holdings { policies: &policies, boundary: boundary.as_deref(), session: &[] };
        // What the target's own policy says is the target's to ask.
        policy::authorise(request, holdings, None, &principal.account).refusal(request).map_or(Ok(()), Err)
    }
}
