//! What an operation of API Gateway can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct HttpApiError(ApiError);

impl HttpApiError {
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

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self(ApiError::new("BadRequestException", message))
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self(ApiError::new("ConflictException", message))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self(ApiError::new("NotFoundException", message))
    }

    /// `kind` is for example `Route`.
    pub(super) fn unknown(kind: &str, id: &str) -> Self {
        Self::not_found(format!("Invalid {kind} identifier specified {id}"))
    }

    /// A quota is used up; AWS answers with a conflict.
    pub(super) fn limit(things: &str, of: &str, max: usize) -> Self {
        Self::conflict(format!(
            "Maximum number of {things} for this {of} has been reached: there can be at most {max}."
        ))
    }

    /// Another change of the same API came in between, again and again.
    pub(super) fn concurrent() -> Self {
        Self::conflict("Unable to complete operation due to concurrent modification. Please try again later.")
    }

    /// A member that would have to be ignored.
    pub(super) fn unserved(member: &str, why: &str) -> Self {
        Self::invalid(format!("{member} is not supported by tindra: {why}."))
    }
}

impl From<StoreError> for HttpApiError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::concurrent();
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "HTTP APIs could not be read or written");
        Self(ApiError::new("ServiceUnavailableException", "The service cannot complete the request."))
    }
}

impl From<HttpApiError> for ApiError {
    fn from(error: HttpApiError) -> Self {
        error.0
    }
}
