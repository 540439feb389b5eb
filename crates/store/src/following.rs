//! What the tables in memory have in common that follow records of the store.

use std::time::Duration;

use crate::{JsonRecords as _, Progress, Store, StoreError, Versioned};
use serde::de::DeserializeOwned;

/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Between two looks whether a table has caught up with a change, which takes it a millisecond or two.
const CATCHING_UP_POLL: Duration = Duration::from_millis(1);
/// Records read at once.
const PAGE: usize = 256;

/// Tries until the store answers; meanwhile memory serves. `what` reads before "could not be read".
pub async fn insist<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "{what} could not be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Waits until all that was committed by now is in memory, so that nobody who has seen a change meets what was before it. False
/// when it takes longer than `most`; the store may be away.
pub async fn catches_up(progress: &Progress, most: Duration) -> bool {
    let announced = progress.announced();
    let mut waited = Duration::ZERO;
    while !progress.has_reached(announced) {
        if waited >= most {
            return false;
        }
        tokio::time::sleep(CATCHING_UP_POLL).await;
        waited += CATCHING_UP_POLL;
    }
    true
}

/// Every record under a prefix, in the order of the keys.
///
/// # Errors
/// When the store fails, or a record is no `T`.
pub async fn all<T: DeserializeOwned>(store: &Store, prefix: &str) -> Result<Vec<Versioned<T>>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.metadata.list_json::<T>(prefix, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}
