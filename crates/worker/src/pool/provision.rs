//! Keeps as many environments ready as provisioned concurrency asks for, and says in its record how far it is.
//!
//! Each record has a task of its own, which looks again whenever the record, a function or an alias changes and
//! when one of its environments is lost. A version's environments stay until those of its successor are ready.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Version};
use tindra_core::provisioned::{PROVISIONED_PREFIX, Provisioned, ProvisionedStatus};
use tindra_invoke::environments::{AcquireError, Target};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned, Watch};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Pool;
use super::allotment::Allotment;
use crate::environment::Environment;

/// Environments of one record that are started side by side.
const STARTS_MAX: u32 = 4;
/// Wait after the store failed.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Wait before what has failed is tried again without anything having changed.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Records read at once.
const PAGE: usize = 256;
/// `StatusReason` where the function itself fails in its init phase (AWS).
const INIT_FAILED: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// Runs until the store closes or it is aborted.
pub(crate) async fn provision(pool: Arc<Pool>, store: Store, mut records: Watch, mut functions: Watch) {
    // Aborting this task drops the set, and that aborts the tasks in it.
    let mut tasks = JoinSet::new();
    let mut wakes: HashMap<String, Arc<Notify>> = HashMap::new();
    let mut changed = all_keys(&store).await;
    loop {
        for key in changed.drain(..) {
            match wakes.get(&key) {
                Some(wake) => wake.notify_one(),
                None => {
                    let wake = Arc::new(Notify::new());
                    wakes.insert(key.clone(), Arc::clone(&wake));
                    let keeper = Keeper::new(Arc::clone(&pool), store.clone(), key, wake);
                    tasks.spawn(keeper.run());
                }
            }
        }
        tokio::select! {
            told = records.changed() => match told {
                Some(keys) if keys.is_empty() => return,
                Some(keys) => changed = keys,
                None => changed = all_keys(&store).await,
            },
            told = functions.changed() => match told {
                Some(keys) if keys.is_empty() => return,
                _ => wakes.values().for_each(|wake| wake.notify_one()),
            },
            Some(ended) = tasks.join_next() => {
                if let Ok(key) = ended {
                    wakes.remove(&key);
                    // It may have come back while its task ended.
                    changed = existing(&store, key).await;
                }
            }
        }
    }
}

async fn all_keys(store: &Store) -> Vec<String> {
    let (mut keys, mut after) = (Vec::new(), None::<String>);
    loop {
        match store.metadata.list(PROVISIONED_PREFIX, after.as_deref(), PAGE).await {
            Ok(page) => {
                let is_last = page.len() < PAGE;
                after = page.last().map(|record| record.key.clone());
                keys.extend(page.into_iter().map(|record| record.key));
                if is_last {
                    return keys;
                }
            }
            Err(error) => wait_for_store(&error).await,
        }
    }
}

async fn existing(store: &Store, key: String) -> Vec<String> {
    loop {
        match store.metadata.get(&key).await {
            Ok(record) => return record.map(|_| key).into_iter().collect(),
            Err(error) => wait_for_store(&error).await,
        }
    }
}

async fn wait_for_store(error: &StoreError) {
    tracing::warn!(error = error as &dyn std::error::Error, "provisioned concurrency could not be read; trying again");
    tokio::time::sleep(STORE_RETRY_AFTER).await;
}

/// Looks after one record.
struct Keeper {
    pool: Arc<Pool>,
    store: Store,
    key: String,
    wake: Arc<Notify>,
    /// What is kept ready now.
    held: Option<Held>,
    /// What could not be kept ready: not tried again before something changes or time has passed.
    failed: Option<(Uuid, Uuid)>,
}

struct Held {
    generation: Uuid,
    allotment: Allotment,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.release();
    }
}

impl Keeper {
    fn new(pool: Arc<Pool>, store: Store, key: String, wake: Arc<Notify>) -> Self {
        Self { pool, store, key, wake, held: None, failed: None }
    }

    /// Runs until the record has gone; gives its key back.
    async fn run(mut self) -> String {
        loop {
            match self.look().await {
                Ok(true) => {}
                Ok(false) => return std::mem::take(&mut self.key),
                Err(error) => {
                    wait_for_store(&error).await;
                    continue;
                }
            }
            let retry = if self.failed.is_some() { RETRY_AFTER } else { Duration::MAX };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(retry.min(Duration::from_secs(3_600))) => self.failed = None,
            }
        }
    }

    /// Does what the record asks for now. False when there is no record.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let record: Option<Versioned<Provisioned>> = self.store.metadata.get_json(&self.key).await?;
        let Some(record) = record.map(|record| record.value) else {
            self.release();
            return Ok(false);
        };
        // Nothing can be made while the version is not ready; its change wakes this task.
        let Some(target) = self.target(&record).await? else { return Ok(true) };
        let generation = target.deployment.generation;
        if self.failed == Some((record.id, generation)) {
            return Ok(true);
        }
        let allotment = match &self.held {
            Some(held) if held.generation == generation => held.allotment.clone(),
            _ => Allotment::new(Arc::clone(&self.wake)),
        };
        if allotment.alive() > record.requested {
            self.pool.shrink(&target, allotment.alive() - record.requested);
        }
        let outcome = self.fill(&record, &target, &allotment).await?;
        if self.held.as_ref().is_none_or(|held| held.generation != generation) {
            self.release();
            self.held = Some(Held { generation, allotment: allotment.clone() });
        }
        match outcome {
            Ok(()) => {
                self.failed = None;
                self.tell(&record, ProvisionedStatus::Ready, record.requested, None).await?;
            }
            Err(reason) => {
                self.failed = Some((record.id, generation));
                self.tell(&record, ProvisionedStatus::Failed, allotment.alive(), Some(reason)).await?;
            }
        }
        Ok(true)
    }

    /// Starts what is missing. The inner error is the `StatusReason`.
    async fn fill(
        &self,
        record: &Provisioned,
        target: &Arc<Target>,
        allotment: &Allotment,
    ) -> Result<Result<(), String>, StoreError> {
        loop {
            let alive = allotment.alive();
            let missing = record.requested.saturating_sub(alive);
            if missing == 0 {
                return Ok(Ok(()));
            }
            self.tell(record, ProvisionedStatus::InProgress, alive, None).await?;
            let mut starts = JoinSet::new();
            for _ in 0..missing.min(STARTS_MAX) {
                let (pool, target, allotment) = (Arc::clone(&self.pool), Arc::clone(target), allotment.clone());
                starts.spawn(async move { pool.start_provisioned(&target, &allotment).await });
            }
            while let Some(started) = starts.join_next().await {
                match started {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => return Ok(Err(reason)),
                    Err(error) => return Ok(Err(error.to_string())),
                }
            }
        }
    }

    /// What the qualifier leads to; none while that cannot be invoked.
    async fn target(&self, record: &Provisioned) -> Result<Option<Arc<Target>>, StoreError> {
        let (scope, name) = (&record.scope, &record.function_name);
        let version = match Version::parse(&record.qualifier) {
            Some(version) => version,
            None => {
                let alias = self.store.metadata.get_json::<Alias>(&Alias::key(scope, name, &record.qualifier)).await?;
                let Some(alias) = alias else { return Ok(None) };
                alias.value.version
            }
        };
        let function = self.store.metadata.get_json::<Function>(&Function::version_key(scope, name, version)).await?;
        Ok(function.and_then(|record| {
            let deployment = record.value.serving.as_ref()?;
            Some(Arc::new(Target::of(&record.value, deployment)))
        }))
    }

    /// Writes the status, unless a later request has replaced this one or nothing is new.
    async fn tell(
        &self,
        asked: &Provisioned,
        status: ProvisionedStatus,
        allocated: u32,
        reason: Option<String>,
    ) -> Result<(), StoreError> {
        loop {
            let record: Option<Versioned<Provisioned>> = self.store.metadata.get_json(&self.key).await?;
            let Some(mut record) = record.filter(|record| record.value.id == asked.id) else { return Ok(()) };
            let before = record.value.clone();
            (record.value.status, record.value.allocated) = (status, allocated);
            record.value.status_reason.clone_from(&reason);
            if record.value == before {
                return Ok(());
            }
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(self.key.clone(), precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.allotment.release();
            self.pool.release_provisioned(held.generation);
        }
    }
}

impl Pool {
    /// Starts one environment that provisioned concurrency keeps. The error is the `StatusReason`.
    async fn start_provisioned(self: &Arc<Self>, target: &Arc<Target>, allotment: &Allotment) -> Result<(), String> {
        let (place, _under_way) =
            self.room().map_err(|refusal| format!("This machine has {}.", AcquireError::from(refusal)))?;
        let internal = |error: AcquireError| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(function = target.name, cause, "a provisioned environment could not be started");
            "INTERNAL_ERROR".to_owned()
        };
        let environment = Environment::start(&self.machine, target, place, Some(allotment.allot())).await;
        let mut environment = Box::new(environment.map_err(internal)?);
        environment.initialise_somewhere().await.map_err(internal)?;
        if environment.has_failed_init() {
            return Err(INIT_FAILED.to_owned());
        }
        let generation = self.generation(target);
        self.take_back(generation.provisioned(environment));
        Ok(())
    }

    /// Ends idle provisioned environments that are too many.
    fn shrink(&self, target: &Arc<Target>, surplus: u32) {
        let generation = self.generation(target);
        drop(generation.take_provisioned(usize::try_from(surplus).unwrap_or(usize::MAX)));
    }

    /// Ends the idle ones of a generation that are not wanted any more; the busy ones end when they come back.
    fn release_provisioned(&self, generation: Uuid) {
        let found = self.all().into_iter().find(|known| known.id() == generation);
        drop(found.map(|generation| generation.take_provisioned(usize::MAX)));
    }
}
