//! The forms in which subscribers get a message: AWS's JSON with a signature, the event of a function, or as it is.

use serde_json::{Map, Value, json};
use tindra_model::signing::percent_encode as encode;

use super::message::Message;
use super::records::{Protocol, Subscription};
use super::signature::{Key, SignatureVersion, canonical};

/// A message on its way, with what all its subscribers are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice<'a> {
    pub(super) message: &'a Message,
    pub(super) message_id: &'a str,
    pub(super) topic_arn: &'a str,
    /// When it was published.
    pub(super) timestamp: &'a str,
    /// Of topics that keep an order.
    pub(super) sequence: Option<&'a str>,
}

/// The signature of a message with one of its bodies.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    version: SignatureVersion,
    signature: String,
    certificate_path: String,
}

impl Notice<'_> {
    /// Signs the body for a protocol.
    pub(super) fn sign(&self, protocol: Protocol, key: &Key, version: SignatureVersion) -> Signed {
        let mut members = vec![("Message", self.message.body_for(protocol)), ("MessageId", self.message_id)];
        if let Some(subject) = &self.message.subject {
            members.push(("Subject", subject));
        }
        members.extend([("Timestamp", self.timestamp), ("TopicArn", self.topic_arn), ("Type", "Notification")]);
        Signed::new(&members, key, version)
    }

    /// What queues and HTTP endpoints get that do not want it raw. Topics that keep an order do not sign (AWS).
    pub(super) fn notification(&self, subscription: &Subscription, signed: Option<&Signed>) -> String {
        let mut members = Map::new();
        let mut put = |name: &str, value: &str| drop(members.insert(name.to_owned(), Value::from(value)));
        put("Type", "Notification");
        put("MessageId", self.message_id);
        if let Some(sequence) = self.sequence {
            put("SequenceNumber", sequence);
        }
        put("TopicArn", self.topic_arn);
        if let Some(subject) = &self.message.subject {
            put("Subject", subject);
        }
        put("Message", self.message.body_for(subscription.protocol));
        put("Timestamp", self.timestamp);
        if let Some(signed) = signed {
            put("SignatureVersion", signed.version.text());
            put("Signature", &signed.signature);
            put("SigningCertURL", &signed.certificate_url(subscription));
        }
        put("UnsubscribeURL", &unsubscribe_url(subscription));
        if !self.message.attributes.is_empty() {
            members.insert("MessageAttributes".to_owned(), self.attributes());
        }
        pretty(&Value::Object(members))
    }

    /// The event of a function.
    pub(super) fn event(&self, subscription: &Subscription, signed: &Signed) -> String {
        let record = json!({
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn(),
            "Sns": {
                "Type": "Notification",
                "MessageId": self.message_id,
                "TopicArn": self.topic_arn,
                "Subject": self.message.subject,
                "Message": self.message.body_for(Protocol::Lambda),
                "Timestamp": self.timestamp,
                "SignatureVersion": signed.version.text(),
                "Signature": signed.signature,
                "SigningCertUrl": signed.certificate_url(subscription),
                "UnsubscribeUrl": unsubscribe_url(subscription),
                "MessageAttributes": self.attributes(),
            },
        });
        json!({ "Records": [record] }).to_string()
    }

    fn attributes(&self) -> Value {
        let attributes = self.message.attributes.iter();
        let shown = attributes
            .map(|(name, attribute)| (name.clone(), json!({ "Type": attribute.data_type, "Value": attribute.value })));
        Value::Object(shown.collect())
    }
}

impl Signed {
    fn new(members: &[(&str, &str)], key: &Key, version: SignatureVersion) -> Self {
        let signature = key.sign(&canonical(members), version);
        Self { version, signature, certificate_path: key.certificate_path() }
    }

    fn certificate_url(&self, subscription: &Subscription) -> String {
        format!("{}{}", subscription.base_url, self.certificate_path)
    }
}

/// The message that asks an endpoint to confirm.
pub(super) fn confirmation(
    subscription: &Subscription,
    token: &str,
    message_id: &str,
    timestamp: &str,
    key: &Key,
    version: SignatureVersion,
) -> String {
    let arn = subscription.topic.arn();
    let text = format!(
        "You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
    );
    let url = format!(
        "{}/?Action=ConfirmSubscription&TopicArn={}&Token={}",
        subscription.base_url,
        encode(&arn),
        encode(token)
    );
    let members = [
        ("Message", text.as_str()),
        ("MessageId", message_id),
        ("SubscribeURL", &url),
        ("Timestamp", timestamp),
        ("Token", token),
        ("TopicArn", &arn),
        ("Type", "SubscriptionConfirmation"),
    ];
    let signed = Signed::new(&members, key, version);
    pretty(&json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": message_id,
        "Token": token,
        "TopicArn": arn,
        "Message": text,
        "SubscribeURL": url,
        "Timestamp": timestamp,
        "SignatureVersion": version.text(),
        "Signature": signed.signature,
        "SigningCertURL": signed.certificate_url(subscription),
    }))
}

fn unsubscribe_url(subscription: &Subscription) -> String {
    format!("{}/?Action=Unsubscribe&SubscriptionArn={}", subscription.base_url, encode(&subscription.arn()))
}

fn pretty(value: &Value) -> String {
    // Texts alone: it can be written.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
