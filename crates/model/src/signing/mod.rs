//! AWS Signature Version 4: verifying requests, and signing them for the command line, for links and
//! for the services that Tindra is a client of.
//!
//! Every service but S3 signs its path normalised and encoded once more, and signs the body; S3 signs the path as
//! it is and may leave the body out. Which of the two holds follows from the service in the signature's scope.
//! Secrets never appear in an error or in `Debug`.

mod canonical;
mod hash;
mod presented;
mod sign;
mod time;

use http::HeaderMap;

pub use canonical::encode as percent_encode;
pub use hash::equal_in_constant_time;
pub use presented::Presented;
pub use sign::{Credentials, presign, sign};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a signature's time may lie from the server's, either way (AWS: five minutes).
const SKEW_MS_MAX: u64 = 5 * 60 * 1000;
/// Longest life of a presigned URL (AWS: seven days).
const EXPIRY_S_MAX: u64 = 7 * 24 * 3600;
/// The service whose rules differ.
const S3: &str = "s3";
/// The header in which S3 is told the hash of a body, or what stands in its place.
const CONTENT_HASH: &str = "x-amz-content-sha256";
/// In place of a body's hash: it is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// In place of a body's hash: the body comes in chunks with signatures or trailers of their own.
const STREAMING: &str = "STREAMING-";

/// A request to be verified or signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Method.
    pub method: &'a str,
    /// Path, as sent.
    pub path: &'a str,
    /// Query string, as sent, without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a [u8],
}

/// Why a signature is refused. The texts are AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// A part is missing or cannot be read: `IncompleteSignatureException`.
    Incomplete(String),
    /// It does not fit the request, or its time has passed: `InvalidSignatureException`.
    Invalid(String),
}

impl SignatureError {
    /// The wire code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_) => "InvalidSignatureException",
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        let (Self::Incomplete(message) | Self::Invalid(message)) = self;
        message
    }
}

#[cfg(test)]
mod tests;
