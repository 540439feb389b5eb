//! What an operation on REST APIs can answer instead of its output.

use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::StoreError;

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct RestApiError(ApiError);

impl RestApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message))
    }

    /// Its code in the service model.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    /// The sentence that AWS answers, where it is known.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.message()
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new("BadRequestException", message)
    }

    /// Something of AWS's that is not done here; `what` begins the sentence.
    pub(super) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::bad(format!("{what} not supported in this version of Tindra."))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NotFoundException", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    /// A quota of the account; AWS words it so.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(super) fn no_api(scope: &Scope, id: &str) -> Self {
        Self::not_found(format!("Invalid API identifier specified {}:{id}", scope.account))
    }

    pub(super) fn no_resource() -> Self {
        Self::not_found("Invalid Resource identifier specified")
    }

    pub(super) fn no_method() -> Self {
        Self::not_found("Invalid Method identifier specified")
    }

    pub(super) fn concurrent() -> Self {
        Self::conflict("Unable to complete operation due to concurrent modification. Please try again later.")
    }

    pub(super) fn unserved(operation: &str) -> Self {
        Self::bad(format!("{operation} is not served in this version of Tindra."))
    }
}

impl From<StoreError> for RestApiError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::concurrent();
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "REST APIs could not be read or written");
        Self::new("ServiceUnavailableException", "The service cannot complete the request.")
    }
}

impl From<RestApiError> for ApiError {
    fn from(error: RestApiError) -> Self {
        error.0
    }
}
