//! The seam for time: whatever waits, expires or stamps takes a [`Clock`], so that a test can hold it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMs = u64;

/// Where the time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time, for stamps that people and other machines read. It may jump.
    fn unix_ms(&self) -> UnixMs;

    /// Time since an arbitrary start that never goes back, for durations and deadlines.
    fn monotonic(&self) -> Duration;
}

/// A clock that can be waited for.
pub trait Timer: Clock {
    /// Returns once it is as late. May return earlier, so that whoever waits looks again.
    fn wait_until(&self, unix_ms: UnixMs) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> UnixMs {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
