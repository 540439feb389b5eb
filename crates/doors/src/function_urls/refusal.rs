//! What a function URL answers when no function does, in AWS's words as far as they have been seen.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use tindra_invoke::{Culprit, InvokeError};

use crate::front_door::{DoorBody, DoorResponse};

const FORBIDDEN: &str = r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#;

/// The caller may not call the URL.
#[must_use]
pub fn forbidden() -> DoorResponse {
    json(StatusCode::FORBIDDEN, "AccessDeniedException", FORBIDDEN.to_owned())
}

/// There is no such URL.
#[must_use]
pub fn unknown() -> DoorResponse {
    json(StatusCode::FORBIDDEN, "AccessDeniedException", r#"{"Message":null}"#.to_owned())
}

/// The request, or the event that is made of it, is larger than it may be.
#[must_use]
pub fn too_large() -> DoorResponse {
    let bytes_max = tindra_core::limits::SYNC_REQUEST_BYTES_MAX;
    message(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestTooLargeException",
        &format!("Request must be smaller than {bytes_max} bytes for the InvokeFunction operation"),
    )
}

/// The function failed, or gave no answer that can be sent; it gets no other words (AWS).
pub(super) fn bad_gateway() -> DoorResponse {
    let mut response = DoorResponse::new(DoorBody::Whole(Bytes::from_static(b"Internal Server Error")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The function was not run.
pub(super) fn of(error: &InvokeError) -> DoorResponse {
    match error {
        InvokeError::Throttled(_) | InvokeError::NoCapacity { .. } | InvokeError::TooManyOfTenants { .. } => {
            message(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &error.to_string())
        }
        InvokeError::PayloadTooLarge { .. } => too_large(),
        // Its URL goes a moment later.
        InvokeError::Name(_) => unknown(),
        error if error.culprit() == Culprit::Platform => {
            let mut response = bad_gateway();
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        _ => bad_gateway(),
    }
}

fn message(status: StatusCode, error_type: &'static str, text: &str) -> DoorResponse {
    json(status, error_type, serde_json::json!({ "Message": text }).to_string())
}

fn json(status: StatusCode, error_type: &'static str, body: String) -> DoorResponse {
    let mut response = DoorResponse::new(DoorBody::Whole(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(error_type));
    response
}
