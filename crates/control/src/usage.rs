//! What each account and region uses: functions, and bytes of code with every version and every layer counted.
//!
//! Kept in memory by following the store, so that asking costs the same however many functions there are. Who
//! asks waits for the follower to take in what was committed before; should that take long, the store itself is counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tindra_core::function::{Function, LATEST_PREFIX, RECORD_PREFIXES, Scope, WATCH_PREFIX};
use tindra_core::layer::{LAYER_PREFIX, LayerVersion};
use tindra_store::{Progress, Record, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

/// Records read at once.
const PAGE: usize = 256;
/// How often, and how far apart, the follower is looked at before the store is counted instead.
const CATCH_UP_LOOKS: u32 = 500;
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(1);
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What one account and region uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) functions: u64,
    /// Zipped, as AWS counts it.
    pub(crate) code_bytes: u64,
}

/// See the module. Dropping it ends the follower.
#[derive(Debug)]
pub(crate) struct Usage {
    store: Store,
    counts: Arc<Mutex<Counts>>,
    progress: [Progress; 2],
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    is_complete: bool,
    by_record: HashMap<String, (Scope, Used)>,
    by_scope: HashMap<Scope, Used>,
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Usage {
    /// Begins to follow the store, so it must be called inside a tokio runtime.
    pub(crate) fn start(store: Store) -> Self {
        let counts = Arc::<Mutex<Counts>>::default();
        // Watching before listing: a change in between is seen twice rather than never.
        let watches = [WATCH_PREFIX, LAYER_PREFIX].map(|prefix| store.metadata.watch(prefix));
        let progress = watches.each_ref().map(Watch::progress);
        let follower = tokio::spawn(follow(store.clone(), watches, Arc::clone(&counts)));
        Self { store, counts, progress, follower }
    }

    /// What an account and region uses now.
    pub(crate) async fn of(&self, scope: &Scope) -> Result<Used, StoreError> {
        if self.has_caught_up().await {
            return Ok(lock(&self.counts).by_scope.get(scope).copied().unwrap_or_default());
        }
        let counts = count_all(&self.store).await?;
        Ok(counts.by_scope.get(scope).copied().unwrap_or_default())
    }

    /// Waits until the follower has taken in every change that anybody was told of by now; what comes after that is
    /// not waited for. False when that takes long.
    async fn has_caught_up(&self) -> bool {
        let announced = self.progress.each_ref().map(Progress::announced);
        for _ in 0..CATCH_UP_LOOKS {
            let reached = self.progress.iter().zip(announced).all(|(progress, at)| progress.has_reached(at));
            if reached && lock(&self.counts).is_complete {
                return true;
            }
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
        }
        false
    }
}

impl Counts {
    fn set(&mut self, key: &str, counted: Option<(Scope, Used)>) {
        if let Some((scope, used)) = self.by_record.remove(key) {
            let sum = self.by_scope.entry(scope).or_default();
            sum.functions -= used.functions;
            sum.code_bytes -= used.code_bytes;
        }
        if let Some((scope, used)) = counted {
            let sum = self.by_scope.entry(scope.clone()).or_default();
            sum.functions += used.functions;
            sum.code_bytes += used.code_bytes;
            self.by_record.insert(key.to_owned(), (scope, used));
        }
    }
}

async fn follow(store: Store, [mut functions, mut layers]: [Watch; 2], counts: Arc<Mutex<Counts>>) {
    let mut changed: Option<Vec<String>> = None;
    loop {
        if let Err(error) = take_in(&store, changed.as_deref(), &counts).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "usage could not be counted; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
            continue;
        }
        changed = tokio::select! {
            changed = functions.changed() => changed,
            changed = layers.changed() => changed,
        };
        if changed.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
    }
}

/// Counts what has changed, or everything.
async fn take_in(store: &Store, changed: Option<&[String]>, counts: &Mutex<Counts>) -> Result<(), StoreError> {
    let Some(keys) = changed else {
        *lock(counts) = count_all(store).await?;
        return Ok(());
    };
    for key in keys.iter().filter(|key| is_counted(key)) {
        let counted = store.metadata.get(key).await?.map(count).transpose()?;
        lock(counts).set(key, counted);
    }
    Ok(())
}

async fn count_all(store: &Store) -> Result<Counts, StoreError> {
    let mut counts = Counts { is_complete: true, ..Counts::default() };
    for prefix in RECORD_PREFIXES.into_iter().chain([LAYER_PREFIX]) {
        let mut after: Option<String> = None;
        loop {
            let page = store.metadata.list(prefix, after.as_deref(), PAGE).await?;
            for record in &page {
                counts.set(&record.key, Some(count(record.clone())?));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    Ok(counts)
}

fn is_counted(key: &str) -> bool {
    RECORD_PREFIXES.into_iter().chain([LAYER_PREFIX]).any(|prefix| key.starts_with(prefix))
}

fn count(record: Record) -> Result<(Scope, Used), StoreError> {
    if record.key.starts_with(LAYER_PREFIX) {
        let layer = Versioned::<LayerVersion>::decode(record)?.value;
        return Ok((layer.scope, Used { functions: 0, code_bytes: layer.code.size_bytes }));
    }
    let functions = u64::from(record.key.starts_with(LATEST_PREFIX));
    let function = Versioned::<Function>::decode(record)?.value;
    Ok((function.scope, Used { functions, code_bytes: function.desired.code.size_bytes }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
