//! Every topic and subscription in memory, kept by watching the store, so that a message finds its subscribers without it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_model::ApiError;
use tindra_store::{Progress, Record, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::arn::{TOPICS, TopicName, prefix};
use super::error::{busy, no_topic};
use super::filter::Filter;
use super::records::{Subscription, Topic};

/// Records read at once.
const PAGE: usize = 512;
/// For what was committed before to be in memory, which takes a millisecond or two.
const CATCHING_UP_MAX: Duration = Duration::from_secs(5);
const CATCHING_UP_POLL: Duration = Duration::from_millis(1);
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A topic with what is read out of it once.
#[derive(Debug)]
pub(super) struct KnownTopic {
    pub(super) topic: Topic,
    pub(super) revision: u64,
    /// None when it cannot be read: then it grants nothing.
    pub(super) policy: Option<Arc<Policy>>,
}

/// A subscription with what is read out of it once.
#[derive(Debug)]
pub(super) struct KnownSubscription {
    pub(super) subscription: Subscription,
    pub(super) revision: u64,
    /// None for one that takes every message.
    pub(super) filter: Option<Filter>,
}

/// Topics and subscriptions as they are.
#[derive(Debug)]
pub(super) struct Table {
    known: Arc<RwLock<Known>>,
    progress: Progress,
    follower: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Known {
    topics: BTreeMap<String, Arc<KnownTopic>>,
    subscriptions: BTreeMap<String, Arc<KnownSubscription>>,
}

impl Known {
    fn set(&mut self, key: &str, record: Option<Record>) -> Result<(), StoreError> {
        // A topic's name has no slash, and the key of its subscription has one more part.
        if key[TOPICS.len()..].split('/').count() > 3 {
            match record.map(known_subscription).transpose()? {
                Some(known) => self.subscriptions.insert(key.to_owned(), Arc::new(known)),
                None => self.subscriptions.remove(key),
            };
        } else {
            match record.map(known_topic).transpose()? {
                Some(known) => self.topics.insert(key.to_owned(), Arc::new(known)),
                None => self.topics.remove(key),
            };
        }
        Ok(())
    }
}

fn known_topic(record: Record) -> Result<KnownTopic, StoreError> {
    let Versioned { value, revision, .. } = Versioned::<Topic>::decode(record)?;
    let policy = value.attribute("Policy").and_then(|text| Policy::parse(text).ok()).map(Arc::new);
    Ok(KnownTopic { topic: value, revision, policy })
}

fn known_subscription(record: Record) -> Result<KnownSubscription, StoreError> {
    let Versioned { value, revision, .. } = Versioned::<Subscription>::decode(record)?;
    // It was checked when it was set.
    let filter = Filter::of(&value.attributes).ok().flatten();
    Ok(KnownSubscription { subscription: value, revision, filter })
}

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Table {
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        // Watching before listing: a change in between is seen twice rather than never.
        let watch = store.metadata.watch(TOPICS);
        let progress = watch.progress();
        let known = Arc::new(RwLock::new(read_all(&store).await?));
        let follower = tokio::spawn(follow(Arc::clone(&known), store, watch));
        Ok(Self { known, progress, follower })
    }

    /// Waits until everything that was answered is in memory.
    pub(super) async fn catch_up(&self) -> Result<(), ApiError> {
        let announced = self.progress.announced();
        let mut waited = Duration::ZERO;
        while !self.progress.has_reached(announced) {
            if waited >= CATCHING_UP_MAX {
                return Err(busy());
            }
            tokio::time::sleep(CATCHING_UP_POLL).await;
            waited += CATCHING_UP_POLL;
        }
        Ok(())
    }

    pub(super) fn topic(&self, name: &TopicName) -> Result<Arc<KnownTopic>, ApiError> {
        self.read(|known| known.topics.get(&name.key()).cloned()).ok_or_else(no_topic)
    }

    /// An account's and region's topics after a key, by name.
    pub(super) fn topics(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<KnownTopic>> {
        let prefix = prefix(scope);
        self.read(|known| page(&known.topics, &prefix, after, limit))
    }

    /// The subscriptions of a topic, those that wait to be confirmed among them.
    pub(super) fn subscriptions(&self, topic: &Topic) -> Vec<Arc<KnownSubscription>> {
        let prefix = topic.name.subscriptions();
        let mut found = self.read(|known| page(&known.subscriptions, &prefix, None, usize::MAX));
        found.retain(|known| known.subscription.topic_id == topic.id);
        found
    }

    /// Subscriptions of an account's and region's topics after a key.
    pub(super) fn subscriptions_of(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<KnownSubscription>> {
        let prefix = prefix(scope);
        self.read(|known| page(&known.subscriptions, &prefix, after, limit))
    }

    pub(super) fn subscription(&self, topic: &TopicName, id: &str) -> Option<Arc<KnownSubscription>> {
        let (known, id) = (self.topic(topic).ok()?, Uuid::parse_str(id).ok()?);
        self.subscriptions(&known.topic).into_iter().find(|known| known.subscription.id == id)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<Arc<KnownSubscription>> {
        self.read(|known| known.subscriptions.get(key).cloned())
    }

    fn read<T>(&self, pick: impl FnOnce(&Known) -> T) -> T {
        pick(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn page<T>(all: &BTreeMap<String, Arc<T>>, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<T>> {
    let from = after.filter(|after| after.starts_with(prefix)).map_or(Bound::Included(prefix), Bound::Excluded);
    let range = all.range::<str, _>((from, Bound::Unbounded));
    range.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(|(_, known)| Arc::clone(known)).collect()
}

async fn follow(known: Arc<RwLock<Known>>, store: Store, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    let record = insist(|| store.metadata.get(&key)).await;
                    let set = known.write().unwrap_or_else(PoisonError::into_inner).set(&key, record);
                    if let Err(error) = set {
                        tracing::error!(error = &error as &dyn std::error::Error, key, "it stays as it was in memory");
                    }
                }
            }
            None => {
                let all = insist(|| read_all(&store)).await;
                *known.write().unwrap_or_else(PoisonError::into_inner) = all;
            }
        }
    }
}

/// Tries until the store answers; meanwhile memory serves.
async fn insist<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "topics could not be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn read_all(store: &Store) -> Result<Known, StoreError> {
    let (mut known, mut after) = (Known::default(), None::<String>);
    loop {
        let page = store.metadata.list(TOPICS, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            known.set(&record.key.clone(), Some(record))?;
        }
        if is_last {
            return Ok(known);
        }
    }
}
