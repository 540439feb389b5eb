//! The errors of Kinesis in its own words, and reading requests.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_model::ApiError;
use tindra_store::StoreError;

pub(super) fn parse<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| ApiError::new("SerializationException", error.to_string()))
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidArgumentException", message)
}

pub(super) fn missing(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceNotFoundException", message)
}

pub(super) fn in_use(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceInUseException", message)
}

pub(super) fn limit(message: impl Into<String>) -> ApiError {
    ApiError::new("LimitExceededException", message)
}

/// A constraint that the service model does not hold, in the words of those that it does.
pub(super) fn violated(place: &str, constraint: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must {constraint}"
    );
    ApiError::new("ValidationException", message)
}

pub(super) fn no_stream(name: &str, account: &str) -> ApiError {
    missing(format!("Stream {name} under account {account} not found."))
}

/// What `DryRun` asks for: whether it would have been done, without doing it.
pub(super) fn dry_run() -> ApiError {
    ApiError::new("DryRunOperationException", "The request was rejected because the DryRun parameter was specified.")
}

/// What AWS has and tindra has not.
pub(super) fn unsupported(what: &str) -> ApiError {
    invalid(format!("tindra does not support {what}; leave it out."))
}

/// The store could not do it; it is in the log, and the caller may try again.
pub(super) fn stored(error: StoreError) -> ApiError {
    if matches!(error, StoreError::Conflict { .. }) {
        return in_use("The stream is being changed by others; try again.");
    }
    tracing::error!(error = &error as &dyn std::error::Error, "Kinesis could not use the store");
    ApiError::new("InternalFailureException", "The request could not be made durable; try again.")
}
