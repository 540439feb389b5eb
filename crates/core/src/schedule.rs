//! Schedules as AWS writes them: once (`at`), at a pace (`rate`) or by the calendar (`cron`), and when one fires next.
//!
//! A schedule is read once and asked again and again; time and time zone are arguments. Where a zone's clocks jump, what AWS
//! documents for EventBridge Scheduler holds: a local time that is left out is skipped, one that comes twice fires the first
//! time only.

mod cron;
mod day;
mod numbers;
mod rate;
#[cfg(test)]
mod tests;
mod zone;

use jiff::civil::DateTime;

use crate::clock::UnixMs;

pub use cron::Cron;
pub use rate::Rate;
pub use zone::Zone;

/// When something is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Once, at a local time.
    At(DateTime),
    /// Again and again after the same time.
    Rate(Rate),
    /// By the calendar.
    Cron(Cron),
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It begins with none of the three words.
    #[error("a schedule is at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields), not `{0}`")]
    Form(String),
    /// The time of an `at`.
    #[error("`{0}` is not a time of the form yyyy-mm-ddThh:mm:ss")]
    Time(String),
    /// The value or unit of a `rate`.
    #[error(
        "`{0}` is not a pace: write a whole number above 0 and minute, hour or day, or their plural when it is above 1"
    )]
    Pace(String),
    /// Too few or too many fields of a `cron`.
    #[error("a cron expression has six fields (minutes, hours, day of month, month, day of week, year), not {0}")]
    FieldCount(usize),
    /// A part of a field.
    #[error("`{part}` cannot be in the {field} field of a cron expression")]
    Field {
        /// For example `hours`.
        field: &'static str,
        /// The part of the field between two commas.
        part: String,
    },
    /// Both days are given, or none.
    #[error("a cron expression gives the day of the month or the day of the week and has `?` for the other")]
    Days,
    /// No such time zone.
    #[error("`{0}` is not a time zone, as Etc/UTC or Pacific/Tarawa are")]
    Zone(String),
}

impl Schedule {
    /// Reads what AWS calls a schedule expression.
    ///
    /// # Errors
    /// Names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let inside = |word| text.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(time) = inside("at") {
            return parse_time(time).map(Self::At).ok_or_else(|| ScheduleError::Time(time.to_owned()));
        }
        if let Some(pace) = inside("rate") {
            return Rate::parse(pace).map(Self::Rate);
        }
        match inside("cron") {
            Some(fields) => Cron::parse(fields).map(Self::Cron),
            None => Err(ScheduleError::Form(text.to_owned())),
        }
    }

    /// The first firing after a moment; none when there is none any more. A pace is counted from `start_ms`, the first
    /// moment at which it may fire.
    #[must_use]
    pub fn next_after(&self, after_ms: UnixMs, start_ms: UnixMs, zone: &Zone) -> Option<UnixMs> {
        match self {
            Self::At(time) => zone.moment(*time).filter(|moment_ms| *moment_ms > after_ms),
            Self::Rate(rate) => rate.next_after(after_ms, start_ms),
            Self::Cron(cron) => cron.next_after(after_ms, zone),
        }
    }
}

/// To the second, without a zone.
fn parse_time(text: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok()
}
