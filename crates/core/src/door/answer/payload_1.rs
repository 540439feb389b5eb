//! Format 1.0 of HTTP APIs.

use super::output::{self, Output};
use super::{Door, HttpAnswer, Malformed};

/// Reads the output of a function behind an HTTP API with payload format 1.0: like a REST API's, and nothing is
/// inferred; base64 is always decoded.
///
/// # Errors
/// [`Malformed`] when it is no JSON object with `statusCode`, or names what cannot be sent.
pub fn answer_1(payload: &[u8]) -> Result<HttpAnswer, Malformed> {
    let output = Output::parse(payload)?;
    let head = output::head(Door::HttpApi, output.required_status()?, &output.merged_headers()?, &[])?;
    Ok(output::answer(head, None, output.body(true)?))
}
