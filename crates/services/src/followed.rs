//! Records of the store in memory, kept by watching it: what is asked so often that the store should not be.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_store::{Progress, Record, Store, StoreError, Watch};
use tokio::task::JoinHandle;

use tindra_store::following::{catches_up, insist};

/// Records read at once.
const PAGE: usize = 512;
/// For what was committed before to be in memory, which takes a millisecond or two.
const CATCHING_UP_MAX: Duration = Duration::from_secs(5);

/// Reads what is kept of a record.
pub(crate) type Read<T> = fn(Record) -> Result<T, StoreError>;
type Known<T> = BTreeMap<String, Arc<T>>;

/// All records under a prefix.
pub(crate) struct Followed<T> {
    known: Arc<RwLock<Known<T>>>,
    progress: Progress,
    follower: JoinHandle<()>,
}

impl<T> fmt::Debug for Followed<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Followed").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl<T> Drop for Followed<T> {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// Reads all records, and follows them from then on.
    pub(crate) async fn start(store: Store, prefix: &'static str, read: Read<T>) -> Result<Self, StoreError> {
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(prefix);
        let progress = watch.progress();
        let known = Arc::new(RwLock::new(read_all(&store, prefix, read).await?));
        let follower = tokio::spawn(follow(Arc::clone(&known), store, watch, prefix, read));
        Ok(Self { known, progress, follower })
    }

    /// Waits until everything that was answered is in memory. False when it takes too long; the store may be away.
    pub(crate) async fn catch_up(&self) -> bool {
        catches_up(&self.progress, CATCHING_UP_MAX).await
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<T>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Those whose keys begin with `prefix` and come behind `after`, by their keys.
    pub(crate) fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<T>> {
        let from = after.filter(|after| after.starts_with(prefix)).map_or(Bound::Included(prefix), Bound::Excluded);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let range = known.range::<str, _>((from, Bound::Unbounded));
        range.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(|(_, known)| Arc::clone(known)).collect()
    }
}

async fn follow<T>(known: Arc<RwLock<Known<T>>>, store: Store, mut watch: Watch, prefix: &'static str, read: Read<T>) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    let record = insist(prefix, || store.metadata.get(&key)).await;
                    let value = match record.map(read).transpose() {
                        Ok(value) => value,
                        Err(error) => {
                            tracing::error!(
                                error = &error as &dyn std::error::Error,
                                key,
                                "it stays as it was in memory"
                            );
                            continue;
                        }
                    };
                    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                    match value {
                        Some(value) => known.insert(key, Arc::new(value)),
                        None => known.remove(&key),
                    };
                }
            }
            None => {
                let all = insist(prefix, || read_all(&store, prefix, read)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}

async fn read_all<T>(store: &Store, prefix: &str, read: Read<T>) -> Result<Known<T>, StoreError> {
    let (mut known, mut after) = (Known::new(), None::<String>);
    loop {
        let page = store.metadata.list(prefix, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            known.insert(record.key.clone(), Arc::new(read(record)?));
        }
        if is_last {
            return Ok(known);
        }
    }
}
