//! What a source pushes to a target: a bucket's notification, a topic's message, an event that a rule chose, a schedule's firing.
//!
//! A push is durable with the change that it follows from, and is tried until the target has it, or until its policy says
//! that it is enough; then it is told to its dead-letter queue. Pure: `events` keeps and tries pushes, the services make them.

mod backoff;

use serde::{Deserialize, Serialize};

pub use backoff::{Backoff, Growth};

use crate::clock::UnixMs;
use crate::function::Scope;

/// Prefix of the names of queues that pushes wait in.
pub const PUSH_PREFIX: &str = "push/";

/// One push. The body that goes with it is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Who pushes.
    pub source: Source,
    /// Whom: the ARN of a function, queue, topic, bus, stream or API destination; for an endpoint of a topic, its URL.
    pub target_arn: String,
    /// The role on whose behalf; without one the target's own policy says whether the source may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// What the body is to the target.
    pub content: Content,
    /// How often and how long it is tried.
    pub policy: PushPolicy,
    /// Where it goes that cannot be pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// `X-Amzn-Trace-Id`, where the source was given one: it carries the lineage by which loops are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// When it was made.
    pub at_ms: UnixMs,
    /// Attempts that failed.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last of them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Who pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The principal in policies, for example `sns.amazonaws.com`.
    pub principal: String,
    /// `aws:SourceArn`: the bucket, topic, rule or schedule.
    pub arn: String,
    /// Whose it is, `aws:SourceAccount` among it.
    pub scope: Scope,
}

/// What the body is to the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The event of a function, invoked asynchronously.
    Function,
    /// A message of a queue.
    Queue(QueueMessage),
    /// A message of a topic.
    Topic(TopicMessage),
    /// An entry for a bus: the whole event.
    Bus,
    /// A record of a stream.
    Stream(StreamRecord),
    /// An HTTP request to a URL that a user named.
    Http(HttpRequest),
}

/// What goes with a message to a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMessage {
    /// Its attributes, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// `MessageGroupId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication_id: Option<String>,
}

/// What goes with a message to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicMessage {
    /// `Subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What a queue's message has, too.
    #[serde(flatten)]
    pub message: QueueMessage,
}

/// What goes with a record of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Which shard it goes to.
    pub partition_key: String,
}

/// An HTTP request whose body is the push's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// For example `POST`.
    pub method: String,
    /// Scheme, host, path and query.
    pub url: String,
    /// In order; the host is not among them.
    pub headers: Vec<(String, String)>,
    /// For the answer, with everything before it.
    pub timeout_ms: u64,
    /// The connection of an API destination whose credentials are added at each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_arn: Option<String>,
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number` or `Binary`, perhaps with a dot and the user's own kind.
    pub data_type: String,
    /// The value; of a binary one in base64.
    pub value: String,
}

impl Attribute {
    /// An attribute that is a text.
    #[must_use]
    pub fn string(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: "String".to_owned(), value: value.into() }
    }
}

/// How often and how long a push is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushPolicy {
    /// Attempts after the first.
    pub retries_max: u32,
    /// It is not tried any more when it is as old.
    pub age_ms_max: u64,
    /// The waits between.
    pub backoff: Backoff,
}

/// Where a push goes that cannot be pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The queue.
    pub queue_arn: String,
    /// What its message is, where it is not the push's own body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What goes with it.
    #[serde(flatten)]
    pub message: QueueMessage,
    /// Whether why it came to that is among the attributes: `ERROR_CODE`, `ERROR_MESSAGE`, `RETRY_ATTEMPTS` and
    /// `EXHAUSTED_RETRY_CONDITION` (AWS, "Using dead-letter queues to process undelivered events in EventBridge").
    pub tells_why: bool,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PushError {
    /// `ERROR_CODE` of a dead letter, for example `NO_PERMISSIONS`.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Trying again cannot help.
    pub is_final: bool,
    /// The target said when it wants to be asked again.
    pub retry_after_ms: Option<u64>,
    /// It was not tried, because the target wants no more for now; this is no attempt.
    pub is_early: bool,
}

impl PushError {
    /// A failure after which trying again may help.
    #[must_use]
    pub fn passing(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), is_final: false, retry_after_ms: None, is_early: false }
    }

    /// It is too early: the target takes no more for now.
    #[must_use]
    pub fn early(wait_ms: u64, message: impl Into<String>) -> Self {
        Self { retry_after_ms: Some(wait_ms), is_early: true, ..Self::passing("THROTTLING", message) }
    }

    /// A failure after which it cannot.
    #[must_use]
    pub fn lasting(code: &str, message: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::passing(code, message) }
    }
}

/// What becomes of a push whose attempt has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again then.
    Again {
        /// When.
        due_ms: UnixMs,
    },
    /// It is given up, and goes to its dead-letter queue.
    Over {
        /// What was exhausted; none when trying again could not help.
        condition: Option<&'static str>,
    },
}

impl Push {
    /// The queue it waits in: one for each source's owner, kind of source and target, so that a target that is away delays no
    /// other.
    #[must_use]
    pub fn queue(&self) -> String {
        let Source { principal, scope, .. } = &self.source;
        let service = principal.split('.').next().unwrap_or_default();
        format!("{PUSH_PREFIX}{}/{}/{service}/{}", scope.account, scope.region, self.target_arn)
    }

    /// Counts an attempt that failed.
    pub fn failed(&mut self, error: &PushError, now_ms: UnixMs) -> Fate {
        self.last_error = Some(error.message.clone());
        let end_ms = self.at_ms.saturating_add(self.policy.age_ms_max);
        if error.is_early && now_ms < end_ms {
            let wait_ms = error.retry_after_ms.unwrap_or(0);
            return Fate::Again { due_ms: now_ms.saturating_add(wait_ms).min(end_ms) };
        }
        self.attempts = self.attempts.saturating_add(1);
        if error.is_final {
            return Fate::Over { condition: None };
        }
        if self.attempts > self.policy.retries_max {
            return Fate::Over { condition: Some("MaximumRetryAttempts") };
        }
        if now_ms >= end_ms {
            return Fate::Over { condition: Some("MaximumEventAgeInSeconds") };
        }
        let wait_ms = error.retry_after_ms.unwrap_or(0).max(self.policy.backoff.wait_ms(self.attempts));
        Fate::Again { due_ms: now_ms.saturating_add(wait_ms).min(end_ms) }
    }

    /// The push of a dead letter, with the body where it is another one; none where there is no queue for it.
    #[must_use]
    pub fn dead_letter(
        self,
        error: &PushError,
        condition: Option<&str>,
        now_ms: UnixMs,
    ) -> Option<(Self, Option<String>)> {
        let DeadLetter { queue_arn, body, mut message, tells_why } = self.dead_letter?;
        if tells_why {
            message.attributes.push(Attribute::string("ERROR_CODE", &error.code));
            message.attributes.push(Attribute::string("ERROR_MESSAGE", &error.message));
            message.attributes.push(Attribute::string("RETRY_ATTEMPTS", self.attempts.saturating_sub(1).to_string()));
            if let Some(condition) = condition {
                message.attributes.push(Attribute::string("EXHAUSTED_RETRY_CONDITION", condition));
            }
        }
        let push = Self {
            target_arn: queue_arn,
            role_arn: None,
            content: Content::Queue(message),
            policy: PushPolicy::default(),
            dead_letter: None,
            at_ms: now_ms,
            attempts: 0,
            last_error: None,
            ..self
        };
        Some((push, body))
    }
}

impl Default for PushPolicy {
    /// A day, 185 times (EventBridge, Scheduler).
    fn default() -> Self {
        Self {
            retries_max: 185,
            age_ms_max: 86_400_000,
            backoff: Backoff::Doubling { first_ms: 1_000, most_ms: 600_000 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(policy: PushPolicy) -> Push {
        Push {
            source: Source {
                principal: "events.amazonaws.com".to_owned(),
                arn: "arn:aws:events:eu-west-1:123456789012:rule/r".to_owned(),
                scope: Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() },
            },
            target_arn: "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned(),
            role_arn: None,
            content: Content::Function,
            policy,
            dead_letter: Some(DeadLetter {
                queue_arn: "arn:aws:sqs:eu-west-1:123456789012:dead".to_owned(),
                body: None,
                message: QueueMessage {
                    attributes: vec![Attribute::string("RULE_ARN", "r")],
                    ..QueueMessage::default()
                },
                tells_why: true,
            }),
            trace_id: None,
            at_ms: 1_000,
            attempts: 0,
            last_error: None,
        }
    }

    #[test]
    fn a_push_is_tried_as_often_and_as_long_as_its_policy_says() {
        let error = PushError::passing("SDK_CLIENT_ERROR", "away");
        let mut few = push(PushPolicy { retries_max: 2, ..PushPolicy::default() });
        assert_eq!(few.failed(&error, 1_000), Fate::Again { due_ms: 2_000 });
        assert_eq!(few.failed(&error, 2_000), Fate::Again { due_ms: 4_000 });
        assert_eq!(few.failed(&error, 4_000), Fate::Over { condition: Some("MaximumRetryAttempts") });
        let mut short = push(PushPolicy { age_ms_max: 1_500, ..PushPolicy::default() });
        assert_eq!(short.failed(&error, 1_000), Fate::Again { due_ms: 2_000 });
        assert_eq!(short.failed(&error, 2_000), Fate::Again { due_ms: 2_500 }, "a last time at its end");
        assert_eq!(short.failed(&error, 2_500), Fate::Over { condition: Some("MaximumEventAgeInSeconds") });
        let mut early = push(PushPolicy { retries_max: 0, ..PushPolicy::default() });
        assert_eq!(early.failed(&PushError::early(500, "slow"), 1_000), Fate::Again { due_ms: 1_500 });
        assert_eq!(early.attempts, 0, "it was not tried");
        let mut refused = push(PushPolicy::default());
        assert_eq!(refused.failed(&PushError::lasting("NO_PERMISSIONS", "no"), 1_000), Fate::Over { condition: None });
    }

    #[test]
    fn a_dead_letter_says_why() {
        let error = PushError::passing("SDK_CLIENT_ERROR", "away");
        let mut push = push(PushPolicy { retries_max: 0, ..PushPolicy::default() });
        let Fate::Over { condition } = push.failed(&error, 1_000) else { panic!("it is tried again") };
        let (letter, body) = push.dead_letter(&error, condition, 1_000).unwrap();
        let Content::Queue(message) = &letter.content else { panic!("{letter:?}") };
        let told: Vec<_> =
            message.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("RULE_ARN", "r"),
                ("ERROR_CODE", "SDK_CLIENT_ERROR"),
                ("ERROR_MESSAGE", "away"),
                ("RETRY_ATTEMPTS", "0"),
                ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
            ]
        );
        assert_eq!((body, letter.dead_letter), (None, None));
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let push = push(PushPolicy::default());
        let text = serde_json::to_string(&push).unwrap();
        assert_eq!(serde_json::from_str::<Push>(&text).unwrap(), push);
    }
}
