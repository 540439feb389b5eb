//! What an operation of Scheduler can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub(super) struct SchedulerError(ApiError);

impl SchedulerError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> &'static str {
        self.0.code()
    }
}

impl From<StoreError> for SchedulerError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::conflict("The resource is being changed. Try again.");
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "schedules could not be read or written");
        Self::new("InternalServerException", "The service cannot complete the request.")
    }
}

impl From<SchedulerError> for ApiError {
    fn from(error: SchedulerError) -> Self {
        error.0
    }
}
