//! The record of an invoke as destinations get it.
//!
//! The form is that of the page "Capturing records of Lambda asynchronous invocations". A part of the response that there is
//! none of is null, as outside measurements of AWS show it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tindra_core::async_invoke::{AsyncEvent, Condition};
use tindra_core::clock::UnixMs;

/// What the function answered in its last run.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) executed_version: String,
    pub(crate) is_error: bool,
    /// None when it is too large to be told.
    pub(crate) payload: Option<Bytes>,
    /// The trace header of the run, when it was just now.
    pub(crate) trace_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Option<Box<RawValue>>,
    response_context: Option<ResponseContext<'a>>,
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: String,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

/// A record of at most `bytes_max`: one that is larger is told without the two payloads.
pub(crate) fn record(
    event: &AsyncEvent,
    payload: &Bytes,
    condition: Condition,
    answer: Option<&Answer>,
    at_ms: UnixMs,
    bytes_max: usize,
) -> Bytes {
    let response_context = answer.map(|answer| ResponseContext {
        status_code: 200,
        executed_version: &answer.executed_version,
        function_error: answer.is_error.then_some("Unhandled"),
    });
    let request_context = RequestContext {
        request_id: &event.request_id,
        function_arn: event.qualified_arn(),
        condition: condition.as_str(),
        approximate_invoke_count: event.attempts,
    };
    let mut record = Record {
        version: "1.0",
        timestamp: timestamp(at_ms),
        request_context,
        request_payload: raw(payload),
        response_context,
        response_payload: answer.and_then(|answer| answer.payload.as_ref()).and_then(raw),
    };
    let text = encode(&record);
    if text.len() <= bytes_max {
        return text;
    }
    (record.request_payload, record.response_payload) = (None, None);
    encode(&record)
}

/// ISO 8601 with milliseconds.
fn timestamp(unix_ms: UnixMs) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A payload as it is when it is JSON, else as a JSON string.
fn raw(payload: &Bytes) -> Option<Box<RawValue>> {
    let text = String::from_utf8_lossy(payload);
    match serde_json::from_str(&text) {
        Ok(value) => Some(value),
        Err(_) => serde_json::to_string(&text).ok().and_then(|text| RawValue::from_string(text).ok()),
    }
}

/// Of texts, numbers and JSON that was parsed before; there is nothing that could not be written.
fn encode(record: &Record<'_>) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use tindra_core::function::Scope;

    use super::*;

    fn event(attempts: u32) -> AsyncEvent {
        AsyncEvent {
            request_id: "e4b46cbf".to_owned(),
            scope: Scope { account: "123456789012".to_owned(), region: "us-east-1".to_owned() },
            function_name: "my-function".to_owned(),
            qualifier: None,
            trace_id: String::new(),
            tenant: None,
            accepted_ms: 0,
            is_unwanted: false,
            attempts,
            refusals: 0,
            last: None,
        }
    }

    fn text(attempts: u32, payload: &'static str, condition: Condition, answer: Option<&Answer>, max: usize) -> String {
        let at_ms = 1_573_755_365_568;
        let bytes = record(&event(attempts), &Bytes::from_static(payload.as_bytes()), condition, answer, at_ms, max);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_failure_has_the_documented_form() {
        let answer = Answer {
            executed_version: "$LATEST".to_owned(),
            is_error: true,
            payload: Some(Bytes::from_static(br#"{"errorMessage":"no"}"#)),
            trace_id: None,
        };
        let expected = r#"{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:my-function:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":{"IDS":[1.0]},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"no"}}"#;
        assert_eq!(text(3, r#"{"IDS":[1.0]}"#, Condition::RetriesExhausted, Some(&answer), 10_000), expected);
    }

    #[test]
    fn what_never_ran_has_no_response() {
        let text = text(0, "1", Condition::ZeroReservedConcurrency, None, 10_000);
        assert!(text.ends_with(r#""requestPayload":1,"responseContext":null,"responsePayload":null}"#), "{text}");
        assert!(text.contains(r#""condition":"ZeroReservedConcurrency","approximateInvokeCount":0"#), "{text}");
    }

    #[test]
    fn answers_that_are_no_json_are_strings_and_large_records_have_no_payloads() {
        let payload = Some(Bytes::from_static(b"not \"json"));
        let answer = Answer { executed_version: "7".to_owned(), is_error: false, payload, trace_id: None };
        let whole = text(1, "[1]", Condition::Success, Some(&answer), 10_000);
        assert!(whole.ends_with(
            r#""responseContext":{"statusCode":200,"executedVersion":"7"},"responsePayload":"not \"json"}"#
        ));
        let small = text(1, "[1]", Condition::Success, Some(&answer), 100);
        assert!(small.contains(r#""requestPayload":null"#) && small.ends_with(r#""responsePayload":null}"#), "{small}");
    }
}
