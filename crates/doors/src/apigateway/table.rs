//! Every API and every custom domain name in memory, kept by watching the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_store::{JsonRecords as _, Progress, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use super::records::{
    API_PREFIX, Api, DOMAIN_PREFIX, Definition, DomainName, PREFIX, api_key, deployed_key, domain_key,
};
use super::serving::Serving;
use tindra_store::following::{catches_up, insist};

/// Records read at once.
const PAGE: usize = 64;
/// How long a request waits for memory to catch up with a change.
const CATCHING_UP_MAX: Duration = Duration::from_millis(100);
/// In the log.
const RECORDS: &str = "HTTP APIs";

/// The APIs as they are now or were a moment ago.
#[derive(Debug)]
pub(super) struct Table {
    known: Arc<RwLock<Known>>,
    store: Store,
    progress: Progress,
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// By their ids.
    apis: HashMap<String, Arc<Serving>>,
    /// By their names.
    domains: HashMap<String, Arc<DomainName>>,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Table {
    /// Reads all records and follows the store from there.
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        let known = Arc::new(RwLock::new(Known::default()));
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(PREFIX);
        let progress = watch.progress();
        let all = read_all(&store, &known).await?;
        *known.write().unwrap_or_else(PoisonError::into_inner) = all;
        let follower = tokio::spawn(follow(Arc::clone(&known), store.clone(), watch));
        Ok(Self { known, store, progress, follower })
    }

    /// An API by its id. Nobody who has seen a change meets what was before it.
    pub(super) async fn api(&self, id: &str) -> Result<Option<Arc<Serving>>, StoreError> {
        match catches_up(&self.progress, CATCHING_UP_MAX).await {
            true => Ok(self.remembered(id)),
            // What is counted and remembered for requests in it is lost, so this is the last resort.
            false => read_api(&self.store, id, self.remembered(id).as_deref()).await,
        }
    }

    fn remembered(&self, id: &str) -> Option<Arc<Serving>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).apis.get(id).cloned()
    }

    /// A custom domain name by a host: itself, or with `*` for its first label.
    pub(super) async fn domain(&self, host: &str) -> Option<Arc<DomainName>> {
        let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let names = [Some(host.to_owned()), wildcard];
        for name in names.into_iter().flatten() {
            let remembered = || self.known.read().unwrap_or_else(PoisonError::into_inner).domains.get(&name).cloned();
            // Most requests that are looked for here are for no API at all, and must not wait for a store that is away.
            let found = match self.progress.is_behind() {
                true => read_domain(&self.store, &name).await.unwrap_or_else(|_| remembered()),
                false => remembered(),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether there can be a custom domain name at all.
    pub(super) fn may_have_domains(&self) -> bool {
        self.progress.is_behind() || !self.known.read().unwrap_or_else(PoisonError::into_inner).domains.is_empty()
    }
}

async fn read_domain(store: &Store, name: &str) -> Result<Option<Arc<DomainName>>, StoreError> {
    let record: Option<Versioned<DomainName>> = store.metadata.get_json(&domain_key(name)).await?;
    Ok(record.map(|record| Arc::new(record.value)))
}

async fn read_api(store: &Store, id: &str, before: Option<&Serving>) -> Result<Option<Arc<Serving>>, StoreError> {
    let record: Option<Versioned<Api>> = store.metadata.get_json(&api_key(id)).await?;
    match record {
        Some(record) => Ok(Some(Arc::new(serving(store, &record.value, before).await?))),
        None => Ok(None),
    }
}

/// An API with what its stages serve.
async fn serving(store: &Store, api: &Api, before: Option<&Serving>) -> Result<Serving, StoreError> {
    let mut deployed = HashMap::new();
    let chosen = api.stages.values().filter(|stage| !stage.is_auto_deployed);
    for id in chosen.filter_map(|stage| stage.deployment.as_ref()) {
        if deployed.contains_key(id) {
            continue;
        }
        let record: Option<Versioned<Definition>> = store.metadata.get_json(&deployed_key(&api.id, id)).await?;
        if let Some(record) = record {
            deployed.insert(id.clone(), record.value);
        }
    }
    Ok(Serving::new(api, &deployed, before))
}

async fn follow(known: Arc<RwLock<Known>>, store: Store, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    refresh(&known, &store, &key).await;
                }
            }
            None => {
                let all = insist(RECORDS, || read_all(&store, &known)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}

/// Makes one changed record known. What deployments serve never changes, and is written together with its API.
async fn refresh(known: &RwLock<Known>, store: &Store, key: &str) {
    if let Some(id) = key.strip_prefix(API_PREFIX) {
        let before = known.read().unwrap_or_else(PoisonError::into_inner).apis.get(id).cloned();
        let now = insist(RECORDS, || read_api(store, id, before.as_deref())).await;
        put(&mut known.write().unwrap_or_else(PoisonError::into_inner).apis, id, now);
    } else if let Some(name) = key.strip_prefix(DOMAIN_PREFIX) {
        let now = insist(RECORDS, || read_domain(store, name)).await;
        put(&mut known.write().unwrap_or_else(PoisonError::into_inner).domains, name, now);
    }
}

fn put<T>(all: &mut HashMap<String, Arc<T>>, name: &str, now: Option<Arc<T>>) {
    match now {
        Some(now) => all.insert(name.to_owned(), now),
        None => all.remove(name),
    };
}

async fn read_all(store: &Store, known: &RwLock<Known>) -> Result<Known, StoreError> {
    let mut all = Known::default();
    for record in read_prefix::<Api>(store, API_PREFIX).await? {
        let id = &record.id;
        let before = known.read().unwrap_or_else(PoisonError::into_inner).apis.get(id).cloned();
        all.apis.insert(id.clone(), Arc::new(serving(store, &record, before.as_deref()).await?));
    }
    for domain in read_prefix::<DomainName>(store, DOMAIN_PREFIX).await? {
        all.domains.insert(domain.name.clone(), Arc::new(domain));
    }
    Ok(all)
}

async fn read_prefix<T: serde::de::DeserializeOwned>(store: &Store, prefix: &str) -> Result<Vec<T>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page: Vec<Versioned<T>> = store.metadata.list_json(prefix, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        found.extend(page.into_iter().map(|record| record.value));
        if is_last {
            return Ok(found);
        }
    }
}
