//! Time zones by their names in the IANA database, a copy of which is part of the program.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::ScheduleError;
use crate::clock::UnixMs;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time, which schedules are in unless they say otherwise.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of a name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Self, ScheduleError> {
        TimeZone::get(name).map(Self).map_err(|_| ScheduleError::Zone(name.to_owned()))
    }

    /// The moment of a local time: the first of two, none for one that is left out.
    pub(super) fn moment(&self, local: DateTime) -> Option<UnixMs> {
        let offset = match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
            AmbiguousOffset::Gap { .. } => return None,
        };
        offset.to_timestamp(local).ok().and_then(|moment| UnixMs::try_from(moment.as_millisecond()).ok())
    }

    /// What clocks show at a moment.
    pub(super) fn local(&self, moment_ms: UnixMs) -> Option<DateTime> {
        let moment = Timestamp::from_millisecond(i64::try_from(moment_ms).ok()?).ok()?;
        Some(self.0.to_datetime(moment))
    }
}
