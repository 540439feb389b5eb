//! What the last batch of a mapping came to, for whoever asks for the mapping.

use std::sync::{Mutex, PoisonError};

use tindra_core::event_source_mapping::{EventSourceMapping, ProcessingResult};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, Versioned};

/// `LastProcessingResult` of one mapping; written when it changes.
#[derive(Debug)]
pub(super) struct Status {
    store: Store,
    key: String,
    last: Mutex<Option<String>>,
}

impl Status {
    pub(super) fn of(mapping: &EventSourceMapping, store: Store) -> Self {
        Self { store, key: mapping.result_key(), last: Mutex::default() }
    }

    /// The source is there, and has had nothing so far.
    pub(super) async fn has_nothing(&self) {
        self.says("No records processed".to_owned()).await;
    }

    /// The last batch was a success.
    pub(super) async fn is_well(&self) {
        self.says("OK".to_owned()).await;
    }

    /// Something is wrong.
    pub(super) async fn has_problem(&self, problem: &str) {
        self.says(format!("PROBLEM: {problem}")).await;
    }

    /// The source can be read; what was said of it when it could not does not hold any more.
    pub(super) async fn can_read(&self) {
        let read: Result<Option<Versioned<ProcessingResult>>, _> = self.store.metadata.get_json(&self.key).await;
        if let Ok(Some(last)) = read
            && last.value.text.starts_with("PROBLEM")
        {
            self.says("No records processed".to_owned()).await;
        }
    }

    async fn says(&self, text: String) {
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.as_ref() == Some(&text) {
                return;
            }
            *last = Some(text.clone());
        }
        let batch = Batch::default().put_json(self.key.clone(), Precondition::None, &ProcessingResult { text });
        let written = match batch {
            Ok(batch) => self.store.metadata.commit(batch).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, key = self.key, "what became of an event source mapping could not be written down");
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
