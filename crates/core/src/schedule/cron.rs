//! The calendar: `cron(minutes hours day-of-month month day-of-week year)`.

use jiff::ToSpan as _;
use jiff::civil::{DateTime, date};

use super::day::Days;
use super::numbers::{Field, Numbers};
use super::{ScheduleError, Zone};
use crate::clock::UnixMs;

const MINUTES: Field = Field { name: "minutes", values: 0..=59, words: &[] };
const HOURS: Field = Field { name: "hours", values: 0..=23, words: &[] };
const MONTHS: Field = Field {
    name: "month",
    values: 1..=12,
    words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const YEARS: Field = Field { name: "year", values: 1970..=2199, words: &[] };

/// A cron expression as AWS has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Numbers,
    hours: Numbers,
    days: Days,
    months: Numbers,
    years: Numbers,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else {
            return Err(ScheduleError::FieldCount(fields.len()));
        };
        Ok(Self {
            minutes: MINUTES.parse(minutes)?,
            hours: HOURS.parse(hours)?,
            days: Days::parse(day_of_month, day_of_week)?,
            months: MONTHS.parse(month)?,
            years: YEARS.parse(year)?,
        })
    }

    pub(super) fn next_after(&self, after_ms: UnixMs, zone: &Zone) -> Option<UnixMs> {
        let mut from = next_minute(zone.local(after_ms)?)?;
        loop {
            let local = self.first_from(from)?;
            // A local time that comes twice has been before when the clocks show it again.
            match zone.moment(local).filter(|moment_ms| *moment_ms > after_ms) {
                Some(moment_ms) => return Some(moment_ms),
                None => from = next_minute(local)?,
            }
        }
    }

    /// The first local time that fits and is not before `from`, which is a whole minute.
    fn first_from(&self, mut from: DateTime) -> Option<DateTime> {
        // Each turn makes one part of the time fit, or goes to the next year, month, day or hour.
        loop {
            let year = self.years.from(from.year())?;
            if year > from.year() {
                from = date(year, 1, 1).into();
            }
            let Some(month) = from_i8(&self.months, from.month()) else {
                from = date(year, 1, 1).checked_add(1.year()).ok()?.into();
                continue;
            };
            if month > from.month() {
                from = date(year, month, 1).into();
            }
            let Some(day) = self.days.from(from.date()) else {
                from = from.date().first_of_month().checked_add(1.month()).ok()?.into();
                continue;
            };
            if day > from.day() {
                from = date(year, month, day).into();
            }
            let Some(hour) = from_i8(&self.hours, from.hour()) else {
                from = from.date().tomorrow().ok()?.into();
                continue;
            };
            if hour > from.hour() {
                from = from.date().at(hour, 0, 0, 0);
            }
            match from_i8(&self.minutes, from.minute()) {
                Some(minute) => return Some(from.date().at(hour, minute, 0, 0)),
                None => from = from.date().at(hour, 0, 0, 0).checked_add(1.hour()).ok()?,
            }
        }
    }
}

/// The next whole minute.
fn next_minute(local: DateTime) -> Option<DateTime> {
    local.date().at(local.hour(), local.minute(), 0, 0).checked_add(1.minute()).ok()
}

fn from_i8(numbers: &Numbers, least: i8) -> Option<i8> {
    numbers.from(i16::from(least)).and_then(|number| i8::try_from(number).ok())
}
