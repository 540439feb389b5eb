//! PutScheduledAction, DescribeScheduledActions and DeleteScheduledAction.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_core::schedule::{Schedule, ScheduleError, Zone};
use uuid::Uuid;

use super::names::{DIMENSION, Filter, NAMESPACE, Subject};
use super::page::PageRequest;
use super::records::{Action, Target, seconds};
use super::targets::{bounds, capacity};
use super::{AutoscalingError, AutoscalingService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    #[serde(flatten)]
    subject: Subject,
    scheduled_action_name: String,
    schedule: Option<String>,
    timezone: Option<String>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    scalable_target_action: Option<Capacities>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Capacities {
    min_capacity: Option<i64>,
    max_capacity: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeRequest {
    #[serde(flatten)]
    filter: Filter,
    scheduled_action_names: Option<Vec<String>>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteRequest {
    #[serde(flatten)]
    subject: Subject,
    scheduled_action_name: String,
}

impl AutoscalingService {
    pub(super) async fn put_action(&self, scope: &Scope, request: PutRequest) -> Result<Value, AutoscalingError> {
        let name = request.subject.name()?;
        let now_ms = self.clock.unix_ms();
        self.change(
            &name.within(scope),
            || AutoscalingError::unregistered(&name),
            |target| {
                let before = target.actions.get(&request.scheduled_action_name);
                if before.is_none() && target.actions.len() >= limits::SCHEDULED_ACTIONS_MAX {
                    return Err(AutoscalingError::limit(format!(
                        "A scalable target can have at most {} scheduled actions.",
                        limits::SCHEDULED_ACTIONS_MAX
                    )));
                }
                let action = request.action(before, now_ms)?;
                target.actions.insert(request.scheduled_action_name.clone(), action);
                Ok(())
            },
        )
        .await?;
        Ok(json!({}))
    }

    pub(super) async fn describe_actions(
        &self,
        scope: &Scope,
        request: DescribeRequest,
    ) -> Result<Value, AutoscalingError> {
        let only = request.filter.name()?;
        let names = request.scheduled_action_names.as_ref();
        let targets = self.targets(scope).await?;
        let targets = targets.iter().filter(|one| only.as_ref().is_none_or(|only| one.value.scaled.name() == *only));
        let found = targets.flat_map(|one| {
            let asked = one.value.actions.iter().filter(|(name, _)| names.is_none_or(|names| names.contains(name)));
            // No name has a slash.
            asked.map(|(name, action)| (format!("{}/{name}", one.key), shown(&one.value, name, action)))
        });
        request.page.cut("ScheduledActions", found)
    }

    pub(super) async fn delete_action(&self, scope: &Scope, request: DeleteRequest) -> Result<Value, AutoscalingError> {
        let name = request.subject.name()?;
        let absent = || {
            let more = format!(", scheduled action name: {}", request.scheduled_action_name);
            AutoscalingError::missing("scheduled action found", &name, &more)
        };
        self.change(&name.within(scope), absent, |target| {
            target.actions.remove(&request.scheduled_action_name).map(drop).ok_or_else(absent)
        })
        .await?;
        Ok(json!({}))
    }
}

impl PutRequest {
    /// The action as the request wants it. What it does not name stays as it was, but for the start and the end, which go
    /// (AWS).
    fn action(&self, before: Option<&Action>, now_ms: UnixMs) -> Result<Action, AutoscalingError> {
        let schedule = self.schedule.clone().or_else(|| before.map(|before| before.schedule.clone()));
        let schedule = schedule.ok_or_else(|| AutoscalingError::invalid("A new scheduled action needs a schedule."))?;
        Schedule::parse(&schedule).map_err(unreadable)?;
        let timezone = self.timezone.clone().or_else(|| before.and_then(|before| before.timezone.clone()));
        timezone.as_deref().map(Zone::parse).transpose().map_err(unreadable)?;
        let (min, max) = match (self.scalable_target_action, before) {
            (Some(asked), _) => (capacity("Minimum", asked.min_capacity)?, capacity("Maximum", asked.max_capacity)?),
            (None, Some(before)) => (before.min, before.max),
            (None, None) => (None, None),
        };
        match (min, max) {
            (None, None) => {
                return Err(AutoscalingError::invalid(
                    "A scheduled action needs a scalable target action with a minimum or maximum capacity.",
                ));
            }
            (Some(min), Some(max)) => drop(bounds(min, max)?),
            _ => {}
        }
        let (start_ms, end_ms) = (time("StartTime", self.start_time)?, time("EndTime", self.end_time)?);
        if start_ms.zip(end_ms).is_some_and(|(start_ms, end_ms)| end_ms <= start_ms) {
            return Err(AutoscalingError::invalid("The end time must be after the start time."));
        }
        let mut action = Action {
            id: before.map_or_else(Uuid::new_v4, |before| before.id),
            schedule,
            timezone,
            start_ms,
            end_ms,
            min,
            max,
            created_ms: before.map_or(now_ms, |before| before.created_ms),
            next_ms: None,
        };
        action.next_ms = action.next_after(now_ms);
        let is_new = before.is_none_or(|before| before.schedule != action.schedule);
        if is_new && action.next_ms.is_none() {
            return Err(AutoscalingError::invalid(format!(
                "The schedule {} has no time in the future between the start and the end of the scheduled action.",
                action.schedule
            )));
        }
        Ok(action)
    }
}

fn unreadable(error: ScheduleError) -> AutoscalingError {
    AutoscalingError::invalid(format!("Invalid schedule: {error}."))
}

/// A time of a request.
fn time(which: &str, asked: Option<f64>) -> Result<Option<UnixMs>, AutoscalingError> {
    const LATEST_S: f64 = 253_402_300_799.0;
    let Some(seconds) = asked else { return Ok(None) };
    if !(0.0..=LATEST_S).contains(&seconds) {
        return Err(AutoscalingError::invalid(format!("{which} must be a time from 1970 to 9999.")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
    Ok(Some((seconds * 1_000.0).round() as UnixMs))
}

fn shown(target: &Target, name: &str, action: &Action) -> Value {
    let mut shown = json!({
        "ScheduledActionName": name,
        "ScheduledActionARN": target.scaled.arn_of("scheduledAction", action.id, &format!("scheduledActionName/{name}")),
        "ServiceNamespace": NAMESPACE,
        "Schedule": action.schedule,
        "ResourceId": target.scaled.resource_id(),
        "ScalableDimension": DIMENSION,
        "ScalableTargetAction": {},
        "CreationTime": seconds(action.created_ms),
    });
    for (member, capacity) in [("MinCapacity", action.min), ("MaxCapacity", action.max)] {
        if let Some(capacity) = capacity {
            shown["ScalableTargetAction"][member] = capacity.into();
        }
    }
    let members = [
        ("Timezone", action.timezone.as_deref().map(Value::from)),
        ("StartTime", action.start_ms.map(|time_ms| seconds(time_ms).into())),
        ("EndTime", action.end_ms.map(|time_ms| seconds(time_ms).into())),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            shown[member] = value;
        }
    }
    shown
}
