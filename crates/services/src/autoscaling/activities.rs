//! DescribeScalingActivities, and how activities are told of: begun, ended, and kept for a while.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_core::scaling::Alarm;
use uuid::Uuid;

use super::changes::all;
use super::names::{DIMENSION, Filter, NAMESPACE, ScaledName, scope_prefix};
use super::page::PageRequest;
use super::records::{ACTIVITY_PREFIX, Activities, Activity, Status, seconds};
use super::{AutoscalingError, AutoscalingService};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeRequest {
    #[serde(flatten)]
    filter: Filter,
    #[serde(default)]
    include_not_scaled_activities: bool,
    #[serde(flatten)]
    page: PageRequest,
}

impl AutoscalingService {
    /// The youngest first.
    pub(super) async fn describe_activities(
        &self,
        scope: &Scope,
        request: DescribeRequest,
    ) -> Result<Value, AutoscalingError> {
        let only = request.filter.name()?;
        let prefix = scope_prefix(ACTIVITY_PREFIX, scope);
        let oldest_ms = oldest_ms(self.clock.unix_ms());
        let mut found = Vec::new();
        for record in all::<Activities>(&self.store, &prefix).await? {
            let Some((function, qualifier)) = record.key[prefix.len()..].split_once('/') else { continue };
            let name = ScaledName { function: function.to_owned(), qualifier: qualifier.to_owned() };
            if only.as_ref().is_some_and(|only| name != *only) {
                continue;
            }
            let told = record.value.0.into_iter().enumerate();
            let told = told.filter(|(_, activity)| activity.started_ms >= oldest_ms);
            let told = told.filter(|(_, one)| request.include_not_scaled_activities || one.not_scaled.is_none());
            // The later of two at the same moment is the younger one.
            found.extend(told.map(|(index, one)| (rank(&one, index), shown(&name, &one))));
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        request.page.cut("ScalingActivities", found)
    }
}

/// Sorts the youngest first.
fn rank(activity: &Activity, index: usize) -> String {
    format!("{:020}/{:06}/{}", u64::MAX - activity.started_ms, limits::SCALING_ACTIVITIES_MAX - index, activity.id)
}

fn oldest_ms(now_ms: UnixMs) -> UnixMs {
    now_ms.saturating_sub(limits::SCALING_ACTIVITY_DAYS * DAY_MS)
}

impl Activities {
    /// Adds one, and lets go of those that are too old or too many.
    pub(super) fn add(&mut self, activity: Activity) {
        let oldest_ms = oldest_ms(activity.started_ms);
        self.0.retain(|known| known.started_ms >= oldest_ms);
        self.0.push(activity);
        let surplus = self.0.len().saturating_sub(limits::SCALING_ACTIVITIES_MAX);
        self.0.drain(..surplus);
    }

    /// Says how one goes on; with another status than `InProgress` that is its end.
    pub(super) fn tell(&mut self, id: Uuid, status: Status, message: String, now_ms: UnixMs) {
        if let Some(activity) = self.0.iter_mut().find(|activity| activity.id == id) {
            activity.status = status;
            activity.message = Some(message);
            activity.ended_ms = (status != Status::InProgress).then_some(now_ms);
        }
    }

    /// Whether the last thing told is that the bounds left nothing to do about an alarm.
    pub(super) fn end_at(&self, alarm: Alarm) -> bool {
        self.0.last().and_then(|last| last.not_scaled).is_some_and(|reason| reason.alarm == alarm)
    }

    /// Whether all that is told here is too old to be told.
    pub(super) fn is_over(&self, now_ms: UnixMs) -> bool {
        self.0.iter().all(|activity| activity.started_ms < oldest_ms(now_ms))
    }
}

fn shown(name: &ScaledName, activity: &Activity) -> Value {
    let mut shown = json!({
        "ActivityId": activity.id,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": name.resource_id(),
        "ScalableDimension": DIMENSION,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": seconds(activity.started_ms),
        "StatusCode": activity.status,
    });
    let members = [
        ("EndTime", activity.ended_ms.map(|time_ms| seconds(time_ms).into())),
        ("StatusMessage", activity.message.as_deref().map(Value::from)),
        ("NotScaledReasons", activity.not_scaled.map(|reason| json!([reason.shown()]))),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            shown[member] = value;
        }
    }
    shown
}
