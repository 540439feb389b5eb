//! Format 2.0: function URLs and HTTP APIs.

use super::{HttpAnswer, Malformed};

/// The doors with payload format 2.0, where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door2 {
    /// A function URL.
    Url,
    /// An HTTP API.
    HttpApi,
}

/// Reads the output of a function behind a function URL or an HTTP API. Valid JSON that is no object with
/// `statusCode` is the body of a 200 of type `application/json`.
///
/// # Errors
/// [`Malformed`] when it is no JSON, or names a status, header, cookie or body that cannot be sent.
pub fn answer_2(payload: &[u8], door: Door2) -> Result<HttpAnswer, Malformed> {
    todo!()
}
