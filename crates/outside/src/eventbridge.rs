//! Events to buses of EventBridge, in its JSON protocol.

use serde_json::{Value, json};
use tindra_core::clock::UnixMs;

use super::call::{ANSWER_BYTES_MAX, Call, post_json};
use super::target::Target;
use super::{Outside, OutsideError, OutsideService, Refusal};

const JSON: &str = "application/x-amz-json-1.1";

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutEvent {
    /// `Source`, for example `lambda`.
    pub source: String,
    /// `DetailType`.
    pub detail_type: String,
    /// `Detail`: a JSON object.
    pub detail: String,
    /// `Resources`: ARNs.
    pub resources: Vec<String>,
    /// `Time`; buses count whole seconds.
    pub time_ms: UnixMs,
    /// `TraceHeader`.
    pub trace_header: Option<String>,
}

impl Outside {
    /// Puts an event on a bus.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn put_event(&self, bus_arn: &str, event: PutEvent) -> Result<(), OutsideError> {
        let target = Target::read(bus_arn, OutsideService::EventBridge)?;
        let body = json!({ "Entries": [entry(bus_arn, &event)] });
        let call = Call {
            service: OutsideService::EventBridge,
            operation: "PutEvents",
            target: bus_arn,
            region: target.region,
            request: post_json(JSON, "AWSEvents.PutEvents", body.to_string()),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.attempt(OutsideService::EventBridge, async {
            let (answer, asked) = self.call(call).await?;
            match outcome(&answer) {
                Some(Ok(())) => Ok(()),
                Some(Err(refusal)) => Err(asked.refused(200, refusal)),
                None => Err(asked.misunderstood()),
            }
        })
        .await
    }
}

fn entry(bus_arn: &str, event: &PutEvent) -> Value {
    let mut entry = json!({
        "Time": event.time_ms / 1000,
        "Source": event.source,
        "Resources": event.resources,
        "DetailType": event.detail_type,
        "Detail": event.detail,
        "EventBusName": bus_arn,
    });
    if let Some(trace_header) = &event.trace_header {
        entry["TraceHeader"] = trace_header.as_str().into();
    }
    entry
}

/// What became of the one entry; none when the answer does not say so.
fn outcome(answer: &[u8]) -> Option<Result<(), Refusal>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let entry = answer.get("Entries")?.get(0)?;
    let text = |name| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("ErrorCode") {
        Some(code) => Some(Err(Refusal { code, message: text("ErrorMessage").unwrap_or_default() })),
        None => text("EventId").map(|_| Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: &str = "arn:aws:events:eu-west-1:123456789012:event-bus/main";

    #[test]
    fn entries_hold_what_the_event_has() {
        let event = PutEvent {
            source: "lambda".to_owned(),
            detail_type: "Lambda Function Invocation Result - Success".to_owned(),
            detail: r#"{"version":"1.0"}"#.to_owned(),
            resources: vec![BUS.to_owned()],
            time_ms: 1_767_323_045_999,
            trace_header: None,
        };
        let mut expected = json!({
            "Time": 1_767_323_045,
            "Source": "lambda",
            "Resources": [BUS],
            "DetailType": "Lambda Function Invocation Result - Success",
            "Detail": "{\"version\":\"1.0\"}",
            "EventBusName": BUS,
        });
        assert_eq!(entry(BUS, &event), expected);
        expected["TraceHeader"] = "Root=1".into();
        assert_eq!(entry(BUS, &PutEvent { trace_header: Some("Root=1".to_owned()), ..event }), expected);
    }

    #[test]
    fn an_entry_that_failed_is_a_refusal() {
        assert_eq!(outcome(br#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#), Some(Ok(())));
        let failed = br#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"No."}]}"#;
        let refusal = Refusal { code: "InternalFailure".to_owned(), message: "No.".to_owned() };
        assert_eq!(outcome(failed), Some(Err(refusal)));
        for other in ["", "{}", r#"{"Entries":[]}"#, r#"{"Entries":[{}]}"#] {
            assert_eq!(outcome(other.as_bytes()), None, "{other}");
        }
    }
}
