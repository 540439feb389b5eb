//! The answers of Application Load Balancers.

use super::{HttpAnswer, Malformed};

/// Reads the output of a function that is a load balancer's target. `multi_value` is the target group's setting:
/// with it `multiValueHeaders` counts and `headers` does not, without it the other way round.
///
/// # Errors
/// [`Malformed`] when it is no JSON object with `statusCode`, or names what cannot be sent.
pub fn alb_answer(payload: &[u8], multi_value: bool) -> Result<HttpAnswer, Malformed> {
    todo!()
}
