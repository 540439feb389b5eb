//! When a schedule fires.

use tindra_core::clock::UnixMs;
use tindra_core::schedule::{Schedule, ScheduleError, Zone};
use uuid::Uuid;

use super::error::SchedulerError;
use super::records::Plan;

impl Plan {
    /// Refuses what is no schedule.
    pub(super) fn check(&self, now_ms: UnixMs) -> Result<(), SchedulerError> {
        read(&self.expression)
            .map_err(|_| SchedulerError::invalid(format!("Invalid Schedule Expression {}.", self.expression)))?;
        Zone::parse(&self.timezone)
            .map_err(|_| SchedulerError::invalid(format!("Invalid ScheduleExpressionTimezone {}.", self.timezone)))?;
        match (self.start_ms, self.end_ms) {
            (Some(start_ms), Some(end_ms)) if start_ms >= end_ms => {
                Err(SchedulerError::invalid("The StartDate you specify must come before the EndDate."))
            }
            (_, Some(end_ms)) if end_ms <= now_ms => {
                Err(SchedulerError::invalid("The EndDate you specify must be in the future."))
            }
            _ => Ok(()),
        }
    }

    /// The first firing at or after a moment, within the time from its start to its end.
    pub(super) fn next_from(&self, from_ms: UnixMs) -> Option<UnixMs> {
        // Both were read when the schedule was made, and the time zones are a part of the program.
        let schedule = read(&self.expression).ok()?;
        let zone = Zone::parse(&self.timezone).ok()?;
        let is_once = matches!(schedule, Schedule::At(_));
        // Start and end are for what comes again (AWS).
        let (start_ms, end_ms) = if is_once { (None, None) } else { (self.start_ms, self.end_ms) };
        let from_ms = from_ms.max(start_ms.unwrap_or(0));
        let next_ms = schedule.next_after(from_ms.saturating_sub(1), start_ms.unwrap_or(self.since_ms), &zone)?;
        end_ms.is_none_or(|end_ms| next_ms <= end_ms).then_some(next_ms)
    }

    /// The firing after one that was due at `at_ms`. What was missed while nobody was there is not caught up with.
    pub(super) fn next_after(&self, at_ms: UnixMs, now_ms: UnixMs) -> Option<UnixMs> {
        let next_ms = self.next_from(at_ms.saturating_add(1))?;
        // With a flexible time window it may be in the past and still to come.
        match next_ms.saturating_add(self.window_ms()) < now_ms {
            true => self.next_from(now_ms),
            false => Some(next_ms),
        }
    }

    /// The moment of a firing: its time, or any in the window that begins then.
    pub(super) fn moment(&self, at_ms: UnixMs) -> UnixMs {
        match self.window_ms() {
            0 => at_ms,
            window_ms => at_ms.saturating_add(random() % window_ms),
        }
    }

    fn window_ms(&self) -> u64 {
        u64::from(self.window_minutes) * 60_000
    }
}

/// A schedule expression. Unlike rules, Scheduler takes `rate(1 hours)` for `rate(1 hour)`.
fn read(expression: &str) -> Result<Schedule, ScheduleError> {
    let one = expression.strip_prefix("rate(1 ").and_then(|unit| unit.strip_suffix("s)"));
    match one {
        Some(unit) => Schedule::parse(&format!("rate(1 {unit})")),
        None => Schedule::parse(expression),
    }
}

/// Any number.
fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn plan(expression: &str) -> Plan {
        Plan {
            expression: expression.to_owned(),
            timezone: "UTC".to_owned(),
            start_ms: None,
            end_ms: None,
            window_minutes: 0,
            since_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_pace_begins_at_once_or_at_its_start_and_ends_at_its_end() {
        let since_ms = 1_700_000_000_000;
        let mut plan = plan("rate(5 minutes)");
        assert_eq!(plan.next_from(since_ms), Some(since_ms));
        assert_eq!(plan.next_after(since_ms, since_ms), Some(since_ms + 5 * MINUTE_MS));
        plan.start_ms = Some(since_ms + MINUTE_MS);
        assert_eq!(plan.next_from(since_ms), Some(since_ms + MINUTE_MS));
        assert_eq!(plan.next_after(since_ms + MINUTE_MS, since_ms + MINUTE_MS), Some(since_ms + 6 * MINUTE_MS));
        plan.end_ms = Some(since_ms + 6 * MINUTE_MS);
        assert_eq!(plan.next_after(since_ms + 6 * MINUTE_MS, since_ms + 6 * MINUTE_MS), None);
    }

    #[test]
    fn one_may_be_several() {
        let since_ms = 1_700_000_000_000;
        for expression in ["rate(1 hour)", "rate(1 hours)"] {
            let plan = plan(expression);
            assert!(plan.check(since_ms).is_ok());
            assert_eq!(plan.next_from(since_ms + 1), Some(since_ms + 60 * MINUTE_MS));
        }
        assert!(plan("rate(2 hour)").check(since_ms).is_err() && plan("rate(1 hourss)").check(since_ms).is_err());
    }

    #[test]
    fn once_is_once() {
        let at_ms = 1_700_006_400_000;
        let mut plan = plan("at(2023-11-15T00:00:00)");
        plan.end_ms = Some(at_ms - 1);
        assert_eq!(plan.next_from(at_ms - 1), Some(at_ms), "its end does not count");
        assert_eq!((plan.next_after(at_ms, at_ms), plan.next_from(at_ms + 1)), (None, None));
    }

    #[test]
    fn local_times_are_skipped_and_not_repeated() {
        let mut plan = plan("cron(30 2 * * ? *)");
        plan.timezone = "America/New_York".to_owned();
        // 2025-03-08T07:30Z is the last one before the clocks go forward over the next one.
        let at_ms = 1_741_419_000_000;
        assert_eq!(plan.next_after(at_ms, at_ms), Some(at_ms + 47 * 60 * MINUTE_MS));
    }

    proptest! {
        #[test]
        fn firings_go_on_and_what_was_missed_is_missed(
            count in 2_u64..90,
            window_minutes in prop::sample::select(vec![0_u32, 1, 15, 1_440]),
            late_ms in 0_u64..1_000_000_000,
        ) {
            let mut plan = plan(&format!("rate({count} minutes)"));
            plan.window_minutes = window_minutes;
            let (at_ms, window_ms) = (plan.since_ms, u64::from(window_minutes) * MINUTE_MS);
            let now_ms = at_ms + late_ms;
            let next_ms = plan.next_after(at_ms, now_ms).unwrap();
            prop_assert!(next_ms > at_ms && next_ms + window_ms >= now_ms);
            prop_assert_eq!((next_ms - at_ms) % (count * MINUTE_MS), 0);
            let moment_ms = plan.moment(next_ms);
            prop_assert!(moment_ms == next_ms || (next_ms..next_ms + window_ms).contains(&moment_ms));
        }
    }
}
