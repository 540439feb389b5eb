//! Messages of an SNS elsewhere: its HTTP subscription brings them here, and they are published again to a topic of this
//! server before it is told that they have arrived.

mod verify;

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Uri};
use std::time::Duration;
use tindra_outside::anywhere::{Bounds, fetch};

use super::SnsService;
use super::arn::TopicName;
use super::message::{Message, MessageAttribute};
pub(super) use verify::Certificates;

const CONFIRM: Bounds = Bounds { timeout: Duration::from_secs(10), bytes_max: 64 << 10 };

/// A topic here that takes the messages of a topic elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The ARN of the topic here.
    pub topic: String,
    /// The ARN of the topic elsewhere: whoever has an AWS account can have messages signed by AWS.
    pub from: String,
    /// Whether signatures are looked at.
    pub verify: bool,
    /// The host, with its port if it has one, that certificates and links may be at; AWS's own where none is named.
    pub cert_host: Option<String>,
}

/// Why a message from elsewhere is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngressError {
    /// It is none.
    #[error("this is no message of a topic: {0}")]
    Malformed(String),
    /// It is not for this topic, or its signature is wrong.
    #[error("the message is refused: {0}")]
    Refused(String),
    /// It cannot be taken now.
    #[error("the message cannot be taken now: {0}")]
    Busy(String),
}

/// A message as SNS sends it by HTTP.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Arrived {
    r#type: String,
    #[serde(default)]
    message_id: String,
    topic_arn: String,
    #[serde(default)]
    message: String,
    subject: Option<String>,
    #[serde(default)]
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(default)]
    signature_version: String,
    #[serde(default)]
    signature: String,
    #[serde(default, rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, ArrivedAttribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ArrivedAttribute {
    r#type: String,
    value: Value,
}

impl Ingress {
    /// Whether certificates and links may be at a URL: AWS's own, or the host that the operator named.
    fn trusts(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let Some(authority) = uri.authority() else { return false };
        match &self.cert_host {
            Some(host) => authority.as_str().eq_ignore_ascii_case(host),
            None => uri.scheme_str() == Some("https") && uri.port().is_none() && is_of_aws(authority.as_str()),
        }
    }
}

/// `sns.REGION.amazonaws.com`, or China's.
fn is_of_aws(host: &str) -> bool {
    let rest = host.strip_prefix("sns.");
    let region =
        rest.and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    region.is_some_and(|region| !region.is_empty() && region.bytes().all(is_plain))
}

impl SnsService {
    /// Takes what an SNS elsewhere has sent. Once this has returned it is durable.
    ///
    /// # Errors
    /// See [`IngressError`].
    pub async fn take_from_elsewhere(&self, ingress: &Ingress, body: &Bytes) -> Result<(), IngressError> {
        let arrived: Arrived =
            serde_json::from_slice(body).map_err(|error| IngressError::Malformed(error.to_string()))?;
        if arrived.topic_arn != ingress.from {
            return Err(IngressError::Refused(format!("it is from {}, not from {}", arrived.topic_arn, ingress.from)));
        }
        if ingress.verify {
            self.verify(ingress, &arrived).await?;
        }
        match arrived.r#type.as_str() {
            "Notification" => self.publish_again(ingress, arrived).await,
            "SubscriptionConfirmation" => self.confirm_elsewhere(ingress, &arrived).await,
            "UnsubscribeConfirmation" => {
                tracing::warn!(topic = ingress.topic, from = ingress.from, "no more messages will come from there");
                Ok(())
            }
            other => Err(IngressError::Malformed(format!("its Type is {other}"))),
        }
    }

    async fn publish_again(&self, ingress: &Ingress, arrived: Arrived) -> Result<(), IngressError> {
        let failed = |error: tindra_model::ApiError| IngressError::Busy(error.message().to_owned());
        let topic = TopicName::parse(&ingress.topic, "TopicArn").map_err(failed)?;
        let attributes = arrived.message_attributes.into_iter().map(|(name, ArrivedAttribute { r#type, value })| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name, MessageAttribute { data_type: r#type, value })
        });
        let message = Message {
            subject: arrived.subject.filter(|subject| !subject.is_empty()),
            body: arrived.message,
            attributes: attributes.collect(),
            // Of a topic here that keeps an order: by the message elsewhere.
            group_id: ingress.topic.ends_with(".fifo").then(|| "elsewhere".to_owned()),
            deduplication_id: ingress.topic.ends_with(".fifo").then_some(arrived.message_id),
            ..Message::default()
        };
        let outcomes = self.publish_all(&topic, std::slice::from_ref(&message)).await.map_err(failed)?;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(|_| ())).map_err(failed)
    }

    /// Follows the link by which the SNS elsewhere wants to be told that its messages are welcome.
    async fn confirm_elsewhere(&self, ingress: &Ingress, arrived: &Arrived) -> Result<(), IngressError> {
        let url = arrived.subscribe_url.as_deref().unwrap_or_default();
        if (ingress.verify || ingress.cert_host.is_some()) && !ingress.trusts(url) {
            return Err(IngressError::Refused(format!("its SubscribeURL {url} is not at a host that is trusted")));
        }
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|error| IngressError::Malformed(error.to_string()))?;
        let answer = fetch(request, CONFIRM, self.around().reach.as_ref()).await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(IngressError::Busy(format!("{url} answered {}", answer.status()))),
            Err(problem) => Err(IngressError::Busy(format!("{url}: {problem}"))),
        }
    }
}
