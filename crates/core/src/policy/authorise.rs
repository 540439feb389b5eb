//! Joins the two sides of a request: what the requester's own policies say, and what the resource's says.
//!
//! Within one account either side may grant; across accounts both must. A grant to an account (rather than to
//! an identity of it) only lets the account's own policies decide. Services and strangers have no policies of
//! their own, so only the resource's counts for them. An explicit denial on either side ends it.

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

/// A side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The requester's own policies.
    Identity,
    /// The resource's policy.
    Resource,
}

impl Origin {
    fn text(self) -> &'static str {
        match self {
            Self::Identity => "identity-based",
            Self::Resource => "resource-based",
        }
    }
}

/// Decides on a request for a resource of `resource_account`.
///
/// `identity` are all policies of the requester (a user's own and those of its groups; a role's), `resource` is
/// the resource's policy if it has one. An account's root may do everything that its resources' policies do not
/// forbid; it needs no policies.
#[must_use]
pub fn authorise(
    request: Request<'_>,
    identity: &[Policy],
    resource: Option<&Policy>,
    resource_account: &str,
) -> Verdict {
    let own = match request.requester {
        Requester::Root { .. } => Outcome::Granted,
        _ => outcome(request, identity),
    };
    let theirs = outcome(request, resource);
    if own == Outcome::Denied {
        return Verdict::ExplicitlyDenied(Origin::Identity);
    }
    if theirs == Outcome::Denied {
        return Verdict::ExplicitlyDenied(Origin::Resource);
    }
    let own_grants = own == Outcome::Granted;
    match request.requester.account() {
        Some(account) if account == resource_account => {
            let granted = own_grants || theirs == Outcome::Granted;
            if granted { Verdict::Allowed } else { Verdict::ImplicitlyDenied(Origin::Identity) }
        }
        Some(_) if !own_grants => Verdict::ImplicitlyDenied(Origin::Identity),
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
            Self::ExplicitlyDenied(origin) => format!("with an explicit deny in {} policy", with_article(origin)),
            Self::ImplicitlyDenied(origin) => {
                format!("because no {} policy allows the {} action", origin.text(), request.action)
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
