//! Every function in memory with its versions and aliases, kept by watching the store, so that an invoke need not ask it.
//!
//! One task follows the store and is the only writer; invokes read. The map is cut into shards, each behind a
//! lock that is held for a lookup or an insertion and never across an await.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_core::alias::{ALIAS_PREFIX, Alias};
use tindra_core::function::{Function, LATEST_PREFIX, Scope, VERSION_PREFIX, Version, WATCH_PREFIX};
use tindra_core::name::LATEST;
use tindra_core::provisioned::{PROVISIONED_PREFIX, Provisioned};
use tindra_store::{JsonRecords as _, Progress, Record, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::known::{Entry, Known};

/// Enough that readers on different threads rarely meet a writer.
const SHARDS: usize = 64;
/// Records read at once.
const PAGE: usize = 512;
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Functions by name; the few that share a name in several accounts or regions lie side by side.
type Shard = HashMap<String, Vec<Arc<Known>>>;

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
    progress: Progress,
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
        let functions = store.metadata.watch(WATCH_PREFIX);
        let provisioned = store.metadata.watch(PROVISIONED_PREFIX);
        map.replace(read_all(&store).await?);
        let progress = functions.progress();
        let follower = tokio::spawn(follow(Arc::clone(&map), store.clone(), functions, provisioned));
        Ok(Self { map, store, progress, follower })
    }

    /// A function as far as memory knows it.
    pub(crate) fn get(&self, account: &str, region: &str, name: &str) -> Option<Arc<Known>> {
        self.map.get(account, region, name)
    }

    /// True while the store may know better than memory, for a moment after a change.
    pub(crate) fn is_behind(&self) -> bool {
        self.progress.is_behind()
    }

    /// A function as the store knows it, with what one qualifier needs. Memory is left as it is: only the
    /// follower writes there, so that an answer that was overtaken cannot stay.
    pub(crate) async fn read_through(
        &self,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
        random: u64,
    ) -> Result<Option<(Arc<Known>, Arc<Entry>)>, StoreError> {
        let Some(latest) = self.read_version(scope, name, Version::Latest).await? else { return Ok(None) };
        let mut known = match self.get(&scope.account, &scope.region, name) {
            Some(known) => known.emptied(),
            None => Known::new(scope, name, &self.map.admission, latest.reserved_concurrency),
        };
        known.set_reserve(latest.reserved_concurrency);
        known.set_recursive_loop(latest.recursive_loop);
        known.set_version(Version::Latest, Some(Entry::new(latest)));
        let version = match Version::parse(qualifier.unwrap_or(LATEST)) {
            Some(version) => version,
            None => {
                let key = Alias::key(scope, name, qualifier.unwrap_or_default());
                let alias: Option<Versioned<Alias>> = self.store.metadata.get_json(&key).await?;
                let Some(alias) = alias else { return Ok(None) };
                alias.value.route(random)
            }
        };
        if version != Version::Latest {
            let Some(function) = self.read_version(scope, name, version).await? else { return Ok(None) };
            known.set_version(version, Some(Entry::new(function)));
        }
        let entry = known.find(Some(&version.to_string()), || random).cloned();
        Ok(entry.map(|entry| (Arc::new(known), entry)))
    }

    async fn read_version(&self, scope: &Scope, name: &str, version: Version) -> Result<Option<Function>, StoreError> {
        let record = self.store.metadata.get_json(&Function::version_key(scope, name, version)).await?;
        Ok(record.map(|record: Versioned<Function>| record.value))
    }
}

/// What one record says.
enum Told {
    Version(Box<Function>),
    Alias(Alias),
    Provisioned(Provisioned),
}

impl Map {
    fn get(&self, account: &str, region: &str, name: &str) -> Option<Arc<Known>> {
        let shard = self.shard(name).read().unwrap_or_else(PoisonError::into_inner);
        let same_name = shard.get(name)?;
        same_name.iter().find(|known| known.scope.account == account && known.scope.region == region).cloned()
    }

    fn shard(&self, name: &str) -> &RwLock<Shard> {
        &self.shards[self.shard_index(name)]
    }

    fn shard_index(&self, name: &str) -> usize {
        // The remainder is below the number of shards, so nothing is lost.
        usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or(0)
    }

    /// Makes what one record says known, or that it is gone.
    fn set(&self, place: &Place<'_>, told: Option<Told>) {
        let Place { scope, name, what } = place;
        let mut known = match self.get(&scope.account, &scope.region, name) {
            Some(known) => Known::clone(&known),
            None => Known::new(scope, name, &self.admission, None),
        };
        apply(&mut known, what, told);
        known.claim(name, &self.admission);
        let mut shard = self.shard(name).write().unwrap_or_else(PoisonError::into_inner);
        let same_name = shard.entry((*name).to_owned()).or_default();
        same_name.retain(|other| other.scope != *scope);
        if !known.is_empty() {
            same_name.push(Arc::new(known));
        }
        if same_name.is_empty() {
            shard.remove(*name);
        }
    }

    /// Makes these all the records that there are.
    fn replace(&self, records: Vec<Record>) {
        let mut all: HashMap<(Scope, String), Known> = HashMap::new();
        self.admission.forget_claims();
        for record in records {
            let Some(place) = Place::parse(&record.key) else { continue };
            let Some(told) = decode(&place.what, record.clone()) else { continue };
            let key = (place.scope.clone(), place.name.to_owned());
            let known = all.entry(key).or_insert_with(|| {
                // Counts survive: what runs was counted in the shares that the function had.
                let before = self.get(&place.scope.account, &place.scope.region, place.name);
                before.map_or_else(
                    || Known::new(&place.scope, place.name, &self.admission, None),
                    |before| before.emptied(),
                )
            });
            apply(known, &place.what, Some(told));
        }
        for ((_, name), known) in &mut all {
            known.claim(name, &self.admission);
        }
        let mut shards: Vec<Shard> = Vec::new();
        shards.resize_with(SHARDS, HashMap::new);
        for ((_, name), known) in all {
            shards[self.shard_index(&name)].entry(name).or_default().push(Arc::new(known));
        }
        for (shard, new) in self.shards.iter().zip(shards) {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}

/// Makes what one record says a part of its function, or that it is gone.
fn apply(known: &mut Known, what: &What<'_>, told: Option<Told>) {
    match (what, told) {
        (What::Version(version), Some(Told::Version(function))) => {
            if *version == Version::Latest {
                known.set_reserve(function.reserved_concurrency);
                known.set_recursive_loop(function.recursive_loop);
            }
            known.set_version(*version, Some(Entry::new(*function)));
        }
        (What::Version(version), _) => {
            if *version == Version::Latest {
                known.set_reserve(None);
            }
            known.set_version(*version, None);
        }
        (What::Alias(alias), Some(Told::Alias(record))) => known.set_alias(alias, Some(record)),
        (What::Alias(alias), _) => known.set_alias(alias, None),
        (What::Provisioned(qualifier), Some(Told::Provisioned(record))) => {
            known.set_provisioned(qualifier, Some(&record));
        }
        (What::Provisioned(qualifier), _) => known.set_provisioned(qualifier, None),
    }
}

/// Keeps the map as the store is, until the store closes.
async fn follow(map: Arc<Map>, store: Store, mut functions: Watch, mut provisioned: Watch) {
    loop {
        let changed = tokio::select! {
            changed = functions.changed() => changed,
            changed = provisioned.changed() => changed,
        };
        match changed {
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
    let Some(place) = Place::parse(key) else { return };
    // A record that cannot be read is left out; the invoke's own look at the store says why.
    let told = insist(|| store.metadata.get(key)).await.and_then(|record| decode(&place.what, record));
    map.set(&place, told);
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

async fn read_all(store: &Store) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for prefix in [WATCH_PREFIX, PROVISIONED_PREFIX] {
        let mut after: Option<String> = None;
        loop {
            let page = store.metadata.list(prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|record| record.key.clone());
            records.extend(page);
            if is_last {
                break;
            }
        }
    }
    Ok(records)
}

fn decode(what: &What<'_>, record: Record) -> Option<Told> {
    let told = match what {
        What::Version(_) => Versioned::decode(record).map(|record| Told::Version(Box::new(record.value))),
        What::Alias(_) => Versioned::decode(record).map(|record| Told::Alias(record.value)),
        What::Provisioned(_) => Versioned::decode(record).map(|record| Told::Provisioned(record.value)),
    };
    told.inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "a record is left out")).ok()
}

/// What a key stands for.
struct Place<'a> {
    scope: Scope,
    name: &'a str,
    what: What<'a>,
}

enum What<'a> {
    Version(Version),
    Alias(&'a str),
    /// By its qualifier.
    Provisioned(&'a str),
}

impl<'a> Place<'a> {
    /// Reads the keys that [`Function::version_key`], [`Alias::key`] and [`Provisioned::key`] write.
    fn parse(key: &'a str) -> Option<Self> {
        type Read<'a> = fn(&'a str) -> What<'a>;
        let of_a_name: [(&str, Read<'a>); 2] = [(ALIAS_PREFIX, What::Alias), (PROVISIONED_PREFIX, What::Provisioned)];
        let (rest, read) = match of_a_name.iter().find_map(|(prefix, read)| Some((key.strip_prefix(prefix)?, read))) {
            Some((rest, read)) => (rest, Some(read)),
            None => (key.strip_prefix(LATEST_PREFIX).or_else(|| key.strip_prefix(VERSION_PREFIX))?, None),
        };
        let mut parts = rest.splitn(4, '/');
        let (account, region, name) = (parts.next()?, parts.next()?, parts.next()?);
        let what = match (parts.next(), read) {
            (Some(last), Some(read)) => read(last),
            (Some(number), None) => What::Version(Version::Published(number.parse().ok()?)),
            (None, _) => What::Version(Version::Latest),
        };
        Some(Self { scope: Scope { account: account.to_owned(), region: region.to_owned() }, name, what })
    }
}
