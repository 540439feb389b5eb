//! What an answer means for its batch.

use serde_json::Value;

use super::super::{ItemFailures, MappingSettings};
use super::{StreamRecord, compare_sequences};

/// What a batch came to.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchEnd {
    /// All of it is done.
    Done {
        /// The state of the window from now on.
        state: Option<Value>,
    },
    /// What stands before a record is done; that record has failed, and what follows it is to be tried again.
    From {
        /// Which record of the batch, not the first.
        index: usize,
        /// The state of the window from now on.
        state: Option<Value>,
    },
    /// Some records have failed, and are to be tried again; the others are done.
    Only {
        /// Which records of the batch, in their order; not all of them.
        indices: Vec<usize>,
    },
    /// The function failed, or its answer says so.
    Failed,
    /// A limit, or a failure of the service: the batch was not tried.
    Passing {
        /// Why, for people.
        reason: String,
    },
}

/// Reads what a function has answered to records of a batch (AWS, "Configuring partial batch response"). With a window the answer
/// must have a state, unless the window ends with it.
#[must_use]
pub fn judge(answer: &[u8], settings: &MappingSettings, records: &[StreamRecord], is_final: bool) -> BatchEnd {
    let has_window = settings.tumbling_window_s > 0;
    let state = match serde_json::from_slice::<Value>(answer) {
        Ok(Value::Object(mut members)) => members.remove("state").filter(|state| !state.is_null()),
        _ => None,
    };
    if has_window && state.is_none() && !is_final {
        return BatchEnd::Failed;
    }
    if !settings.reports_item_failures || is_final {
        return BatchEnd::Done { state };
    }
    let is_known = |id: &str| records.iter().any(|record| record.sequence == id);
    match ItemFailures::read(answer, is_known) {
        ItemFailures::All => BatchEnd::Failed,
        ItemFailures::Some(failed) => {
            let Some(lowest) = failed.into_iter().min_by(|one, other| compare_sequences(one, other)) else {
                return BatchEnd::Done { state };
            };
            match records.iter().position(|record| record.sequence == lowest) {
                Some(index) if index > 0 => BatchEnd::From { index, state },
                _ => BatchEnd::Failed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use uuid::Uuid;

    use super::*;
    use crate::event_source_mapping::SourceKind;

    fn ended(answer: &str, window_s: u32, reports: bool) -> BatchEnd {
        let settings = MappingSettings {
            tumbling_window_s: window_s,
            reports_item_failures: reports,
            ..MappingSettings::new(SourceKind::Kinesis, Uuid::nil())
        };
        let record = |sequence: &str| StreamRecord {
            sequence: sequence.to_owned(),
            key: String::new(),
            arrival_ms: 0,
            bytes: 0,
            members: Map::new(),
        };
        judge(answer.as_bytes(), &settings, &["8", "9", "10"].map(record), false)
    }

    #[test]
    fn the_lowest_failure_is_where_it_goes_on() {
        let failed = |ids: &str| format!(r#"{{"batchItemFailures":[{ids}]}}"#);
        let both = failed(r#"{"itemIdentifier":"10"},{"itemIdentifier":"9"}"#);
        assert_eq!(ended(&both, 0, true), BatchEnd::From { index: 1, state: None });
        assert_eq!(ended(&failed(r#"{"itemIdentifier":"8"}"#), 0, true), BatchEnd::Failed);
        assert_eq!(ended(&failed(r#"{"itemIdentifier":"11"}"#), 0, true), BatchEnd::Failed);
        assert_eq!(ended(&failed(""), 0, true), BatchEnd::Done { state: None });
        assert_eq!(ended("null", 0, true), BatchEnd::Done { state: None });
        assert_eq!(ended("[]", 0, true), BatchEnd::Failed);
        assert_eq!(ended("[]", 0, false), BatchEnd::Done { state: None }, "nobody reads it");
    }

    #[test]
    fn windows_need_a_state() {
        assert_eq!(ended(r#"{"state":{"n":1}}"#, 60, false), BatchEnd::Done { state: Some(json!({ "n": 1 })) });
        for answer in ["null", "{}", r#"{"state":null}"#, "", "[]"] {
            assert_eq!(ended(answer, 60, false), BatchEnd::Failed, "{answer}");
        }
    }
}
