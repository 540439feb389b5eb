//! Rows with a goal: what was measured, beside what, and whether what is wanted was reached.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figures::Figures;

/// The goal of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Of times and memory.
    AtMost(f64),
    /// Of rates.
    AtLeast(f64),
    /// The row is there to be read.
    Nothing,
}

#[derive(Debug)]
struct Line {
    what: String,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Measured {
        ours: String,
        other: String,
        value: f64,
        /// Of the value: `×` for a ratio.
        unit: &'static str,
        wanted: Wanted,
    },
    Skipped {
        why: String,
    },
}

/// The rows so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Times, by their medians.
    pub(crate) fn time(&mut self, what: &str, ours: &Figures, other: &str, others: &Figures, wanted: Wanted) {
        let other = format!("{other}: {}", spread(others));
        self.push(what, spread(ours), other, ours.percentile_ms(50) / others.percentile_ms(50), "×", wanted);
    }

    /// Times, by their 99th percentiles.
    pub(crate) fn tail(&mut self, what: &str, ours: &Figures, other: &str, others: &Figures, wanted: Wanted) {
        let show = |figures: &Figures| format!("p99 {:.2} ms", figures.percentile_ms(99));
        let other = format!("{other}: {}", show(others));
        self.push(what, show(ours), other, ours.percentile_ms(99) / others.percentile_ms(99), "×", wanted);
    }

    /// Answers per second.
    pub(crate) fn rate(&mut self, what: &str, ours: f64, other: &str, others: f64, wanted: Wanted) {
        self.push(what, format!("{ours:.0}/s"), format!("{other}: {others:.0}/s"), ours / others, "×", wanted);
    }

    /// A time with a bound instead of a floor.
    pub(crate) fn time_below(&mut self, what: &str, ours: &Figures, other: &str, most_ms: f64) {
        self.push(what, spread(ours), other.to_owned(), ours.percentile_ms(50), " ms", Wanted::AtMost(most_ms));
    }

    /// Memory with a bound.
    pub(crate) fn memory(&mut self, what: &str, each_mb: f64, most_mb: f64) {
        let ours = format!("{each_mb:.2} MB of MemAvailable");
        self.push(what, ours, String::new(), each_mb, " MB", Wanted::AtMost(most_mb));
    }

    /// A row that cannot be measured here.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        eprintln!("NOT MEASURED: {what}: {why}");
        // A cell of the table is one line.
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
        self.lines.push(Line { what: what.to_owned(), outcome: Outcome::Skipped { why } });
    }

    /// Anything else.
    pub(crate) fn figure(
        &mut self,
        what: &str,
        ours: String,
        other: String,
        value: f64,
        unit: &'static str,
        wanted: Wanted,
    ) {
        self.push(what, ours, other, value, unit, wanted);
    }

    fn push(&mut self, what: &str, ours: String, other: String, value: f64, unit: &'static str, wanted: Wanted) {
        let outcome = Outcome::Measured { ours, other, value, unit, wanted };
        self.lines.push(Line { what: what.to_owned(), outcome });
    }

    /// As Markdown; the third column is headed by what `other` is.
    pub(crate) fn markdown(&self, other: &str) -> String {
        let mut text = format!("| what | ours | {other} | ratio | wanted | reached |\n|---|---|---|---|---|---|\n");
        for Line { what, outcome } in &self.lines {
            match outcome {
                Outcome::Measured { ours, other, value, unit, wanted } => {
                    let verdict = match wanted.is_reached_by(*value) {
                        Some(true) => "yes",
                        Some(false) => "NO",
                        None => "",
                    };
                    let wanted = wanted.text(unit);
                    writeln!(text, "| {what} | {ours} | {other} | {value:.3}{unit} | {wanted} | {verdict} |")
                }
                Outcome::Skipped { why } => writeln!(text, "| {what} | NOT MEASURED: {why} | | | | not measured |"),
            }
            .expect("writing to a String does not fail");
        }
        text
    }

    /// As a list of objects.
    pub(crate) fn json(&self) -> Value {
        let line = |Line { what, outcome }: &Line| match outcome {
            Outcome::Measured { ours, other, value, unit, wanted } => json!({
                "what": what, "ours": ours, "other": other, "value": value, "unit": unit.trim(),
                "wanted": wanted.text(unit), "reached": wanted.is_reached_by(*value),
            }),
            Outcome::Skipped { why } => json!({ "what": what, "not_measured": why }),
        };
        Value::Array(self.lines.iter().map(line).collect())
    }
}

impl Wanted {
    fn is_reached_by(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
            Self::Nothing => None,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}{unit}"),
            Self::AtLeast(least) => format!("≥ {least}{unit}"),
            Self::Nothing => String::new(),
        }
    }
}

fn spread(figures: &Figures) -> String {
    format!("{:.2} ms (p90 {:.2})", figures.percentile_ms(50), figures.percentile_ms(90))
}
