//! What is refused because it would have to be ignored: operations and members of WebSocket APIs, private integrations
//! and others.

use super::HttpApiError;

/// Operations by a part of their names, and why they are not served.
const OPERATIONS: [(&str, &str); 8] = [
    ("RouteResponse", "route responses are for WebSocket APIs"),
    ("IntegrationResponse", "integration responses are for WebSocket APIs"),
    ("Model", "models are for WebSocket APIs"),
    ("RouteRequestParameter", "request parameters of routes are for WebSocket APIs"),
    ("VpcLink", "functions are reached without a VPC link"),
    ("AccessLogSettings", "no access logs are written, so there are no settings to delete"),
    ("ExportApi", "keep the OpenAPI document that an API was imported from"),
    ("RoutingRule", "use API mappings"),
];

/// Refuses an operation that is not served, by its name.
pub(super) fn check(name: &str) -> Result<(), HttpApiError> {
    match OPERATIONS.iter().any(|(part, _)| name.contains(part)) {
        true => Err(operation(name)),
        false => Ok(()),
    }
}

pub(super) fn operation(name: &str) -> HttpApiError {
    let why = OPERATIONS.iter().find(|(part, _)| name.contains(part)).map_or("", |(_, why)| why);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    HttpApiError::invalid(format!("The operation {name} is not supported by tindra{why}."))
}

/// Refuses each member that is given; `why` is what they have in common.
pub(super) fn members(given: &[(&str, bool)], why: &str) -> Result<(), HttpApiError> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((member, _)) => Err(HttpApiError::unserved(member, why)),
        None => Ok(()),
    }
}

/// Why members of WebSocket APIs are refused.
pub(super) const WEB_SOCKET: &str = "it is for WebSocket APIs";
