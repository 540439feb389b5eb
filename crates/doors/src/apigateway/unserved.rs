//! What is refused because it would have to be ignored: checks and transformations of messages, private integrations and
//! others.

use super::HttpApiError;

/// Operations by a part of their names, and why they are not served.
const OPERATIONS: [(&str, &str); 7] = [
    ("IntegrationResponse", "the answers of functions (AWS_PROXY) go back as they are"),
    ("Model", "functions check what they get"),
    ("RouteRequestParameter", "functions get requests and messages as they come"),
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

/// Why members that are for some WebSocket APIs alone are refused.
pub(super) const WEB_SOCKET: &str =
    "it is for WebSocket APIs that check, transform or log messages, and these go to functions as they come";
