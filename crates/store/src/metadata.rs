//! Records under string keys: get, list, compare-and-set, watch.

use bytes::Bytes;

use crate::{BoxFuture, JournalChange, MailChange, MessageChange, StoreError, Watch};

/// A record with the revision it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: String,
    /// Its value, usually JSON.
    pub value: Bytes,
    /// Grows with every write to the store; the base for [`Precondition::Revision`].
    pub revision: u64,
}

/// What must hold of a key for a batch to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Anything.
    None,
    /// The key does not exist.
    Absent,
    /// The key exists and was last written at this revision.
    Revision(u64),
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What must hold of it.
    pub precondition: Precondition,
    /// The new value; `None` deletes.
    pub value: Option<Bytes>,
}

/// Writes that commit together or not at all: of records, messages, letters and journals.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Of records, in order.
    pub changes: Vec<Change>,
    /// Of messages, in order.
    pub messages: Vec<MessageChange>,
    /// Of letters, in order.
    pub mail: Vec<MailChange>,
    /// Of journals, in order.
    pub journals: Vec<JournalChange>,
}

impl Batch {
    /// Adds a write.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, precondition: Precondition, value: impl Into<Bytes>) -> Self {
        self.changes.push(Change { key: key.into(), precondition, value: Some(value.into()) });
        self
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>, precondition: Precondition) -> Self {
        self.changes.push(Change { key: key.into(), precondition, value: None });
        self
    }

    /// Adds a change of a message.
    #[must_use]
    pub fn message(mut self, change: MessageChange) -> Self {
        self.messages.push(change);
        self
    }

    /// Adds a change of a mailbox.
    #[must_use]
    pub fn mail(mut self, change: MailChange) -> Self {
        self.mail.push(change);
        self
    }

    /// Adds a change of a journal.
    #[must_use]
    pub fn journal(mut self, change: JournalChange) -> Self {
        self.journals.push(change);
        self
    }
}

/// Small records, durable.
pub trait Metadata: Send + Sync + std::fmt::Debug {
    /// The record of a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;

    /// Records whose key starts with `prefix` and is greater than `after`, in key order, at most `limit`.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// Writes a batch durably, or nothing of it. Returns the revision that the written records now have. Which of the two
    /// it was is not known after [`StoreError::OutcomeUnknown`].
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Watches the keys under a prefix, from now on.
    fn watch(&self, prefix: &str) -> Watch;

    /// Whether other processes may read and write the same records.
    fn is_shared(&self) -> bool {
        false
    }

    /// Waits until the storage has failed for good (the disk no longer makes data durable) and returns why.
    /// A server then ends with an error instead of refusing every write. Never returns while it is healthy.
    fn failed(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }
}
