//! Format 2.0: function URLs and HTTP APIs.

use super::output::{self, Output};
use super::{AnswerHead, HttpAnswer, Malformed};

/// The doors with payload format 2.0, where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door2 {
    /// A function URL.
    Url,
    /// An HTTP API.
    HttpApi,
}

/// Reads the output of a function behind a function URL or an HTTP API. Valid JSON that is no object with
/// `statusCode` is, as it stands, the body of a 200 of type `application/json`. `multiValueHeaders` counts
/// behind function URLs alone.
///
/// Source: Lambda developer guide, "Invoking Lambda function URLs", "Response payload format"; API Gateway
/// developer guide, "Create AWS Lambda proxy integrations for HTTP APIs"; aws-lambda-go's
/// `lambda-urls-response-multi-value-headers.json`.
///
/// # Errors
/// [`Malformed`] when it is no JSON, or names a status, header, cookie or body that cannot be sent.
pub fn answer_2(payload: &[u8], door: Door2) -> Result<HttpAnswer, Malformed> {
    let Some(output) = Output::with_status(payload)? else { return Ok(inferred(payload)) };
    let headers = match door {
        Door2::Url => output.merged_headers()?,
        Door2::HttpApi => output.headers()?,
    };
    let head = output::head(door.into(), output.required_status()?, &headers, &output.cookies()?)?;
    Ok(output::answer(head, None, output.body(true)?))
}

fn inferred(payload: &[u8]) -> HttpAnswer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    output::answer(AnswerHead { status: 200, headers }, None, payload.to_vec())
}
