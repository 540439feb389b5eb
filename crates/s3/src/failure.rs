//! Errors that are not the caller's, and those that several operations have.

use s3s::{S3Error, S3ErrorCode};
use tindra_store::StoreError;

/// What went wrong here; the caller may try again.
pub(crate) fn storage(attempt: &str, error: &(dyn std::error::Error + 'static)) -> S3Error {
    tracing::error!(error, "failed to {attempt} for S3");
    S3Error::with_message(S3ErrorCode::InternalError, "We encountered an internal error. Please try again.")
}

pub(crate) fn store(error: &StoreError) -> S3Error {
    storage("use the store", error)
}

/// An error with a code that the wire layer has no name for.
pub(crate) fn custom(code: &str, status: http::StatusCode, message: impl Into<String>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, message.into());
    error.set_status_code(status);
    error
}

pub(crate) fn no_such_bucket() -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
}

pub(crate) fn no_such_key() -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn no_such_upload() -> S3Error {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    S3Error::with_message(S3ErrorCode::NoSuchUpload, message)
}

/// For what is refused for good, with the code that S3 has for it; says what to do instead.
pub(crate) fn not_here(what: &str, instead: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::NotImplemented, format!("{what} is not offered by this server; {instead}"))
}

pub(crate) fn invalid(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message.into())
}
