//! What an operation of EventBridge can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub(super) struct EventsError(ApiError);

impl EventsError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new("ResourceAlreadyExistsException", message)
    }

    pub(super) fn limit() -> Self {
        Self::new("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    }

    pub(super) fn pattern(reason: impl std::fmt::Display) -> Self {
        Self::new("InvalidEventPatternException", format!("Event pattern is not valid. Reason: {reason}"))
    }

    pub(super) fn concurrent() -> Self {
        Self::new("ConcurrentModificationException", "There is concurrent modification on a resource. Try again.")
    }

    /// A member that AWS has and that would do nothing here.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::invalid(format!("tindra does not support {what}; leave it out."))
    }

    pub(super) fn message(&self) -> &str {
        self.0.message()
    }
}

impl From<StoreError> for EventsError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::concurrent();
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "records of EventBridge could not be read or written");
        Self::new("InternalException", "The service cannot complete the request.")
    }
}

impl From<EventsError> for ApiError {
    fn from(error: EventsError) -> Self {
        error.0
    }
}
