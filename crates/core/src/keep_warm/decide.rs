//! The hybrid histogram policy: percentiles of the idle times.

use std::time::Duration;

use super::{Bounds, Decision, GAP_MIN, IdleHistogram, KEEP_ALIVE_MAX};

/// Share of the idle times that may end before the environment is back.
const HEAD: f64 = 0.05;

/// Share of the idle times that end before the environment is given up.
const TAIL: f64 = 0.99;

/// Taken off the head and put on the tail.
const MARGIN: f64 = 0.10;

/// Fewer idle times than this say nothing.
const SAMPLES_MIN: f64 = 5.0;

/// Below this coefficient of variation the counts are too even to say anything (the paper's threshold).
const VARIATION_MIN: f64 = 2.0;

/// A forecast of idle times beyond the range is used when they deviate by at most this share of their mean.
const FAR_SPREAD_MAX: f64 = 0.2;

/// Reads the decision out of the percentiles of the idle times.
#[must_use]
pub fn decide(histogram: &IdleHistogram, bounds: &Bounds) -> Decision {
    let standard = Decision::keep(bounds.standard);
    if histogram.samples() < SAMPLES_MIN {
        return standard;
    }
    if histogram.far() * 2.0 > histogram.samples() {
        return forecast(histogram, bounds).unwrap_or(standard);
    }
    if histogram.variation() < VARIATION_MIN {
        return standard;
    }
    let layout = histogram.layout();
    let bucket = |share| histogram.bucket_of_share(share).unwrap_or(0);
    let head = f64::from(layout.start_s(bucket(HEAD))) * (1.0 - MARGIN);
    let tail = f64::from(layout.start_s(bucket(TAIL) + 1)) * (1.0 + MARGIN);
    between(head, tail, bounds).unwrap_or_else(|| Decision::keep(bounds.clamp(Duration::from_secs_f64(tail))))
}

/// For versions that are mostly idle beyond the histogram's range, regularly.
pub(super) fn forecast(histogram: &IdleHistogram, bounds: &Bounds) -> Option<Decision> {
    let (mean, spread) = histogram.far_forecast_s();
    if spread > mean * FAR_SPREAD_MAX {
        return None;
    }
    let margin = (spread * 2.0).max(f64::from(histogram.layout().start_s(1)));
    between(mean - margin, mean + margin, bounds)
}

/// Gives the environment up as soon as the floor allows and has it back between `head` and `tail`, in seconds.
fn between(head: f64, tail: f64, bounds: &Bounds) -> Option<Decision> {
    let at = Duration::try_from_secs_f64(head).ok()?;
    let until = Duration::try_from_secs_f64(tail).ok()?;
    let is_worth_it = at >= bounds.floor.saturating_add(GAP_MIN) && until <= KEEP_ALIVE_MAX;
    is_worth_it.then(|| Decision { keep_alive: bounds.floor, prewarm: Some(bounds.window(at, until)) })
}
