//! Scaling of provisioned concurrency by how much of it is used: when a target-tracking policy moves a capacity, and to what.
//!
//! The rules are those of AWS's alarms. Use is told by the minute, as the highest share of the capacity that was busy at
//! once. Three minutes in a row above the target call for more, fifteen below nine tenths of it for less.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::UnixMs;
use crate::function::Scope;

/// The kind of a scalable target's record, which goes with the version or alias that it scales.
pub const SCALABLE_TARGET_KIND: &str = "scalable-target";

/// Minutes above the target after which there is to be more (AWS).
pub const HIGH_MINUTES: usize = 3;
/// Minutes below [`LOW_SHARE`] of the target after which there may be less (AWS).
pub const LOW_MINUTES: usize = 15;
/// See [`LOW_MINUTES`] (AWS).
const LOW_SHARE: f64 = 0.9;
/// The part of a capacity that goes at once, as a divisor. Ours: AWS says only that it scales in gradually.
const SCALE_IN_DIVISOR: u32 = 10;
/// What shares that were computed may be off by.
const TOLERANCE: f64 = 1e-9;

/// The smallest and the largest capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// `MinCapacity`.
    pub min: u32,
    /// `MaxCapacity`, never below the other.
    pub max: u32,
}

impl Bounds {
    /// The capacity within the bounds that is nearest.
    #[must_use]
    pub fn clamp(self, capacity: u32) -> u32 {
        capacity.max(self.min).min(self.max)
    }
}

/// What a target-tracking policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// `TargetValue`: the share of the capacity that is to be busy.
    pub target: f64,
    /// `ScaleOutCooldown`: time after an increase until the next.
    pub scale_out_cooldown_s: u32,
    /// `ScaleInCooldown`: time after a decrease until the next.
    pub scale_in_cooldown_s: u32,
    /// `DisableScaleIn`.
    pub never_scales_in: bool,
}

/// How much of a capacity was used in the last minutes; the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Use(VecDeque<f64>);

impl Use {
    /// Adds a minute's highest share.
    pub fn add(&mut self, share: f64) {
        self.0.push_back(share);
        while self.0.len() > LOW_MINUTES {
            self.0.pop_front();
        }
    }

    /// The lowest of the last `minutes`, if that many are known.
    fn lowest(&self, minutes: usize) -> Option<f64> {
        self.last(minutes).map(|last| last.fold(f64::INFINITY, f64::min))
    }

    fn highest(&self, minutes: usize) -> Option<f64> {
        self.last(minutes).map(|last| last.fold(0.0, f64::max))
    }

    fn last(&self, minutes: usize) -> Option<impl Iterator<Item = f64>> {
        (self.0.len() >= minutes).then(|| self.0.iter().rev().take(minutes).copied())
    }
}

/// Which of a policy's two alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alarm {
    /// Too much is used.
    High,
    /// Too little is.
    Low,
}

/// Everything that a decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Now.
    pub now_ms: UnixMs,
    /// What is there.
    pub capacity: u32,
    /// What may be there.
    pub bounds: Bounds,
    /// How much of it is used.
    pub used: &'a Use,
    /// When it last became more.
    pub scaled_out_ms: Option<UnixMs>,
    /// When it last became less.
    pub scaled_in_ms: Option<UnixMs>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: no alarm, or a cooldown.
    Stay,
    /// To go to another capacity.
    Move {
        /// What for.
        alarm: Alarm,
        /// Where to.
        capacity: u32,
    },
    /// There is an alarm, and the bounds leave nothing to do about it.
    Bound(Alarm),
}

impl Tracking {
    /// The alarm that the last minutes raise.
    #[must_use]
    pub fn alarm(&self, used: &Use) -> Option<Alarm> {
        if used.lowest(HIGH_MINUTES).is_some_and(|lowest| lowest > self.target + TOLERANCE) {
            return Some(Alarm::High);
        }
        let threshold = self.target * LOW_SHARE - TOLERANCE;
        used.highest(LOW_MINUTES).is_some_and(|highest| highest < threshold).then_some(Alarm::Low)
    }

    /// What to do at the end of a minute.
    #[must_use]
    pub fn decide(&self, situation: Situation<'_>) -> Decision {
        let Some(alarm) = self.alarm(situation.used).filter(|_| situation.capacity > 0) else { return Decision::Stay };
        match alarm {
            Alarm::High => self.scale_out(situation),
            Alarm::Low if self.never_scales_in => Decision::Stay,
            Alarm::Low => self.scale_in(situation),
        }
    }

    fn scale_out(&self, situation: Situation<'_>) -> Decision {
        let Situation { now_ms, capacity, bounds, used, scaled_out_ms, .. } = situation;
        if is_cooling(scaled_out_ms, self.scale_out_cooldown_s, now_ms) {
            return Decision::Stay;
        }
        let wanted = self.enough_for(capacity, used.highest(1).unwrap_or(0.0));
        let next = bounds.clamp(wanted);
        if next > capacity {
            Decision::Move { alarm: Alarm::High, capacity: next }
        } else {
            Decision::Bound(Alarm::High)
        }
    }

    fn scale_in(&self, situation: Situation<'_>) -> Decision {
        let Situation { now_ms, capacity, bounds, used, scaled_in_ms, .. } = situation;
        if is_cooling(scaled_in_ms, self.scale_in_cooldown_s, now_ms) {
            return Decision::Stay;
        }
        let wanted = self.enough_for(capacity, used.highest(LOW_MINUTES).unwrap_or(1.0));
        if wanted >= capacity {
            return Decision::Stay;
        }
        // Never to nothing: of nothing no use can be told, and it would stay so.
        let gradual = (capacity - (capacity / SCALE_IN_DIVISOR).max(1)).max(1);
        let next = bounds.clamp(wanted.max(gradual));
        if next < capacity { Decision::Move { alarm: Alarm::Low, capacity: next } } else { Decision::Bound(Alarm::Low) }
    }

    /// The smallest capacity of which `share` of `capacity` is not more than the target.
    fn enough_for(&self, capacity: u32, share: f64) -> u32 {
        let wanted = (f64::from(capacity) * share / self.target - TOLERANCE).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such a cast stops at the bounds")]
        let wanted = wanted as u32;
        wanted
    }
}

fn is_cooling(since_ms: Option<UnixMs>, cooldown_s: u32, now_ms: UnixMs) -> bool {
    since_ms.is_some_and(|since_ms| now_ms < since_ms + u64::from(cooldown_s) * 1_000)
}

/// The ARN of the scalable target of a resource such as `function:NAME:ALIAS`. Its id is made from the names, so that
/// whoever decides about a request knows it without looking.
#[must_use]
pub fn target_arn(scope: &Scope, resource_id: &str) -> String {
    const ID_LETTERS: usize = 36;
    let names = format!("{}/{}/{resource_id}", scope.account, scope.region);
    let digest: String = Sha256::digest(names).iter().map(|byte| format!("{byte:02x}")).collect();
    let id = &digest[..ID_LETTERS];
    format!("arn:aws:application-autoscaling:{}:{}:scalable-target/{id}", scope.region, scope.account)
}
