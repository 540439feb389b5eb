//! Payload format 1.0 of HTTP APIs.

use serde::Serialize;
use serde_json::{Map, Value};

use super::authorizer::authorizer_1;
use super::{HttpCall, Identity, write};
use crate::clock::UnixMs;
use crate::door::body::EventBody;
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, HttpRequest, arrival, percent, query, stamp};

/// The event as JSON, with `"version": "1.0"`. `request.path` is `path`, decoded, with a named stage's prefix.
/// What a request does not have is null.
///
/// Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
#[must_use]
pub fn payload_1(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &HttpCall<'_>) -> Vec<u8> {
    let body = EventBody::by_type(request);
    write(&Event1 {
        version: "1.0",
        head: Head1::new(request, arrival, call),
        request_context: Context1::new(request, call),
        path_parameters: Members(call.path_parameters.to_vec()).non_empty(),
        stage_variables: Members(call.stage_variables.to_vec()).non_empty(),
        body: body.text,
        is_base64_encoded: body.is_base64,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event1<'a> {
    version: &'static str,
    #[serde(flatten)]
    head: Head1<'a>,
    request_context: Context1<'a>,
    path_parameters: Option<Members<String>>,
    stage_variables: Option<Members<String>>,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// What the event and the one of authorizers have in common before `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct Head1<'a> {
    resource: &'a str,
    path: String,
    http_method: &'a str,
    headers: Members<String>,
    multi_value_headers: Members<Vec<String>>,
    query_string_parameters: Option<Members<String>>,
    multi_value_query_string_parameters: Option<Members<Vec<String>>>,
}

impl<'a> Head1<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, arrival: &Arrival<'_>, call: &HttpCall<'a>) -> Self {
        let headers = arrival::headers_1(request, arrival);
        let query = query::decoded(request.query);
        Self {
            resource: call.resource(),
            path: percent::decode(request.path),
            http_method: request.method,
            headers: pairs::last(&headers),
            multi_value_headers: pairs::lists(&headers),
            query_string_parameters: pairs::last(&query).non_empty(),
            multi_value_query_string_parameters: pairs::lists(&query).non_empty(),
        }
    }
}

/// `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct Context1<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Map<String, Value>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    extended_request_id: &'a str,
    http_method: &'a str,
    identity: Identity<'a>,
    path: String,
    protocol: &'a str,
    request_id: &'a str,
    request_time: String,
    request_time_epoch: UnixMs,
    resource_id: &'a str,
    resource_path: &'a str,
    stage: &'a str,
}

impl<'a> Context1<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, call: &HttpCall<'a>) -> Self {
        Self {
            account_id: call.account_id,
            api_id: call.api_id,
            authorizer: authorizer_1(call.authorizer),
            domain_name: request.host,
            domain_prefix: request.domain_prefix(),
            extended_request_id: request.request_id,
            http_method: request.method,
            identity: Identity::new(request, call.authorizer).of_format_1(call.authorizer),
            path: percent::decode(request.path),
            protocol: request.protocol,
            request_id: request.request_id,
            request_time: stamp::common_log(request.time_ms),
            request_time_epoch: request.time_ms,
            resource_id: call.route_key,
            resource_path: call.resource(),
            stage: call.stage,
        }
    }
}

impl<'a> HttpCall<'a> {
    /// The path of the route; `$default` for that route.
    fn resource(&self) -> &'a str {
        self.route_key.split_once(' ').map_or(self.route_key, |(_, path)| path)
    }
}
