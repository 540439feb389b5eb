//! What an operation of the control plane can answer instead of its output.
//!
//! The texts are AWS's where AWS has the case; tools match on some of them.

use tindra_core::code_package::PackageError;
use tindra_core::limits;
use tindra_core::name::NameError;
use tindra_core::policy::PolicyError;
use tindra_model::ApiError;
use tindra_store::StoreError;

/// Why an operation changed and told nothing.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The name leads to no function that the caller may speak of.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A create or an update has not settled yet.
    #[error("The operation cannot be performed at this time. An update is in progress for resource: {arn}")]
    Busy {
        /// The function's ARN.
        arn: String,
    },
    /// The function's creation failed; only deleting it helps.
    #[error("The operation cannot be performed at this time. The function is currently in the following state: Failed")]
    Failed,
    /// The name is taken.
    #[error("Function already exist: {name}")]
    AlreadyExists {
        /// The unqualified name.
        name: String,
    },
    /// The caller has not seen the latest change.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )]
    RevisionMismatch,
    /// A member's value cannot be accepted.
    #[error("{0}")]
    Invalid(String),
    /// A member's value is outside the limits of an ordinary function, which the service model does not know.
    #[error(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or equal to {max}"
    )]
    AboveMaximum {
        /// In camel case, as AWS writes it.
        member: &'static str,
        /// What came.
        value: u32,
        /// The limit.
        max: u32,
    },
    /// What the request is about does not exist.
    #[error("{0}")]
    Missing(String),
    /// It collides with what exists.
    #[error("{0}")]
    Conflict(String),
    /// Any other refusal, with its name in the service model.
    #[error("{message}")]
    Refused {
        /// For example `PolicyLengthExceededException`.
        code: &'static str,
        /// In AWS's words where AWS has the case.
        message: String,
    },
    /// The zip of a request is too large.
    #[error("Zipped size must be smaller than {} bytes", limits::ZIP_BYTES_MAX)]
    ZipTooLarge,
    /// The zip of a request cannot be a code package.
    #[error("{}", package_text(.0))]
    Package(PackageError),
    /// The members of a request are not of the expected kinds, although the service model let them pass.
    #[error("failed to read the request")]
    Request(#[source] serde_json::Error),
    /// An answer cannot be written as JSON.
    #[error("failed to write the answer")]
    Answer(#[source] serde_json::Error),
    /// An operation that the API has and this server does not.
    #[error("Tindra does not serve {operation} in this version.")]
    NotServed {
        /// Its name.
        operation: String,
    },
    /// A policy in the store is none.
    #[error("failed to read a resource policy")]
    Policy(#[source] PolicyError),
    /// The store failed.
    #[error("failed to use the store")]
    Store(#[from] StoreError),
    /// Work off the request's own thread was lost.
    #[error("failed to finish the operation")]
    Lost(#[source] tokio::task::JoinError),
}

fn package_text(error: &PackageError) -> String {
    match error {
        PackageError::TooLarge => format!("Unzipped size must be smaller than {} bytes", limits::UNZIPPED_BYTES_MAX),
        PackageError::Broken { .. } | PackageError::Unsupported { .. } => {
            format!("Could not unzip uploaded file. Please check your file, then try to upload again. ({error})")
        }
        PackageError::TooManyEntries | PackageError::Unsafe { .. } => {
            format!("The uploaded file is not accepted: {error}.")
        }
    }
}

impl ControlError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::Missing(_) => "ResourceNotFoundException",
            Self::Refused { code, .. } => code,
            Self::Busy { .. } | Self::Failed | Self::AlreadyExists { .. } | Self::Conflict(_) => {
                "ResourceConflictException"
            }
            Self::RevisionMismatch => "PreconditionFailedException",
            Self::Invalid(_) | Self::Package(_) => "InvalidParameterValueException",
            Self::AboveMaximum { .. } => "ValidationException",
            Self::ZipTooLarge => "RequestEntityTooLargeException",
            Self::Request(_) => "SerializationException",
            Self::NotServed { .. } => "UnknownOperationException",
            Self::Store(_) | Self::Policy(_) | Self::Lost(_) | Self::Answer(_) => "ServiceException",
        }
    }
}

impl From<ControlError> for ApiError {
    /// The caller of a failing server learns that it may try again; the cause is for the operator's log.
    fn from(error: ControlError) -> Self {
        let code = error.code();
        if code == "ServiceException" {
            tracing::error!(error = &error as &dyn std::error::Error, "an operation of the control plane failed");
            return Self::new(code, "The service encountered an internal error.");
        }
        match &error {
            ControlError::Request(cause) => Self::new(code, format!("{error}: {cause}")),
            _ => Self::new(code, error.to_string()),
        }
    }
}
