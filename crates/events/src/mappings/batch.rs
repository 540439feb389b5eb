//! Batches of records: how they are filled, and how they look to a function.

use serde_json::{Map, Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::MappingSettings;
use tindra_core::limits;

/// Room for what stands around the records of an event: the names of source and queue.
const AROUND_BYTES: usize = 2_048;

/// A record with what it takes of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) members: Map<String, Value>,
    pub(super) bytes: usize,
}

impl Record {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        let bytes = serde_json::to_vec(&members).map_or(0, |text| text.len() + 1);
        Self { members, bytes }
    }

    /// A member that is a text.
    pub(super) fn text(&self, member: &str) -> &str {
        self.members.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Records that become one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RecordBatch {
    pub(super) records: Vec<Record>,
    bytes: usize,
    /// When the first of them came.
    pub(super) since_ms: UnixMs,
}

impl RecordBatch {
    /// Adds a record; gives back one for which there is no room.
    pub(super) fn add(&mut self, record: Record, settings: &MappingSettings, now_ms: UnixMs) -> Option<Record> {
        let bytes = self.bytes + record.bytes;
        let has_room = self.records.len() < settings.batch_size as usize
            && (self.records.is_empty() || bytes + AROUND_BYTES <= limits::SYNC_REQUEST_BYTES_MAX);
        if !has_room {
            return Some(record);
        }
        if self.records.is_empty() {
            self.since_ms = now_ms;
        }
        self.bytes = bytes;
        self.records.push(record);
        None
    }

    /// Whether an event has room for a record when it is the only one.
    pub(super) fn has_room_for(record: &Record) -> bool {
        record.bytes + AROUND_BYTES <= limits::SYNC_REQUEST_BYTES_MAX
    }

    /// How many more it may have.
    pub(super) fn room(&self, settings: &MappingSettings) -> usize {
        (settings.batch_size as usize).saturating_sub(self.records.len())
    }

    /// `{"Records": […]}`.
    pub(super) fn event(records: &[Record]) -> Vec<u8> {
        let records: Vec<&Map<String, Value>> = records.iter().map(|record| &record.members).collect();
        // Maps of JSON values: there is nothing in them that cannot be written.
        serde_json::to_vec(&json!({ "Records": records })).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tindra_core::event_source_mapping::SourceKind;
    use uuid::Uuid;

    use super::*;

    fn record(bytes: usize) -> Record {
        Record::new(Map::from_iter([("body".to_owned(), Value::from("x".repeat(bytes)))]))
    }

    #[test]
    fn a_batch_is_full_by_count_or_by_size() {
        let settings = MappingSettings { batch_size: 3, ..MappingSettings::new(SourceKind::Sqs, Uuid::nil()) };
        let mut batch = RecordBatch::default();
        assert!((0..3).all(|second| batch.add(record(1), &settings, second).is_none()));
        assert!(batch.add(record(1), &settings, 3).is_some() && batch.room(&settings) == 0 && batch.since_ms == 0);
        let mut heavy = RecordBatch::default();
        assert!(heavy.add(record(4 << 20), &settings, 0).is_none());
        assert!(heavy.add(record(3 << 20), &settings, 0).is_some(), "together they are no event");
        assert!(RecordBatch::event(&heavy.records).len() < limits::SYNC_REQUEST_BYTES_MAX);
        let mut alone = RecordBatch::default();
        assert!(
            alone.add(record(7 << 20), &settings, 0).is_none(),
            "one that is too large is the function's to refuse"
        );
    }
}
