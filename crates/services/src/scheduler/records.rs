//! What lies in the store: a record for each schedule and for each group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use super::target::Target;

/// The group that every account and region has.
pub(super) const DEFAULT_GROUP: &str = "default";
/// `ENABLED`.
pub(super) const ENABLED: &str = "ENABLED";
/// `DISABLED`.
pub(super) const DISABLED: &str = "DISABLED";

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub(super) scope: Scope,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) plan: Plan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) is_enabled: bool,
    pub(super) target: Target,
    /// `ActionAfterCompletion` is `DELETE`.
    pub(super) is_deleted_after: bool,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
    /// Which alarm counts.
    pub(super) generation: Uuid,
    /// By which a request that is repeated is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_token: Option<String>,
}

/// When it fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) expression: String,
    pub(super) timezone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start_ms: Option<UnixMs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end_ms: Option<UnixMs>,
    /// 0 without a flexible time window.
    pub(super) window_minutes: u32,
    /// Paces are counted from there, where no start is given.
    pub(super) since_ms: UnixMs,
}

/// A group of schedules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) is_deleting: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_token: Option<String>,
}

impl Group {
    /// The group that is there without a record.
    pub(super) fn default_one() -> Self {
        Self {
            id: Uuid::nil(),
            name: DEFAULT_GROUP.to_owned(),
            is_deleting: false,
            tags: BTreeMap::new(),
            created_ms: 0,
            modified_ms: 0,
            client_token: None,
        }
    }

    pub(super) fn arn(&self, scope: &Scope) -> String {
        format!("arn:aws:scheduler:{}:{}:schedule-group/{}", scope.region, scope.account, self.name)
    }

    pub(super) fn prefix(scope: &Scope) -> String {
        format!("scheduler/group/{}/{}/", scope.account, scope.region)
    }

    pub(super) fn key(scope: &Scope, name: &str) -> String {
        Self::prefix(scope) + name
    }
}

impl Schedule {
    pub(super) fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:scheduler:{region}:{account}:schedule/{}/{}", self.group, self.name)
    }

    /// What the keys of all begin with, or of those of a group.
    pub(super) fn prefix(scope: &Scope, group: Option<&str>) -> String {
        let group = group.map(|group| format!("{group}/")).unwrap_or_default();
        format!("scheduler/schedule/{}/{}/{group}", scope.account, scope.region)
    }

    pub(super) fn key_of(scope: &Scope, group: &str, name: &str) -> String {
        Self::prefix(scope, Some(group)) + name
    }

    pub(super) fn key(&self) -> String {
        Self::key_of(&self.scope, &self.group, &self.name)
    }

    pub(super) fn state(&self) -> &'static str {
        if self.is_enabled { ENABLED } else { DISABLED }
    }
}
