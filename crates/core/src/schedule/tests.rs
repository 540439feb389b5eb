//! Examples of the three forms; `tests/schedule.rs` compares with another implementation.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn moment(text: &str) -> UnixMs {
    let moment: Timestamp = text.parse().unwrap();
    u64::try_from(moment.as_millisecond()).unwrap()
}

/// The first firings after a moment, as UTC.
fn firings(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(schedule).unwrap();
    let zone = Zone::parse(zone).unwrap();
    let start_ms = moment(after);
    let next = |after_ms: &UnixMs| schedule.next_after(*after_ms, start_ms, &zone);
    let firings = std::iter::successors(next(&start_ms), next).take(count);
    firings.map(|time_ms| Timestamp::from_millisecond(i64::try_from(time_ms).unwrap()).unwrap().to_string()).collect()
}

#[test]
fn the_forms_of_cron_fire_when_aws_says_so() {
    for (schedule, expected) in [
        // The examples of AWS's pages, from Wednesday the 1st of January 2025 at noon.
        ("cron(0 10 * * ? *)", ["2025-01-02T10:00:00Z", "2025-01-03T10:00:00Z"]),
        ("cron(15 12 * * ? *)", ["2025-01-01T12:15:00Z", "2025-01-02T12:15:00Z"]),
        ("cron(0 18 ? * MON-FRI *)", ["2025-01-01T18:00:00Z", "2025-01-02T18:00:00Z"]),
        ("cron(0 8 1 * ? *)", ["2025-02-01T08:00:00Z", "2025-03-01T08:00:00Z"]),
        ("cron(0/15 * * * ? *)", ["2025-01-01T12:15:00Z", "2025-01-01T12:30:00Z"]),
        ("cron(0/10 * ? * MON-FRI *)", ["2025-01-01T12:10:00Z", "2025-01-01T12:20:00Z"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2025-01-01T12:05:00Z", "2025-01-01T12:10:00Z"]),
        ("cron(0/30 20-2 ? * MON-FRI *)", ["2025-01-01T20:00:00Z", "2025-01-01T20:30:00Z"]),
        ("cron(0 9 ? * 2#1 *)", ["2025-01-06T09:00:00Z", "2025-02-03T09:00:00Z"]),
        // The special days.
        ("cron(0 0 L * ? *)", ["2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z"]),
        ("cron(0 0 ? * L *)", ["2025-01-04T00:00:00Z", "2025-01-11T00:00:00Z"]),
        ("cron(0 0 ? * 6L *)", ["2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z"]),
        ("cron(0 0 ? * FRIL *)", ["2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z"]),
        ("cron(0 0 ? * FRI#5 *)", ["2025-01-31T00:00:00Z", "2025-05-30T00:00:00Z"]),
        ("cron(0 0 1W * ? *)", ["2025-02-03T00:00:00Z", "2025-03-03T00:00:00Z"]),
        ("cron(0 0 15W * ? *)", ["2025-01-15T00:00:00Z", "2025-02-14T00:00:00Z"]),
        ("cron(0 0 31W 8,3 ? *)", ["2025-03-31T00:00:00Z", "2025-08-29T00:00:00Z"]),
        ("cron(0 0 1,L,15W 2 ? *)", ["2025-02-01T00:00:00Z", "2025-02-14T00:00:00Z"]),
        // Leap days, years, wrapping ranges, words in any case.
        ("cron(0 0 29 FEB ? *)", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("cron(0 0 1 jan ? 2026-2030/2)", ["2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("cron(0 0 ? * SAT-SUN *)", ["2025-01-04T00:00:00Z", "2025-01-05T00:00:00Z"]),
        ("cron(59 23 31 12 ? *)", ["2025-12-31T23:59:00Z", "2026-12-31T23:59:00Z"]),
    ] {
        assert_eq!(firings(schedule, "UTC", "2025-01-01T12:00:00Z", 2), expected, "{schedule}");
    }
}

#[test]
fn what_can_never_be_again_does_not_fire() {
    for schedule in ["cron(0 0 30 2 ? *)", "cron(0 0 1 1 ? 2024)", "at(2025-01-01T12:00:00)", "cron(0 0 31W 2,4 ? *)"] {
        assert!(firings(schedule, "UTC", "2025-01-01T12:00:00Z", 1).is_empty(), "{schedule}");
    }
    let last = firings("cron(0 0 1 1 ? 2199)", "UTC", "2025-01-01T12:00:00Z", 2);
    assert_eq!(last, ["2199-01-01T00:00:00Z"]);
}

#[test]
fn a_time_of_a_zone_is_its_clocks() {
    let after = "2025-01-01T12:00:00Z";
    assert_eq!(firings("at(2025-07-01T08:30:05)", "Europe/Berlin", after, 2), ["2025-07-01T06:30:05Z"]);
    assert_eq!(firings("at(2025-07-01T08:30:05)", "UTC", after, 2), ["2025-07-01T08:30:05Z"]);
    let summer = firings("cron(0 9 ? MAR SUN *)", "America/New_York", "2025-03-05T00:00:00Z", 2);
    assert_eq!(summer, ["2025-03-09T13:00:00Z", "2025-03-16T13:00:00Z"]);
}

#[test]
fn a_time_that_is_left_out_is_skipped_and_one_that_comes_twice_fires_once() {
    // New York goes from 02:00 to 03:00 on the 9th of March and from 02:00 back to 01:00 on the 2nd of November.
    let zone = "America/New_York";
    let spring = firings("cron(30 2 * * ? *)", zone, "2025-03-08T00:00:00Z", 2);
    assert_eq!(spring, ["2025-03-08T07:30:00Z", "2025-03-10T06:30:00Z"]);
    let autumn = firings("cron(30 1 * * ? *)", zone, "2025-11-02T00:00:00Z", 2);
    assert_eq!(autumn, ["2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"]);
    let between = firings("cron(0/20 * * * ? *)", zone, "2025-11-02T05:35:00Z", 2);
    assert_eq!(between, ["2025-11-02T05:40:00Z", "2025-11-02T07:00:00Z"]);
    let in_the_second = firings("cron(30 1 * * ? *)", zone, "2025-11-02T06:10:00Z", 1);
    assert_eq!(in_the_second, ["2025-11-03T06:30:00Z"]);
    assert!(firings("at(2025-03-09T02:30:00)", zone, "2025-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn a_pace_is_counted_from_its_start() {
    let start = "2025-01-01T12:00:10Z";
    assert_eq!(firings("rate(5 minutes)", "UTC", start, 2), ["2025-01-01T12:05:10Z", "2025-01-01T12:10:10Z"]);
    assert_eq!(firings("rate(1 hour)", "UTC", start, 1), ["2025-01-01T13:00:10Z"]);
    assert_eq!(firings("rate(2 days)", "UTC", start, 1), ["2025-01-03T12:00:10Z"]);
    let rate = Schedule::parse("rate(1 minute)").unwrap();
    assert_eq!(rate.next_after(5, 90_000, &Zone::utc()), Some(90_000), "the start itself fires");
    assert_eq!(rate.next_after(90_000, 90_000, &Zone::utc()), Some(150_000));
}

#[test]
fn what_is_no_schedule_is_told_by_its_part() {
    for (text, message) in [
        ("every day", "a schedule is at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields), not `every day`"),
        (
            "cron(0 10 * * ?)",
            "a cron expression has six fields (minutes, hours, day of month, month, day of week, year), not 5",
        ),
        ("cron(60 10 * * ? *)", "`60` cannot be in the minutes field of a cron expression"),
        ("cron(0 10,24 * * ? *)", "`24` cannot be in the hours field of a cron expression"),
        ("cron(0 10 32 * ? *)", "`32` cannot be in the day of month field of a cron expression"),
        ("cron(0 10 * FOO ? *)", "`FOO` cannot be in the month field of a cron expression"),
        ("cron(0 10 ? * 8 *)", "`8` cannot be in the day of week field of a cron expression"),
        ("cron(0 10 ? * 2#6 *)", "`2#6` cannot be in the day of week field of a cron expression"),
        ("cron(0/0 10 * * ? *)", "`0/0` cannot be in the minutes field of a cron expression"),
        ("cron(+5 10 * * ? *)", "`+5` cannot be in the minutes field of a cron expression"),
        ("cron(0 10 * * ? 1969)", "`1969` cannot be in the year field of a cron expression"),
        (
            "cron(0 10 * * * *)",
            "a cron expression gives the day of the month or the day of the week and has `?` for the other",
        ),
        (
            "rate(1 minutes)",
            "`1 minutes` is not a pace: write a whole number above 0 and minute, hour or day, or their plural when it is above 1",
        ),
        ("at(2025-01-01)", "`2025-01-01` is not a time of the form yyyy-mm-ddThh:mm:ss"),
    ] {
        assert_eq!(Schedule::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    for text in
        ["rate(0 minutes)", "rate(5 minute)", "rate(5)", "rate(-1 hours)", "rate(5 weeks)", "cron()", "at()", ""]
    {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Zone::parse("Mars/Olympus").unwrap_err().to_string(),
        "`Mars/Olympus` is not a time zone, as Etc/UTC or Pacific/Tarawa are"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        let _ = Schedule::parse(&text);
        let _ = Schedule::parse(&format!("cron({text})"));
        let _ = Schedule::parse(&format!("rate({text})"));
        let _ = Schedule::parse(&format!("at({text})"));
    }

    #[test]
    fn a_pace_fires_once_in_each_period(value in 2..2_000_u64, start_ms in 0..4_000_000_000_000_u64, later_ms in 0..10_000_000_000_u64) {
        let rate = Rate::parse(&format!("{value} minutes")).unwrap();
        let after_ms = start_ms + later_ms;
        let next_ms = rate.next_after(after_ms, start_ms).unwrap();
        prop_assert!(next_ms > after_ms && next_ms - after_ms <= rate.period_ms());
        prop_assert_eq!((next_ms - start_ms) % rate.period_ms(), 0);
    }
}
