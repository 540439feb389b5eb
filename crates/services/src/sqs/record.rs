//! A queue as it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use uuid::Uuid;

use super::names;
use super::redrive::{Allowed, Redrive};

/// Of the keys of all queues.
pub(super) const PREFIX: &str = "sqs/queue/";

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) scope: Scope,
    pub(super) name: String,
    /// Which mailbox it has.
    pub(super) generation: Uuid,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
    #[serde(default)]
    pub(super) purged_ms: UnixMs,
    pub(super) settings: Settings,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// What `SetQueueAttributes` sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) delay_s: u64,
    pub(super) message_bytes_max: u64,
    pub(super) retention_s: u64,
    pub(super) receive_wait_s: u64,
    pub(super) visibility_s: u64,
    /// As it was given.
    pub(super) policy: Option<String>,
    pub(super) redrive: Option<Redrive>,
    pub(super) redrive_allow: Option<Allowed>,
    /// Of a FIFO queue.
    pub(super) fifo: Option<Fifo>,
    /// `SqsManagedSseEnabled`: told back. What lies at rest is encrypted if the operator's disk is.
    pub(super) is_encrypted: bool,
}

/// What only FIFO queues have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Fifo {
    /// A message without a deduplication id has the digest of its body.
    pub(super) by_content: bool,
    /// Deduplication ids count within a group.
    pub(super) is_per_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`. There is no limit here to lift, so both are served alike.
    pub(super) has_high_throughput: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay_s: 0,
            message_bytes_max: 1 << 20,
            retention_s: 345_600,
            receive_wait_s: 0,
            visibility_s: 30,
            policy: None,
            redrive: None,
            redrive_allow: None,
            fifo: None,
            is_encrypted: true,
        }
    }
}

impl Queue {
    pub(super) fn key(scope: &Scope, name: &str) -> String {
        format!("{PREFIX}{}/{}/{name}", scope.account, scope.region)
    }

    pub(super) fn arn(&self) -> String {
        names::arn(&self.scope, &self.name)
    }

    pub(super) fn mailbox(&self) -> String {
        names::mailbox(&self.scope, &self.name, self.generation)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }

    /// Messages that were sent by then are too old.
    pub(super) fn expired_ms(&self, now_ms: UnixMs) -> UnixMs {
        now_ms.saturating_sub(self.settings.retention_s * 1_000)
    }
}

/// A queue as it is kept in memory.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) queue: Queue,
    pub(super) mailbox: String,
    pub(super) policy: Option<Arc<Policy>>,
}

impl Known {
    pub(super) fn new(queue: Queue) -> Self {
        let policy = queue.settings.policy.as_deref().and_then(|policy| Policy::parse(policy).ok()).map(Arc::new);
        Self { mailbox: queue.mailbox(), policy, queue }
    }
}

impl std::ops::Deref for Known {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}
