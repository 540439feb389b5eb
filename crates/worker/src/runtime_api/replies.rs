//! What the Runtime API answers with.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::exchange::{Delivery, Refusal};

pub(super) type Reply = Response<Full<Bytes>>;

/// The answer to `GET …/next`. Headers that would be empty are left out.
pub(super) fn event(delivery: Delivery) -> Reply {
    let mut reply = Response::new(Full::new(delivery.payload));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(delivery.deadline_unix_ms));
    for (name, value) in [
        ("lambda-runtime-aws-request-id", Some(delivery.request_id)),
        ("lambda-runtime-invoked-function-arn", Some(delivery.invoked_arn)),
        ("lambda-runtime-trace-id", Some(delivery.trace_id)),
        ("lambda-runtime-client-context", delivery.client_context),
        ("lambda-runtime-aws-tenant-id", delivery.tenant.map(|tenant| tenant.to_string())),
    ] {
        let value = value.filter(|value| !value.is_empty()).and_then(|value| HeaderValue::try_from(value).ok());
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    reply
}

pub(super) fn accepted() -> Reply {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

/// The answer to `GET …/restore/next`: nothing but that it has come.
pub(super) fn restored() -> Reply {
    Response::new(Full::default())
}

pub(super) fn pong() -> Reply {
    Response::new(Full::new(Bytes::from_static(b"pong")))
}

pub(super) fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::RequestId => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Refusal::Transition { from, to } => error(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            &format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"),
        ),
    }
}

pub(super) fn too_large(bytes_max: u64) -> Reply {
    let message = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

pub(super) fn invalid_mode() -> Reply {
    error(StatusCode::BAD_REQUEST, "InvalidFunctionResponseMode", "Invalid function response mode")
}

pub(super) fn truncated() -> Reply {
    error(StatusCode::BAD_REQUEST, "TruncatedResponse", "The body ended too early")
}

pub(super) fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "NotFound", "404 page not found")
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    json(status, body.to_string().into())
}

fn json(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
