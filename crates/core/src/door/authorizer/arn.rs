//! The ARN of one method of an API, which authorizers and resource policies speak of.

use crate::function::Scope;

/// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/path`, with the path as it was asked for. WebSocket APIs
/// have the route key in place of method and path: give it as `method` with an empty path.
#[must_use]
pub fn execute_api_arn(scope: &Scope, api_id: &str, stage: &str, method: &str, path: &str) -> String {
    todo!()
}
