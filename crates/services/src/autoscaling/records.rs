//! What lies in the store: a record for each scalable target, and one for the activities of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::scaling::{Alarm, Bounds, Tracking};
use tindra_core::schedule::{Schedule, Zone};
use uuid::Uuid;

use super::names::Scaled;

/// What the keys of scalable targets begin with; [`tindra_core::scaling::SCALABLE_TARGET_KIND`] and a slash.
pub(super) const TARGET_PREFIX: &str = "scalable-target/";
/// What the keys of activities begin with. They stay when the target goes.
pub(super) const ACTIVITY_PREFIX: &str = "scaling-activities/";

/// A scalable target with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) scaled: Scaled,
    pub(super) bounds: Bounds,
    pub(super) suspended: Suspended,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created_ms: UnixMs,
    /// There is one metric, and AWS allows one policy for each.
    pub(super) policy: Option<Policy>,
    /// By their names.
    pub(super) actions: BTreeMap<String, Action>,
    /// The bounds are new, and whether the capacity lies in them has not been looked at.
    pub(super) has_new_bounds: bool,
    /// The change of the capacity that is not over.
    pub(super) moving: Option<Moving>,
    /// When the policy last raised the capacity.
    pub(super) scaled_out_ms: Option<UnixMs>,
    /// When it last lowered it.
    pub(super) scaled_in_ms: Option<UnixMs>,
}

/// `SuspendedState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Suspended {
    pub(super) dynamic_scaling_in_suspended: bool,
    pub(super) dynamic_scaling_out_suspended: bool,
    pub(super) scheduled_scaling_suspended: bool,
}

/// A change of the capacity, from its decision until it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moving {
    /// The activity that tells of it.
    pub(super) activity: Uuid,
    pub(super) capacity: u32,
    /// What the policy decided it for; none when new bounds did.
    pub(super) alarm: Option<Alarm>,
    /// Whether it has been asked for; a server that ended before asks again.
    pub(super) is_asked: bool,
}

/// A target-tracking policy. What the request left out is left out of answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) target: f64,
    pub(super) scale_out_cooldown_s: Option<u32>,
    pub(super) scale_in_cooldown_s: Option<u32>,
    pub(super) disable_scale_in: Option<bool>,
    pub(super) high_alarm: Uuid,
    pub(super) low_alarm: Uuid,
    pub(super) created_ms: UnixMs,
}

impl Policy {
    pub(super) fn tracking(&self) -> Tracking {
        Tracking {
            target: self.target,
            scale_out_cooldown_s: self.scale_out_cooldown_s.unwrap_or(0),
            scale_in_cooldown_s: self.scale_in_cooldown_s.unwrap_or(0),
            never_scales_in: self.disable_scale_in.unwrap_or(false),
        }
    }

    /// The name of an alarm as AWS makes it.
    pub(super) fn alarm_name(&self, scaled: &Scaled, alarm: Alarm) -> String {
        let (word, id) = match alarm {
            Alarm::High => ("High", self.high_alarm),
            Alarm::Low => ("Low", self.low_alarm),
        };
        format!("TargetTracking-{}-Alarm{word}-{id}", scaled.resource_id())
    }

    /// A policy that never scales in needs no alarm for it.
    pub(super) fn alarms(&self) -> impl Iterator<Item = Alarm> {
        let has_low = !self.tracking().never_scales_in;
        [Alarm::High, Alarm::Low].into_iter().filter(move |alarm| has_low || *alarm == Alarm::High)
    }
}

/// A scheduled action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) id: Uuid,
    pub(super) schedule: String,
    pub(super) timezone: Option<String>,
    pub(super) start_ms: Option<UnixMs>,
    pub(super) end_ms: Option<UnixMs>,
    pub(super) min: Option<u32>,
    pub(super) max: Option<u32>,
    pub(super) created_ms: UnixMs,
    /// When it fires next; none when it will not.
    pub(super) next_ms: Option<UnixMs>,
}

impl Action {
    /// The first firing after a moment, within the time from its start to its end.
    pub(super) fn next_after(&self, after_ms: UnixMs) -> Option<UnixMs> {
        // Both were read when the action was put, and the time zones are a part of the program.
        let schedule = Schedule::parse(&self.schedule).ok()?;
        let zone = self.timezone.as_deref().map_or_else(|| Ok(Zone::utc()), Zone::parse).ok()?;
        let after_ms = self.start_ms.map_or(after_ms, |start_ms| after_ms.max(start_ms.saturating_sub(1)));
        let next_ms = schedule.next_after(after_ms, self.start_ms.unwrap_or(self.created_ms), &zone)?;
        self.end_ms.is_none_or(|end_ms| next_ms <= end_ms).then_some(next_ms)
    }
}

/// The activities of one target, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activities(pub(super) Vec<Activity>);

/// Something that was done, tried, or left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activity {
    pub(super) id: Uuid,
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) started_ms: UnixMs,
    pub(super) ended_ms: Option<UnixMs>,
    pub(super) status: Status,
    pub(super) message: Option<String>,
    /// Why an alarm led to nothing; such activities are told of only when asked for.
    pub(super) not_scaled: Option<NotScaled>,
}

/// `StatusCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    InProgress,
    Successful,
    Overridden,
    Failed,
}

/// One of `NotScaledReasons`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotScaled {
    pub(super) alarm: Alarm,
    pub(super) bound: u32,
}

impl NotScaled {
    pub(super) fn shown(self) -> Value {
        match self.alarm {
            Alarm::High => json!({ "Code": "AlreadyAtMaxCapacity", "MaxCapacity": self.bound }),
            Alarm::Low => json!({ "Code": "AlreadyAtMinCapacity", "MinCapacity": self.bound }),
        }
    }
}

/// Seconds since 1970, as answers have times.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any year of a calendar fit")]
pub(super) fn seconds(time_ms: UnixMs) -> f64 {
    time_ms as f64 / 1_000.0
}
