//! The one place where an invoke that did not run becomes an error on the wire.

use tindra_invoke::InvokeError;
use tindra_model::ApiError;

/// The error of the API for an invoke that did not run. The invoke path has logged the platform's own faults.
pub(super) fn to_api(error: &InvokeError) -> ApiError {
    let api = ApiError::new(error.api_code(), error.to_string());
    match (error.throttle_reason(), error.retry_after_s()) {
        (Some(reason), Some(retry_after_s)) => {
            api.with("Reason", reason).with("retryAfterSeconds", retry_after_s.to_string())
        }
        _ => api,
    }
}
