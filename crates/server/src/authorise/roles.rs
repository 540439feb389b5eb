//! What an execution role may do where nobody signs for it: what Tindra tells destinations on a function's behalf.

use std::fmt;
use std::sync::Arc;

use tindra_core::policy::{self, Context, Decision, Holdings, Policy, Request, Requester, evaluate};
use tindra_services::iam;

use super::documents::Documents;
use crate::auth::Identities;

/// A role that a service assumes to do something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnBehalf<'a> {
    /// Its ARN.
    pub(crate) role: &'a str,
    /// For example `apigateway.amazonaws.com`.
    pub(crate) service: &'a str,
    /// The name of the session.
    pub(crate) session: &'a str,
}

/// What decides about a session of a role.
struct HeldByRole {
    account: String,
    policies: Vec<Arc<Policy>>,
    boundary: Option<Arc<Policy>>,
    trust: Option<Arc<Policy>>,
    requester: Requester,
    context: Context,
}

impl HeldByRole {
    fn holdings(&self) -> Holdings<'_> {
        Holdings { policies: &self.policies, boundary: self.boundary.as_deref(), session: &[] }
    }
}

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
        let held = self.held(role, session).await?;
        let context = held.context.clone().with("lambda:SourceFunctionArn", function);
        let request = Request { requester: &held.requester, action, resource, context: &context };
        // What the target's own policy says is the target's to ask.
        policy::authorise(request, held.holdings(), None, &held.account).refusal(request).map_or(Ok(()), Err)
    }

    /// Whether a service may assume a role, and the role may then do something to a resource with a policy of its own.
    ///
    /// # Errors
    /// The refusal in AWS's words, for people.
    pub(crate) async fn check_service(
        &self,
        on_behalf: OnBehalf<'_>,
        action: &str,
        resource: &str,
        own_policy: Option<&Policy>,
    ) -> Result<(), String> {
        let OnBehalf { role, service, session } = on_behalf;
        let held = self.held(role, session).await?;
        let assumer = Requester::Service { name: service.to_owned() };
        let context = Context::default().with("aws:PrincipalIsAWSService", "true");
        let assuming = Request { requester: &assumer, action: "sts:AssumeRole", resource: role, context: &context };
        if evaluate(assuming, held.trust.as_deref()) != Decision::Allowed {
            return Err(format!("the role {role} does not let {service} assume it"));
        }
        let owner = resource.split(':').nth(4).unwrap_or_default();
        let request = Request { requester: &held.requester, action, resource, context: &held.context };
        policy::authorise(request, held.holdings(), own_policy, owner).refusal(request).map_or(Ok(()), Err)
    }

    /// What a session of a role has.
    async fn held(&self, role: &str, session: &str) -> Result<HeldByRole, String> {
        let principal = iam::Principal::role(role).ok_or_else(|| format!("{role} is no role"))?;
        let found = self.identities.policies_of(&principal).await.map_err(|error| error.message().to_owned())?;
        // A role of the same name under another path is another one.
        if found.arn.as_deref() != Some(role) {
            return Err(format!("the role {role} does not exist, so nothing can be told on its behalf; create it"));
        }
        let read = |error: tindra_model::ApiError| error.message().to_owned();
        let optional = |document: &Option<iam::PolicyDocument>| {
            document.as_ref().map(|document| self.documents.read(document)).transpose().map_err(read)
        };
        Ok(HeldByRole {
            policies: self.documents.read_all(&found.identity).map_err(read)?,
            boundary: optional(&found.boundary)?,
            trust: optional(&found.trust)?,
            requester: Requester::Session {
                account: principal.account.clone(),
                arn: format!("arn:aws:sts::{}:assumed-role/{}/{session}", principal.account, principal.name),
                role: role.to_owned(),
            },
            context: Context::default().with("aws:PrincipalArn", role).with("aws:PrincipalAccount", &principal.account),
            account: principal.account,
        })
    }
}
