//! Medians, ratios and the table that is printed.

use std::fmt::Write as _;
use std::time::Duration;

/// Times of one thing, sorted.
#[derive(Debug)]
pub(crate) struct Figures {
    sorted: Vec<Duration>,
}

impl Figures {
    /// Sorts the samples; there is at least one.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        assert!(!samples.is_empty(), "a figure needs a sample");
        samples.sort_unstable();
        Self { sorted: samples }
    }

    /// The value below which `percent` of the samples lie, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let index = (self.sorted.len() * percent / 100).min(self.sorted.len() - 1);
        self.sorted[index].as_secs_f64() * 1_000.0
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    subject: &'static str,
    what: &'static str,
    measured: String,
    floor: String,
    ratio: f64,
}

impl Row {
    /// A time against the time of its floor, both by their medians.
    pub(crate) fn time(
        subject: &'static str,
        what: &'static str,
        measured: &Figures,
        floor_name: &str,
        floor: &Figures,
    ) -> Self {
        let show = |figures: &Figures| {
            format!(
                "{:.3} ms (min {:.3}, p99 {:.3})",
                figures.percentile_ms(50),
                figures.percentile_ms(0),
                figures.percentile_ms(99)
            )
        };
        Self {
            subject,
            what,
            measured: show(measured),
            floor: format!("{floor_name}: {}", show(floor)),
            ratio: measured.percentile_ms(50) / floor.percentile_ms(50),
        }
    }

    /// A rate against the rate of its floor.
    pub(crate) fn rate(subject: &'static str, what: &'static str, measured: f64, floor_name: &str, floor: f64) -> Self {
        let floor_text = format!("{floor_name}: {floor:.0}/s");
        Self { subject, what, measured: format!("{measured:.0}/s"), floor: floor_text, ratio: measured / floor }
    }
}

/// The rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from("| function | what | median | floor | ratio |\n|---|---|---|---|---|\n");
    for row in rows {
        writeln!(text, "| {} | {} | {} | {} | {:.2} |", row.subject, row.what, row.measured, row.floor, row.ratio)
            .expect("writing to a String does not fail");
    }
    text
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
