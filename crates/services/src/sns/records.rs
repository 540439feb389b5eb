//! Topics and subscriptions as they lie in the store. A subscription's key is made of what it leads to, so that a topic has
//! no two to the same endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::arn::TopicName;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    #[serde(flatten)]
    pub(super) name: TopicName,
    /// Of this making of it: subscriptions of one that was deleted are none of the next one's.
    pub(super) id: Uuid,
    /// As they were set; the policy is always among them.
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

impl Topic {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name.name.ends_with(".fifo")
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.attribute(name) == Some("true")
    }
}

/// How messages reach a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    Lambda,
    Sqs,
    Http,
    Https,
}

impl Protocol {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Sqs => "sqs",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) topic: TopicName,
    /// Which making of the topic.
    pub(super) topic_id: Uuid,
    /// The last part of its ARN.
    pub(super) id: Uuid,
    /// The account that subscribed.
    pub(super) owner: String,
    /// Who of it.
    pub(super) principal: String,
    pub(super) protocol: Protocol,
    pub(super) endpoint: String,
    /// By which address the subscriber reached this server; links in messages begin with it.
    pub(super) base_url: String,
    /// What confirms it, until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<Pending>,
    /// The token that has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confirmed_by: Option<String>,
    /// Whether somebody who signed has confirmed it.
    #[serde(default)]
    pub(super) was_authenticated: bool,
    /// Whether only who signs may end it.
    #[serde(default)]
    pub(super) authenticates_unsubscribe: bool,
    /// As they were set.
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

/// A subscription that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) token: String,
    pub(super) until_ms: UnixMs,
}

impl Subscription {
    pub(super) fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    pub(super) fn key(&self) -> String {
        subscription_key(&self.topic, self.protocol, &self.endpoint)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn is_raw(&self) -> bool {
        self.attribute("RawMessageDelivery") == Some("true")
    }
}

/// The key of the one subscription of a topic to an endpoint.
pub(super) fn subscription_key(topic: &TopicName, protocol: Protocol, endpoint: &str) -> String {
    let digest = Sha256::digest(format!("{}\n{endpoint}", protocol.text()));
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hash}", topic.subscriptions())
}
