//! Cron expressions against the `croner` crate, which reads Quartz's language as AWS does where the two agree: everything
//! but `L` alone as a day of the week, ranges that go over the end, days nearest to one that a month does not have, and
//! steps of years.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use tindra_core::schedule::{Schedule, Zone};

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// One part of a field: a value, a range, a step, or both.
fn part(least: u16, most: u16, words: &'static [&'static str]) -> BoxedStrategy<String> {
    let value = move |number: u16, as_word: bool| match words.get(usize::from(number - least)) {
        Some(word) if as_word => (*word).to_owned(),
        _ => number.to_string(),
    };
    let range = (least..=most, least..=most, any::<bool>())
        .prop_map(move |(one, other, words)| (value(one.min(other), words), value(one.max(other), words)));
    prop_oneof![
        3 => (least..=most, any::<bool>()).prop_map(move |(number, word)| value(number, word)),
        2 => range.clone().prop_map(|(first, last)| format!("{first}-{last}")),
        1 => (range, 1..20_u16).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
        1 => (least..=most, 1..20_u16).prop_map(|(first, step)| format!("{first}/{step}")),
        1 => (1..20_u16).prop_map(|step| format!("*/{step}")),
    ]
    .boxed()
}

fn field(least: u16, most: u16, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(part(least, most, words), 1..4).prop_map(|parts| parts.join(","));
    prop_oneof![2 => Just("*".to_owned()), 3 => parts]
}

/// Both fields for days.
fn days() -> impl Strategy<Value = (String, String)> {
    let of_month = prop_oneof![
        4 => field(1, 31, &[]),
        1 => Just("L".to_owned()),
        1 => (1..=28_u16).prop_map(|day| format!("{day}W")),
        1 => (1..=28_u16, 1..=31_u16).prop_map(|(near, day)| format!("{near}W,{day},L")),
    ];
    let of_week = prop_oneof![
        4 => field(1, 7, &WEEKDAYS),
        1 => (1..=7_u16).prop_map(|day| format!("{day}L")),
        1 => (1..=7_u16, 1..=5_u16).prop_map(|(day, count)| format!("{day}#{count}")),
    ];
    prop_oneof![
        of_month.prop_map(|of_month| (of_month, "?".to_owned())),
        of_week.prop_map(|of_week| ("?".to_owned(), of_week)),
    ]
}

/// Without steps, which begin with another year there.
fn years() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        1 => (2020..2080_u16, 0..20_u16, 2020..2080_u16).prop_map(|(first, more, other)| format!("{first}-{},{other}", first + more)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn the_next_times_are_those_of_another_implementation(
        minutes in field(0, 59, &[]), hours in field(0, 23, &[]), (of_month, of_week) in days(), months in field(1, 12, &MONTHS),
        year in years(),
        after_s in 1_500_000_000..2_500_000_000_i64,
    ) {
        let fields = format!("{minutes} {hours} {of_month} {months} {of_week} {year}");
        let ours = Schedule::parse(&format!("cron({fields})")).unwrap();
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required);
        let theirs = parser.alternative_weekdays(true).sloppy_ranges(true).build();
        let theirs = theirs.parse(&format!("0 {fields}")).unwrap();

        let mut after = Timestamp::from_second(after_s).unwrap().to_zoned(TimeZone::UTC);
        for _ in 0..5 {
            let after_ms = u64::try_from(after.timestamp().as_millisecond()).unwrap();
            let next_ms = ours.next_after(after_ms, 0, &Zone::utc());
            let expected = theirs.find_next_occurrence(&after, false).ok();
            let expected = expected.filter(|expected| expected.year() < 2200);
            let Some(expected) = expected else {
                prop_assert_eq!(next_ms, None, "{} after {}", fields, after);
                break;
            };
            let expected_ms = u64::try_from(expected.timestamp().as_millisecond()).unwrap();
            prop_assert_eq!(next_ms, Some(expected_ms), "{} after {}", fields, after);
            after = expected;
        }
    }
}
