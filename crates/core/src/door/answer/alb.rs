//! The answers of Application Load Balancers.

use super::output::{self, Output};
use super::{Door, HttpAnswer, Malformed};

/// Reads the output of a function that is a load balancer's target. `multi_value` is the target group's setting:
/// with it `multiValueHeaders` counts and `headers` does not, without it the other way round.
///
/// Source: Elastic Load Balancing, "Use Lambda functions as targets of an Application Load Balancer".
///
/// # Errors
/// [`Malformed`] when it is no JSON object with `statusCode`, or names what cannot be sent.
pub fn alb_answer(payload: &[u8], multi_value: bool) -> Result<HttpAnswer, Malformed> {
    let output = Output::parse(payload)?;
    let headers = if multi_value { output.multi_value_headers()? } else { output.headers()? };
    let status = output.required_status()?;
    let head = output::head(Door::LoadBalancer, status, &headers, &[])?;
    Ok(output::answer(head, output.reason(status)?, output.body(true)?))
}
