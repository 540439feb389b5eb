//! Payload format 2.0: function URLs and HTTP APIs.

use super::HttpCall;
use crate::door::{Arrival, HttpRequest};

/// The event as JSON. `request.path` goes in as it came, with a named stage's prefix, as `rawPath`. What a
/// request does not have (cookies, query, path parameters, stage variables, authorizer, body) is left out.
///
/// Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs"; Lambda developer
/// guide, "Invoking Lambda function URLs".
#[must_use]
pub fn payload_2(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &HttpCall<'_>) -> Vec<u8> {
    todo!()
}
