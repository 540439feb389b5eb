//! Invokes that run, so that a server that stops can wait for them although their clients may have left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: AtomicUsize,
    none_left: Notify,
}

/// One that runs, until dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Inner>);

impl InFlight {
    pub(crate) fn enter(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.running.load(Ordering::Acquire)
    }

    /// Returns when nothing runs.
    pub(crate) async fn wait_for_none(&self) {
        loop {
            let none_left = self.0.none_left.notified();
            if self.count() == 0 {
                return;
            }
            none_left.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_last_one() {
        let in_flight = InFlight::default();
        in_flight.wait_for_none().await;
        let (first, second) = (in_flight.enter(), in_flight.enter());
        drop(first);
        let waiting = in_flight.clone();
        let waiter = tokio::spawn(async move { waiting.wait_for_none().await });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(second);
        waiter.await.unwrap();
    }
}
