//! The event of an Application Load Balancer's Lambda target.

use crate::door::{Arrival, HttpRequest};

/// The event as JSON. `multi_value` is the target group's setting `lambda.multi_value_headers.enabled`: with it
/// headers and query are lists of values, without it the last value wins. Names and values of the query stay
/// percent-encoded.
///
/// Source: Elastic Load Balancing, "Use Lambda functions as targets of an Application Load Balancer".
#[must_use]
pub fn alb_event(
    request: &HttpRequest<'_>,
    arrival: &Arrival<'_>,
    target_group_arn: &str,
    multi_value: bool,
) -> Vec<u8> {
    todo!()
}
