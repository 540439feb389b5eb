//! Every function URL in memory, kept by watching the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tindra_core::function_url::{FunctionUrl, FunctionUrlTarget, URL_KIND};
use tindra_store::{JsonRecords as _, Progress, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use tindra_store::following::insist;

/// In the log.
const RECORDS: &str = "function URLs";
/// Records read at once.
const PAGE: usize = 512;

/// The URLs as they are now or were a moment ago.
#[derive(Debug)]
pub(super) struct Table {
    known: Arc<RwLock<Known>>,
    store: Store,
    progress: Progress,
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, Arc<FunctionUrl>>,
    /// The ids of the records' keys.
    ids: HashMap<String, String>,
}

impl Known {
    fn set(&mut self, key: &str, url: Option<FunctionUrl>) {
        if let Some(id) = self.ids.remove(key) {
            self.by_id.remove(&id);
        }
        if let Some(url) = url {
            self.ids.insert(key.to_owned(), url.id.clone());
            self.by_id.insert(url.id.clone(), Arc::new(url));
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Table {
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        let known = Arc::new(RwLock::new(Known::default()));
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(&prefix());
        let progress = watch.progress();
        *known.write().unwrap_or_else(PoisonError::into_inner) = read_all(&store).await?;
        let follower = tokio::spawn(follow(Arc::clone(&known), store.clone(), watch));
        Ok(Self { known, store, progress, follower })
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<Arc<FunctionUrl>>, StoreError> {
        // Nobody who has seen a change meets what was before it.
        if self.progress.is_behind() {
            return self.read_through(id).await;
        }
        Ok(self.known.read().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned())
    }

    pub(super) fn of_function(
        &self,
        account: &str,
        region: &str,
        function: &str,
        alias: Option<&str>,
    ) -> Option<Arc<FunctionUrl>> {
        let scope = tindra_core::function::Scope { account: account.to_owned(), region: region.to_owned() };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let id = known.ids.get(&FunctionUrl::key(&scope, function, alias))?;
        known.by_id.get(id).cloned()
    }

    async fn read_through(&self, id: &str) -> Result<Option<Arc<FunctionUrl>>, StoreError> {
        let target: Option<Versioned<FunctionUrlTarget>> =
            self.store.metadata.get_json(&FunctionUrl::id_key(id)).await?;
        let Some(FunctionUrlTarget { scope, function_name, alias }) = target.map(|target| target.value) else {
            return Ok(None);
        };
        let key = FunctionUrl::key(&scope, &function_name, alias.as_deref());
        let url: Option<Versioned<FunctionUrl>> = self.store.metadata.get_json(&key).await?;
        // Another may have been made in its place.
        Ok(url.map(|url| Arc::new(url.value)).filter(|url| url.id == id))
    }
}

fn prefix() -> String {
    format!("{URL_KIND}/")
}

async fn follow(known: Arc<RwLock<Known>>, store: Store, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    let url = insist(RECORDS, || store.metadata.get_json::<FunctionUrl>(&key)).await;
                    let url = url.map(|record| record.value);
                    known.write().unwrap_or_else(PoisonError::into_inner).set(&key, url);
                }
            }
            None => {
                let all = insist(RECORDS, || read_all(&store)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}

async fn read_all(store: &Store) -> Result<Known, StoreError> {
    let (mut known, mut after) = (Known::default(), None::<String>);
    loop {
        let page: Vec<Versioned<FunctionUrl>> = store.metadata.list_json(&prefix(), after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            known.set(&record.key, Some(record.value));
        }
        if is_last {
            return Ok(known);
        }
    }
}
