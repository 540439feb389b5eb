//! The answers of REST APIs (`AWS_PROXY`).

use super::output::{self, Output};
use super::{Door, HttpAnswer, Malformed};
use crate::door::body::is_binary;

/// What an output may hold; REST APIs refuse all else.
const MEMBERS: [&str; 6] = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded"];

/// What decides, beside the output, how a REST API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestAnswering<'a> {
    /// The API's binary media types.
    pub binary_media_types: &'a [String],
    /// The request's first `Accept` header.
    pub accept: Option<&'a str>,
}

/// Reads the output of a function behind a REST API. `multiValueHeaders` and `headers` are merged; a body marked
/// as base64 is decoded when the first media type of `Accept` is one of the API's binary media types, and goes
/// out as it stands otherwise.
///
/// Source: API Gateway developer guide, "Lambda proxy integrations in API Gateway" and "Binary media types for
/// REST APIs"; SAM CLI's local gateway (the members).
///
/// # Errors
/// [`Malformed`] when it is no JSON object with `statusCode`, holds members that answers do not have, or names
/// what cannot be sent.
pub fn rest_answer(payload: &[u8], answering: &RestAnswering<'_>) -> Result<HttpAnswer, Malformed> {
    let output = Output::parse(payload)?;
    if let Some(name) = output.names().find(|name| !MEMBERS.contains(name)) {
        return Err(Malformed::new(format!("it holds {name:?}, which answers behind REST APIs do not have")));
    }
    let head = output::head(Door::Rest, output.required_status()?, &output.merged_headers()?, &[])?;
    let accepted = answering.accept.and_then(|accept| accept.split(',').next());
    let body = output.body(is_binary(answering.binary_media_types, accepted))?;
    Ok(output::answer(head, None, body))
}
