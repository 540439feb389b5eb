//! How much of one target's capacity is used, minute by minute.

use tindra_core::clock::UnixMs;
use tindra_core::scaling::Use;

const MINUTE_MS: u64 = 60_000;

/// The minutes of one target. They lie in memory: nothing is used while no server runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    minute: u64,
    /// Of the minute that goes on.
    highest: Option<f64>,
    pub(super) used: Use,
}

impl Meter {
    /// Begins in the minute of a moment.
    pub(super) fn new(now_ms: UnixMs) -> Self {
        Self { minute: now_ms / MINUTE_MS, ..Self::default() }
    }

    /// Adds what was used since the last look. True at the end of a minute in which something could be used.
    pub(super) fn look(&mut self, utilisation: Option<f64>, now_ms: UnixMs) -> bool {
        // It was used before now, in the minute that ends if one does.
        self.highest = match (self.highest, utilisation) {
            (Some(highest), Some(share)) => Some(highest.max(share)),
            (highest, share) => highest.or(share),
        };
        let minute = now_ms / MINUTE_MS;
        if minute == self.minute {
            return false;
        }
        self.minute = minute;
        let Some(share) = self.highest.take() else { return false };
        self.used.add(share);
        true
    }

    /// Forgets the minute that goes on: its shares are of another capacity.
    pub(super) fn restart(&mut self) {
        self.highest = None;
    }
}
