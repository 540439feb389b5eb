//! The event of REST APIs (`AWS_PROXY`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::authorizer::authorizer_1;
use super::{Authorizer, Identity, write};
use crate::clock::UnixMs;
use crate::door::body::EventBody;
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, HttpRequest, arrival, query, stamp};

/// What a REST API knows of a request beyond the request itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestCall<'a> {
    /// The API's owner.
    pub account_id: &'a str,
    /// The API's id.
    pub api_id: &'a str,
    /// The stage's name.
    pub stage: &'a str,
    /// The stage's variables.
    pub stage_variables: &'a [(String, String)],
    /// The id of the resource that matched.
    pub resource_id: &'a str,
    /// Its path, for example `/{proxy+}`.
    pub resource_path: &'a str,
    /// `operationName` of the method.
    pub operation_name: Option<&'a str>,
    /// The request's path within the stage, percent-encoded: `path`. `request.path`, with the stage, becomes
    /// `requestContext.path`.
    pub path_in_stage: &'a str,
    /// Decoded, in order of the path.
    pub path_parameters: &'a [(String, String)],
    /// The API key of the request, where the method asks for one.
    pub api_key: Option<RestIdentity<'a>>,
    /// Who was let in; none for open methods.
    pub authorizer: Option<&'a Authorizer>,
    /// `extendedRequestId`.
    pub extended_request_id: &'a str,
    /// `deploymentId`.
    pub deployment_id: &'a str,
    /// The API's binary media types, for example `image/png` or `*/*`: bodies of these come as base64.
    pub binary_media_types: &'a [String],
}

/// The API key in `requestContext.identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestIdentity<'a> {
    /// `apiKey`: its value.
    pub api_key: &'a str,
    /// `apiKeyId`.
    pub api_key_id: &'a str,
}

/// The event as JSON. Maps that are empty are null, as is the body of a request without one. Names of headers
/// are as they came; those that came in lower case get the usual spelling where they are well known
/// (`Content-Type`).
///
/// Source: API Gateway developer guide, "Lambda proxy integrations in API Gateway".
#[must_use]
pub fn rest_event(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &RestCall<'_>) -> Vec<u8> {
    let body = EventBody::of_rest(request, call.binary_media_types);
    let query = query::decoded(request.query);
    write(&Event {
        head: RestHead::new(request, arrival, call),
        query_string_parameters: pairs::last(&query).non_empty(),
        multi_value_query_string_parameters: pairs::lists(&query).non_empty(),
        path_parameters: Members(call.path_parameters.to_vec()).non_empty(),
        stage_variables: Members(call.stage_variables.to_vec()).non_empty(),
        request_context: RestContext::new(request, call),
        body: body.text,
        is_base64_encoded: body.is_base64,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(flatten)]
    head: RestHead<'a>,
    query_string_parameters: Option<Members<String>>,
    multi_value_query_string_parameters: Option<Members<Vec<String>>>,
    path_parameters: Option<Members<String>>,
    stage_variables: Option<Members<String>>,
    request_context: RestContext<'a>,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// What the event and the one of authorizers begin with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct RestHead<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: Members<String>,
    multi_value_headers: Members<Vec<String>>,
}

impl<'a> RestHead<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, arrival: &Arrival<'_>, call: &RestCall<'a>) -> Self {
        let headers = arrival::rest_headers(request, arrival);
        Self {
            resource: call.resource_path,
            path: call.path_in_stage,
            http_method: request.method,
            headers: pairs::last(&headers),
            multi_value_headers: pairs::lists(&headers),
        }
    }
}

/// `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct RestContext<'a> {
    resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Map<String, Value>>,
    resource_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    http_method: &'a str,
    extended_request_id: &'a str,
    request_time: String,
    path: &'a str,
    account_id: &'a str,
    protocol: &'a str,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: UnixMs,
    request_id: &'a str,
    identity: Identity<'a>,
    domain_name: &'a str,
    deployment_id: &'a str,
    api_id: &'a str,
}

impl<'a> RestContext<'a> {
    pub(in crate::door) fn new(request: &HttpRequest<'a>, call: &RestCall<'a>) -> Self {
        Self {
            resource_id: call.resource_id,
            authorizer: authorizer_1(call.authorizer),
            resource_path: call.resource_path,
            operation_name: call.operation_name,
            http_method: request.method,
            extended_request_id: call.extended_request_id,
            request_time: stamp::common_log(request.time_ms),
            path: request.path,
            account_id: call.account_id,
            protocol: request.protocol,
            stage: call.stage,
            domain_prefix: request.domain_prefix(),
            request_time_epoch: request.time_ms,
            request_id: request.request_id,
            identity: Identity::new(request, call.authorizer).with_api_key(call.api_key),
            domain_name: request.host,
            deployment_id: call.deployment_id,
            api_id: call.api_id,
        }
    }
}
