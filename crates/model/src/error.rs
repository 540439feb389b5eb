//! Errors as AWS answers them: a code, a message and sometimes more members.

use serde_json::{Map, Value};

/// An error on its way to a caller. Its status, the spelling of its message member and its `Type` come from the
/// service model, or for the front door's errors from [`UNMODELLED`].
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    code: &'static str,
    message: String,
    members: Map<String, Value>,
}

impl ApiError {
    /// An error with its code, for example `ResourceNotFoundException`, and its message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), members: Map::new() }
    }

    /// Adds a member of the error's shape, for example `Reason`, by its name in the model.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

/// Status and message member of errors that the front door answers and that no model lists.
pub(crate) const UNMODELLED: [(&str, u16, &str); 15] = [
    ("ValidationException", 400, "message"),
    ("SerializationException", 400, "message"),
    ("UnknownOperationException", 404, "message"),
    ("RequestEntityTooLargeException", 413, "message"),
    ("AccessDeniedException", 403, "Message"),
    ("UnrecognizedClientException", 403, "message"),
    ("InvalidSignatureException", 403, "message"),
    ("IncompleteSignatureException", 403, "message"),
    ("MissingAuthenticationTokenException", 403, "message"),
    ("SignatureDoesNotMatch", 403, "message"),
    ("ExpiredTokenException", 403, "message"),
    ("InvalidParameterException", 400, "message"),
    ("ThrottlingException", 429, "message"),
    ("ServiceUnavailableException", 503, "message"),
    ("InternalFailure", 500, "message"),
];

/// The front door's errors as the query protocol has them: code and status.
pub(crate) const IN_QUERY: [(&str, &str, u16); 15] = [
    ("ValidationException", "ValidationError", 400),
    ("SerializationException", "MalformedInput", 400),
    ("UnknownOperationException", "InvalidAction", 400),
    ("RequestEntityTooLargeException", "RequestEntityTooLarge", 413),
    ("AccessDeniedException", "AccessDenied", 403),
    ("UnrecognizedClientException", "InvalidClientTokenId", 403),
    ("InvalidSignatureException", "SignatureDoesNotMatch", 403),
    ("IncompleteSignatureException", "IncompleteSignature", 400),
    ("MissingAuthenticationTokenException", "MissingAuthenticationToken", 403),
    ("SignatureDoesNotMatch", "SignatureDoesNotMatch", 403),
    ("ExpiredTokenException", "ExpiredToken", 403),
    ("ThrottlingException", "Throttling", 400),
    ("ServiceUnavailableException", "ServiceUnavailable", 503),
    ("ServiceException", "ServiceFailure", 500),
    ("InternalFailure", "InternalFailure", 500),
];
