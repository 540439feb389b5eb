//! Dead-letter queues: which queue a queue gives up its messages to, and which ones may do so.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_model::ApiError;
use tindra_store::{JsonRecords as _, Overflow, Versioned};

use super::error::{bad_value, stored};
use super::record::{Known, Queue};
use super::{SqsService, names};
use crate::Asker;

/// Source queues of a page when the request does not say.
const SOURCES_DEFAULT: usize = 1_000;
/// Records that are read at once.
const READ_AT_ONCE: usize = 500;
/// Queues that a `redriveAllowPolicy` may name (AWS).
const ALLOWED_MAX: usize = 10;

/// `RedrivePolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Redrive {
    pub(super) target_arn: String,
    pub(super) receives_max: u32,
}

/// `RedriveAllowPolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Allowed {
    All,
    Nobody,
    Queues(Vec<String>),
}

impl Redrive {
    /// An empty text is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, ApiError> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| bad_value("RedrivePolicy", text, reason);
        let value: Value =
            serde_json::from_str(text).map_err(|_| invalid("Redrive policy is not a valid JSON map."))?;
        let target = value["deadLetterTargetArn"].as_str();
        let target = target
            .ok_or_else(|| invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn."))?;
        let count = match &value["maxReceiveCount"] {
            Value::Null => {
                return Err(invalid("Redrive policy does not contain mandatory attribute: maxReceiveCount."));
            }
            Value::String(count) => count.parse().ok(),
            count => count.as_u64(),
        };
        let count = count.and_then(|count| u32::try_from(count).ok()).filter(|count| (1..=1_000).contains(count));
        let wrong = || {
            let reason = format!(
                "Invalid value for maxReceiveCount: {}, valid values are from 1 to 1000 both inclusive.",
                value["maxReceiveCount"]
            );
            invalid(&reason)
        };
        Ok(Some(Self { target_arn: target.to_owned(), receives_max: count.ok_or_else(wrong)? }))
    }
}

impl fmt::Display for Redrive {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = json!({"deadLetterTargetArn": self.target_arn, "maxReceiveCount": self.receives_max});
        value.fmt(out)
    }
}

impl Allowed {
    /// An empty text is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, ApiError> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| bad_value("RedriveAllowPolicy", text, reason);
        let value: Value =
            serde_json::from_str(text).map_err(|_| invalid("Redrive allow policy is not a valid JSON map."))?;
        let queues = value["sourceQueueArns"].as_array();
        match (value["redrivePermission"].as_str(), queues) {
            (Some("allowAll"), None) => Ok(Some(Self::All)),
            (Some("denyAll"), None) => Ok(Some(Self::Nobody)),
            (Some("byQueue"), Some(queues)) if (1..=ALLOWED_MAX).contains(&queues.len()) => {
                let arns: Option<Vec<String>> = queues
                    .iter()
                    .map(|arn| arn.as_str().filter(|arn| names::of_arn(arn).is_some()).map(str::to_owned))
                    .collect();
                arns.map(|arns| Some(Self::Queues(arns))).ok_or_else(|| invalid("A source queue's ARN is not valid."))
            }
            (Some("byQueue"), _) => Err(invalid("byQueue needs 1 to 10 ARNs in sourceQueueArns.")),
            (Some("allowAll" | "denyAll"), Some(_)) => Err(invalid("sourceQueueArns is for byQueue only.")),
            _ => Err(invalid("redrivePermission must be allowAll, denyAll or byQueue.")),
        }
    }

    fn allows(&self, arn: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nobody => false,
            Self::Queues(arns) => arns.iter().any(|allowed| allowed == arn),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self {
            Self::All => json!({"redrivePermission": "allowAll"}),
            Self::Nobody => json!({"redrivePermission": "denyAll"}),
            Self::Queues(arns) => json!({"redrivePermission": "byQueue", "sourceQueueArns": arns}),
        };
        value.fmt(out)
    }
}

impl SqsService {
    /// Refuses a dead-letter queue that is not there, is of another kind, or does not want this queue's messages.
    pub(super) async fn check_redrive(&self, queue: &Queue) -> Result<(), ApiError> {
        let Some(redrive) = &queue.settings.redrive else { return Ok(()) };
        let invalid = |reason: &str| bad_value("RedrivePolicy", redrive, reason);
        let Some((scope, name)) = names::of_arn(&redrive.target_arn) else {
            return Err(invalid("Invalid value for deadLetterTargetArn."));
        };
        if scope != queue.scope {
            return Err(invalid("Dead letter target must be in the same account and region."));
        }
        let target = self.find(&scope, name).await?.ok_or_else(|| invalid("Dead letter target does not exist."))?;
        if target.is_fifo() != queue.is_fifo() {
            return Err(invalid("Dead-letter queue must be same type of queue as the source."));
        }
        if target.settings.redrive_allow.as_ref().is_some_and(|allowed| !allowed.allows(&queue.arn())) {
            return Err(invalid("The dead-letter queue's RedriveAllowPolicy does not allow this source queue."));
        }
        Ok(())
    }

    /// Where a queue's messages go that were received too often. They stay where there is no such queue any more.
    pub(super) async fn overflow(&self, queue: &Queue) -> Result<Option<Overflow>, ApiError> {
        let Some(redrive) = &queue.settings.redrive else { return Ok(None) };
        let Some((scope, name)) = names::of_arn(&redrive.target_arn) else { return Ok(None) };
        let target: Option<Arc<Known>> = self.find(&scope, name).await?;
        Ok(target.filter(|target| target.is_fifo() == queue.is_fifo()).map(|target| Overflow {
            takes_max: redrive.receives_max,
            mailbox: target.mailbox.clone(),
            origin: queue.arn(),
            is_sent_anew: queue.is_fifo(),
        }))
    }

    /// The queues whose messages go to a queue, after one, at most `limit`.
    pub(super) async fn sources(&self, target: &Queue, after: &str, limit: usize) -> Result<Vec<Queue>, ApiError> {
        let prefix = Queue::key(&target.scope, "");
        let arn = target.arn();
        let mut after = format!("{prefix}{after}");
        let mut sources: Vec<Queue> = Vec::new();
        loop {
            let metadata = &self.inner.around.store.metadata;
            let read: Vec<Versioned<Queue>> =
                metadata.list_json(&prefix, Some(&after), READ_AT_ONCE).await.map_err(stored)?;
            let is_last = read.len() < READ_AT_ONCE;
            for record in read {
                after = record.key;
                if record.value.settings.redrive.as_ref().is_some_and(|redrive| redrive.target_arn == arn) {
                    sources.push(record.value);
                }
            }
            if is_last || sources.len() >= limit {
                sources.truncate(limit);
                return Ok(sources);
            }
        }
    }

    pub(super) async fn list_sources(&self, asker: Asker<'_>, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let (after, size) = super::queues::page(input, SOURCES_DEFAULT)?;
        let mut sources = self.sources(queue, &after, size + 1).await?;
        let has_more = sources.len() > size;
        sources.truncate(size);
        let urls: Vec<String> =
            sources.iter().map(|source| names::url(asker.endpoint, &source.scope.account, &source.name)).collect();
        let mut output = json!({ "queueUrls": urls });
        if let Some(last) = sources.last().filter(|_| has_more) {
            output["NextToken"] = super::queues::token(&last.name).into();
        }
        Ok(output)
    }
}
