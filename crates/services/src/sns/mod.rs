//! SNS: topics, subscriptions and messages.
//!
//! Everything about topics is in memory ([`table`]). A message is answered once it is durable as a push for each subscription
//! that wants it ([`publish`], [`fan_out`]); whoever keeps pushes tries them. What others push to topics, and what goes out by
//! HTTP, is in [`receive`]; messages of an SNS elsewhere come in by [`ingress`].

mod arn;
mod attributes;
mod confirm;
mod deduplication;
mod delivery_policy;
mod envelope;
mod error;
mod fan_out;
mod filter;
mod ingress;
mod links;
mod message;
mod permissions;
mod publish;
mod receive;
mod records;
mod signature;
mod stamp;
mod subscriptions;
mod table;
mod tags;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_core::push::Push;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::{Batch, BoxFuture, Message, StoreError};

use arn::TopicName;
use error::{invalid, unknown_operation};
pub use ingress::{Ingress, IngressError};
use receive::Paces;
use signature::Keys;
use table::{KnownTopic, Table};

use crate::outbox::{Alarms, Rung};
use crate::receive::Receive;
use crate::{Asker, Surroundings};

/// The beginning of the queues in which alarms of topics wait.
pub const ALARMS: &str = "sns/";

/// SNS of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SnsService {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    around: Surroundings,
    table: Table,
    keys: Keys,
    /// Of the last message of any topic that keeps an order.
    sequence: AtomicU64,
    paces: Paces,
    /// The queues of this server.
    queues: OnceLock<Arc<dyn Receive>>,
    certificates: ingress::Certificates,
}

impl SnsService {
    /// Over a store. Reads all topics and follows them from then on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn start(around: Surroundings) -> Result<Self, StoreError> {
        let table = Table::start(around.store.clone()).await?;
        let keys = Keys::new(around.store.clone());
        let shared = Shared {
            around,
            table,
            keys,
            sequence: AtomicU64::new(0),
            paces: Paces::default(),
            queues: OnceLock::new(),
            certificates: ingress::Certificates::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// From now on topics that keep an order give their messages to the queues of this server within the commit of the
    /// publication.
    pub fn deliver_to(&self, queues: Arc<dyn Receive>) {
        // Set once, at the start.
        let _ = self.shared.queues.set(queues);
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    async fn answer(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "Publish" => self.publish(asker, input).await,
            "PublishBatch" => self.publish_batch(asker, input).await,
            "CreateTopic" => self.create_topic(asker, input).await,
            "DeleteTopic" => self.delete_topic(asker, input).await,
            "ListTopics" => self.list_topics(asker, input).await,
            "GetTopicAttributes" => self.get_topic_attributes(asker, input).await,
            "SetTopicAttributes" => self.set_topic_attributes(asker, input).await,
            "TagResource" => self.tag(asker, input).await,
            "UntagResource" => self.untag(asker, input).await,
            "ListTagsForResource" => self.list_tags(asker, input).await,
            "AddPermission" => self.add_permission(asker, input).await,
            "RemovePermission" => self.remove_permission(asker, input).await,
            "Subscribe" => self.subscribe(asker, input).await,
            "ConfirmSubscription" => self.confirm_subscription(asker, input).await,
            "Unsubscribe" => self.unsubscribe(asker, input).await,
            "ListSubscriptions" => self.list_subscriptions(asker, input).await,
            "ListSubscriptionsByTopic" => self.list_subscriptions_by_topic(asker, input).await,
            "GetSubscriptionAttributes" => self.get_subscription_attributes(asker, input).await,
            "SetSubscriptionAttributes" => self.set_subscription_attributes(asker, input).await,
            "GetDataProtectionPolicy" => Ok(json!({ "DataProtectionPolicy": "" })),
            _ => Err(unknown_operation(operation)),
        }
    }

    /// The policy of a topic; none where there is no such topic.
    pub async fn policy(&self, topic_arn: &str) -> Option<Arc<Policy>> {
        self.table().catch_up().await.ok()?;
        let name = TopicName::parse(topic_arn, "TopicArn").ok()?;
        self.table().topic(&name).ok()?.policy.clone()
    }

    /// The account that has subscribed; none where there is no such subscription.
    pub async fn subscription_owner(&self, subscription_arn: &str) -> Option<String> {
        self.table().catch_up().await.ok()?;
        let (topic, id) = arn::subscription(subscription_arn).ok()?;
        self.table().subscription(&topic, id).map(|known| known.subscription.owner.clone())
    }

    /// A topic that is served here: of the region that the request is for. The account is that of the ARN; whether the
    /// caller may act on it was asked before.
    fn served(&self, scope: &Scope, topic: TopicName, member: &str) -> Result<TopicName, ApiError> {
        if topic.scope.region == scope.region { Ok(topic) } else { Err(invalid(member)) }
    }

    async fn known_topic(&self, scope: &Scope, arn: &str) -> Result<Arc<KnownTopic>, ApiError> {
        let name = self.served(scope, TopicName::parse(arn, "TopicArn")?, "TopicArn")?;
        self.table().catch_up().await?;
        self.table().topic(&name)
    }

    async fn commit(&self, batch: Result<Batch, StoreError>) -> Result<(), StoreError> {
        self.shared.around.store.metadata.commit(batch?).await.map(|_| ())
    }

    fn around(&self) -> &Surroundings {
        &self.shared.around
    }

    fn table(&self) -> &Table {
        &self.shared.table
    }

    fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    fn sequence(&self) -> &AtomicU64 {
        &self.shared.sequence
    }

    fn paces(&self) -> &Paces {
        &self.shared.paces
    }

    fn queues(&self) -> Option<&Arc<dyn Receive>> {
        self.shared.queues.get()
    }

    fn queues_received(&self, push: &Push) {
        if let Some(queues) = self.queues() {
            queues.received(push);
        }
    }
}

impl Alarms for SnsService {
    fn ring<'a>(&'a self, alarm: &'a Message) -> BoxFuture<'a, Rung> {
        Box::pin(async move {
            match alarm.queue.as_str() {
                deduplication::SEEN => self.forget_seen(alarm).await,
                _ => self.forget_unconfirmed(alarm).await,
            }
        })
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| invalid(error.to_string()))
}
