//! What is due for one target at one moment: pure edits of its records, which the engine commits.
//!
//! A change of the capacity goes through three edits: it is begun here, asked for by the engine, and found to be over here.

use tindra_core::clock::UnixMs;
use tindra_core::provisioned::{Provisioned, ProvisionedStatus};
use tindra_core::scaling::{Alarm, Bounds, Decision, Situation, Use};
use uuid::Uuid;

use super::ProvisioningError;
use super::changes::Draft;
use super::records::{Action, Activity, Moving, NotScaled, Status};

/// What is known beside the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) now_ms: UnixMs,
    /// Firings before this were missed, for nobody was there.
    pub(super) since_ms: UnixMs,
    pub(super) provisioned: Option<&'a Provisioned>,
    /// At the end of a minute, how much was used.
    pub(super) used: Option<&'a Use>,
}

impl Moment<'_> {
    fn capacity(&self) -> u32 {
        self.provisioned.map_or(0, |provisioned| provisioned.requested)
    }
}

impl Draft {
    /// Everything that is due, in order: what has ended, what the clock says, new bounds, and the policy.
    pub(super) fn advance(&mut self, moment: Moment<'_>) {
        self.finish(moment);
        self.fire(moment);
        self.keep_bounds(moment);
        self.track(moment);
    }

    /// How asking for a change went. One whose outcome nobody knows is asked for again.
    pub(super) fn asked(&mut self, activity: Uuid, outcome: &Result<(), ProvisioningError>, now_ms: UnixMs) {
        let Some(moving) = self.target.moving.as_mut().filter(|moving| moving.activity == activity) else { return };
        match outcome {
            Ok(()) => {
                moving.is_asked = true;
                let message = waiting(moving.capacity);
                self.activities.tell(activity, Status::InProgress, message, now_ms);
            }
            Err(ProvisioningError::Refused(reason)) => {
                let message = failed(moving.capacity, reason);
                self.target.moving = None;
                self.activities.tell(activity, Status::Failed, message, now_ms);
            }
            Err(ProvisioningError::Unavailable(_)) => {}
        }
    }

    /// Ends the change that is there by now, or that will not be.
    fn finish(&mut self, moment: Moment<'_>) {
        let Some(moving) = self.target.moving.clone().filter(|moving| moving.is_asked) else { return };
        let Moving { activity, capacity, alarm, .. } = moving;
        let (status, message) = match moment.provisioned {
            None if capacity == 0 => (Status::Successful, fulfilled(capacity)),
            Some(now) if now.requested == capacity => match (now.status, &now.status_reason) {
                (ProvisionedStatus::InProgress, _) => return,
                (ProvisionedStatus::Ready, _) => (Status::Successful, fulfilled(capacity)),
                (ProvisionedStatus::Failed, reason) => {
                    (Status::Failed, failed(capacity, reason.as_deref().unwrap_or("the environments were not made")))
                }
            },
            _ => (Status::Overridden, overridden(capacity)),
        };
        self.target.moving = None;
        self.activities.tell(activity, status, message, moment.now_ms);
        match alarm.filter(|_| status == Status::Successful) {
            Some(Alarm::High) => self.target.scaled_out_ms = Some(moment.now_ms),
            Some(Alarm::Low) => self.target.scaled_in_ms = Some(moment.now_ms),
            None => {}
        }
    }

    /// Lets the scheduled actions act whose time has come.
    fn fire(&mut self, moment: Moment<'_>) {
        let Moment { now_ms, since_ms, .. } = moment;
        let is_suspended = self.target.suspended.scheduled_scaling_suspended;
        let mut due: Vec<(UnixMs, String, Action)> = Vec::new();
        for (name, action) in &mut self.target.actions {
            let Some(time_ms) = action.next_ms.filter(|time_ms| *time_ms <= now_ms) else { continue };
            action.next_ms = action.next_after(now_ms);
            if time_ms >= since_ms && !is_suspended {
                due.push((time_ms, name.clone(), action.clone()));
            }
        }
        due.sort_by_key(|(time_ms, ..)| *time_ms);
        for (_, name, action) in due {
            self.act(&name, &action, now_ms);
        }
    }

    fn act(&mut self, name: &str, action: &Action, now_ms: UnixMs) {
        let bounds = self.target.bounds;
        let new = Bounds { min: action.min.unwrap_or(bounds.min), max: action.max.unwrap_or(bounds.max) };
        let parts = [("min", action.min), ("max", action.max)];
        let parts = parts.into_iter().filter_map(|(word, capacity)| Some(format!("{word} capacity to {}", capacity?)));
        let what = parts.collect::<Vec<_>>().join(" and ");
        let (status, message) = match new.max < new.min {
            true => {
                let reason = "maximum capacity cannot be less than minimum capacity";
                (Status::Failed, format!("Failed to set {what}. Reason: {reason}."))
            }
            false => (Status::Successful, format!("Successfully set {what}")),
        };
        if status == Status::Successful {
            self.target.bounds = new;
            self.target.has_new_bounds = true;
        }
        self.activities.add(Activity {
            id: Uuid::new_v4(),
            description: format!("Setting {what}"),
            cause: format!("scheduled action name {name} was triggered"),
            started_ms: now_ms,
            ended_ms: Some(now_ms),
            status,
            message: Some(message),
            not_scaled: None,
        });
    }

    /// Brings the capacity into bounds that are new. Bounds that are not are the business of whoever goes beyond them (AWS).
    fn keep_bounds(&mut self, moment: Moment<'_>) {
        if !std::mem::take(&mut self.target.has_new_bounds) {
            return;
        }
        // What is asked for already counts.
        let capacity = self.target.moving.as_ref().map_or_else(|| moment.capacity(), |moving| moving.capacity);
        let within = self.target.bounds.clamp(capacity);
        let word = match within.cmp(&capacity) {
            std::cmp::Ordering::Greater => "minimum",
            std::cmp::Ordering::Less => "maximum",
            std::cmp::Ordering::Equal => return,
        };
        self.begin(within, format!("{word} capacity was set to {within}"), None, moment.now_ms);
    }

    /// Does what the policy decides at the end of a minute. While a change goes on nothing is decided: what was measured
    /// does not know it.
    fn track(&mut self, moment: Moment<'_>) {
        let (Some(used), Some(policy), None) = (moment.used, &self.target.policy, &self.target.moving) else { return };
        let situation = Situation {
            now_ms: moment.now_ms,
            capacity: moment.capacity(),
            bounds: self.target.bounds,
            used,
            scaled_out_ms: self.target.scaled_out_ms,
            scaled_in_ms: self.target.scaled_in_ms,
        };
        let decision = policy.tracking().decide(situation);
        let cause = |alarm| {
            let alarm = policy.alarm_name(&self.target.scaled, alarm);
            format!("monitor alarm {alarm} in state ALARM triggered policy {}", policy.name)
        };
        let suspended = self.target.suspended;
        let is_suspended = |alarm| match alarm {
            Alarm::High => suspended.dynamic_scaling_out_suspended,
            Alarm::Low => suspended.dynamic_scaling_in_suspended,
        };
        match decision {
            Decision::Move { alarm, capacity } if !is_suspended(alarm) => {
                self.begin(capacity, cause(alarm), Some(alarm), moment.now_ms);
            }
            // Told once and not every minute.
            Decision::Bound(alarm) if !is_suspended(alarm) && !self.activities.end_at(alarm) => {
                let activity = not_scaled(alarm, self.target.bounds, cause(alarm), moment.now_ms);
                self.activities.add(activity);
            }
            Decision::Move { .. } | Decision::Bound(_) | Decision::Stay => {}
        }
    }

    /// Begins a change; one that goes on is over.
    fn begin(&mut self, capacity: u32, cause: String, alarm: Option<Alarm>, now_ms: UnixMs) {
        let activity = Uuid::new_v4();
        let moving = Moving { activity, capacity, alarm, is_asked: false };
        if let Some(before) = self.target.moving.replace(moving) {
            self.activities.tell(before.activity, Status::Overridden, overridden(before.capacity), now_ms);
        }
        self.activities.add(Activity {
            id: activity,
            description: format!("Setting desired concurrency to {capacity}."),
            cause,
            started_ms: now_ms,
            ended_ms: None,
            status: Status::InProgress,
            message: None,
            not_scaled: None,
        });
    }
}

fn not_scaled(alarm: Alarm, bounds: Bounds, cause: String, now_ms: UnixMs) -> Activity {
    let bound = match alarm {
        Alarm::High => bounds.max,
        Alarm::Low => bounds.min,
    };
    Activity {
        id: Uuid::new_v4(),
        description: "Attempting to scale due to alarm triggered".to_owned(),
        cause,
        started_ms: now_ms,
        ended_ms: Some(now_ms),
        status: Status::Failed,
        message: None,
        not_scaled: Some(NotScaled { alarm, bound }),
    }
}

// The sentences of AWS's recorded activities, but for the last.

fn waiting(capacity: u32) -> String {
    format!("Successfully set desired concurrency to {capacity}. Waiting for change to be fulfilled by lambda.")
}

fn fulfilled(capacity: u32) -> String {
    format!("Successfully set desired concurrency to {capacity}. Change successfully fulfilled by lambda.")
}

fn failed(capacity: u32, reason: &str) -> String {
    format!("Failed to set desired concurrency to {capacity}. Reason: {reason}")
}

fn overridden(capacity: u32) -> String {
    format!("Setting desired concurrency to {capacity} was overridden by a later change.")
}
