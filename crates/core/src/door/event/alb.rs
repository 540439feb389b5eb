//! The event of an Application Load Balancer's Lambda target.

use serde::Serialize;

use super::write;
use crate::door::body::EventBody;
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, HttpRequest, arrival, query};

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
    let headers = arrival::event_headers(request, arrival);
    let query = query::raw(request.query);
    let body = EventBody::of_load_balancer(request);
    let single = |pairs: &[(String, String)]| if multi_value { None } else { Some(pairs::last(pairs)) };
    let lists = |pairs: &[(String, String)]| if multi_value { Some(pairs::lists(pairs)) } else { None };
    write(&Event {
        request_context: Context { elb: Elb { target_group_arn } },
        http_method: request.method,
        path: request.path,
        query_string_parameters: single(&query),
        multi_value_query_string_parameters: lists(&query),
        headers: single(&headers),
        multi_value_headers: lists(&headers),
        body: body.text.unwrap_or_default(),
        is_base64_encoded: body.is_base64,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    request_context: Context<'a>,
    http_method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Members<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<Members<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Members<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Members<Vec<String>>>,
    body: String,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
struct Context<'a> {
    elb: Elb<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Elb<'a> {
    target_group_arn: &'a str,
}
