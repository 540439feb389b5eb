//! The answers of REST APIs (`AWS_PROXY`).

use super::{HttpAnswer, Malformed};

/// What decides, beside the output, how a REST API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestAnswering<'a> {
    /// The API's binary media types.
    pub binary_media_types: &'a [String],
    /// The request's first `Accept` header.
    pub accept: Option<&'a str>,
}

/// Reads the output of a function behind a REST API. `multiValueHeaders` and `headers` are merged; a body marked
/// as base64 is decoded when the first media type of `Accept` is one of the API's binary media types.
///
/// # Errors
/// [`Malformed`] when it is no JSON object with `statusCode`, or names what cannot be sent.
pub fn rest_answer(payload: &[u8], answering: &RestAnswering<'_>) -> Result<HttpAnswer, Malformed> {
    todo!()
}
