//! Payload format 2.0: function URLs and HTTP APIs.

use serde::Serialize;

use super::authorizer::Authorizer2;
use super::{HttpCall, write};
use crate::clock::UnixMs;
use crate::door::body::EventBody;
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, Door2, HttpRequest, arrival, percent, query, stamp};

/// The event as JSON. `request.path` is `rawPath`, with a named stage's prefix; as it came for function URLs,
/// decoded for HTTP APIs. What a request does not have (cookies, query, path parameters, stage variables,
/// authorizer, body) is left out. Function URLs show cookies in `headers` too, HTTP APIs in `cookies` alone.
///
/// Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs"; Lambda developer
/// guide, "Invoking Lambda function URLs"; aws-lambda-rust-runtime's pull request 586 (cookies).
#[must_use]
pub fn payload_2(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &HttpCall<'_>) -> Vec<u8> {
    let body = EventBody::by_type(request);
    let head = Head2::new(request, arrival, call);
    write(&Event2 {
        version: "2.0",
        head,
        request_context: Context2::new(request, call),
        body: body.text,
        path_parameters: Members(call.path_parameters.to_vec()).non_empty(),
        is_base64_encoded: body.is_base64,
        stage_variables: Members(call.stage_variables.to_vec()).non_empty(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event2<'a> {
    version: &'static str,
    #[serde(flatten)]
    head: Head2<'a>,
    request_context: Context2<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<Members<String>>,
    is_base64_encoded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<Members<String>>,
}

/// What the event and the one of authorizers have in common before `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct Head2<'a> {
    route_key: &'a str,
    raw_path: String,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: Members<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Members<String>>,
}

impl<'a> Head2<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, arrival: &Arrival<'_>, call: &HttpCall<'a>) -> Self {
        let mut headers = arrival::event_headers(request, arrival);
        match call.door {
            Door2::Url if request.body.is_empty() => {}
            Door2::Url => headers = arrival::with_length(headers, request.body.len()),
            Door2::HttpApi => {
                headers.retain(|(name, _)| name != "cookie");
                headers = arrival::with_length(headers, request.body.len());
            }
        }
        Self {
            route_key: call.route_key,
            raw_path: path(request, call.door),
            raw_query_string: request.query.unwrap_or_default(),
            cookies: request.cookies().into_iter().map(str::to_owned).collect(),
            headers: pairs::joined(headers),
            query_string_parameters: pairs::joined(query::decoded(request.query)).non_empty(),
        }
    }
}

fn path(request: &HttpRequest<'_>, door: Door2) -> String {
    match door {
        Door2::Url => request.path.to_owned(),
        Door2::HttpApi => percent::decode(request.path),
    }
}

/// `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct Context2<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer2<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: UnixMs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: String,
    protocol: &'a str,
    source_ip: &'a str,
    user_agent: String,
}

impl<'a> Context2<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, call: &HttpCall<'a>) -> Self {
        Self {
            account_id: call.account_id,
            api_id: call.api_id,
            authorizer: call.authorizer.map(Authorizer2::new),
            domain_name: request.host,
            domain_prefix: request.domain_prefix(),
            http: Http {
                method: request.method,
                path: path(request, call.door),
                protocol: request.protocol,
                source_ip: request.source_ip,
                user_agent: request.user_agent().unwrap_or_default().to_owned(),
            },
            request_id: request.request_id,
            route_key: call.route_key,
            stage: call.stage,
            time: stamp::common_log(request.time_ms),
            time_epoch: request.time_ms,
        }
    }
}
