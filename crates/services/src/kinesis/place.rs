//! Places in a shard: where its records begin that are still kept, and which of them came at or after a time.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_store::{Journals, StoreError};

use super::entry::Entry;

/// The offset of the first entry of a journal that was written at a time or later; the journal's end when there is none.
/// Times in a journal do not go back, so a few looks find it.
pub(super) async fn first_since(journals: &dyn Journals, journal: &str, time_ms: UnixMs) -> Result<u64, StoreError> {
    let bounds = journals.bounds(journal).await?;
    let (mut low, mut high) = (bounds.first, bounds.end);
    while low < high {
        let middle = low + (high - low) / 2;
        match journals.read(journal, middle, 1, 1).await?.first() {
            Some((offset, bytes)) if is_before(bytes, time_ms) => low = offset + 1,
            // What is trimmed meanwhile is older than what is left.
            Some((offset, _)) if *offset > middle => low = *offset,
            Some(_) => high = middle,
            None => low = middle + 1,
        }
    }
    Ok(low)
}

pub(super) fn is_before(bytes: &Bytes, time_ms: UnixMs) -> bool {
    Entry::read(bytes).is_none_or(|entry| entry.time_ms() < time_ms)
}
