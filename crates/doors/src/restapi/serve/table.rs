//! Stages, API keys and usage plans in memory, kept by watching the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tindra_core::function::Scope;
use tindra_store::{JsonRecords as _, Progress, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use super::stage::ServedStage;
use crate::restapi::api_keys::{ApiKey, KEY_PREFIX};
use crate::restapi::changes::keys;
use crate::restapi::plan_keys::MEMBER_PREFIX;
use crate::restapi::records::{API_PREFIX, Deployment, PREFIX, STAGE_PREFIX, Stage, scope_of};
use crate::restapi::usage_plans::{PLAN_PREFIX, Plan};
use tindra_store::following::{catches_up, insist};

/// In the log.
const RECORDS: &str = "REST APIs";
/// How long a request waits for it; then memory serves as it is, for the store may be away.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

/// What is served, as it is now or was a moment ago.
#[derive(Debug)]
pub(super) struct Table {
    known: Arc<RwLock<Known>>,
    progress: Progress,
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Regions by the ids of APIs.
    apis: HashMap<String, String>,
    /// By the API and the name.
    stages: HashMap<String, HashMap<String, Arc<ServedStage>>>,
    /// By their values.
    api_keys: HashMap<(Scope, String), Arc<ApiKey>>,
    /// The values of the keys' records.
    values: HashMap<String, (Scope, String)>,
    /// By their ids.
    plans: HashMap<(Scope, String), Arc<Plan>>,
    /// The plans of a key, by its id.
    members: HashMap<(Scope, String), BTreeSet<String>>,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Table {
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(PREFIX);
        let progress = watch.progress();
        let known = Arc::new(RwLock::new(read_all(&store).await?));
        let follower = tokio::spawn(follow(Arc::clone(&known), store, watch));
        Ok(Self { known, progress, follower })
    }

    /// Waits until what was committed is known: nobody who has seen a change meets what was before it.
    pub(super) async fn caught_up(&self) {
        catches_up(&self.progress, CATCH_UP_MAX).await;
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn region(&self, api_id: &str) -> Option<String> {
        self.known().apis.get(api_id).cloned()
    }

    pub(super) fn stage(&self, api_id: &str, name: &str) -> Option<Arc<ServedStage>> {
        self.known().stages.get(api_id)?.get(name).cloned()
    }

    /// The enabled key of a value, with the plan that lets it ask a stage.
    pub(super) fn subscription(&self, stage: &ServedStage, value: &str) -> Option<(Arc<ApiKey>, Arc<Plan>)> {
        let known = self.known();
        let key = known.api_keys.get(&(stage.scope.clone(), value.to_owned())).filter(|key| key.is_enabled)?;
        let plans = known.members.get(&(stage.scope.clone(), key.id.clone()))?;
        let plans = plans.iter().filter_map(|plan| known.plans.get(&(stage.scope.clone(), plan.clone())));
        let names =
            |plan: &&Arc<Plan>| plan.stages.iter().any(|one| one.api_id == stage.api_id && one.stage == stage.name);
        let plan = plans.into_iter().find(names)?;
        Some((Arc::clone(key), Arc::clone(plan)))
    }
}

/// What one record says, or that it is gone.
enum Told {
    Api(bool),
    Stage(Option<Box<ServedStage>>),
    Key(Option<Box<ApiKey>>),
    Plan(Option<Box<Plan>>),
    Member(bool),
}

impl Known {
    fn set(&mut self, key: &str, scope: &Scope, ids: &str, told: Told) {
        let (first, second) = ids.split_once('/').unwrap_or((ids, ""));
        match told {
            Told::Api(true) => drop(self.apis.insert(ids.to_owned(), scope.region.clone())),
            Told::Api(false) => drop(self.apis.remove(ids)),
            Told::Stage(stage) => {
                let stages = self.stages.entry(first.to_owned()).or_default();
                match stage {
                    Some(stage) => drop(stages.insert(second.to_owned(), Arc::from(stage))),
                    None => drop(stages.remove(second)),
                }
                if stages.is_empty() {
                    self.stages.remove(first);
                }
            }
            Told::Key(api_key) => {
                if let Some(value) = self.values.remove(key) {
                    self.api_keys.remove(&value);
                }
                if let Some(api_key) = api_key {
                    let value = (scope.clone(), api_key.value.clone());
                    self.values.insert(key.to_owned(), value.clone());
                    self.api_keys.insert(value, Arc::from(api_key));
                }
            }
            Told::Plan(plan) => {
                let id = (scope.clone(), ids.to_owned());
                match plan {
                    Some(plan) => drop(self.plans.insert(id, Arc::from(plan))),
                    None => drop(self.plans.remove(&id)),
                }
            }
            Told::Member(is_one) => {
                let of_key = self.members.entry((scope.clone(), second.to_owned())).or_default();
                match is_one {
                    true => drop(of_key.insert(first.to_owned())),
                    false => drop(of_key.remove(first)),
                }
            }
        }
    }
}

/// Reads what a key leads to; none for keys of which nothing is known here.
async fn read<'a>(store: &Store, key: &'a str) -> Result<Option<(Scope, &'a str, Told)>, StoreError> {
    let at = |prefix| scope_of(prefix, key);
    if let Some((scope, ids)) = at(API_PREFIX) {
        let is_there = store.metadata.get(key).await?.is_some();
        return Ok(Some((scope, ids, Told::Api(is_there))));
    }
    if let Some((scope, ids)) = at(STAGE_PREFIX) {
        let stage = read_stage(store, key, &scope, ids).await?;
        return Ok(Some((scope, ids, Told::Stage(stage.map(Box::new)))));
    }
    if let Some((scope, ids)) = at(KEY_PREFIX) {
        let api_key: Option<Versioned<ApiKey>> = store.metadata.get_json(key).await?;
        return Ok(Some((scope, ids, Told::Key(api_key.map(|found| Box::new(found.value))))));
    }
    if let Some((scope, ids)) = at(PLAN_PREFIX) {
        let plan: Option<Versioned<Plan>> = store.metadata.get_json(key).await?;
        return Ok(Some((scope, ids, Told::Plan(plan.map(|found| Box::new(found.value))))));
    }
    if let Some((scope, ids)) = at(MEMBER_PREFIX) {
        let is_there = store.metadata.get(key).await?.is_some();
        return Ok(Some((scope, ids, Told::Member(is_there))));
    }
    Ok(None)
}

/// A stage with its deployment; none when either has gone.
async fn read_stage(store: &Store, key: &str, scope: &Scope, ids: &str) -> Result<Option<ServedStage>, StoreError> {
    let Some((api_id, _)) = ids.split_once('/') else { return Ok(None) };
    let stage: Option<Versioned<Stage>> = store.metadata.get_json(key).await?;
    let Some(stage) = stage.map(|found| found.value) else { return Ok(None) };
    let deployment = Deployment::key(scope, api_id, &stage.deployment_id);
    let deployment: Option<Versioned<Deployment>> = store.metadata.get_json(&deployment).await?;
    Ok(deployment.map(|found| ServedStage::new(scope.clone(), api_id, stage, found.value)))
}

async fn read_all(store: &Store) -> Result<Known, StoreError> {
    let mut known = Known::default();
    for prefix in [API_PREFIX, STAGE_PREFIX, KEY_PREFIX, PLAN_PREFIX, MEMBER_PREFIX] {
        for key in keys(store, prefix).await? {
            if let Some((scope, ids, told)) = read(store, &key).await? {
                known.set(&key, &scope, ids, told);
            }
        }
    }
    Ok(known)
}

async fn follow(known: Arc<RwLock<Known>>, store: Store, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    if let Some((scope, ids, told)) = insist(RECORDS, || read(&store, &key)).await {
                        known.write().unwrap_or_else(PoisonError::into_inner).set(&key, &scope, ids, told);
                    }
                }
            }
            None => {
                let all = insist(RECORDS, || read_all(&store)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}
