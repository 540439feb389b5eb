//! Every rule and archive in memory, kept by watching the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_store::{JsonRecords as _, Progress, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use super::event::Event;
use super::live::{Listeners, Live};
use super::names::{ARCHIVE_PREFIX, BUS_PREFIX, BusName, FOLLOWED_PREFIX, RULE_PREFIX};
use super::records::{Archive, Bus, Rule};
use tindra_store::following::{all, catches_up, insist};

/// How long an event waits for memory to catch up with a change.
const CATCHING_UP_MAX: Duration = Duration::from_secs(5);
/// In the log.
const RECORDS: &str = "rules of EventBridge";

/// The rules as they are now.
#[derive(Debug)]
pub(super) struct Table {
    known: Arc<RwLock<Known>>,
    progress: Progress,
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// By their buses.
    listeners: HashMap<BusName, Listeners>,
    /// The bus of each key that is known.
    places: HashMap<String, BusName>,
    /// Rules of each bus, those that are off among them.
    rules: HashMap<BusName, usize>,
    /// Buses that were made.
    buses: HashMap<String, BusName>,
}

/// Why it is not known whom an event is for.
#[derive(Debug, thiserror::Error)]
#[error("the rules are not up to date: the store may be away")]
pub(super) struct Behind;

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Table {
    /// Reads all records and follows the store from there.
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(FOLLOWED_PREFIX);
        let progress = watch.progress();
        let known = Arc::new(RwLock::new(read_all(&store).await?));
        let follower = tokio::spawn(follow(Arc::clone(&known), store, watch));
        Ok(Self { known, progress, follower })
    }

    /// Returns once every change is known that was answered before.
    pub(super) async fn catch_up(&self) -> Result<(), Behind> {
        if catches_up(&self.progress, CATCHING_UP_MAX).await { Ok(()) } else { Err(Behind) }
    }

    /// Whom an event on a bus is for.
    pub(super) fn matching(&self, bus: &BusName, event: &Event) -> Vec<Arc<Live>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.listeners.get(bus).map(|listeners| listeners.matching(event)).unwrap_or_default()
    }

    /// Whether there is such a bus.
    pub(super) fn has_bus(&self, bus: &BusName) -> bool {
        bus.is_default() || self.known.read().unwrap_or_else(PoisonError::into_inner).buses.contains_key(&bus.key())
    }

    /// How many rules a bus has.
    pub(super) fn rules_of(&self, bus: &BusName) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).rules.get(bus).copied().unwrap_or(0)
    }
}

impl Known {
    fn put(&mut self, key: &str, record: Followed) {
        let is_rule = key.starts_with(RULE_PREFIX);
        if let Some(before) = self.places.remove(key) {
            self.replace(&before, key, None);
            if is_rule {
                self.count(before, -1);
            }
        }
        self.buses.remove(key);
        match record {
            Followed::Rule(rule) => {
                let bus = rule.bus.clone();
                self.count(bus.clone(), 1);
                self.replace(&bus, key, Live::rule(rule));
                self.places.insert(key.to_owned(), bus);
            }
            Followed::Archive(archive) => {
                let bus = archive.bus.clone();
                self.replace(&bus, key, Live::archive(archive));
                self.places.insert(key.to_owned(), bus);
            }
            Followed::Bus(bus) => {
                self.buses.insert(key.to_owned(), bus.name);
            }
            Followed::Nothing => {}
        }
    }

    fn count(&mut self, bus: BusName, more: isize) {
        let count = self.rules.get(&bus).copied().unwrap_or(0).saturating_add_signed(more);
        match count {
            0 => self.rules.remove(&bus),
            count => self.rules.insert(bus, count),
        };
    }

    fn replace(&mut self, bus: &BusName, key: &str, live: Option<Live>) {
        let listeners = self.listeners.entry(bus.clone()).or_default();
        listeners.put(key, live);
        if listeners.is_empty() {
            self.listeners.remove(bus);
        }
    }
}

/// A record as it was read.
enum Followed {
    Rule(Rule),
    Archive(Archive),
    Bus(Bus),
    Nothing,
}

async fn read(store: &Store, key: &str) -> Result<Followed, StoreError> {
    let metadata = &store.metadata;
    Ok(if key.starts_with(RULE_PREFIX) {
        let rule: Option<Versioned<Rule>> = metadata.get_json(key).await?;
        rule.map_or(Followed::Nothing, |rule| Followed::Rule(rule.value))
    } else if key.starts_with(ARCHIVE_PREFIX) {
        let archive: Option<Versioned<Archive>> = metadata.get_json(key).await?;
        archive.map_or(Followed::Nothing, |archive| Followed::Archive(archive.value))
    } else if key.starts_with(BUS_PREFIX) {
        let bus: Option<Versioned<Bus>> = metadata.get_json(key).await?;
        bus.map_or(Followed::Nothing, |bus| Followed::Bus(bus.value))
    } else {
        Followed::Nothing
    })
}

async fn read_all(store: &Store) -> Result<Known, StoreError> {
    let mut known = Known::default();
    for bus in all::<Bus>(store, BUS_PREFIX).await? {
        known.put(&bus.key, Followed::Bus(bus.value));
    }
    for rule in all::<Rule>(store, RULE_PREFIX).await? {
        known.put(&rule.key, Followed::Rule(rule.value));
    }
    for archive in all::<Archive>(store, ARCHIVE_PREFIX).await? {
        known.put(&archive.key, Followed::Archive(archive.value));
    }
    Ok(known)
}

async fn follow(known: Arc<RwLock<Known>>, store: Store, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    let record = insist(RECORDS, || read(&store, &key)).await;
                    known.write().unwrap_or_else(PoisonError::into_inner).put(&key, record);
                }
            }
            None => {
                let all = insist(RECORDS, || read_all(&store)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}
