//! A clock that moves when it is told to.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tindra_core::clock::{Clock, Timer, UnixMs};

/// A clock that a test holds.
#[derive(Debug)]
pub struct FakeClock {
    start_ms: UnixMs,
    elapsed_ms: AtomicU64,
}

impl FakeClock {
    /// A clock that stands at a time.
    #[must_use]
    pub fn at(unix_ms: UnixMs) -> Self {
        Self { start_ms: unix_ms, elapsed_ms: AtomicU64::new(0) }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.elapsed_ms.fetch_add(
            u64::try_from(by.as_millis()).expect("no test waits for longer than the clock counts"),
            Ordering::SeqCst,
        );
    }
}

impl Clock for FakeClock {
    fn unix_ms(&self) -> UnixMs {
        self.start_ms + self.elapsed_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}

/// The time of the runtime, which a paused one lets pass at once when all that is left to do is waiting.
#[derive(Debug)]
pub struct RuntimeClock {
    start: tokio::time::Instant,
}

impl RuntimeClock {
    /// Begins at 1970. To be called inside a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    /// Lets time pass. In a paused runtime nobody waits for it: it has passed as soon as there is nothing else to do.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

impl Clock for RuntimeClock {
    fn unix_ms(&self) -> UnixMs {
        u64::try_from(self.monotonic().as_millis()).expect("no test runs for longer than the clock counts")
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Timer for RuntimeClock {
    fn wait_until(&self, unix_ms: UnixMs) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let wait_ms = unix_ms.saturating_sub(self.unix_ms());
        Box::pin(self.pass(Duration::from_millis(wait_ms)))
    }
}
