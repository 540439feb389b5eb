//! What lies in the store: a record for each bus, rule (with its targets), archive, replay, connection and API destination.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::names::BusName;
use super::target::Target;

/// `ENABLED` of rules.
pub(super) const ENABLED: &str = "ENABLED";
/// `DISABLED` of rules.
pub(super) const DISABLED: &str = "DISABLED";

/// Tags by their keys.
pub(super) type Tags = BTreeMap<String, String>;

/// A bus. The default bus has a record once there is something to say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bus {
    pub(super) name: BusName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Its resource policy, a JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(super) tags: Tags,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
}

impl Bus {
    pub(super) fn new(name: BusName, now_ms: UnixMs) -> Self {
        Self { name, description: None, policy: None, tags: Tags::new(), created_ms: now_ms, modified_ms: now_ms }
    }
}

/// A rule with its targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) bus: BusName,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schedule: Option<String>,
    pub(super) is_enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(super) tags: Tags,
    /// In the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<Target>,
}

impl Rule {
    pub(super) fn arn(&self) -> String {
        self.bus.rule_arn(&self.name)
    }

    pub(super) fn key(&self) -> String {
        self.bus.rule_key(&self.name)
    }

    pub(super) fn state(&self) -> &'static str {
        if self.is_enabled { ENABLED } else { DISABLED }
    }
}

/// An archive: what it takes of which bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Archive {
    /// Tells one that was deleted from one that came after it with the same name.
    pub(super) id: Uuid,
    pub(super) bus: BusName,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    /// 0 keeps events for ever.
    pub(super) retention_days: u32,
    pub(super) created_ms: UnixMs,
}

impl Archive {
    /// The journal of what it has taken.
    pub(super) fn journal(&self) -> String {
        format!("eventbridge/archived/{}/{}/{}", self.bus.scope.account, self.bus.scope.region, self.id)
    }

    /// The record of how much that is.
    pub(super) fn figures_key(&self) -> String {
        format!("eventbridge/archive-figures/{}/{}/{}", self.bus.scope.account, self.bus.scope.region, self.id)
    }

    /// What was taken before is not kept any more; none when everything is.
    pub(super) fn kept_since_ms(&self, now_ms: UnixMs) -> Option<UnixMs> {
        (self.retention_days > 0).then(|| now_ms.saturating_sub(u64::from(self.retention_days) * 86_400_000))
    }
}

/// How much an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArchiveFigures {
    pub(super) bytes: u64,
    pub(super) events: u64,
}

/// An event in an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Archived {
    /// When the bus got it.
    pub(super) taken_ms: UnixMs,
    /// `time` of the event, by which it is replayed.
    pub(super) time_ms: UnixMs,
    /// The event's text.
    pub(super) event: String,
}

/// A replay and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Replay {
    pub(super) id: Uuid,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) archive: Archive,
    pub(super) archive_arn: String,
    /// ARNs of the rules that get its events; all of the bus when there are none.
    pub(super) filter_arns: Vec<String>,
    pub(super) from_ms: UnixMs,
    pub(super) to_ms: UnixMs,
    pub(super) state: ReplayState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state_reason: Option<String>,
    pub(super) started_ms: UnixMs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_ms: Option<UnixMs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_replayed_ms: Option<UnixMs>,
    /// Where in the journal it goes on.
    pub(super) offset: u64,
    /// Where it ends: what comes after was not there when it began.
    pub(super) end: u64,
}

/// `ReplayState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ReplayState {
    Starting,
    Running,
    Cancelled,
    Completed,
    Failed,
}

impl ReplayState {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Cancelled => "CANCELLED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Failed)
    }
}

/// An API destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ApiDestination {
    pub(super) id: Uuid,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) connection_arn: String,
    pub(super) endpoint: String,
    pub(super) method: String,
    pub(super) rate_per_s: u32,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
}
