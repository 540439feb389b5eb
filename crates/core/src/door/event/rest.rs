//! The event of REST APIs (`AWS_PROXY`).

use super::Authorizer;
use crate::door::{Arrival, HttpRequest};

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

/// The event as JSON. Maps that are empty are null, as is the body of a request without one.
///
/// Source: API Gateway developer guide, "Lambda proxy integrations in API Gateway".
#[must_use]
pub fn rest_event(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &RestCall<'_>) -> Vec<u8> {
    todo!()
}
