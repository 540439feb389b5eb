//! How many questions per second a namespace may ask.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// A bucket of permits that fills at a steady rate and holds one second's worth.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    permits: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, state: Mutex::new(State { permits: f64::from(per_second), at: Instant::now() }) }
    }

    /// Takes a permit if there is one.
    pub(super) fn admit(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let rate = f64::from(self.per_second);
        state.permits = (state.permits + (now - state.at).as_secs_f64() * rate).min(rate);
        state.at = now;
        let admitted = state.permits >= 1.0;
        if admitted {
            state.permits -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_brings_the_permits_back() {
        let pace = Pace::new(10);
        assert_eq!((0..20).filter(|_| pace.admit()).count(), 10);
        tokio::time::advance(std::time::Duration::from_millis(500)).await;
        assert_eq!((0..20).filter(|_| pace.admit()).count(), 5);
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        assert_eq!((0..20).filter(|_| pace.admit()).count(), 10);
    }
}
