//! The keep-warm policy against a fixed keep-alive of ten minutes, at equal memory, on a made-up trace.
//!
//! Equal memory: the fixed policy runs first and what its idle environments hold on average over the trace is
//! measured. That is the budget of the policy at a price and the hard capacity of greedy-dual. Counted from the first
//! second, while nothing is known yet. `cargo test -p tindra-core --test keep_warm -- --nocapture` prints the
//! figures.
#![allow(clippy::print_stdout, reason = "the figures are what the test is for")]

#[path = "keep_warm/replay.rs"]
mod replay;
#[path = "keep_warm/trace.rs"]
mod trace;

use std::time::Duration;

use replay::{Outcome, Policy, Replay};
use trace::{Kind, Mix, Trace};

const FUNCTIONS: usize = 600;

fn row(name: &str, outcome: &Outcome, fixed: &Outcome) {
    println!(
        "{name:<28} {:>7} {:>6.2} {:>8.0} s {:>5.1} % {:>8.0} MiB {:>5.2} {:>9}",
        outcome.cold,
        outcome.cold as f64 / fixed.cold as f64,
        outcome.cold_s,
        outcome.median() * 100.0,
        outcome.idle_mib,
        outcome.idle_mib / fixed.idle_mib,
        outcome.prewarms,
    );
}

/// Fixed, the price counting seconds, the price counting starts.
fn compare(seed: u64, mix: Mix) -> [Outcome; 3] {
    let trace = Trace::new(seed, FUNCTIONS, mix);
    println!("seed {seed}: {} functions, {} busy times", trace.functions.len(), trace.busy.len());
    println!("policy                      cold starts      waited   median       idle memory   prewarms");
    let fixed = Replay::run(&trace, Policy::Fixed(Duration::from_secs(600)));
    row("fixed 10 minutes", &fixed, &fixed);
    row("percentiles", &Replay::run(&trace, Policy::Percentiles), &fixed);
    let budget_mib = fixed.idle_mib;
    row("greedy-dual", &Replay::run(&trace, Policy::GreedyDual { capacity_mib: budget_mib }), &fixed);
    let seconds = Replay::run(&trace, Policy::Priced { budget_mib, counts_seconds: true });
    row("price, counting seconds", &seconds, &fixed);
    let starts = Replay::run(&trace, Policy::Priced { budget_mib, counts_seconds: false });
    row("price, counting starts", &starts, &fixed);
    for priced in [&seconds, &starts] {
        assert!(priced.idle_mib <= fixed.idle_mib * 1.02, "seed {seed}: more memory than the fixed policy");
    }
    [fixed, seconds, starts]
}

#[test]
fn half_the_cold_starts_at_equal_memory() {
    for seed in 1..=3 {
        let [fixed, seconds, starts] = compare(seed, Mix::Published);
        assert!(starts.cold * 2 <= fixed.cold, "seed {seed}: more than half the cold starts");
        assert!(seconds.cold_s * 2.0 <= fixed.cold_s, "seed {seed}: more than half the time waited");
    }
}

#[test]
fn fewer_cold_starts_even_where_nothing_is_regular() {
    let [fixed, _, starts] = compare(1, Mix::WithoutRegular);
    assert!(starts.cold as f64 <= 0.8 * fixed.cold as f64, "too many cold starts");
}

#[test]
fn the_trace_has_the_published_shape() {
    let trace = Trace::new(1, 10 * FUNCTIONS, Mix::Published);
    let share = |is: &dyn Fn(&trace::Function) -> bool| {
        trace.functions.iter().filter(|function| is(function)).count() as f64 / trace.functions.len() as f64
    };
    assert!((share(&|function| function.per_day <= 24.0) - 0.45).abs() < 0.03);
    assert!((share(&|function| function.per_day <= 1_440.0) - 0.81).abs() < 0.03);
    assert!((share(&|function| function.kind == Kind::Timer) - 0.16).abs() < 0.02);
    let mut rates: Vec<f64> = trace.functions.iter().map(|function| function.per_day).collect();
    rates.sort_by(f64::total_cmp);
    let most = rates[rates.len() * 814 / 1_000..].iter().sum::<f64>() / rates.iter().sum::<f64>();
    assert!(most >= 0.996, "the most popular 18.6 % make {most}");
    assert!(rates[rates.len() - 1] / rates[0] > 1e8);
}
