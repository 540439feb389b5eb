//! Puts one request to some documents of the same sort.

use super::pattern::Pattern;
use super::principal::Named;
use super::{Effect, Policy, Request, Selection, Statement, Version};

/// What documents say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement grants and none forbids.
    Allowed,
    /// A statement forbids, whatever others grant.
    ExplicitlyDenied,
    /// No statement applies.
    ImplicitlyDenied,
}

/// What the documents say of a request together. Those of an identity are taken to be the requester's own;
/// in those of a resource a grant to an account counts as one to all its identities ([`authorise`] knows the
/// difference).
///
/// [`authorise`]: super::authorise()
#[must_use]
pub fn evaluate<'a>(request: Request<'_>, policies: impl IntoIterator<Item = &'a Policy>) -> Decision {
    match outcome(request, policies) {
        Outcome::Denied => Decision::ExplicitlyDenied,
        Outcome::Nothing => Decision::ImplicitlyDenied,
        Outcome::GrantedToAccount | Outcome::Granted => Decision::Allowed,
    }
}

/// What documents say, with how the grant names the requester; a later one wins over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Nothing,
    GrantedToAccount,
    Granted,
    Denied,
}

pub(super) fn outcome<'a>(request: Request<'_>, policies: impl IntoIterator<Item = &'a Policy>) -> Outcome {
    let of_policy = |policy: &'a Policy| {
        let with_variables = policy.version == Some(Version::Of2012);
        policy.statements.iter().map(move |statement| statement.outcome(request, with_variables))
    };
    policies.into_iter().flat_map(of_policy).max().unwrap_or(Outcome::Nothing)
}

impl Statement {
    fn outcome(&self, request: Request<'_>, with_variables: bool) -> Outcome {
        let named = self.names_requester(request);
        let applies = named != Named::Not
            && self.names_action(request)
            && self.names_resource(request, with_variables)
            && self.conditions.iter().all(|condition| condition.holds(request.context, with_variables, self.effect));
        match (applies, self.effect, named) {
            (false, ..) => Outcome::Nothing,
            (true, Effect::Deny, _) => Outcome::Denied,
            (true, Effect::Allow, Named::ByAccount) => Outcome::GrantedToAccount,
            (true, Effect::Allow, _) => Outcome::Granted,
        }
    }

    fn names_requester(&self, request: Request<'_>) -> Named {
        match &self.principals {
            None => Named::Directly,
            Some(Selection::Only(principals)) => principals.name(request.requester),
            // Naming an account exempts its root alone, not its users (IAM user guide, "NotPrincipal").
            Some(Selection::AllBut(principals)) => match principals.name(request.requester) {
                Named::Directly => Named::Not,
                Named::ByAccount | Named::Not => Named::Directly,
            },
        }
    }

    fn names_action(&self, request: Request<'_>) -> bool {
        let matches = |pattern: &String| Pattern::new(pattern).matches(request.action, true);
        match &self.actions {
            Selection::Only(patterns) => patterns.iter().any(matches),
            Selection::AllBut(patterns) => !patterns.iter().any(matches),
        }
    }

    /// A pattern with a variable that this request cannot fill in matches nothing; so that it does not widen a
    /// grant, `NotResource` with one then applies in a denial only.
    fn names_resource(&self, request: Request<'_>, with_variables: bool) -> bool {
        let read = |text: &String| match with_variables {
            true => Pattern::with_variables(text, request.context),
            false => Some(Pattern::new(text)),
        };
        let matches = |text: &String| read(text).map(|pattern| pattern.matches_arn(request.resource));
        match &self.resources {
            None => true,
            Some(Selection::Only(patterns)) => patterns.iter().any(|text| matches(text) == Some(true)),
            Some(Selection::AllBut(patterns)) => patterns.iter().all(|text| match matches(text) {
                Some(matches) => !matches,
                None => self.effect == Effect::Deny,
            }),
        }
    }
}
