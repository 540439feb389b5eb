//! Which days of a month a cron expression allows: by the day of the month or by the day of the week.

use jiff::civil::{Date, Weekday};

use super::ScheduleError;
use super::numbers::{Field, Numbers};

const OF_MONTH: Field = Field { name: "day of month", values: 1..=31, words: &[] };
const OF_WEEK: Field =
    Field { name: "day of week", values: 1..=7, words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

/// A day of the week as AWS counts it: Sunday is 1.
type WeekdayNumber = i16;

/// What stands between two commas.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// Days of the month.
    Days(Numbers),
    /// The last day of the month: `L`.
    Last,
    /// The day from Monday to Friday that is nearest to a day, in the same month: `15W`.
    Nearest(i16),
    /// Days of the week.
    Weekdays(Numbers),
    /// The last such day of the month: `6L`.
    LastWeekday(WeekdayNumber),
    /// The first, second … such day of the month: `6#3`.
    NthWeekday(WeekdayNumber, i16),
}

/// The days that any of the rules allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days(Vec<Rule>);

impl Days {
    /// From both fields, of which one is `?`.
    pub(super) fn parse(of_month: &str, of_week: &str) -> Result<Self, ScheduleError> {
        let (field, text, rule): (_, _, fn(&str) -> Option<Rule>) = match (of_month, of_week) {
            ("?", "?") => return Err(ScheduleError::Days),
            (_, "?") => (OF_MONTH, of_month, rule_of_month),
            ("?", _) => (OF_WEEK, of_week, rule_of_week),
            _ => return Err(ScheduleError::Days),
        };
        let rules = text.split(',').map(|part| rule(part).ok_or_else(|| field.error(part)));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The first allowed day of a date's month that is not before the date.
    pub(super) fn from(&self, date: Date) -> Option<i8> {
        (date.day()..=date.days_in_month()).find(|day| {
            let date = Date::new(date.year(), date.month(), *day);
            date.is_ok_and(|date| self.0.iter().any(|rule| rule.allows(date)))
        })
    }
}

impl Rule {
    fn allows(&self, date: Date) -> bool {
        let day = i16::from(date.day());
        let weekday = weekday(date);
        match self {
            Self::Days(days) => days.has(day),
            Self::Last => date.day() == date.days_in_month(),
            Self::Nearest(to) => nearest(date, *to) == Some(date.day()),
            Self::Weekdays(weekdays) => weekdays.has(weekday),
            Self::LastWeekday(last) => weekday == *last && day + 7 > i16::from(date.days_in_month()),
            Self::NthWeekday(nth, count) => weekday == *nth && (day - 1) / 7 + 1 == *count,
        }
    }
}

fn rule_of_month(part: &str) -> Option<Rule> {
    if part == "L" {
        return Some(Rule::Last);
    }
    if let Some(day) = part.strip_suffix('W') {
        return OF_MONTH.value(day).map(Rule::Nearest);
    }
    numbers(&OF_MONTH, part).map(Rule::Days)
}

fn rule_of_week(part: &str) -> Option<Rule> {
    // Alone it is the last day of the week.
    if part == "L" {
        return numbers(&OF_WEEK, "SAT").map(Rule::Weekdays);
    }
    if let Some(weekday) = part.strip_suffix('L') {
        return OF_WEEK.value(weekday).map(Rule::LastWeekday);
    }
    if let Some((weekday, count)) = part.split_once('#') {
        let count = count.parse().ok().filter(|count| (1..=5).contains(count))?;
        return OF_WEEK.value(weekday).map(|weekday| Rule::NthWeekday(weekday, count));
    }
    numbers(&OF_WEEK, part).map(Rule::Weekdays)
}

fn numbers(field: &Field, part: &str) -> Option<Numbers> {
    field.parse(part).ok()
}

fn weekday(date: Date) -> WeekdayNumber {
    i16::from(date.weekday().to_sunday_one_offset())
}

/// The weekday nearest to a day of a date's month; none when the month has no such day.
fn nearest(date: Date, day: i16) -> Option<i8> {
    let wanted = Date::new(date.year(), date.month(), i8::try_from(day).ok()?).ok()?;
    Some(match wanted.weekday() {
        Weekday::Saturday if wanted.day() == 1 => 3,
        Weekday::Saturday => wanted.day() - 1,
        Weekday::Sunday if wanted.day() == wanted.days_in_month() => wanted.day() - 2,
        Weekday::Sunday => wanted.day() + 1,
        _ => wanted.day(),
    })
}
