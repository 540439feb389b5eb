//! What an operation of Application Auto Scaling can answer instead of its output.

use tindra_model::ApiError;
use tindra_store::StoreError;

use super::names::{DIMENSION, NAMESPACE, ScaledName};

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct AutoscalingError(ApiError);

impl AutoscalingError {
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

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(super) fn concurrent() -> Self {
        Self::new(
            "ConcurrentUpdateException",
            "You already have a pending update to an Auto Scaling resource. Try again.",
        )
    }

    /// There is nothing to hang a policy or an action on.
    pub(super) fn unregistered(name: &ScaledName) -> Self {
        Self::missing("scalable target registered", name, "")
    }

    /// `what` is for example `scaling policy found`, `more` the end of the sentence.
    pub(super) fn missing(what: &str, name: &ScaledName, more: &str) -> Self {
        let resource_id = name.resource_id();
        Self::new(
            "ObjectNotFoundException",
            format!(
                "No {what} for service namespace: {NAMESPACE}, resource ID: {resource_id}, scalable dimension: {DIMENSION}{more}"
            ),
        )
    }

    pub(super) fn no_resource(arn: &str) -> Self {
        let error = ApiError::new("ResourceNotFoundException", "The specified resource doesn't exist.");
        Self(error.with("ResourceName", arn))
    }

    pub(super) fn too_many_tags(arn: &str, max: usize) -> Self {
        let error = ApiError::new("TooManyTagsException", format!("A scalable target can have at most {max} tags."));
        Self(error.with("ResourceName", arn))
    }

    /// With a status that clients try again after; the model gives none for the service's own internal error.
    pub(super) fn unavailable() -> Self {
        Self::new("ServiceUnavailableException", "The service cannot complete the request.")
    }

    pub(super) fn unserved(operation: &str) -> Self {
        Self::invalid(format!(
            "tindra does not serve {operation}: it scales the provisioned concurrency of Lambda functions by target tracking and by scheduled actions."
        ))
    }
}

impl From<StoreError> for AutoscalingError {
    /// The caller learns that it may try again; the cause is for the operator's log.
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict { .. }) {
            return Self::concurrent();
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "scalable targets could not be read or written");
        Self::unavailable()
    }
}

impl From<AutoscalingError> for ApiError {
    fn from(error: AutoscalingError) -> Self {
        error.0
    }
}
