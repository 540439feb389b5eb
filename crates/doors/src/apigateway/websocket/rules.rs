//! What the control plane lets into a WebSocket API, where that differs from an HTTP API.

use tindra_core::limits;

use crate::apigateway::records::{Api, Authorization, Protocol, Route};
use crate::apigateway::{HttpApiError, unserved};

/// The route of requests for a connection.
pub(super) const CONNECT: &str = "$connect";
/// The route of connections that have ended.
pub(super) const DISCONNECT: &str = "$disconnect";
/// The route of messages that no other takes; also the one key of route responses.
pub(super) const DEFAULT: &str = "$default";
/// The stage that only HTTP APIs have.
const DEFAULT_STAGE: &str = "$default";
/// The usual time of an integration, which is also the longest.
pub(in crate::apigateway) const TIMEOUT_MS_DEFAULT: i64 = limits::WEBSOCKET_TIMEOUT_MS_MAX;
/// What the identity sources of a WebSocket API begin with.
const SOURCES: [&str; 4] = ["route.request.header.", "route.request.querystring.", "context.", "stageVariables."];

/// Refuses a route key that no message can have.
pub(in crate::apigateway) fn check_key(key: &str) -> Result<(), HttpApiError> {
    let is_own = [CONNECT, DISCONNECT, DEFAULT].contains(&key);
    let is_plain = !key.starts_with('$') && !key.chars().any(char::is_control);
    match (1..=limits::WEBSOCKET_ROUTE_KEY_BYTES_MAX).contains(&key.len()) && (is_own || is_plain) {
        true => Ok(()),
        false => Err(HttpApiError::invalid(format!(
            "The provided route key \"{key}\" is invalid for the WEBSOCKET protocol: it must be {CONNECT}, {DISCONNECT}, {DEFAULT}, or 1 to {} characters that do not begin with $.",
            limits::WEBSOCKET_ROUTE_KEY_BYTES_MAX
        ))),
    }
}

/// Refuses authorization but for the request for a connection (AWS).
pub(in crate::apigateway) fn check_authorization(route: &Route) -> Result<(), HttpApiError> {
    match &route.authorization {
        Authorization::Jwt { .. } => {
            Err(HttpApiError::invalid("Invalid authorization type JWT: a route of a WebSocket API has NONE or CUSTOM."))
        }
        Authorization::Lambda { .. } if route.key != CONNECT => {
            Err(HttpApiError::invalid("Currently, authorization is restricted to the $connect route only"))
        }
        _ => Ok(()),
    }
}

/// A `RouteResponseSelectionExpression`; an empty one takes it away.
pub(in crate::apigateway) fn response_selection(
    asked: &str,
    protocol: Protocol,
) -> Result<Option<String>, HttpApiError> {
    match (protocol, asked) {
        (_, "") => Ok(None),
        (Protocol::WebSocket, DEFAULT) => Ok(Some(asked.to_owned())),
        (Protocol::WebSocket, _) => Err(HttpApiError::invalid(format!(
            "RouteResponseSelectionExpression must be {DEFAULT}: no other route response can be chosen."
        ))),
        (Protocol::Http, _) => Err(HttpApiError::invalid("RouteResponseSelectionExpression is for WebSocket APIs.")),
    }
}

/// Whether the answers of a route's function go to the client: the route chooses a response that is there.
pub(in crate::apigateway) fn is_two_way(route: &Route) -> bool {
    route.response_selection.as_ref().is_some_and(|chosen| route.responses.values().any(|key| key == chosen))
}

/// Refuses integrations that are no function's, or take longer than messages may.
pub(in crate::apigateway) fn check_integration(
    kind: Option<&str>,
    payload_format: Option<&str>,
    timeout_ms: Option<i64>,
) -> Result<(), HttpApiError> {
    if let Some(kind) = kind.filter(|kind| *kind != "AWS_PROXY") {
        let why = "messages go to functions (AWS_PROXY); without a route $connect everybody may connect";
        return Err(HttpApiError::unserved(&format!("IntegrationType {kind}"), why));
    }
    if payload_format.is_some_and(|format| format != "1.0") {
        return Err(HttpApiError::invalid("PayloadFormatVersion must be 1.0 in a WebSocket API."));
    }
    let shortest = limits::WEBSOCKET_TIMEOUT_MS_MIN;
    match timeout_ms.is_some_and(|timeout_ms| !(shortest..=TIMEOUT_MS_DEFAULT).contains(&timeout_ms)) {
        true => {
            Err(HttpApiError::invalid(format!("Timeout should be between {shortest} ms and {TIMEOUT_MS_DEFAULT} ms")))
        }
        false => Ok(()),
    }
}

/// Refuses authorizers that are no function's, and each member of those that is given but only HTTP APIs have.
pub(in crate::apigateway) fn check_authorizer(
    kind: Option<&str>,
    only_http: &[(&str, bool)],
) -> Result<(), HttpApiError> {
    if let Some(kind) = kind.filter(|kind| *kind != "REQUEST") {
        return Err(HttpApiError::invalid(format!(
            "Invalid authorizer type {kind}: an authorizer of a WebSocket API has the type REQUEST."
        )));
    }
    match only_http.iter().find(|(_, is_given)| *is_given) {
        Some((member, _)) => Err(HttpApiError::invalid(format!("{member} is for authorizers of HTTP APIs."))),
        None => Ok(()),
    }
}

/// Refuses what is no identity source of a WebSocket API.
pub(in crate::apigateway) fn check_identity_source(source: &str) -> Result<(), HttpApiError> {
    match is_identity_source(source) {
        true => Ok(()),
        false => Err(HttpApiError::invalid(format!(
            "Invalid identity source: {source}. It must be like route.request.header.NAME, route.request.querystring.NAME, context.NAME or stageVariables.NAME."
        ))),
    }
}

/// Whether an identity source is spelled as in WebSocket APIs.
pub(in crate::apigateway) fn is_identity_source(source: &str) -> bool {
    SOURCES.iter().any(|prefix| source.strip_prefix(prefix).is_some_and(|name| !name.is_empty()))
}

/// Refuses the stage that has no place in the address of a connection.
pub(in crate::apigateway) fn check_stage(name: &str, protocol: Protocol) -> Result<(), HttpApiError> {
    match protocol == Protocol::WebSocket && name == DEFAULT_STAGE {
        true => Err(HttpApiError::invalid("The stage $default is for HTTP APIs; a WebSocket API needs a named one.")),
        false => Ok(()),
    }
}

/// Refuses to deploy a WebSocket API with a route that leads nowhere (AWS).
pub(in crate::apigateway) fn check_deployable(api: &Api) -> Result<(), HttpApiError> {
    let mut routes = api.definition.routes.values();
    match routes.find(|route| api.protocol == Protocol::WebSocket && route.integration.is_none()) {
        Some(route) => Err(HttpApiError::invalid(format!(
            "Unable to deploy API because no integration was found for the route {}: give it a Target.",
            route.key
        ))),
        None => Ok(()),
    }
}

/// Refuses each member of an API that is given but only HTTP APIs have.
pub(super) fn check_only_http(given: &[(&str, bool)]) -> Result<(), HttpApiError> {
    unserved::members(given, "it is for HTTP APIs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_three_or_begin_with_no_dollar() {
        for key in ["$connect", "$disconnect", "$default", "join", "a b", "GET /x", "1"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "$other", "$", "a\nb", &"x".repeat(129)] {
            assert_eq!(check_key(key).unwrap_err().code(), "BadRequestException", "{key}");
        }
    }

    #[test]
    fn identity_sources_begin_with_the_route() {
        for source in ["route.request.header.Auth", "route.request.querystring.t", "context.stage", "stageVariables.x"]
        {
            assert_eq!(check_identity_source(source), Ok(()), "{source}");
        }
        for source in ["$request.header.Auth", "route.request.header.", "header.x", ""] {
            assert!(check_identity_source(source).is_err(), "{source}");
        }
    }

    #[test]
    fn integrations_are_functions_with_29_seconds() {
        assert_eq!(check_integration(Some("AWS_PROXY"), None, Some(29_000)), Ok(()));
        for (kind, format, timeout_ms) in [
            (Some("MOCK"), None, None),
            (Some("HTTP_PROXY"), None, None),
            (None, Some("2.0"), None),
            (None, None, Some(29_001)),
            (None, None, Some(49)),
        ] {
            assert!(check_integration(kind, format, timeout_ms).is_err(), "{kind:?} {format:?} {timeout_ms:?}");
        }
    }
}
