//! The attributes of queues: what can be set, and what is told.

use serde_json::{Map, Value, json};
use tindra_core::policy::Policy;
use tindra_model::ApiError;
use tindra_store::LetterCounts;

use super::error::{bad_attribute, unknown_attribute};
use super::record::{Fifo, Queue, Settings};
use super::redrive::{Allowed, Redrive};

/// Attributes that are only told.
const TOLD: [&str; 6] = [
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
];
/// Attributes that are set.
const SET: [&str; 15] = [
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

/// Sets attributes; an empty text takes a policy away.
pub(super) fn set(settings: &mut Settings, attributes: &[(&str, &str)], is_new: bool) -> Result<(), ApiError> {
    for (name, value) in attributes {
        set_one(settings, name, value, is_new)?;
    }
    match &settings.fifo {
        Some(Fifo { has_high_throughput: true, is_per_group: false, .. }) => Err(bad_attribute("FifoThroughputLimit")),
        _ => Ok(()),
    }
}

fn set_one(settings: &mut Settings, name: &str, value: &str, is_new: bool) -> Result<(), ApiError> {
    let within = |least: u64, most: u64| {
        value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| bad_attribute(name))
    };
    let flag = || match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad_attribute(name)),
    };
    let one_of = |off: &str, on: &str| match value {
        _ if value == off => Ok(false),
        _ if value == on => Ok(true),
        _ => Err(bad_attribute(name)),
    };
    match name {
        "VisibilityTimeout" => settings.visibility_s = within(0, 43_200)?,
        "MaximumMessageSize" => settings.message_bytes_max = within(1_024, 1 << 20)?,
        "MessageRetentionPeriod" => settings.retention_s = within(60, 1_209_600)?,
        "DelaySeconds" => settings.delay_s = within(0, 900)?,
        "ReceiveMessageWaitTimeSeconds" => settings.receive_wait_s = within(0, 20)?,
        "Policy" if value.is_empty() => settings.policy = None,
        "Policy" => {
            Policy::parse(value).map_err(|_| bad_attribute(name))?;
            settings.policy = Some(value.to_owned());
        }
        "RedrivePolicy" => settings.redrive = Redrive::parse(value)?,
        "RedriveAllowPolicy" => settings.redrive_allow = Allowed::parse(value)?,
        "SqsManagedSseEnabled" => settings.is_encrypted = flag()?,
        // There are no keys of KMS here, and what is not encrypted with one shall not be said to be.
        "KmsMasterKeyId" if value.is_empty() => {}
        "KmsMasterKeyId" => {
            let message = "KmsMasterKeyId cannot be set: there is no KMS here, and messages are as safe as the operator's disk. Leave it out.";
            return Err(ApiError::new("UnsupportedOperation", message));
        }
        // It says how long a key of KMS is used again, so without one there is nothing that it could change.
        "KmsDataKeyReusePeriodSeconds" => drop(within(60, 86_400)?),
        "FifoQueue" if settings.fifo.is_some() => {
            if !flag()? {
                return Err(bad_attribute(name));
            }
        }
        "FifoQueue" if is_new => return Err(bad_attribute(name)),
        "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => {
            let Some(fifo) = &mut settings.fifo else { return Err(unknown_attribute(name)) };
            match name {
                "ContentBasedDeduplication" => fifo.by_content = flag()?,
                "DeduplicationScope" => fifo.is_per_group = one_of("queue", "messageGroup")?,
                _ => fifo.has_high_throughput = one_of("perQueue", "perMessageGroupId")?,
            }
        }
        _ => return Err(unknown_attribute(name)),
    }
    Ok(())
}

/// Which attributes are wanted; none for all.
pub(super) fn wanted<'a>(names: &[&'a str]) -> Result<Option<Vec<&'a str>>, ApiError> {
    if let Some(unknown) = names.iter().find(|name| **name != "All" && !TOLD.contains(name) && !SET.contains(name)) {
        return Err(unknown_attribute(unknown));
    }
    Ok((!names.contains(&"All")).then(|| names.to_vec()))
}

/// What is told of a queue.
pub(super) fn shown(queue: &Queue, counts: LetterCounts) -> Map<String, Value> {
    let Settings { policy, redrive, redrive_allow, fifo, .. } = &queue.settings;
    let mut shown: Vec<(&str, String)> = settings_shown(&queue.settings);
    shown.extend([
        ("QueueArn", queue.arn()),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.taken.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", (queue.created_ms / 1_000).to_string()),
        ("LastModifiedTimestamp", (queue.modified_ms / 1_000).to_string()),
    ]);
    shown.extend(policy.clone().map(|policy| ("Policy", policy)));
    shown.extend(redrive.as_ref().map(|redrive| ("RedrivePolicy", redrive.to_string())));
    shown.extend(redrive_allow.as_ref().map(|allowed| ("RedriveAllowPolicy", allowed.to_string())));
    if let Some(fifo) = fifo {
        let or = |is: bool, on: &str, off: &str| if is { on.to_owned() } else { off.to_owned() };
        shown.extend([
            ("FifoQueue", "true".to_owned()),
            ("ContentBasedDeduplication", fifo.by_content.to_string()),
            ("DeduplicationScope", or(fifo.is_per_group, "messageGroup", "queue")),
            ("FifoThroughputLimit", or(fifo.has_high_throughput, "perMessageGroupId", "perQueue")),
        ]);
    }
    shown.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn settings_shown(settings: &Settings) -> Vec<(&'static str, String)> {
    vec![
        ("VisibilityTimeout", settings.visibility_s.to_string()),
        ("MaximumMessageSize", settings.message_bytes_max.to_string()),
        ("MessageRetentionPeriod", settings.retention_s.to_string()),
        ("DelaySeconds", settings.delay_s.to_string()),
        ("ReceiveMessageWaitTimeSeconds", settings.receive_wait_s.to_string()),
        ("SqsManagedSseEnabled", settings.is_encrypted.to_string()),
    ]
}
