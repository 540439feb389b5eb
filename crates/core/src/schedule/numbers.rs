//! The numbers that a field of a cron expression allows: lists, ranges, steps, names, or all of them.

use std::ops::RangeInclusive;

use super::ScheduleError;

/// What a field may hold.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) values: RangeInclusive<i16>,
    /// Words for the values, from the smallest one on.
    pub(super) words: &'static [&'static str],
}

/// The allowed ones, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers(Vec<i16>);

impl Numbers {
    /// The first one that is not below `least`.
    pub(super) fn from(&self, least: i16) -> Option<i16> {
        self.0.get(self.0.partition_point(|number| *number < least)).copied()
    }

    pub(super) fn has(&self, number: i16) -> bool {
        self.0.binary_search(&number).is_ok()
    }

    fn sorted(mut numbers: Vec<i16>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers)
    }
}

impl Field {
    /// A whole field.
    pub(super) fn parse(&self, text: &str) -> Result<Numbers, ScheduleError> {
        let mut all = Vec::new();
        for part in text.split(',') {
            all.extend(self.part(part).ok_or_else(|| self.error(part))?);
        }
        Ok(Numbers::sorted(all))
    }

    pub(super) fn error(&self, part: &str) -> ScheduleError {
        ScheduleError::Field { field: self.name, part: part.to_owned() }
    }

    /// What stands between two commas: `*`, `5`, `2-4`, each also with a step as in `*/10`. A number with a step goes on to
    /// the largest value.
    pub(super) fn part(&self, text: &str) -> Option<Vec<i16>> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let all: Vec<i16> = match range.split_once('-') {
            _ if range == "*" => self.values.clone().collect(),
            Some((first, last)) => self.between(self.value(first)?, self.value(last)?),
            None if step.is_some() => (self.value(range)?..=*self.values.end()).collect(),
            None => vec![self.value(range)?],
        };
        Some(all.into_iter().step_by(step.unwrap_or(1)).collect())
    }

    /// `22-2` goes over the end, as `FRI-MON` does.
    fn between(&self, first: i16, last: i16) -> Vec<i16> {
        match first <= last {
            true => (first..=last).collect(),
            false => (first..=*self.values.end()).chain(*self.values.start()..=last).collect(),
        }
    }

    /// One value: its number or its word, in any case.
    pub(super) fn value(&self, text: &str) -> Option<i16> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let number = match word {
            Some(index) => self.values.start() + i16::try_from(index).ok()?,
            None if text.bytes().all(|letter| letter.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        self.values.contains(&number).then_some(number)
    }
}
