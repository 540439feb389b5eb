//! What an API answers when no function does, in API Gateway's words.

use tindra_core::door::HttpAnswer;

use crate::front_door::{DoorResponse, respond};

/// Why a request is not answered by its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No stage or no route for it.
    NotFound,
    /// Nobody is known to have sent it; with `WWW-Authenticate` where there is something to say.
    Unauthorized(Option<String>),
    /// Who sent it may not.
    Forbidden(Option<String>),
    /// The route has had more than its share.
    TooManyRequests,
    /// It, or the event made of it, is larger than it may be.
    TooLarge,
    /// The function, or an authorizer, gave no answer that can be used, or may not be run.
    Internal,
    /// The function took too long, or cannot be run now.
    Unavailable,
}

impl Refusal {
    pub(super) fn answer(self) -> HttpAnswer {
        let (status, message, challenge) = match self {
            Self::NotFound => (404, "Not Found", None),
            Self::Unauthorized(challenge) => (401, "Unauthorized", challenge),
            Self::Forbidden(challenge) => (403, "Forbidden", challenge),
            Self::TooManyRequests => (429, "Too Many Requests", None),
            Self::TooLarge => (413, "Request Entity Too Large", None),
            Self::Internal => (500, "Internal Server Error", None),
            Self::Unavailable => (503, "Service Unavailable", None),
        };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(challenge.map(|challenge| ("www-authenticate".to_owned(), challenge)));
        let body = serde_json::json!({ "message": message }).to_string().into_bytes();
        HttpAnswer { status, reason: None, headers, body }
    }
}

/// There is no such API here.
#[must_use]
pub fn unknown() -> DoorResponse {
    respond(Refusal::Forbidden(None).answer())
}

/// The request is larger than an API takes.
#[must_use]
pub fn too_large() -> DoorResponse {
    respond(Refusal::TooLarge.answer())
}
