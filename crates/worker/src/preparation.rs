//! Makes deployments ready: pack and code of every unsettled function, the snapshot of a version that begins from
//! one, then the settled record.
//!
//! The store is the queue. A function whose `desired` deployment is unsettled is work to do, whoever wrote it
//! and however often this process was killed in between; settling is one compare-and-set, and a deployment
//! that was replaced meanwhile settles nothing. Different functions are prepared side by side.

mod reasons;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tindra_core::function::{Architecture, Configuration, Deployment, Function, RECORD_PREFIXES, Reason, WATCH_PREFIX};
use tindra_core::runtime::Runtime;
use tindra_store::{Batch, Precondition, Record, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::code_cache::{self, CodeCache};
use crate::packs::{Packs, Progress};
use crate::snapshots::Snapshots;
use reasons::{code_reason, pack_reason, reason, stopping};

/// Functions prepared at the same time; each may inflate 250 MB.
const CONCURRENCY_MAX: usize = 4;
/// Snapshots made at the same time; each is an environment in an init phase that may take a quarter of an hour.
const SNAPSHOTS_MAX: usize = 8;
/// Records read at once.
const PAGE: usize = 256;
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Hears which deployments can run now.
pub trait Prepared: std::fmt::Debug + Send + Sync {
    /// Code and layers are unpacked at these places, and the runtime is there.
    fn expect(&self, configuration: &Configuration, code: &Path, layers: Option<&Path>);
}

/// The running preparation. Dropping it stops it; what it was at is taken up again by the next one.
#[derive(Debug)]
pub struct Preparation {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Preparation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Preparation {
    /// Starts to prepare the functions of a store, those first that are unsettled now.
    #[must_use]
    pub fn start(
        store: Store,
        packs: Arc<Packs>,
        code: Arc<CodeCache>,
        prepared: Arc<dyn Prepared>,
        snapshots: Arc<dyn Snapshots>,
    ) -> Self {
        let shared = Arc::new(Shared {
            store,
            packs,
            code,
            prepared,
            snapshots,
            under_way: Mutex::default(),
            permits: Semaphore::new(CONCURRENCY_MAX),
            snapshot_permits: Semaphore::new(SNAPSHOTS_MAX),
        });
        Self { task: tokio::spawn(run(shared)) }
    }
}

#[derive(Debug)]
struct Shared {
    store: Store,
    packs: Arc<Packs>,
    code: Arc<CodeCache>,
    prepared: Arc<dyn Prepared>,
    snapshots: Arc<dyn Snapshots>,
    /// Generations that have a task.
    under_way: Mutex<HashSet<Uuid>>,
    permits: Semaphore,
    /// Of the snapshots, so that they keep no other deployment waiting.
    snapshot_permits: Semaphore,
}

async fn run(shared: Arc<Shared>) {
    // Aborting this task drops the set, and that aborts the preparations in it.
    let mut tasks = JoinSet::new();
    let mut watch = shared.store.metadata.watch(WATCH_PREFIX);
    loop {
        // Watching before listing: a change in between is seen twice rather than never.
        while let Err(error) = prepare_all(&shared, &mut tasks).await {
            tracing::warn!(%error, "the functions could not be listed; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        loop {
            while tasks.try_join_next().is_some() {}
            match watch.changed().await {
                None => break,
                Some(keys) if keys.is_empty() => return,
                Some(keys) => {
                    for key in keys {
                        prepare_key(&shared, &mut tasks, &key).await;
                    }
                }
            }
        }
    }
}

/// Lists every function, prepares the unsettled ones, and tells the code cache what is needed.
async fn prepare_all(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) -> Result<(), StoreError> {
    let mut needed = HashSet::new();
    for prefix in RECORD_PREFIXES {
        let mut after: Option<String> = None;
        loop {
            let page = shared.store.metadata.list(prefix, after.as_deref(), PAGE).await?;
            for record in &page {
                let Some(function) = parse(record) else { continue };
                let deployments = std::iter::once(&function.desired).chain(&function.serving);
                needed.extend(deployments.flat_map(code_cache::trees_of));
                shared.expect(&function);
                prepare_function(shared, tasks, function);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    shared.code.sweep(needed).await;
    Ok(())
}

async fn prepare_key(shared: &Arc<Shared>, tasks: &mut JoinSet<()>, key: &str) {
    if !RECORD_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return;
    }
    loop {
        match shared.store.metadata.get(key).await {
            Ok(record) => {
                if let Some(function) = record.as_ref().and_then(parse) {
                    prepare_function(shared, tasks, function);
                }
                return;
            }
            Err(error) => {
                tracing::warn!(key, %error, "a function could not be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn parse(record: &Record) -> Option<Function> {
    serde_json::from_slice(&record.value)
        .inspect_err(|error| tracing::error!(key = record.key, %error, "a function's record cannot be read"))
        .ok()
}

fn prepare_function(shared: &Arc<Shared>, tasks: &mut JoinSet<()>, function: Function) {
    let generation = function.desired.generation;
    if !function.is_unsettled() || !lock(&shared.under_way).insert(generation) {
        return;
    }
    let shared = Arc::clone(shared);
    tasks.spawn(async move {
        prepare(&shared, &function).await;
        lock(&shared.under_way).remove(&generation);
    });
}

async fn prepare(shared: &Shared, function: &Function) {
    let mut outcome = make_ready(shared, &function.name, &function.desired).await;
    if outcome.is_ok() && function.has_snapshot() {
        outcome = make_snapshot(shared, function).await;
    }
    if let Err(reason) = &outcome {
        tracing::warn!(function = function.arn(), code = reason.code, reason = reason.message, "a deployment failed");
    }
    let key = function.record_key();
    while let Err(error) = settle(&shared.store, &key, function, outcome.clone()).await {
        if !matches!(error, StoreError::Conflict { .. }) {
            tracing::warn!(key, %error, "a deployment could not be settled; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

async fn settle(store: &Store, key: &str, prepared: &Function, outcome: Result<(), Reason>) -> Result<(), StoreError> {
    let Some(record) = store.metadata.get(key).await? else { return Ok(()) };
    let Some(mut function) = parse(&record) else { return Ok(()) };
    if function.id != prepared.id || !function.settle(prepared.desired.generation, outcome, Uuid::new_v4()) {
        return Ok(());
    }
    let value = serde_json::to_vec(&function).map_err(|source| StoreError::Storage {
        attempt: format!("encode the record {key}"),
        source: Box::new(source),
    })?;
    store.metadata.commit(Batch::default().put(key, Precondition::Revision(record.revision), value)).await?;
    Ok(())
}

async fn make_snapshot(shared: &Shared, function: &Function) -> Result<(), Reason> {
    let _permit = shared.snapshot_permits.acquire().await.map_err(|_| stopping())?;
    shared.snapshots.make(function).await
}

async fn make_ready(shared: &Shared, name: &str, deployment: &Deployment) -> Result<(), Reason> {
    let _permit = shared.permits.acquire().await.map_err(|_| stopping())?;
    let configuration = &deployment.configuration;
    if configuration.architecture != Architecture::host() {
        return Err(reason(
            "InvalidConfiguration",
            format!(
                "The function is for {} and this machine is {}.",
                configuration.architecture.as_str(),
                Architecture::host().as_str()
            ),
        ));
    }
    let runtime = Runtime::parse(&configuration.runtime);
    let progress = Logged { runtime: runtime.name(), function: name };
    let code = async {
        shared.code.ensure(&deployment.code).await?;
        shared.code.ensure_layers(&configuration.layers).await
    };
    let (pack, code) = tokio::join!(shared.packs.ensure(&runtime, &progress), code);
    pack.map_err(|error| pack_reason(&error))?;
    code.map_err(|error| code_reason(&error, &deployment.code))?;
    shared.expect_deployment(deployment);
    Ok(())
}

impl Shared {
    /// Tells of the deployment that a function serves.
    fn expect(&self, function: &Function) {
        if let Some(serving) = &function.serving {
            self.expect_deployment(serving);
        }
    }

    fn expect_deployment(&self, deployment: &Deployment) {
        let layers = self.code.get_layers(&deployment.configuration.layers);
        if let (Some(code), Some(layers)) = (self.code.get(&deployment.code), layers) {
            self.prepared.expect(&deployment.configuration, &code, layers.as_deref());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says in the log why a deployment takes long.
struct Logged<'a> {
    runtime: &'a str,
    function: &'a str,
}

impl Progress for Logged<'_> {
    fn step(&self, step: &str, fraction: f32) {
        tracing::info!(runtime = self.runtime, function = self.function, percent = fraction * 100.0, "{step}");
    }
}

#[cfg(test)]
mod tests;
