//! Every function in memory, kept by watching the store, so that an invoke need not ask it.
//!
//! One task follows the store and is the only writer; invokes read. The map is cut into shards, each behind a
//! lock that is held for a lookup or an insertion and never across an await.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tindra_core::function::{Function, Reason, Scope, State};
use tindra_core::name::LATEST;
use tindra_store::{JsonRecords, Record, Store, StoreError, Versioned};
use tokio::task::JoinHandle;

use crate::InvokeError;
use crate::admission::{Admission, Counter};
use crate::environments::Target;
use crate::figures::Figures;

/// Enough that readers on different threads rarely meet a writer.
const SHARDS: usize = 64;
/// Records read at once.
const PAGE: usize = 512;
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A function as invokes see it.
#[derive(Debug)]
pub(crate) struct Entry {
    scope: Scope,
    serving: Result<Arc<Target>, NotServing>,
    is_unsettled: bool,
    pub(crate) figures: Figures,
    /// Of its account and region.
    pub(crate) concurrency: Arc<Counter>,
}

#[derive(Debug)]
enum NotServing {
    Pending,
    Failed(Reason),
}

impl Entry {
    fn new(function: Function, admission: &Admission) -> Self {
        let concurrency = admission.counter(&function.scope);
        let figures = Figures::new(&function.scope, &function.name);
        let is_unsettled = function.is_unsettled();
        let scope = function.scope.clone();
        let serving = match (function.state, function.serving) {
            (State::Active, Some(deployment)) => Ok(Arc::new(Target {
                function_id: function.id,
                scope: function.scope,
                name: function.name,
                version: LATEST.to_owned(),
                deployment,
            })),
            (State::Failed, _) => Err(NotServing::Failed(function.state_reason.unwrap_or_else(unknown_reason))),
            (State::Pending | State::Active, _) => Err(NotServing::Pending),
        };
        Self { scope, serving, is_unsettled, figures, concurrency }
    }

    /// What an invoke runs.
    pub(crate) fn target(&self) -> Result<&Arc<Target>, InvokeError> {
        self.serving.as_ref().map_err(|why| match why {
            NotServing::Pending => InvokeError::Pending,
            NotServing::Failed(reason) => {
                InvokeError::Failed { reason_code: reason.code.clone(), message: reason.message.clone() }
            }
        })
    }

    /// True while the store may know better at any moment.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }
}

fn unknown_reason() -> Reason {
    Reason { code: "InternalError".to_owned(), message: "The function could not be created.".to_owned() }
}

/// Functions by name; the few that share a name in several accounts or regions lie side by side.
type Shard = HashMap<String, Vec<Arc<Entry>>>;

#[derive(Debug)]
struct Map {
    admission: Arc<Admission>,
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

/// The functions of a store, as they are now or were a moment ago.
#[derive(Debug)]
pub(crate) struct Index {
    map: Arc<Map>,
    store: Store,
    follower: JoinHandle<()>,
}

impl Drop for Index {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Index {
    /// Reads all functions and follows the store from there.
    pub(crate) async fn start(store: Store, admission: Arc<Admission>) -> Result<Self, StoreError> {
        let map =
            Arc::new(Map { admission, hasher: RandomState::new(), shards: std::array::from_fn(|_| RwLock::default()) });
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(&Function::key_prefix(None));
        map.replace(read_all(&store).await?);
        let follower = tokio::spawn(follow(Arc::clone(&map), store.clone(), watch));
        Ok(Self { map, store, follower })
    }

    /// A function as far as memory knows it.
    pub(crate) fn get(&self, account: &str, region: &str, name: &str) -> Option<Arc<Entry>> {
        let shard = self.map.read(name);
        let same_name = shard.get(name)?;
        same_name.iter().find(|entry| entry.scope.account == account && entry.scope.region == region).cloned()
    }

    /// A function as the store knows it. Memory is left as it is: only the follower writes there, so that an
    /// answer that was overtaken cannot stay.
    pub(crate) async fn read_through(&self, scope: &Scope, name: &str) -> Result<Option<Arc<Entry>>, StoreError> {
        let record: Option<Versioned<Function>> = self.store.metadata.get_json(&Function::key(scope, name)).await?;
        Ok(record.map(|record| self.map.entry(record.value)))
    }
}

impl Map {
    fn entry(&self, function: Function) -> Arc<Entry> {
        Arc::new(Entry::new(function, &self.admission))
    }

    fn shard(&self, name: &str) -> &RwLock<Shard> {
        // The remainder is below the number of shards, so nothing is lost.
        let index = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }

    fn read(&self, name: &str) -> RwLockReadGuard<'_, Shard> {
        self.shard(name).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, name: &str) -> RwLockWriteGuard<'_, Shard> {
        self.shard(name).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, scope: &Scope, name: &str, entry: Option<Arc<Entry>>) {
        let mut shard = self.write(name);
        let same_name = shard.entry(name.to_owned()).or_default();
        same_name.retain(|other| other.scope != *scope);
        same_name.extend(entry);
        if same_name.is_empty() {
            shard.remove(name);
        }
    }

    /// Makes these all the functions that there are.
    fn replace(&self, functions: Vec<Function>) {
        let mut shards: Vec<Shard> = Vec::new();
        shards.resize_with(SHARDS, HashMap::new);
        for function in functions {
            let index = usize::try_from(self.hasher.hash_one(&*function.name) % SHARDS as u64).unwrap_or(0);
            let name = function.name.clone();
            shards[index].entry(name).or_default().push(self.entry(function));
        }
        for (shard, new) in self.shards.iter().zip(shards) {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}

/// Keeps the map as the store is, until the store closes.
async fn follow(map: Arc<Map>, store: Store, mut watch: tindra_store::Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    refresh(&map, &store, &key).await;
                }
            }
            None => map.replace(insist(|| read_all(&store)).await),
        }
    }
}

async fn refresh(map: &Map, store: &Store, key: &str) {
    let Some((scope, name)) = parse_key(key) else { return };
    let entry = match insist(|| store.metadata.get(key)).await {
        None => None,
        // A record that cannot be read is left out; the invoke's own look at the store says why.
        Some(record) => decode(record).map(|function| map.entry(function)),
    };
    map.set(&scope, name, entry);
}

/// Tries until the store answers; meanwhile invokes go on with what memory has.
async fn insist<T, F: Future<Output = Result<T, StoreError>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "functions could not be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn read_all(store: &Store) -> Result<Vec<Function>, StoreError> {
    let mut functions = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.metadata.list(&Function::key_prefix(None), after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        functions.extend(page.into_iter().filter_map(decode));
        if is_last {
            return Ok(functions);
        }
    }
}

fn decode(record: Record) -> Option<Function> {
    Versioned::decode(record)
        .inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "a function is left out"))
        .map(|record| record.value)
        .ok()
}

/// The scope and the name in [`Function::key`].
fn parse_key(key: &str) -> Option<(Scope, &str)> {
    let mut parts = key.strip_prefix(&Function::key_prefix(None))?.splitn(3, '/');
    let (account, region, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Scope { account: account.to_owned(), region: region.to_owned() }, name))
}
