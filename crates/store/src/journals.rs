//! Ordered records that are appended, read from an offset, and trimmed at the old end.

use bytes::Bytes;

use crate::{BoxFuture, StoreError};

/// A change of a journal, as a part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalChange {
    /// Appends records at the end, which has to be `at`: whoever appends knows where, and one that has been overtaken is
    /// told by a conflict.
    Append {
        /// The journal; it begins with its first record, at 0.
        journal: String,
        /// The offset of the first of the records.
        at: u64,
        /// In order.
        records: Vec<Bytes>,
    },
    /// Removes the records before an offset. The offsets of the others stay, and that of the next one, too.
    Trim {
        /// The journal.
        journal: String,
        /// The first offset that stays.
        before: u64,
    },
    /// Removes the journal; the next append is its first.
    Remove {
        /// The journal.
        journal: String,
    },
}

/// Where a journal begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalBounds {
    /// Offset of the first record that is there.
    pub first: u64,
    /// Offset of the next record to be appended.
    pub end: u64,
}

/// Durable journals.
pub trait Journals: Send + Sync + std::fmt::Debug {
    /// Records from an offset on with their offsets, at most `limit`; from the first one there is when `from` has been
    /// trimmed. Once they have `bytes_max` bytes together none follows, so that the last one may go beyond it.
    fn read<'a>(
        &'a self,
        journal: &'a str,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>>;

    /// Where it begins and ends; both 0 for one that does not exist.
    fn bounds<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<JournalBounds, StoreError>>;

    /// Every journal that there is, in order of the names.
    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
}
