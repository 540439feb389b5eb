//! Joins the two sides of a request: what the requester's own policies say, and what the resource's says.
//!
//! Within one account either side may grant; across accounts both must. A grant to an account (rather than to
//! an identity of it) only lets the account's own policies decide. Services and strangers have no policies of
//! their own, so only the resource's counts for them. What bounds an identity (a permissions boundary, the
//! policies of a session) grants nothing by itself, but what it does not allow either, the identity's policies do
//! not grant. An explicit denial anywhere ends it.

use std::sync::Arc;

use super::evaluate::{Outcome, outcome};
use super::{Policy, Request, Requester};

/// Whether a request passes and, if not, what stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Allowed,
    /// A statement of this side forbids it.
    ExplicitlyDenied(Origin),
    /// This side would have had to grant it and did not.
    ImplicitlyDenied(Origin),
}

/// What has a say in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The requester's own policies.
    Identity,
    /// The permissions boundary of a user or role.
    Boundary,
    /// The policies that were given to a session.
    Session,
    /// The resource's policy.
    Resource,
}

impl Origin {
    fn text(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
        }
    }
}

/// What a requester brings along.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holdings<'a> {
    /// All policies of the requester: a user's own and those of its groups; a role's.
    pub policies: &'a [Arc<Policy>],
    /// The permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// What a session was given to bound it; one of them must allow, if there are any.
    pub session: &'a [Arc<Policy>],
}

impl Holdings<'_> {
    /// What they say together.
    fn verdict(self, request: Request<'_>) -> Verdict {
        let bounds = self.bounds(request);
        let own = Self::read(Origin::Identity, outcome(request, self.policies.iter().map(Arc::as_ref)));
        match (own, bounds) {
            (Verdict::ExplicitlyDenied(_), _) => own,
            (_, Verdict::ExplicitlyDenied(_)) | (Verdict::Allowed, _) => bounds,
            _ => own,
        }
    }

    /// What bounds them says alone.
    fn bounds(self, request: Request<'_>) -> Verdict {
        let boundary = self.boundary.map(|boundary| Self::read(Origin::Boundary, outcome(request, [boundary])));
        let session = (!self.session.is_empty())
            .then(|| Self::read(Origin::Session, outcome(request, self.session.iter().map(Arc::as_ref))));
        match (boundary.unwrap_or(Verdict::Allowed), session.unwrap_or(Verdict::Allowed)) {
            (Verdict::Allowed, session) | (_, session @ Verdict::ExplicitlyDenied(_)) => session,
            (boundary, _) => boundary,
        }
    }

    fn read(origin: Origin, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Denied => Verdict::ExplicitlyDenied(origin),
            Outcome::Nothing => Verdict::ImplicitlyDenied(origin),
            Outcome::GrantedToAccount | Outcome::Granted => Verdict::Allowed,
        }
    }
}

/// Decides on a request for a resource of `resource_account`, which may have a policy.
///
/// An account's root may do everything that its resources' policies do not forbid; it needs no policies. A grant
/// of the resource to a user itself is not limited by the user's boundary; one to a session is, by all that bounds
/// the session (AWS spares those that name the session and not its role).
#[must_use]
pub fn authorise(
    request: Request<'_>,
    holdings: Holdings<'_>,
    resource: Option<&Policy>,
    resource_account: &str,
) -> Verdict {
    let own = match request.requester {
        Requester::Root { .. } => Verdict::Allowed,
        _ => holdings.verdict(request),
    };
    let theirs = outcome(request, resource);
    if matches!(own, Verdict::ExplicitlyDenied(_)) {
        return own;
    }
    if theirs == Outcome::Denied {
        return Verdict::ExplicitlyDenied(Origin::Resource);
    }
    match request.requester.account() {
        Some(account) if account == resource_account => {
            let is_bounded = matches!(request.requester, Requester::Session { .. });
            let helps = theirs == Outcome::Granted && (!is_bounded || holdings.bounds(request).is_allowed());
            if helps { Verdict::Allowed } else { own }
        }
        Some(_) if !own.is_allowed() => own,
        _ if theirs == Outcome::Nothing => Verdict::ImplicitlyDenied(Origin::Resource),
        _ => Verdict::Allowed,
    }
}

impl Verdict {
    /// Whether the request passes.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }

    /// AWS's words for the refusal ("Access denied error message examples" of the IAM user guide); `None` when
    /// the request passes.
    #[must_use]
    pub fn refusal(self, request: Request<'_>) -> Option<String> {
        let because = match self {
            Self::Allowed => return None,
            Self::ExplicitlyDenied(origin) => format!("with an explicit deny in {}", with_article(origin)),
            Self::ImplicitlyDenied(origin) => {
                format!("because no {} allows the {} action", origin.text(), request.action)
            }
        };
        let Request { requester, action, resource, .. } = request;
        Some(format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {because}",
            requester.arn()
        ))
    }
}

fn with_article(origin: Origin) -> String {
    let article = if origin == Origin::Identity { "an" } else { "a" };
    format!("{article} {}", origin.text())
}
