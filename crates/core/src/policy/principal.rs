//! Whether a statement speaks of the one who asks.

use super::{PrincipalKind, Principals, Requester};

/// How a list of principals names somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Not,
    /// Through the account: a grant that the account must still pass on to its identities by their policies.
    ByAccount,
    /// Itself, or everybody.
    Directly,
}

impl Principals {
    /// How this list names the requester. Names are compared as they are; only a whole `*` stands for more.
    pub(super) fn name(&self, requester: &Requester) -> Named {
        let listed = match self {
            Self::Everybody => return Named::Directly,
            Self::Listed(listed) => listed,
        };
        let mut result = Named::Not;
        for name in listed.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, name.as_str()))) {
            match named_by(name, requester) {
                Named::Directly => return Named::Directly,
                Named::ByAccount => result = Named::ByAccount,
                Named::Not => {}
            }
        }
        result
    }
}

fn named_by((kind, name): (PrincipalKind, &str), requester: &Requester) -> Named {
    match (kind, requester) {
        (PrincipalKind::Aws, _) if name == "*" => Named::Directly,
        (PrincipalKind::Aws, Requester::User { arn, .. }) if name == arn => Named::Directly,
        (PrincipalKind::Aws, Requester::Session { arn, role, .. }) if name == arn || name == role => Named::Directly,
        (PrincipalKind::Aws, Requester::Root { account }) if is_account(name, account) => Named::Directly,
        (PrincipalKind::Aws, _) => match requester.account() {
            Some(account) if is_account(name, account) => Named::ByAccount,
            _ => Named::Not,
        },
        (PrincipalKind::Service, Requester::Service { name: service }) if name == "*" || name == service => {
            Named::Directly
        }
        (PrincipalKind::Federated, Requester::Federated { provider }) if name == "*" || name == provider => {
            Named::Directly
        }
        _ => Named::Not,
    }
}

/// `123456789012` or `arn:aws:iam::123456789012:root`.
fn is_account(name: &str, account: &str) -> bool {
    name == account
        || name.strip_prefix("arn:").and_then(|rest| rest.split_once(':')).is_some_and(|(_, rest)| {
            rest.strip_prefix("iam::").and_then(|rest| rest.strip_suffix(":root")) == Some(account)
        })
}
