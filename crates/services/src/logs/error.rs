//! What an operation of CloudWatch Logs can answer instead of its output.

use tindra_store::StoreError;

/// An error with its code in the service model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct LogsError {
    /// For example `ResourceNotFoundException`.
    pub code: &'static str,
    /// The sentence that AWS answers, where it is known.
    pub message: String,
}

impl LogsError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn no_group() -> Self {
        Self::new("ResourceNotFoundException", "The specified log group does not exist.")
    }

    pub(super) fn no_stream() -> Self {
        Self::new("ResourceNotFoundException", "The specified log stream does not exist.")
    }

    pub(super) fn bad_token() -> Self {
        Self::invalid("The specified nextToken is invalid.")
    }

    pub(super) fn unknown_operation(operation: &str) -> Self {
        Self::new("UnknownOperationException", format!("tindra does not serve {operation} of CloudWatch Logs."))
    }
}

impl From<StoreError> for LogsError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "the logs could not be read or written");
        Self::new("ServiceUnavailableException", "The service cannot complete the request.")
    }
}
