//! What authorizers are asked.

use crate::door::{Arrival, HttpCall, HttpRequest, RestCall, WebsocketCall};

/// The event of a REST API's `TOKEN` authorizer.
#[must_use]
pub fn rest_token_authorizer_event(token: &str, method_arn: &str) -> Vec<u8> {
    todo!()
}

/// The event of a REST API's `REQUEST` authorizer.
#[must_use]
pub fn rest_request_authorizer_event(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &RestCall<'_>,
    method_arn: &str,
) -> Vec<u8> {
    todo!()
}

/// The event of an HTTP API's authorizer of format 1.0. `identity` are the values of its identity sources.
#[must_use]
pub fn http_authorizer_event_1(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &HttpCall<'_>,
    route_arn: &str,
    identity: &[String],
) -> Vec<u8> {
    todo!()
}

/// The event of an HTTP API's authorizer of format 2.0. `identity` are the values of its identity sources.
#[must_use]
pub fn http_authorizer_event_2(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &HttpCall<'_>,
    route_arn: &str,
    identity: &[String],
) -> Vec<u8> {
    todo!()
}

/// The event of a WebSocket API's authorizer, which is asked at `$connect` alone.
#[must_use]
pub fn websocket_authorizer_event(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &WebsocketCall<'_>,
    method_arn: &str,
) -> Vec<u8> {
    todo!()
}
