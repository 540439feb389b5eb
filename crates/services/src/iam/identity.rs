//! Who calls, as IAM and STS see it.

use super::records::Kind;

/// Somebody who may be answered, with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// Who of it.
    pub who: Who,
    /// Whether a signature proved it; false with auth off.
    pub is_verified: bool,
    /// The key of the request, if it named one.
    pub access_key_id: Option<String>,
    /// Whether the key is one that expires.
    pub is_temporary: bool,
}

/// Who of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The operator: the account itself.
    Root,
    /// A user.
    User(String),
    /// A session of a role, such as a function's.
    Role {
        /// The role's name, without its path.
        name: String,
        /// A function's name, or what the caller of AssumeRole chose.
        session_name: String,
    },
}

impl Identity {
    /// The account itself, unverified.
    #[must_use]
    pub fn root(account: impl Into<String>) -> Self {
        Self { account: account.into(), who: Who::Root, is_verified: false, access_key_id: None, is_temporary: false }
    }

    /// The user or role whose policies count; the account itself has none and may do everything.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        let (kind, name) = match &self.who {
            Who::Root => return None,
            Who::User(name) => (Kind::User, name),
            Who::Role { name, .. } => (Kind::Role, name),
        };
        Some(Principal { account: self.account.clone(), kind, name: name.clone() })
    }

    /// As messages name the caller. A user's path is not known here and is left out.
    #[must_use]
    pub fn arn(&self) -> String {
        let account = &self.account;
        match &self.who {
            Who::Root => format!("arn:aws:iam::{account}:root"),
            Who::User(name) => format!("arn:aws:iam::{account}:user/{name}"),
            Who::Role { name, session_name } => format!("arn:aws:sts::{account}:assumed-role/{name}/{session_name}"),
        }
    }
}

/// A user or role of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Twelve digits.
    pub account: String,
    /// Which of the two.
    pub kind: Kind,
    /// Without its path.
    pub name: String,
}

impl Principal {
    /// The role of an ARN like `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    #[must_use]
    pub fn role(arn: &str) -> Option<Self> {
        let mut fields = arn.splitn(6, ':');
        let account = fields.nth(4)?.to_owned();
        let name = fields.next()?.strip_prefix("role/")?.rsplit('/').next()?.to_owned();
        Some(Self { account, kind: Kind::Role, name })
    }
}
