//! What lies in the store: a JSON record for each user, role, managed policy, access key and session.
//!
//! Names are unique whatever their case, hence keys have them in lower case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;

/// Every record of IAM and STS is below this.
pub(super) const PREFIX: &str = "iam/";
/// Access keys of every account, by their ids.
const ACCESS_KEYS: &str = "iam/access-keys/";
/// Sessions of every account, by their access keys' ids.
const SESSIONS: &str = "iam/sessions/";

/// A user or a role: what both can have policies and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Somebody with access keys.
    User,
    /// Something to assume.
    Role,
}

impl Kind {
    /// `user` or `role`, as ARNs and messages have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
        }
    }

    /// `User` or `Role`, as members and quotas have it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Role => "Role",
        }
    }

    pub(super) fn id_prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Role => "AROA",
        }
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Unique whatever its case.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// A user or a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entity {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created_ms: UnixMs,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
    /// Inline policies: name to document.
    #[serde(default)]
    pub(super) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub(super) attached: Vec<String>,
    /// ARN of the managed policy that bounds what the others may allow.
    #[serde(default)]
    pub(super) boundary: Option<String>,
    /// A user's, oldest first.
    #[serde(default)]
    pub(super) access_keys: Vec<String>,
    /// Of a role.
    #[serde(default)]
    pub(super) role: Option<RoleMembers>,
}

/// What only a role has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RoleMembers {
    /// Who may assume it.
    pub(super) trust: String,
    pub(super) description: Option<String>,
    pub(super) max_session_s: u32,
}

impl Entity {
    pub(super) fn key(account: &str, kind: Kind, name: &str) -> String {
        format!("{}{}", Self::prefix(account, kind), name.to_ascii_lowercase())
    }

    pub(super) fn prefix(account: &str, kind: Kind) -> String {
        format!("{PREFIX}{account}/{}/", kind.word())
    }

    pub(super) fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:{}{}{}", self.kind.word(), self.path, self.name)
    }
}

/// A managed policy of the customer's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) description: Option<String>,
    pub(super) created_ms: UnixMs,
    pub(super) updated_ms: UnixMs,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
    /// Oldest first; never empty.
    pub(super) versions: Vec<Version>,
    /// Number of the version that acts.
    pub(super) default_version: u32,
    /// Number of the next version; numbers are never used again.
    pub(super) next_version: u32,
    /// Users and roles that it is attached to.
    #[serde(default)]
    pub(super) attachments: u32,
    /// Users and roles that it bounds.
    #[serde(default)]
    pub(super) boundaries: u32,
}

/// A version of a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) document: String,
    pub(super) created_ms: UnixMs,
}

impl Policy {
    pub(super) fn key(account: &str, name: &str) -> String {
        format!("{}{}", Self::prefix(account), name.to_ascii_lowercase())
    }

    pub(super) fn prefix(account: &str) -> String {
        format!("{PREFIX}{account}/policy/")
    }

    pub(super) fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:policy{}{}", self.path, self.name)
    }

    pub(super) fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// An access key of a user. The secret is kept as it is, because signatures are verified with it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct AccessKey {
    pub(super) account: String,
    pub(super) user: String,
    pub(super) secret: String,
    pub(super) is_active: bool,
    pub(super) created_ms: UnixMs,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AccessKey")
            .field("account", &self.account)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl AccessKey {
    pub(super) fn key(id: &str) -> String {
        format!("{ACCESS_KEYS}{id}")
    }
}

/// What AssumeRole or GetSessionToken gave out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) account: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) expires_ms: UnixMs,
    pub(crate) holder: Holder,
    /// Policies that bound the session.
    #[serde(default)]
    pub(crate) policies: Vec<String>,
    /// ARNs of managed policies that bound the session.
    #[serde(default)]
    pub(crate) policy_arns: Vec<String>,
    /// For conditions of policies.
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// For conditions of policies.
    #[serde(default)]
    pub(crate) source_identity: Option<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("account", &self.account)
            .field("holder", &self.holder)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// The ids of sessions by the time when they end.
    pub(crate) const ENDINGS: &str = "iam/session-ends/";

    pub(crate) fn key(id: &str) -> String {
        format!("{SESSIONS}{id}")
    }

    /// Sorts by the end.
    pub(crate) fn ending(expires_ms: UnixMs, id: &str) -> String {
        format!("{}{expires_ms:020}/{id}", Self::ENDINGS)
    }
}

/// Whose session it is. The id tells a user or role from a later one of the same name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Holder {
    Root,
    User { name: String, id: String },
    Role { name: String, id: String, session_name: String },
}
