//! ARNs of groups and streams, and the ways a request names a group.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tindra_core::function::Scope;

use super::LogsError;

/// The store's scope of an account and region.
pub(super) fn store_scope(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`.
pub(super) fn group_arn(scope: &Scope, group: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{group}", scope.region, scope.account)
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME:log-stream:STREAM`.
pub(super) fn stream_arn(scope: &Scope, group: &str, stream: &str) -> String {
    format!("{}:log-stream:{stream}", group_arn(scope, group))
}

/// The two members by which requests name a group; exactly one is given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupName {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
}

impl GroupName {
    /// The name; an identifier may be a name or an ARN.
    pub(super) fn resolve(&self, scope: &Scope) -> Result<String, LogsError> {
        match (&self.log_group_name, &self.log_group_identifier) {
            (Some(name), None) => Ok(name.clone()),
            (None, Some(identifier)) if identifier.starts_with("arn:") => {
                let prefix = group_arn(scope, "");
                let name = identifier.strip_prefix(&prefix).ok_or_else(LogsError::no_group)?;
                Ok(name.strip_suffix(":*").unwrap_or(name).to_owned())
            }
            (None, Some(identifier)) => Ok(identifier.clone()),
            (Some(_), Some(_)) => {
                Err(LogsError::invalid("LogGroupName and LogGroupIdentifier cannot be used together."))
            }
            (None, None) => Err(LogsError::invalid("Either LogGroupName or LogGroupIdentifier is required.")),
        }
    }
}

/// An event's id: 56 digits as AWS has them, the same at every read and different for every event of a group.
pub(super) fn event_id(stream: &str, timestamp_ms: u64, position: u64) -> String {
    let digest = Sha256::digest(stream.as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    format!("{timestamp_ms:016}{hash:020}{position:020}")
}
