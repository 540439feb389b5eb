//! Every topic and subscription in memory, so that a message finds its subscribers without the store.

use std::sync::Arc;

use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_model::ApiError;
use tindra_store::{Record, Store, StoreError, Versioned};
use uuid::Uuid;

use super::arn::{SUBSCRIPTIONS, TOPICS, TopicName, subscriptions_of, topics_of};
use super::error::{busy, no_topic};
use super::filter::Filter;
use super::records::{Subscription, Topic};
use crate::followed::Followed;

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
    topics: Followed<KnownTopic>,
    subscriptions: Followed<KnownSubscription>,
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

impl Table {
    pub(super) async fn start(store: Store) -> Result<Self, StoreError> {
        Ok(Self {
            topics: Followed::start(store.clone(), TOPICS, known_topic).await?,
            subscriptions: Followed::start(store, SUBSCRIPTIONS, known_subscription).await?,
        })
    }

    /// Waits until everything that was answered is in memory.
    pub(super) async fn catch_up(&self) -> Result<(), ApiError> {
        let is_here = self.topics.catch_up().await && self.subscriptions.catch_up().await;
        if is_here { Ok(()) } else { Err(busy()) }
    }

    pub(super) fn topic(&self, name: &TopicName) -> Result<Arc<KnownTopic>, ApiError> {
        self.topics.get(&name.key()).ok_or_else(no_topic)
    }

    /// An account's and region's topics after a key, by name.
    pub(super) fn topics(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<KnownTopic>> {
        self.topics.page(&topics_of(scope), after, limit)
    }

    /// The subscriptions of a topic, those that wait to be confirmed among them.
    pub(super) fn subscriptions(&self, topic: &Topic) -> Vec<Arc<KnownSubscription>> {
        let mut found = self.subscriptions.page(&topic.name.subscriptions(), None, usize::MAX);
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
        self.subscriptions.page(&subscriptions_of(scope), after, limit)
    }

    pub(super) fn subscription(&self, topic: &TopicName, id: &str) -> Option<Arc<KnownSubscription>> {
        let (known, id) = (self.topic(topic).ok()?, Uuid::parse_str(id).ok()?);
        self.subscriptions(&known.topic).into_iter().find(|known| known.subscription.id == id)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<Arc<KnownSubscription>> {
        self.subscriptions.get(key)
    }
}
