//! Provisioned concurrency: environments of a version that are ready before anybody invokes it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixMs;
use crate::function::Scope;

/// What the keys of all records begin with.
pub const PROVISIONED_PREFIX: &str = "provisioned-concurrency/";

/// `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisionedStatus {
    /// Environments are being made.
    #[serde(rename = "IN_PROGRESS")]
    InProgress,
    /// All are there.
    #[serde(rename = "READY")]
    Ready,
    /// They cannot be made; `StatusReason` says why.
    #[serde(rename = "FAILED")]
    Failed,
}

impl ProvisionedStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }
}

/// The provisioned concurrency of one published version or alias, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// A version's number or an alias.
    pub qualifier: String,
    /// Fresh at every request, so that what is told of an older one is not taken for this one's.
    pub id: Uuid,
    /// `RequestedProvisionedConcurrentExecutions`.
    pub requested: u32,
    /// `AllocatedProvisionedConcurrentExecutions`.
    pub allocated: u32,
    /// `Status`.
    pub status: ProvisionedStatus,
    /// `StatusReason`.
    pub status_reason: Option<String>,
    /// `LastModified`.
    pub last_modified_ms: UnixMs,
}

impl Provisioned {
    /// The prefix of the keys of all of an account and region.
    #[must_use]
    pub fn scope_prefix(scope: &Scope) -> String {
        format!("{PROVISIONED_PREFIX}{}/{}/", scope.account, scope.region)
    }

    /// The prefix of the keys of those of one function.
    #[must_use]
    pub fn key_prefix(scope: &Scope, function_name: &str) -> String {
        format!("{}{function_name}/", Self::scope_prefix(scope))
    }

    /// The key of its record.
    #[must_use]
    pub fn key(scope: &Scope, function_name: &str, qualifier: &str) -> String {
        format!("{}{qualifier}", Self::key_prefix(scope, function_name))
    }
}
