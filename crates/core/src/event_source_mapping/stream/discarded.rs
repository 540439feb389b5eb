//! What a destination is told of records that are given up (AWS, "Retain discarded batch records for a Kinesis Data Streams event
//! source in Lambda").

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::EventSourceMapping;
use super::{Frame, LastInvoke, StreamRecord};
use crate::clock::UnixMs;

/// Why records are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardReason {
    /// The function failed as often as it may.
    RetryAttemptsExhausted,
    /// They became too old.
    RecordAgeExceeded,
    /// No event has room for it.
    MaximumPayloadSizeExceeded,
}

impl DiscardReason {
    /// `condition`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
            Self::MaximumPayloadSizeExceeded => "MaximumPayloadSizeExceeded",
        }
    }
}

/// Records that are given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Discarded {
    /// Which ones, in their order; there is at least one.
    pub records: Vec<StreamRecord>,
    /// Why.
    pub reason: DiscardReason,
    /// How often the function got them.
    pub invokes: u32,
    /// The last time that it did.
    pub last: Option<LastInvoke>,
}

impl Discarded {
    /// The record of them, without the records themselves. `request_id` is for those that the function never got, `event_bytes`
    /// what the event of them takes.
    #[must_use]
    pub fn record(
        &self,
        mapping: &EventSourceMapping,
        (frame, shard_id): (&Frame, &str),
        event_bytes: usize,
        request_id: &str,
        now_ms: UnixMs,
    ) -> Map<String, Value> {
        let response = self.last.as_ref().map(|last| {
            let mut response = json!({ "statusCode": 200, "executedVersion": last.executed_version });
            if last.is_function_error {
                response["functionError"] = "Unhandled".into();
            }
            response
        });
        let request_id = self.last.as_ref().map_or(request_id, |last| last.request_id.as_str());
        let request = json!({
            "requestId": request_id,
            "functionArn": mapping.function_arn(),
            "condition": self.reason.as_str(),
            "approximateInvokeCount": self.invokes,
        });
        let (name, origin) = frame.origin(mapping, shard_id, self, event_bytes);
        Map::from_iter([
            ("requestContext".to_owned(), request),
            ("responseContext".to_owned(), response.unwrap_or_default()),
            ("version".to_owned(), "1.0".into()),
            ("timestamp".to_owned(), timestamp(now_ms).into()),
            (name.to_owned(), origin),
        ])
    }
}

/// ISO 8601 with milliseconds.
pub(super) fn timestamp(unix_ms: UnixMs) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
