//! The attributes of subscriptions: what can be set, and what is shown.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::delivery_policy;
use super::filter::Filter;
use super::records::{Protocol, Subscription, Topic};

/// What a subscription can be told when it is made and later.
const KNOWN: [&str; 5] = ["DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    dead_letter_target_arn: String,
}

/// What is set of what can be; an empty text takes an attribute away.
pub(super) fn set(attributes: &mut BTreeMap<String, String>, name: &str, value: &str) -> Result<(), String> {
    match name {
        "ReplayPolicy" | "SubscriptionRoleArn" if !value.is_empty() => Err(format!("tindra does not support {name}")),
        "ReplayPolicy" | "SubscriptionRoleArn" => Ok(()),
        _ if !KNOWN.contains(&name) => Err("AttributeName".to_owned()),
        _ if value.is_empty() || (name == "FilterPolicy" && is_empty_object(value)) => {
            attributes.remove(name);
            Ok(())
        }
        _ => {
            attributes.insert(name.to_owned(), value.to_owned());
            Ok(())
        }
    }
}

fn is_empty_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.as_object().is_some_and(serde_json::Map::is_empty))
}

/// Checks what is set for a subscription.
pub(super) fn check(topic: &Topic, protocol: Protocol, attributes: &BTreeMap<String, String>) -> Result<(), String> {
    let get = |name: &str| attributes.get(name).map(String::as_str);
    Filter::of(attributes)?;
    match get("RawMessageDelivery") {
        Some("true") if protocol == Protocol::Lambda => {
            let problem = "Delivery protocol [lambda] does not support raw message delivery.";
            return Err(format!("RawMessageDelivery: {problem}"));
        }
        None | Some("true" | "false") => {}
        Some(_) => return Err("RawMessageDelivery: Value must be true or false.".to_owned()),
    }
    if let Some(text) = get("DeliveryPolicy") {
        if !protocol.is_http() {
            return Err(format!("DeliveryPolicy: Delivery protocol [{}] has no delivery policy", protocol.text()));
        }
        delivery_policy::check(text).map_err(|problem| format!("DeliveryPolicy: {problem}"))?;
    }
    if let Some(text) = get("RedrivePolicy") {
        check_redrive(topic, text).map_err(|problem| format!("RedrivePolicy: {problem}"))?;
    }
    Ok(())
}

fn check_redrive(topic: &Topic, text: &str) -> Result<(), String> {
    let policy: RedrivePolicy = serde_json::from_str(text).map_err(|_| "failed to parse JSON.".to_owned())?;
    let arn = policy.dead_letter_target_arn;
    let scope = &topic.name.scope;
    let fields: Vec<&str> = arn.split(':').collect();
    match fields[..] {
        ["arn", "aws", "sqs", region, account, name] if !name.is_empty() => {
            if region != scope.region || account != scope.account {
                return Err("dead-letter queue must be in the topic's account and region".to_owned());
            }
            if topic.is_fifo() != name.ends_with(".fifo") {
                let kind = if topic.is_fifo() { "FIFO" } else { "standard" };
                return Err(format!("must use a {kind} queue as DLQ for a {kind} topic"));
            }
            Ok(())
        }
        _ => Err("deadLetterTargetArn is an invalid arn".to_owned()),
    }
}

/// The queue for what cannot be delivered.
pub(super) fn dead_letter_queue(subscription: &Subscription) -> Option<String> {
    let text = subscription.attribute("RedrivePolicy")?;
    serde_json::from_str::<RedrivePolicy>(text).ok().map(|policy| policy.dead_letter_target_arn)
}

/// All that GetSubscriptionAttributes answers.
pub(super) fn shown(topic: &Topic, subscription: &Subscription) -> BTreeMap<String, String> {
    let mut shown = subscription.attributes.clone();
    let mut put = |name: &str, value: String| shown.insert(name.to_owned(), value);
    put("SubscriptionArn", subscription.arn());
    put("TopicArn", subscription.topic.arn());
    put("Owner", subscription.owner.clone());
    put("SubscriptionPrincipal", subscription.principal.clone());
    put("Protocol", subscription.protocol.text().to_owned());
    put("Endpoint", subscription.endpoint.clone());
    put("RawMessageDelivery", subscription.is_raw().to_string());
    put("PendingConfirmation", subscription.pending.is_some().to_string());
    put("ConfirmationWasAuthenticated", subscription.was_authenticated.to_string());
    if subscription.attribute("FilterPolicy").is_some() && subscription.attribute("FilterPolicyScope").is_none() {
        put("FilterPolicyScope", "MessageAttributes".to_owned());
    }
    if subscription.protocol.is_http() {
        let effective = delivery_policy::Effective::of(topic, subscription);
        put("EffectiveDeliveryPolicy", effective.shown().to_string());
    }
    shown
}
