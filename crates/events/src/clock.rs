//! Waiting for a time: by the machine's own clock, or by one that somebody moves by hand.

use std::time::Duration;

use tindra_core::clock::{Clock, SystemClock, Timer, UnixMs};
use tindra_store::BoxFuture;
use tokio::sync::watch;

/// Looked at again at least as often, because the machine's clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The machine's own clock, to be waited for.
#[derive(Debug, Default)]
pub struct SystemTimer(SystemClock);

impl Clock for SystemTimer {
    fn unix_ms(&self) -> UnixMs {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Timer for SystemTimer {
    fn wait_until(&self, unix_ms: UnixMs) -> BoxFuture<'_, ()> {
        let wait = Duration::from_millis(unix_ms.saturating_sub(self.unix_ms()));
        Box::pin(tokio::time::sleep(wait.min(LOOK_AGAIN)))
    }
}

/// A clock that stands still until it is moved: what waits an hour is then a matter of milliseconds.
#[derive(Debug)]
pub struct ManualClock {
    start_ms: UnixMs,
    now_ms: watch::Sender<UnixMs>,
}

impl ManualClock {
    /// Stands at a time.
    #[must_use]
    pub fn at(unix_ms: UnixMs) -> Self {
        Self { start_ms: unix_ms, now_ms: watch::Sender::new(unix_ms) }
    }

    /// Moves it forward to a time; one that has passed changes nothing.
    pub fn move_to(&self, unix_ms: UnixMs) {
        self.now_ms.send_if_modified(|now_ms| {
            let is_later = unix_ms > *now_ms;
            *now_ms = unix_ms.max(*now_ms);
            is_later
        });
    }
}

impl Clock for ManualClock {
    fn unix_ms(&self) -> UnixMs {
        *self.now_ms.borrow()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.unix_ms() - self.start_ms)
    }
}

impl Timer for ManualClock {
    fn wait_until(&self, unix_ms: UnixMs) -> BoxFuture<'_, ()> {
        let mut now_ms = self.now_ms.subscribe();
        Box::pin(async move {
            // The sender lives as long as the clock.
            let _ = now_ms.wait_for(|now_ms| *now_ms >= unix_ms).await;
        })
    }
}
