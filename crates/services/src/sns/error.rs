//! What an operation of SNS can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

/// A parameter that cannot be; `what` reads after "Invalid parameter: ".
pub(super) fn invalid(what: impl std::fmt::Display) -> ApiError {
    ApiError::new("InvalidParameterException", format!("Invalid parameter: {what}"))
}

/// A message attribute that cannot be.
pub(super) fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValueException", message)
}

pub(super) fn no_topic() -> ApiError {
    ApiError::new("NotFoundException", "Topic does not exist")
}

pub(super) fn no_subscription() -> ApiError {
    ApiError::new("NotFoundException", "Subscription does not exist")
}

/// As `ListTagsForResource` and its like have it.
pub(super) fn no_resource() -> ApiError {
    ApiError::new("ResourceNotFoundException", "Resource does not exist")
}

pub(super) fn denied(message: impl Into<String>) -> ApiError {
    ApiError::new("AuthorizationErrorException", message)
}

pub(super) fn unknown_operation(operation: &str) -> ApiError {
    ApiError::new("UnknownOperationException", format!("tindra does not serve {operation} of SNS."))
}

/// The caller learns that it may try again; the cause is for the operator's log.
pub(super) fn failure(error: &StoreError) -> ApiError {
    tracing::error!(error = error as &dyn std::error::Error, "topics could not be read or written");
    busy()
}

pub(super) fn busy() -> ApiError {
    ApiError::new("InternalErrorException", "The service cannot complete the request; try again.")
}

/// The code as it is on the wire, for the entries of a batch.
pub(super) fn wire_code(error: &ApiError) -> &str {
    match error.code() {
        "InvalidParameterValueException" => "ParameterValueInvalid",
        code => code.strip_suffix("Exception").unwrap_or(code),
    }
}
