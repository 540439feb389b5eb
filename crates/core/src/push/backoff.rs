//! The waits between attempts.

use serde::{Deserialize, Serialize};

/// The waits between attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// Each twice as long as the one before.
    Doubling {
        /// The first.
        first_ms: u64,
        /// The longest.
        most_ms: u64,
    },
    /// The four phases of a topic's delivery policy (AWS, "Amazon SNS message delivery retries").
    Phases {
        /// Retries at once.
        at_once: u32,
        /// Then so many after `least_ms` each.
        before: u32,
        /// Then so many while the wait grows from `least_ms` to `most_ms`.
        growing: u32,
        /// How it grows.
        growth: Growth,
        /// The shortest wait; all others wait for `most_ms`.
        least_ms: u64,
        /// The longest wait.
        most_ms: u64,
    },
}

/// `backoffFunction` of a delivery policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Growth {
    /// By the same step each time.
    Linear,
    /// By steps that grow by the same.
    Arithmetic,
    /// By a factor, most of it late.
    Geometric,
    /// By doubling.
    Exponential,
}

impl Backoff {
    /// The wait after so many attempts, of which there was at least one.
    #[must_use]
    pub fn wait_ms(&self, attempts: u32) -> u64 {
        match *self {
            Self::Doubling { first_ms, most_ms } => {
                let doublings = attempts.saturating_sub(1).min(40);
                first_ms.saturating_mul(1 << doublings).min(most_ms)
            }
            Self::Phases { at_once, before, growing, growth, least_ms, most_ms } => {
                let Some(retry) = attempts.checked_sub(1 + at_once) else { return 0 };
                let Some(grown) = retry.checked_sub(before) else { return least_ms };
                if grown >= growing || most_ms <= least_ms {
                    return most_ms;
                }
                let share =
                    growth.share(f64::from(grown + 1) / f64::from(growing), most_ms as f64 / least_ms.max(1) as f64);
                let grown_ms = (most_ms - least_ms) as f64 * share.clamp(0.0, 1.0);
                // Between 0 and the difference of the two.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it is between the two waits"
                )]
                let grown_ms = grown_ms.round() as u64;
                least_ms + grown_ms
            }
        }
    }
}

impl Growth {
    /// Which share of the growth is done after a share of the phase; `ratio` is the longest wait over the shortest.
    fn share(self, phase: f64, ratio: f64) -> f64 {
        match self {
            Self::Linear => phase,
            Self::Arithmetic => phase * (phase + 1.0) / 2.0,
            Self::Geometric => (ratio.powf(phase) - 1.0) / (ratio - 1.0).max(f64::EPSILON),
            Self::Exponential => (2f64.powf(phase * 8.0) - 1.0) / 255.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double() {
        let backoff = Backoff::Doubling { first_ms: 1_000, most_ms: 5_000 };
        assert_eq!([1, 2, 3, 4, 99].map(|attempts| backoff.wait_ms(attempts)), [1_000, 2_000, 4_000, 5_000, 5_000]);
    }

    #[test]
    fn waits_go_by_phases() {
        for growth in [Growth::Linear, Growth::Arithmetic, Growth::Geometric, Growth::Exponential] {
            let backoff =
                Backoff::Phases { at_once: 3, before: 2, growing: 10, growth, least_ms: 1_000, most_ms: 20_000 };
            let waits: Vec<_> = (1..30).map(|attempts| backoff.wait_ms(attempts)).collect();
            assert_eq!(waits[..5], [0, 0, 0, 1_000, 1_000], "{growth:?}");
            assert!(waits.is_sorted(), "{growth:?}: {waits:?}");
            assert_eq!((waits[14], waits[28]), (20_000, 20_000), "{growth:?}: {waits:?}");
            assert!(waits[5] > 1_000 && waits[5] < 20_000, "{growth:?}: {waits:?}");
        }
    }
}
