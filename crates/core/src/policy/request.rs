//! What a policy is asked: who wants to do what, to which resource, under which circumstances.

use std::collections::HashMap;

/// A request as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub requester: &'a Requester,
    /// For example `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for actions that know none.
    pub resource: &'a str,
    /// What conditions and variables read.
    pub context: &'a Context,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester {
    /// Nobody in particular: an unsigned request.
    Anonymous,
    /// The root of an account.
    Root {
        /// Twelve digits.
        account: String,
    },
    /// A user.
    User {
        /// Twelve digits.
        account: String,
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: String,
    },
    /// A session of a role.
    Session {
        /// Twelve digits.
        account: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        arn: String,
        /// `arn:aws:iam::ACCOUNT:role/PATH/ROLE`.
        role: String,
    },
    /// A service on somebody's behalf.
    Service {
        /// For example `s3.amazonaws.com`.
        name: String,
    },
    /// Somebody whom an identity provider knows.
    Federated {
        /// The provider's ARN or name.
        provider: String,
    },
}

impl Requester {
    /// The account whose identities it is one of; services and strangers belong to none.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account } | Self::User { account, .. } | Self::Session { account, .. } => Some(account),
            Self::Anonymous | Self::Service { .. } | Self::Federated { .. } => None,
        }
    }

    /// What AWS calls it in messages.
    #[must_use]
    pub fn arn(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { arn, .. } | Self::Session { arn, .. } => arn.clone(),
            Self::Service { name } => name.clone(),
            Self::Federated { provider } => provider.clone(),
        }
    }
}

/// The keys that conditions compare, each with one value or several; case does not count in keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: HashMap<String, Vec<String>>,
}

impl Context {
    /// Adds a key with one value (replacing what it had).
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<String>) -> Self {
        self.with_all(key, vec![value.into()])
    }

    /// Adds a key with several values, perhaps none (replacing what it had).
    #[must_use]
    pub fn with_all(mut self, key: &str, values: Vec<String>) -> Self {
        self.values.insert(key.to_ascii_lowercase(), values);
        self
    }

    /// A key's values; `None` when the request does not have the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}
