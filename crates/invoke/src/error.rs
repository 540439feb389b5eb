//! Why an invoke did not run: whose fault it is, whether to try again, and how the API calls it.
//!
//! The text of an error is what the caller reads, in AWS's words where AWS has the case. A function that
//! answers with an error of its own is not here: that is a finished invoke.

use tindra_core::limits;
use tindra_core::name::NameError;

use crate::environments::RestoreError;

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// Whoever sent the request.
    Caller,
    /// The function as it is deployed.
    Function,
    /// Tindra, or the machine under it.
    Platform,
}

/// Which limit an invoke met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// Invokes at once, of the account.
    Concurrency,
    /// Invokes at once, by the function's reserve.
    ReservedConcurrency,
    /// Requests in a second, of the account.
    Rate,
    /// Requests in a second, by the function's reserve.
    ReservedRate,
}

impl Throttle {
    /// `Reason` (AWS).
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Concurrency => "ConcurrentInvocationLimitExceeded",
            Self::ReservedConcurrency => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Rate => "FunctionInvocationRateLimitExceeded",
            Self::ReservedRate => "ReservedFunctionInvocationRateLimitExceeded",
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An invoke that did not run, or whose end was lost.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The name leads to no function that the caller may invoke.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The event is larger than [`limits::SYNC_REQUEST_BYTES_MAX`], or [`limits::ASYNC_REQUEST_BYTES_MAX`].
    #[error("Request must be smaller than {bytes_max} bytes for the InvokeFunction operation")]
    PayloadTooLarge {
        /// How large it may be.
        bytes_max: usize,
    },
    /// The function has caused itself too often; see [`tindra_core::lineage`].
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation."
    )]
    Recursive,
    /// The event is not JSON.
    #[error("Could not parse request body into json: {reason}")]
    PayloadNotJson {
        /// Where and why parsing ended.
        reason: String,
    },
    /// The client context is not JSON in base64.
    #[error("Client context must be a valid Base64-encoded JSON object.")]
    ClientContextNotJson,
    /// The client context is larger than [`limits::CLIENT_CONTEXT_BYTES_MAX`].
    #[error("Client context must be smaller than {} bytes.", limits::CLIENT_CONTEXT_BYTES_MAX)]
    ClientContextTooLarge,
    /// The function isolates tenants, and the request names none.
    #[error(
        "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
    )]
    TenantMissing,
    /// The request names a tenant, and the function does not isolate them. The words follow those of the opposite, AWS's own
    /// have not been seen.
    #[error(
        "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
    )]
    TenantUnexpected,
    /// The function is still being created.
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    )]
    Pending,
    /// The function could not be created.
    #[error("{message}")]
    Failed {
        /// The state's reason code.
        reason_code: String,
        /// The state's reason.
        message: String,
    },
    /// As many invokes run, or as many have arrived, as may.
    #[error("Rate Exceeded.")]
    Throttled(Throttle),
    /// The tenants of the account have as many environments as they may have together.
    #[error(
        "Rate exceeded: the tenants of this account and region have {max} execution environments, active and idle, and may have no more. Try again with backoff, or serve fewer tenants at a time; idle environments end by themselves, and the limit is 2.5 times the account's concurrency."
    )]
    TooManyOfTenants {
        /// How many they may have.
        max: usize,
    },
    /// The machine has no room.
    #[error("There is no room for another execution environment: {reason}")]
    NoCapacity {
        /// What is short.
        reason: String,
    },
    /// The function did not come back from its snapshot.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The platform failed.
    #[error("The service encountered an internal error and could not {attempt}.")]
    Internal {
        /// What it tried, reading after "failed to".
        attempt: &'static str,
        /// Why it failed; for the operator, not for the caller.
        #[source]
        source: Cause,
    },
}

impl InvokeError {
    pub(crate) fn internal(attempt: &'static str, source: impl Into<Cause>) -> Self {
        Self::Internal { attempt, source: source.into() }
    }

    /// The error's name in the service model, from which status and shape on the wire follow.
    #[must_use]
    pub fn api_code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::TenantMissing | Self::TenantUnexpected => "InvalidParameterValueException",
            Self::PayloadTooLarge { .. } => "RequestTooLargeException",
            Self::Recursive => "RecursiveInvocationException",
            Self::PayloadNotJson { .. } | Self::ClientContextNotJson | Self::ClientContextTooLarge => {
                "InvalidRequestContentException"
            }
            Self::Pending => "ResourceConflictException",
            Self::Failed { reason_code, .. } => failed_code(reason_code),
            Self::Throttled(_) | Self::TooManyOfTenants { .. } | Self::NoCapacity { .. } => "TooManyRequestsException",
            Self::Restore(error) => restore_code(*error),
            Self::Internal { .. } => "ServiceException",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn culprit(&self) -> Culprit {
        match self {
            Self::Name(_)
            | Self::PayloadTooLarge { .. }
            | Self::Recursive
            | Self::PayloadNotJson { .. }
            | Self::ClientContextNotJson
            | Self::ClientContextTooLarge
            | Self::TenantMissing
            | Self::TenantUnexpected
            | Self::Pending
            | Self::Throttled(_)
            | Self::TooManyOfTenants { .. } => Culprit::Caller,
            Self::Failed { .. } | Self::Restore(RestoreError::TimedOut | RestoreError::HookFailed) => Culprit::Function,
            Self::Restore(RestoreError::NotReady) | Self::NoCapacity { .. } | Self::Internal { .. } => {
                Culprit::Platform
            }
        }
    }

    /// After how many seconds the same request may succeed; none when only a change helps. For `Retry-After`.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Pending
            | Self::Throttled(_)
            | Self::TooManyOfTenants { .. }
            | Self::NoCapacity { .. }
            | Self::Restore(RestoreError::NotReady)
            | Self::Internal { .. } => Some(1),
            _ => None,
        }
    }

    /// `Reason` of a `TooManyRequestsException`.
    #[must_use]
    pub fn throttle_reason(&self) -> Option<&'static str> {
        match self {
            Self::Throttled(throttle) => Some(throttle.reason()),
            Self::TooManyOfTenants { .. } | Self::NoCapacity { .. } => Some(Throttle::Concurrency.reason()),
            _ => None,
        }
    }
}

fn restore_code(error: RestoreError) -> &'static str {
    match error {
        RestoreError::NotReady => "SnapStartNotReadyException",
        RestoreError::TimedOut => "SnapStartTimeoutException",
        RestoreError::HookFailed => "SnapStartException",
    }
}

/// The error for an invoke of a function that failed to be created (the "502 family"), or of a version whose snapshot
/// could not be made because its own code failed.
fn failed_code(reason_code: &str) -> &'static str {
    match reason_code {
        "InvalidRuntime" | "InvalidConfiguration" => "InvalidRuntimeException",
        "InvalidZipFileException" => "InvalidZipFileException",
        "FunctionError" => "SnapStartException",
        _ => "ResourceNotReadyException",
    }
}

const _: () = assert!(
    limits::TENANT_ENVIRONMENTS * 2 == limits::TENANT_ENVIRONMENTS_PER_CONCURRENCY * 5,
    "the message names the figure"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_restore_is_an_error_of_the_invoke() {
        for (error, code, culprit, retry_after_s) in [
            (RestoreError::NotReady, "SnapStartNotReadyException", Culprit::Platform, Some(1)),
            (RestoreError::TimedOut, "SnapStartTimeoutException", Culprit::Function, None),
            (RestoreError::HookFailed, "SnapStartException", Culprit::Function, None),
        ] {
            let error = InvokeError::from(error);
            assert_eq!((error.api_code(), error.culprit(), error.retry_after_s()), (code, culprit, retry_after_s));
        }
    }

    #[test]
    fn a_version_whose_own_code_failed_at_its_snapshot_says_so() {
        let error = InvokeError::Failed { reason_code: "FunctionError".to_owned(), message: "m".to_owned() };
        assert_eq!((error.api_code(), error.culprit()), ("SnapStartException", Culprit::Function));
    }
}
