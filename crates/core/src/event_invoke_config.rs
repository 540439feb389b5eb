//! What becomes of asynchronous invokes that fail, and where word of the others goes.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::function::Scope;
use crate::name;

/// Prefix of the keys of all of them.
pub const EVENT_INVOKE_CONFIG_PREFIX: &str = "event-invoke-config/";

/// The configuration of a version or alias as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The version or alias; `$LATEST` for the unpublished version.
    pub qualifier: String,
    /// `MaximumRetryAttempts`; none where it was not said, which means 2.
    pub maximum_retry_attempts: Option<u32>,
    /// `MaximumEventAgeInSeconds`; none where it was not said, which means six hours.
    pub maximum_event_age_s: Option<u32>,
    /// `DestinationConfig.OnSuccess.Destination`.
    pub on_success: Option<String>,
    /// `DestinationConfig.OnFailure.Destination`.
    pub on_failure: Option<String>,
    /// `LastModified`.
    pub last_modified_ms: UnixMs,
}

impl EventInvokeConfig {
    /// The prefix of the keys of those that belong to one function.
    #[must_use]
    pub fn key_prefix(scope: &Scope, function: &str) -> String {
        format!("{EVENT_INVOKE_CONFIG_PREFIX}{}/{}/{function}/", scope.account, scope.region)
    }

    /// The key of the one that belongs to a version or an alias.
    #[must_use]
    pub fn key(scope: &Scope, function: &str, qualifier: &str) -> String {
        format!("{}{qualifier}", Self::key_prefix(scope, function))
    }

    /// `FunctionArn`, always qualified.
    #[must_use]
    pub fn function_arn(&self) -> String {
        name::arn(&self.scope, &self.function_name, Some(&self.qualifier))
    }
}
