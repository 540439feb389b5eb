//! The ARN of one method of an API, which authorizers and resource policies speak of.

use crate::function::Scope;

/// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/path`, with the path as it was asked for. WebSocket APIs
/// have the route key in place of method and path: give it as `method` with an empty path.
#[must_use]
pub fn execute_api_arn(scope: &Scope, api_id: &str, stage: &str, method: &str, path: &str) -> String {
    let method_and_path = match (method, path.strip_prefix('/').unwrap_or(path)) {
        (route_key, "") if path.is_empty() => route_key.to_owned(),
        (method, path) => format!("{method}/{path}"),
    };
    format!("arn:aws:execute-api:{}:{}:{api_id}/{stage}/{method_and_path}", scope.region, scope.account)
}
