//! How often a version was idle for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one idle time adds to a count: room for halving it without losing it at once.
const STEP: u16 = 16;

/// Idle times at which all counts are halved, so that old behaviour fades.
const SAMPLES_MAX: u32 = 2_000;

/// A histogram stays below 1 KiB.
const BUCKETS_MAX: usize = 480;

/// How much a new idle time beyond the range moves the mean of those.
const FAR_GAIN: f32 = 0.25;

const _: () = assert!(SAMPLES_MAX * STEP as u32 + STEP as u32 <= u16::MAX as u32, "a bucket holds every sample");

/// Where the buckets lie: fine ones up to the width of a coarse one, then coarse ones up to the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    fine_s: u16,
    coarse_s: u16,
    coarse_count: u16,
}

/// A layout that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Widths that do not fit each other, or no range.
    #[error(
        "lay out buckets: {fine_s} s must divide {coarse_s} s, neither may be zero, and there must be two coarse ones"
    )]
    Widths { fine_s: u16, coarse_s: u16 },
    /// More buckets than a histogram may have.
    #[error("lay out buckets: {count} of them are more than {BUCKETS_MAX}")]
    Count { count: usize },
    /// Counts that were stored under another layout.
    #[error("read a histogram: {count} counts do not fit its layout")]
    Stored { count: usize },
}

impl Layout {
    /// Buckets of `fine_s` seconds up to `coarse_s`, then of `coarse_s` up to `coarse_count` times that.
    ///
    /// # Errors
    /// Widths that do not fit, or too many buckets.
    pub fn new(fine_s: u16, coarse_s: u16, coarse_count: u16) -> Result<Self, LayoutError> {
        if fine_s == 0 || coarse_s == 0 || !coarse_s.is_multiple_of(fine_s) || coarse_count < 2 {
            return Err(LayoutError::Widths { fine_s, coarse_s });
        }
        let layout = Self { fine_s, coarse_s, coarse_count };
        match layout.bucket_count() {
            count if count > BUCKETS_MAX => Err(LayoutError::Count { count }),
            _ => Ok(layout),
        }
    }

    fn fine_count(&self) -> usize {
        usize::from(self.coarse_s / self.fine_s)
    }

    /// How many buckets there are.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.fine_count() + usize::from(self.coarse_count) - 1
    }

    /// Where bucket `at` begins, in seconds; one past the last gives the range.
    #[must_use]
    pub fn start_s(&self, at: usize) -> u32 {
        let at = u32::try_from(at.min(self.bucket_count())).unwrap_or(u32::MAX);
        let fine = u32::from(self.coarse_s / self.fine_s);
        if at < fine { at * u32::from(self.fine_s) } else { (at - fine + 1) * u32::from(self.coarse_s) }
    }

    /// The idle time from which on nothing is told apart.
    #[must_use]
    pub fn range(&self) -> Duration {
        Duration::from_secs(u64::from(self.start_s(self.bucket_count())))
    }

    fn bucket(&self, idle: Duration) -> Option<usize> {
        let seconds = usize::try_from(idle.as_secs()).ok()?;
        if seconds < usize::from(self.coarse_s) {
            return Some(seconds / usize::from(self.fine_s));
        }
        let at = self.fine_count() + seconds / usize::from(self.coarse_s) - 1;
        (at < self.bucket_count()).then_some(at)
    }
}

impl Default for Layout {
    /// 5 s within the first minute, then minutes up to 4 hours (the range of the hybrid histogram policy).
    fn default() -> Self {
        Self { fine_s: 5, coarse_s: 60, coarse_count: 240 }
    }
}

/// How often a version was idle for how long. An idle time runs from the end of an invoke that left the
/// version with nothing running to the next invoke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct IdleHistogram {
    layout: Layout,
    /// In units of a sixteenth.
    counts: Box<[u16]>,
    /// Beyond the range, in the same units.
    far: u16,
    /// Sum of the counts and of what is beyond the range.
    #[serde(skip_serializing)]
    units: u32,
    /// Moving mean of the idle times beyond the range, in seconds; 0 without any.
    far_mean_s: f32,
    /// Moving mean of how far such an idle time was from the mean before it, in seconds.
    far_spread_s: f32,
}

#[derive(Deserialize)]
struct Stored {
    layout: Layout,
    counts: Vec<u16>,
    far: u16,
    far_mean_s: f32,
    far_spread_s: f32,
}

impl TryFrom<Stored> for IdleHistogram {
    type Error = LayoutError;

    fn try_from(stored: Stored) -> Result<Self, LayoutError> {
        let layout = Layout::new(stored.layout.fine_s, stored.layout.coarse_s, stored.layout.coarse_count)?;
        let is_far_sound = [stored.far_mean_s, stored.far_spread_s].iter().all(|s| s.is_finite() && *s >= 0.0);
        if stored.counts.len() != layout.bucket_count() || !is_far_sound {
            return Err(LayoutError::Stored { count: stored.counts.len() });
        }
        let mut histogram = Self {
            layout,
            counts: stored.counts.into(),
            far: stored.far,
            units: 0,
            far_mean_s: stored.far_mean_s,
            far_spread_s: stored.far_spread_s,
        };
        histogram.add_up();
        histogram.make_room();
        Ok(histogram)
    }
}

impl IdleHistogram {
    /// An empty one.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let counts = vec![0; layout.bucket_count()].into();
        Self { layout, counts, far: 0, units: 0, far_mean_s: 0.0, far_spread_s: 0.0 }
    }

    /// Where its buckets lie.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Counts an idle time. Old ones fade when there are many.
    pub fn record(&mut self, idle: Duration) {
        self.make_room();
        self.units += u32::from(STEP);
        match self.layout.bucket(idle) {
            Some(at) => self.counts[at] += STEP,
            None => self.record_far(idle.as_secs_f32()),
        }
    }

    fn record_far(&mut self, idle_s: f32) {
        if self.far_mean_s == 0.0 {
            // Nothing is known of the spread yet: too wide for a forecast.
            (self.far_mean_s, self.far_spread_s) = (idle_s, idle_s / 2.0);
        } else {
            let off = idle_s - self.far_mean_s;
            self.far_mean_s += FAR_GAIN * off;
            self.far_spread_s += FAR_GAIN * (off.abs() - self.far_spread_s);
        }
        self.far += STEP;
    }

    /// Halves what is known, so that what comes next weighs more.
    pub fn age(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
        self.far /= 2;
        self.add_up();
    }

    /// Adds what another one knows, such as that of the version before. One of another layout is ignored:
    /// `false`.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.layout != other.layout {
            return false;
        }
        let (mut mine, mut theirs) = (self.clone(), other.clone());
        while mine.units + theirs.units > SAMPLES_MAX * u32::from(STEP) {
            mine.age();
            theirs.age();
        }
        if theirs.far > mine.far {
            (mine.far_mean_s, mine.far_spread_s) = (theirs.far_mean_s, theirs.far_spread_s);
        }
        mine.counts.iter_mut().zip(&theirs.counts).for_each(|(count, other)| *count += other);
        mine.far += theirs.far;
        mine.add_up();
        *self = mine;
        true
    }

    fn make_room(&mut self) {
        while self.units >= SAMPLES_MAX * u32::from(STEP) {
            self.age();
        }
    }

    fn add_up(&mut self) {
        self.units = self.counts.iter().map(|count| u32::from(*count)).sum::<u32>() + u32::from(self.far);
    }

    /// How many idle times it knows, faded ones in parts.
    #[must_use]
    pub fn samples(&self) -> f64 {
        f64::from(self.units) / f64::from(STEP)
    }

    /// How many of them were beyond the range.
    #[must_use]
    pub fn far(&self) -> f64 {
        f64::from(self.far) / f64::from(STEP)
    }

    /// Mean and mean deviation of the idle times beyond the range, the late ones weighing more.
    pub(super) fn far_forecast_s(&self) -> (f64, f64) {
        (f64::from(self.far_mean_s), f64::from(self.far_spread_s))
    }

    /// How many idle times fell into each bucket.
    pub(super) fn counts(&self) -> impl Iterator<Item = f64> {
        self.counts.iter().map(|count| f64::from(*count) / f64::from(STEP))
    }

    /// The bucket in which a share of the idle times within the range is reached.
    pub(super) fn bucket_of_share(&self, share: f64) -> Option<usize> {
        let wanted = (self.samples() - self.far()) * share;
        let mut reached = 0.0;
        let found = self.counts().position(|count| {
            reached += count;
            count > 0.0 && reached >= wanted
        });
        found.or_else(|| self.counts.iter().rposition(|count| *count > 0))
    }

    /// Coefficient of variation of the counts of the coarse buckets, the fine ones taken as one.
    pub(super) fn variation(&self) -> f64 {
        let fine = self.layout.fine_count();
        let (mut sum, mut squares, mut first) = (0.0, 0.0, 0.0);
        for (at, count) in self.counts().enumerate() {
            sum += count;
            if at < fine { first += count } else { squares += count * count }
        }
        squares += first * first;
        let mean = sum / f64::from(self.layout.coarse_count);
        let variance = squares / f64::from(self.layout.coarse_count) - mean * mean;
        if mean > 0.0 { variance.max(0.0).sqrt() / mean } else { 0.0 }
    }
}
