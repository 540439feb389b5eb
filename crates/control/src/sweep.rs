//! Removing code packages that no function refers to any more: at start, and some time after changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::function::{Function, RECORD_PREFIXES, WATCH_PREFIX};
use tindra_core::layer::{LAYER_PREFIX, LayerVersion};
use tindra_store::{JsonRecords as _, Store, StoreError};
use tokio::task::JoinHandle;

use crate::package::Packages;

/// Changes come in bursts (a deployment, a test run); one sweep after each burst is enough.
const REST: Duration = Duration::from_secs(5);
/// Records read at once.
const PAGE: usize = 256;

/// The sweeping task; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sweeper {
    task: JoinHandle<()>,
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sweeper {
    /// Sweeps once now, and again after functions have changed.
    pub(crate) fn start(store: Store, packages: Arc<Packages>) -> Self {
        Self { task: tokio::spawn(run(store, packages)) }
    }
}

async fn run(store: Store, packages: Arc<Packages>) {
    let (mut functions, mut layers) = (store.metadata.watch(WATCH_PREFIX), store.metadata.watch(LAYER_PREFIX));
    loop {
        match sweep(&store, &packages).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed code packages that no function uses"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "unused code packages could not be removed; trying again after the next change");
            }
        }
        let told = tokio::select! {
            told = functions.changed() => told,
            told = layers.changed() => told,
        };
        if told.is_some_and(|keys| keys.is_empty()) {
            return;
        }
        tokio::time::sleep(REST).await;
    }
}

/// Removes every blob that no function refers to, and tells how many.
///
/// What looks unused is looked at again with uploads held up, because a package is written before the record
/// that refers to it.
pub(crate) async fn sweep(store: &Store, packages: &Packages) -> Result<usize, StoreError> {
    let blobs = store.blobs.list().await?;
    let used = used(store).await?;
    let candidates: Vec<_> = blobs.into_iter().filter(|blob| !used.contains(blob)).collect();
    if candidates.is_empty() {
        return Ok(0);
    }
    let _no_uploads = packages.uploads.write().await;
    let used = self::used(store).await?;
    let mut removed = 0;
    for blob in candidates.iter().filter(|blob| !used.contains(*blob)) {
        store.blobs.delete(blob).await?;
        removed += 1;
    }
    Ok(removed)
}

async fn used(store: &Store) -> Result<HashSet<String>, StoreError> {
    let mut used = HashSet::new();
    for prefix in RECORD_PREFIXES {
        let mut after: Option<String> = None;
        loop {
            let page = store.metadata.list_json::<Function>(prefix, after.as_deref(), PAGE).await?;
            used.extend(page.iter().flat_map(|record| record.value.blobs().map(str::to_owned)));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    let mut after: Option<String> = None;
    loop {
        let page = store.metadata.list_json::<LayerVersion>(LAYER_PREFIX, after.as_deref(), PAGE).await?;
        used.extend(page.iter().map(|record| record.value.code.sha256.clone()));
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
            _ => return Ok(used),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use tindra_core::function::Function;
    use tindra_store::{Batch, Precondition};
    use tindra_testkit::{BOUND, active_function, put_function, scope, store};

    use super::sweep;
    use crate::package::{Package, Packages};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_being_deployed_is_never_swept() {
        let test = store();
        let packages = Arc::new(Packages::new());
        let swept = Arc::new(AtomicUsize::new(0));
        let sweeping = tokio::spawn({
            let (store, packages, swept) = (test.store.clone(), Arc::clone(&packages), Arc::clone(&swept));
            async move {
                loop {
                    swept.fetch_add(sweep(&store, &packages).await.unwrap(), Ordering::Relaxed);
                }
            }
        });
        // The same package comes and goes, so that each time it may just be on its way out.
        let deploying = async {
            let package = Package { zip: Bytes::from_static(b"same"), unzipped_bytes: 4 };
            while swept.load(Ordering::Relaxed) < 20 {
                let upload = packages.upload(&test.store, &package).await.unwrap();
                let mut function = active_function(&scope(), "thing");
                function.desired.code = upload.code.clone();
                put_function(&test.store, &function).await;
                drop(upload);
                assert!(test.store.blobs.get(&function.desired.code.sha256).await.unwrap().is_some());
                let key = Function::key(&scope(), "thing");
                test.store.metadata.commit(Batch::default().delete(key, Precondition::None)).await.unwrap();
            }
        };
        tokio::time::timeout(BOUND, deploying).await.expect("it is swept in between");
        sweeping.abort();
    }
}
