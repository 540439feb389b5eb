//! Tumbling windows: state that a function keeps between the batches of a span of time (AWS, "Implementing stateful Kinesis Data
//! Streams processing in Lambda").

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::UnixMs;

/// The largest state (AWS): one that is larger ends its window early.
pub(super) const STATE_BYTES_MAX: usize = 1_048_576;
/// How long after its end a window waits for records that were on their way.
pub(super) const GRACE_MS: u64 = 1_000;

/// A window that has begun and not ended. Its bounds are times at which records were written to the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// The first millisecond of it.
    pub start_ms: UnixMs,
    /// The first after it.
    pub end_ms: UnixMs,
    /// What the function has made of its records so far.
    pub state: Value,
    /// The state became too large: the window ends now.
    #[serde(default)]
    pub is_terminated_early: bool,
}

impl OpenWindow {
    /// The window of the time of a record.
    pub(super) fn of(arrival_ms: UnixMs, width_s: u32) -> Self {
        let width_ms = u64::from(width_s.max(1)) * 1_000;
        let start_ms = arrival_ms - arrival_ms % width_ms;
        Self { start_ms, end_ms: start_ms + width_ms, state: json!({}), is_terminated_early: false }
    }

    /// Whether a record is one of this window; one that comes late is.
    pub(super) fn takes(&self, arrival_ms: UnixMs) -> bool {
        arrival_ms < self.end_ms
    }

    /// Takes the state that the function has answered with.
    pub(super) fn go_on(&mut self, state: Value) {
        self.is_terminated_early = state.to_string().len() > STATE_BYTES_MAX;
        self.state = state;
    }

    /// What an event has of it beside its records.
    pub(super) fn members(&self, shard_id: &str, source_arn: &str, is_final: bool) -> Map<String, Value> {
        let window = json!({ "start": timestamp(self.start_ms), "end": timestamp(self.end_ms) });
        Map::from_iter([
            ("window".to_owned(), window),
            ("state".to_owned(), self.state.clone()),
            ("shardId".to_owned(), shard_id.into()),
            ("eventSourceARN".to_owned(), source_arn.into()),
            ("isFinalInvokeForWindow".to_owned(), is_final.into()),
            ("isWindowTerminatedEarly".to_owned(), self.is_terminated_early.into()),
        ])
    }
}

/// ISO 8601 with seconds: windows begin and end with whole ones.
fn timestamp(unix_ms: UnixMs) -> String {
    let time = i64::try_from(unix_ms / 1_000).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_side_by_side() {
        let window = OpenWindow::of(1_607_497_475_500, 120);
        assert!(window.takes(window.start_ms) && window.takes(window.end_ms - 1) && !window.takes(window.end_ms));
        assert!(window.takes(0), "a late record is of the window that is open");
        let members = window.members("shardId-000000000006", "arn", false);
        assert_eq!(members["window"], json!({ "start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z" }));
        assert_eq!((&members["state"], &members["isFinalInvokeForWindow"]), (&json!({}), &json!(false)));
    }

    #[test]
    fn a_state_that_is_too_large_ends_its_window() {
        let mut window = OpenWindow::of(0, 1);
        window.go_on(json!({ "n": "x".repeat(1_000) }));
        assert!(!window.is_terminated_early);
        window.go_on(json!({ "n": "x".repeat(STATE_BYTES_MAX) }));
        assert!(window.is_terminated_early);
    }
}
