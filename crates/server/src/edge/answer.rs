//! What every answer has in common.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Response, header};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Of S3, which has a header of its own for it; clients look for that one only where the other is not.
const REQUEST_ID_OF_S3: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Adds the request's id, unless the answer has one.
pub(super) fn add_request_id<T>(response: &mut Response<T>, request_id: &str) {
    if response.headers().contains_key(REQUEST_ID_OF_S3) {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().entry(REQUEST_ID).or_insert(value);
    }
}

/// Ends the connection with this answer.
pub(super) fn close<T>(response: &mut Response<T>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Counts the answer for `/metrics`.
pub(super) fn record<T>(response: &Response<T>, took: Duration) {
    let class = match response.status().as_u16() {
        200..300 => "2xx",
        400..500 => "4xx",
        500.. => "5xx",
        _ => "other",
    };
    metrics::counter!("tindra_http_requests_total", "status" => class).increment(1);
    metrics::histogram!("tindra_http_request_duration_seconds", "status" => class).record(took.as_secs_f64());
}
