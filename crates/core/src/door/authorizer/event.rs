//! What authorizers are asked.

use serde::Serialize;

use crate::door::event::{
    ConnectHead, Context1, Context2, Head1, Head2, RestContext, RestHead, WebsocketContext, write,
};
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, HttpCall, HttpRequest, RestCall, WebsocketCall, WebsocketEvent, query};

/// The event of a REST API's `TOKEN` authorizer.
#[must_use]
pub fn rest_token_authorizer_event(token: &str, method_arn: &str) -> Vec<u8> {
    write(&TokenEvent { kind: "TOKEN", authorization_token: token, method_arn })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    authorization_token: &'a str,
    method_arn: &'a str,
}

/// The event of a REST API's `REQUEST` authorizer.
#[must_use]
pub fn rest_request_authorizer_event(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &RestCall<'_>,
    method_arn: &str,
) -> Vec<u8> {
    let query = query::decoded(request.query);
    write(&RestEvent {
        kind: "REQUEST",
        method_arn,
        head: RestHead::new(request, arrival, call),
        query_string_parameters: pairs::last(&query),
        multi_value_query_string_parameters: pairs::lists(&query),
        path_parameters: Members(call.path_parameters.to_vec()),
        stage_variables: Members(call.stage_variables.to_vec()),
        request_context: RestContext::new(request, call),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    #[serde(flatten)]
    head: RestHead<'a>,
    query_string_parameters: Members<String>,
    multi_value_query_string_parameters: Members<Vec<String>>,
    path_parameters: Members<String>,
    stage_variables: Members<String>,
    request_context: RestContext<'a>,
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
    let identity = if identity.is_empty() { None } else { Some(identity.join(",")) };
    write(&HttpEvent1 {
        version: "1.0",
        kind: "REQUEST",
        method_arn: route_arn,
        identity_source: identity.as_deref(),
        authorization_token: identity.as_deref(),
        head: Head1::new(request, arrival, call),
        request_context: Context1::new(request, call),
        path_parameters: Members(call.path_parameters.to_vec()),
        stage_variables: Members(call.stage_variables.to_vec()),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent1<'a> {
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    identity_source: Option<&'a str>,
    authorization_token: Option<&'a str>,
    #[serde(flatten)]
    head: Head1<'a>,
    request_context: Context1<'a>,
    path_parameters: Members<String>,
    stage_variables: Members<String>,
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
    write(&HttpEvent2 {
        version: "2.0",
        kind: "REQUEST",
        route_arn,
        identity_source: if identity.is_empty() { None } else { Some(identity) },
        head: Head2::new(request, arrival, call),
        request_context: Context2::new(request, call),
        path_parameters: Members(call.path_parameters.to_vec()).non_empty(),
        stage_variables: Members(call.stage_variables.to_vec()).non_empty(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent2<'a> {
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    route_arn: &'a str,
    identity_source: Option<&'a [String]>,
    #[serde(flatten)]
    head: Head2<'a>,
    request_context: Context2<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<Members<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<Members<String>>,
}

/// The event of a WebSocket API's authorizer, which is asked at `$connect` alone.
#[must_use]
pub fn websocket_authorizer_event(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    call: &WebsocketCall<'_>,
    method_arn: &str,
) -> Vec<u8> {
    write(&SocketEvent {
        kind: "REQUEST",
        method_arn,
        head: ConnectHead::new(request, arrival),
        stage_variables: Members(call.stage_variables.to_vec()),
        request_context: WebsocketContext::new(call, &WebsocketEvent::Connect { request, arrival }),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SocketEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    #[serde(flatten)]
    head: ConnectHead,
    stage_variables: Members<String>,
    request_context: WebsocketContext<'a>,
}
