//! The one place where a failed invoke becomes an error on the wire.

use tindra_invoke::InvokeError;
use tindra_model::ApiError;

/// The error of the API for an invoke that did not run.
pub(super) fn to_api(error: InvokeError) -> ApiError {
    ApiError::new("ServiceException", error.to_string())
}
