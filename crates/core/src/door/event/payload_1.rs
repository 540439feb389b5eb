//! Payload format 1.0 of HTTP APIs.

use super::HttpCall;
use crate::door::{Arrival, HttpRequest};

/// The event as JSON, with `"version": "1.0"`.
///
/// Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
#[must_use]
pub fn payload_1(request: &HttpRequest<'_>, arrival: &Arrival<'_>, call: &HttpCall<'_>) -> Vec<u8> {
    todo!()
}
