//! A pace: `rate(5 minutes)`.

use super::ScheduleError;
use crate::clock::UnixMs;

/// The same time again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    period_ms: u64,
}

impl Rate {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        Self::read(text).ok_or_else(|| ScheduleError::Pace(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let (value, unit) = text.trim().split_once(' ')?;
        let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
        // One of them is told without the plural, several with it (AWS).
        let singular = if value == 1 { unit.trim() } else { unit.trim().strip_suffix('s')? };
        let unit_ms: u64 = match singular {
            "minute" => 60_000,
            "hour" => 60 * 60_000,
            "day" => 24 * 60 * 60_000,
            _ => return None,
        };
        Some(Self { period_ms: value.checked_mul(unit_ms)? })
    }

    /// Time from one firing to the next.
    #[must_use]
    pub fn period_ms(self) -> u64 {
        self.period_ms
    }

    pub(super) fn next_after(self, after_ms: UnixMs, start_ms: UnixMs) -> Option<UnixMs> {
        let Some(since_ms) = after_ms.checked_sub(start_ms) else { return Some(start_ms) };
        let periods = since_ms / self.period_ms + 1;
        start_ms.checked_add(periods.checked_mul(self.period_ms)?)
    }
}
