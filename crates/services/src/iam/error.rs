//! What an operation of IAM or STS can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

/// An error with its name in the service model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct IamError {
    /// For example `NoSuchEntityException`; on the wire `NoSuchEntity`.
    pub code: &'static str,
    /// The sentence that AWS answers, where it is known.
    pub message: String,
}

impl IamError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new("InvalidInputException", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntityException", message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new("EntityAlreadyExistsException", message)
    }

    pub(super) fn in_use(message: impl Into<String>) -> Self {
        Self::new("DeleteConflictException", message)
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(super) fn malformed_policy(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocumentException", message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new("AccessDeniedException", message)
    }

    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::new("UnknownOperationException", format!("tindra does not serve {operation}."))
    }

    pub(crate) fn failure() -> Self {
        Self::new("ServiceFailureException", "The service cannot complete the request.")
    }

    /// Somebody else changed the same records in between; worth another attempt.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == "ConcurrentModificationException"
    }
}

impl From<StoreError> for IamError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::new(
                "ConcurrentModificationException",
                "The request was rejected because multiple requests to change this object were submitted simultaneously.",
            );
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "identities could not be read or written");
        Self::failure()
    }
}

impl From<IamError> for ApiError {
    fn from(error: IamError) -> Self {
        Self::new(error.code, error.message)
    }
}
