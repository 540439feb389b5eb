//! Schedules.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::SchedulerService;
use super::error::SchedulerError;
use super::page::PageRequest;
use super::records::{DEFAULT_GROUP, DISABLED, Group, Plan, Schedule};
use super::target::Target;
use crate::instant::{from_seconds, to_seconds};

/// Attempts of a change whose records others change at the same time.
const ATTEMPTS_MAX: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    name: String,
    group_name: Option<String>,
    schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    start_date: Option<f64>,
    end_date: Option<f64>,
    description: Option<String>,
    state: Option<String>,
    kms_key_arn: Option<String>,
    target: Target,
    flexible_time_window: Window,
    client_token: Option<String>,
    action_after_completion: Option<String>,
}

/// `FlexibleTimeWindow`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Window {
    mode: String,
    maximum_window_in_minutes: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    name: String,
    group_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    group_name: Option<String>,
    name_prefix: Option<String>,
    state: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl PutRequest {
    fn schedule(&self, scope: &Scope, now_ms: UnixMs) -> Result<Schedule, SchedulerError> {
        if self.kms_key_arn.is_some() {
            return Err(SchedulerError::invalid("tindra does not support KmsKeyArn of schedules; leave it out."));
        }
        self.target.check()?;
        let window_minutes =
            match (self.flexible_time_window.mode.as_str(), self.flexible_time_window.maximum_window_in_minutes) {
                ("FLEXIBLE", Some(minutes)) => minutes,
                ("FLEXIBLE", None) => {
                    return Err(SchedulerError::invalid(
                        "MaximumWindowInMinutes must be provided when FlexibleTimeWindow Mode is FLEXIBLE.",
                    ));
                }
                (_, None) => 0,
                (_, Some(_)) => {
                    return Err(SchedulerError::invalid(
                        "MaximumWindowInMinutes is not allowed when FlexibleTimeWindow Mode is OFF.",
                    ));
                }
            };
        let time = |name: &str, time: Option<f64>| match time.map(from_seconds) {
            Some(None) => Err(SchedulerError::invalid(format!("{name} is out of range."))),
            time => Ok(time.flatten()),
        };
        let plan = Plan {
            expression: self.schedule_expression.clone(),
            timezone: self.schedule_expression_timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            start_ms: time("StartDate", self.start_date)?,
            end_ms: time("EndDate", self.end_date)?,
            window_minutes,
            since_ms: now_ms,
        };
        plan.check(now_ms)?;
        Ok(Schedule {
            scope: scope.clone(),
            group: self.group_name.clone().unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
            name: self.name.clone(),
            plan,
            description: self.description.clone(),
            is_enabled: self.state.as_deref() != Some(DISABLED),
            target: self.target.clone(),
            is_deleted_after: self.action_after_completion.as_deref() == Some("DELETE"),
            created_ms: now_ms,
            modified_ms: now_ms,
            generation: Uuid::new_v4(),
            client_token: self.client_token.clone(),
        })
    }
}

impl Schedule {
    /// Whether a request to make it is the one that made this one, come again.
    fn was_asked_for_by(&self, other: &Self) -> bool {
        let is_same = |one: &Self, other: &Self| {
            let plan = Plan { since_ms: one.plan.since_ms, ..other.plan.clone() };
            (&one.plan, &one.target, one.is_enabled, one.is_deleted_after, &one.description)
                == (&plan, &other.target, other.is_enabled, other.is_deleted_after, &other.description)
        };
        self.client_token.is_some() && self.client_token == other.client_token && is_same(self, other)
    }

    /// As an update leaves it: a pace that stays the same goes on from where it began.
    fn after(mut self, before: &Self) -> Self {
        self.created_ms = before.created_ms;
        self.client_token.clone_from(&before.client_token);
        let is_same_pace =
            (&self.plan.expression, self.plan.start_ms) == (&before.plan.expression, before.plan.start_ms);
        if is_same_pace && before.is_enabled {
            self.plan.since_ms = before.plan.since_ms;
        }
        self
    }
}

impl SchedulerService {
    pub(super) async fn create_schedule(&self, scope: &Scope, request: PutRequest) -> Result<Value, SchedulerError> {
        let now_ms = self.now_ms();
        let schedule = request.schedule(scope, now_ms)?;
        for _ in 0..ATTEMPTS_MAX {
            // A group that is being deleted gets no new schedule: writing it, too, makes one of the two come first.
            let mut batch = Batch::default();
            if schedule.group != DEFAULT_GROUP {
                let group = self.group(scope, &schedule.group).await?;
                if group.value.is_deleting {
                    return Err(SchedulerError::conflict(format!(
                        "Schedule group {} is being deleted.",
                        schedule.group
                    )));
                }
                batch = batch.put_json(&*group.key, Precondition::Revision(group.revision), &group.value)?;
            }
            let key = schedule.key();
            let there: Option<Versioned<Schedule>> = self.around.store.metadata.get_json(&key).await?;
            if let Some(there) = there {
                return match there.value.was_asked_for_by(&schedule) {
                    true => Ok(json!({ "ScheduleArn": schedule.arn() })),
                    false => Err(SchedulerError::conflict(format!("Schedule {} already exists.", schedule.name))),
                };
            }
            let batch = batch.put_json(key, Precondition::Absent, &schedule)?;
            let alarms = schedule.first_alarm(now_ms).into_iter().collect();
            match self.around.outbox.commit(batch, alarms).await {
                Ok(_) => return Ok(json!({ "ScheduleArn": schedule.arn() })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SchedulerError::conflict("The schedule group is being changed. Try again."))
    }

    pub(super) async fn update_schedule(&self, scope: &Scope, request: PutRequest) -> Result<Value, SchedulerError> {
        let now_ms = self.now_ms();
        let schedule = request.schedule(scope, now_ms)?;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.schedule(scope, &schedule.group, &schedule.name).await?;
            let schedule = schedule.clone().after(&before.value);
            let batch = Batch::default().put_json(before.key, Precondition::Revision(before.revision), &schedule)?;
            // What was due at this moment belongs to the schedule before.
            let is_new_pace = schedule.plan.since_ms == now_ms;
            let from_ms = if is_new_pace { now_ms } else { now_ms.saturating_add(1) };
            let alarms = schedule.first_alarm(from_ms).into_iter().collect();
            match self.around.outbox.commit(batch, alarms).await {
                Ok(_) => return Ok(json!({ "ScheduleArn": schedule.arn() })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SchedulerError::conflict("The schedule is being changed. Try again."))
    }

    pub(super) async fn get_schedule(&self, scope: &Scope, request: NamedRequest) -> Result<Value, SchedulerError> {
        let group = request.group_name.as_deref().unwrap_or(DEFAULT_GROUP);
        Ok(shown(&self.schedule(scope, group, &request.name).await?.value))
    }

    pub(super) async fn delete_schedule(&self, scope: &Scope, request: NamedRequest) -> Result<Value, SchedulerError> {
        let group = request.group_name.as_deref().unwrap_or(DEFAULT_GROUP);
        loop {
            let schedule = self.schedule(scope, group, &request.name).await?;
            let batch = Batch::default().delete(schedule.key, Precondition::Revision(schedule.revision));
            match self.around.outbox.commit(batch, Vec::new()).await {
                Ok(_) => return Ok(json!({})),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn list_schedules(&self, scope: &Scope, request: ListRequest) -> Result<Value, SchedulerError> {
        if let Some(group) = &request.group_name {
            self.group(scope, group).await?;
        }
        let prefix = Schedule::prefix(scope, request.group_name.as_deref());
        let name_prefix = request.name_prefix.unwrap_or_default();
        let listed = |schedule: &Schedule| {
            let is_wanted = schedule.name.starts_with(&name_prefix)
                && request.state.as_ref().is_none_or(|state| state == schedule.state());
            is_wanted.then(|| listed(schedule))
        };
        self.page(&request.page, "Schedules", &prefix, listed).await
    }

    async fn schedule(&self, scope: &Scope, group: &str, name: &str) -> Result<Versioned<Schedule>, SchedulerError> {
        let found = self.around.store.metadata.get_json(&Schedule::key_of(scope, group, name)).await?;
        match found {
            Some(schedule) => Ok(schedule),
            None => {
                let Versioned { value: Group { .. }, .. } = self.group(scope, group).await?;
                Err(SchedulerError::missing(format!("Schedule {name} does not exist.")))
            }
        }
    }
}

fn shown(schedule: &Schedule) -> Value {
    let mut shown = listed(schedule);
    let plan = &schedule.plan;
    let window = match plan.window_minutes {
        0 => json!({ "Mode": "OFF" }),
        minutes => json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes }),
    };
    let after = if schedule.is_deleted_after { "DELETE" } else { "NONE" };
    let members = [
        ("ScheduleExpression", Some(json!(plan.expression))),
        ("ScheduleExpressionTimezone", Some(json!(plan.timezone))),
        ("StartDate", plan.start_ms.map(|time_ms| json!(to_seconds(time_ms)))),
        ("EndDate", plan.end_ms.map(|time_ms| json!(to_seconds(time_ms)))),
        ("Description", schedule.description.as_ref().map(|description| json!(description))),
        ("Target", Some(json!(schedule.target))),
        ("FlexibleTimeWindow", Some(window)),
        ("ActionAfterCompletion", Some(json!(after))),
    ];
    for (name, member) in members {
        if let Some(member) = member {
            shown[name] = member;
        }
    }
    shown
}

fn listed(schedule: &Schedule) -> Value {
    json!({
        "Arn": schedule.arn(), "Name": schedule.name, "GroupName": schedule.group, "State": schedule.state(),
        "CreationDate": to_seconds(schedule.created_ms), "LastModificationDate": to_seconds(schedule.modified_ms),
        "Target": { "Arn": schedule.target.arn },
    })
}
