//! Whether somebody may do what they ask, once it is known who they are and what they ask.
//!
//! The operator may do everything in the account. Users, roles and sessions of IAM (a function is a session of its
//! execution role) may do what their policies allow, and what the policy of a function allows them. A function of
//! another account opens itself by its policy alone; what is then asked is answered on behalf of the function's
//! account. With auth off nothing is refused here; a function of another account is opened by its policy even then.

mod asked;
mod connections;
mod documents;
mod facts;
mod roles;
mod urls;

use std::sync::Arc;

use tindra_control::Principal;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::policy::{self, Decision, Holdings, Policy, Request, Requester, Verdict, evaluate};
use tindra_model::{ApiError, Call, Service};
use tindra_services::iam;

use crate::auth::{Authenticator, Who};
use crate::config::Auth;
use crate::edge::{Backends, Peer};
use asked::Asked;
use documents::Documents;
pub(crate) use roles::{OnBehalf, RoleAuthority};
pub(crate) use urls::{shown, wants_signature};

/// What everybody may ask: who they are.
const FREE: [&str; 2] = ["sts:GetCallerIdentity", "sts:GetSessionToken"];

/// Decides what is allowed.
#[derive(Debug, Default)]
pub(crate) struct Authoriser {
    documents: Documents,
}

/// Somebody who asks for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// Who asks.
    pub(crate) who: &'a Who,
    /// From where.
    pub(crate) peer: &'a Peer,
    /// When.
    pub(crate) now_ms: UnixMs,
    /// Whether it came over TLS.
    pub(crate) is_tls: bool,
}

/// One request as it is decided on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    /// By whom.
    pub(crate) asker: Asker<'a>,
    /// Of which service.
    pub(crate) service: &'static Service,
    /// What.
    pub(crate) call: &'a Call,
}

impl Authoriser {
    /// The account and region on whose behalf the request is to be answered.
    ///
    /// # Errors
    /// `AccessDeniedException` in AWS's words, and what the parts behind say when they fail.
    pub(crate) async fn authorise<B: Backends>(
        &self,
        backends: &B,
        authenticator: &Authenticator,
        asking: Asking<'_>,
    ) -> Result<Scope, ApiError> {
        let who = asking.asker.who;
        let is_checked = authenticator.kind() == Auth::SigV4;
        let is_unbounded = !is_checked || who.identity.principal().is_none();
        if is_unbounded && !asked::is_foreign(asking.call, &who.scope) {
            return Ok(who.scope.clone());
        }
        let mut asked = Asked::read(asking.service, asking.call, who);
        if FREE.contains(&asked.action.as_str()) {
            return Ok(who.scope.clone());
        }
        if let Some(entity) = &asked.entity
            && let Some(arn) = &authenticator.policies_of(entity).await?.arn
        {
            asked.resource.clone_from(arn);
        }
        if let Some(arn) = &asked.subscription
            && let Some(owner) = owner_of_subscription(backends, arn).await
            && owner == who.identity.account
        {
            asked.owner.account = owner;
        }
        let held = self.held(authenticator, asking.asker).await?;
        let requester = held.requester(asking.asker);
        let context = facts::context(asking, &requester, &held.tags);
        let own_policy = self.policy_of_resource(backends, authenticator, &asked).await?;
        if !is_checked {
            let is_open = evaluate(asked.request(&requester, &context), own_policy.as_deref()) == Decision::Allowed;
            return Ok(if is_open { asked.owner } else { who.scope.clone() });
        }
        let request = asked.request(&requester, &context);
        let verdict = policy::authorise(request, held.holdings(), own_policy.as_deref(), &asked.owner.account);
        if asked.is_assuming() {
            check_trust(verdict, own_policy.as_deref(), request)?;
        }
        refuse(verdict.refusal(request)).map_err(|error| in_words_of(asking.service, error))?;
        for resource in &asked.further {
            let request = Request { resource, ..request };
            let verdict = policy::authorise(request, held.holdings(), None, &asked.owner.account);
            refuse(verdict.refusal(request))?;
        }
        check_role_to_pass(asking, request, &held)?;
        Ok(asked.owner)
    }

    /// What the policies and the tags of somebody are; the account itself needs none.
    ///
    /// A function has those of its role only if the whole ARN is the role's. Otherwise who may pass the roles of
    /// one path could pass those of another by their names.
    async fn held(&self, authenticator: &Authenticator, asker: Asker<'_>) -> Result<Held, ApiError> {
        let who = asker.who;
        let Some(principal) = who.identity.principal() else { return Ok(Held::default()) };
        let found = authenticator.policies_of(&principal).await?;
        if let (Peer::Environment(environment), Some(arn)) = (asker.peer, &found.arn)
            && *arn != environment.role_arn
        {
            return Ok(Held::default());
        }
        Ok(Held {
            policies: self.documents.read_all(&found.identity)?,
            boundary: found.boundary.as_ref().map(|boundary| self.documents.read(boundary)).transpose()?,
            session: self.documents.read_all(&who.session_policies)?,
            arn: found.arn.clone(),
            tags: found.tags.clone(),
        })
    }

    /// The policy of the function or queue that is asked for, or the one that says who may assume the role.
    async fn policy_of_resource<B: Backends>(
        &self,
        backends: &B,
        authenticator: &Authenticator,
        asked: &Asked,
    ) -> Result<Option<Arc<Policy>>, ApiError> {
        if let Some(topic) = &asked.topic {
            return Ok(match backends.topics() {
                Some(topics) => topics.policy(topic).await,
                None => None,
            });
        }
        let role = asked.is_assuming().then(|| iam::Principal::role(&asked.resource)).flatten();
        if let Some(queue) = &asked.queue {
            return backends.queue_policy(&asked.owner, queue).await;
        }
        match (&asked.function, role) {
            (Some(function), _) => backends.resource_policy(&asked.owner, function).await,
            (None, Some(role)) => {
                let found = authenticator.policies_of(&role).await?;
                found.trust.as_ref().map(|trust| self.documents.read(trust)).transpose()
            }
            (None, None) => Ok(None),
        }
    }
}

/// The account that has subscribed, which may do with its subscription what it likes.
async fn owner_of_subscription<B: Backends>(backends: &B, arn: &str) -> Option<String> {
    backends.topics()?.subscription_owner(arn).await
}

/// A refusal as the service itself answers it.
fn in_words_of(service: &Service, error: ApiError) -> ApiError {
    match service.signing_name() {
        "sns" => ApiError::new("AuthorizationErrorException", error.message()),
        _ => error,
    }
}

/// A role says itself who may assume it: what the policies of others allow is not enough. AWS gives no reason.
fn check_trust(verdict: Verdict, trust: Option<&Policy>, request: Request<'_>) -> Result<(), ApiError> {
    let is_trusted = verdict.is_allowed() && evaluate(request, trust) == Decision::Allowed;
    let Request { requester, action, resource, .. } = request;
    let message =
        || format!("User: {} is not authorized to perform: {action} on resource: {resource}", requester.arn());
    refuse((!is_trusted).then(message))
}

/// Giving a function a role is giving whoever may change the function what the role may do.
fn check_role_to_pass(asking: Asking<'_>, request: Request<'_>, held: &Held) -> Result<(), ApiError> {
    for (role, service) in asked::roles_to_pass(asking.call) {
        let account = role.split(':').nth(4).unwrap_or_default();
        let context = request.context.clone().with("iam:PassedToService", service);
        let request = Request { action: "iam:PassRole", resource: role, context: &context, ..request };
        refuse(policy::authorise(request, held.holdings(), None, account).refusal(request))?;
    }
    Ok(())
}

fn refuse(message: Option<String>) -> Result<(), ApiError> {
    message.map_or(Ok(()), |message| Err(ApiError::new("AccessDeniedException", message)))
}

/// What somebody brings along.
#[derive(Debug, Default)]
struct Held {
    policies: Vec<Arc<Policy>>,
    boundary: Option<Arc<Policy>>,
    session: Vec<Arc<Policy>>,
    /// Of the user or role, with its path.
    arn: Option<String>,
    tags: Vec<iam::Tag>,
}

impl Held {
    fn holdings(&self) -> Holdings<'_> {
        Holdings { policies: &self.policies, boundary: self.boundary.as_deref(), session: &self.session }
    }

    /// Who asks, in the words of policies.
    fn requester(&self, asker: Asker<'_>) -> Requester {
        let identity = &asker.who.identity;
        let account = identity.account.clone();
        match (&identity.who, &asker.who.principal) {
            (iam::Who::Root, _) => Requester::Root { account },
            (iam::Who::User(_), _) => {
                Requester::User { account, arn: self.arn.clone().unwrap_or_else(|| identity.arn()) }
            }
            (iam::Who::Role { name, .. }, principal) => {
                let role = match (principal, &self.arn) {
                    (_, Some(arn)) | (Principal::Role(arn), None) => arn.clone(),
                    (Principal::Operator, None) => format!("arn:aws:iam::{account}:role/{name}"),
                };
                Requester::Session { account, arn: identity.arn(), role }
            }
        }
    }
}
