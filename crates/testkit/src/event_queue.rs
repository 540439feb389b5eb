//! A queue that only remembers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tindra_invoke::event_queue::{EventQueue, NewEvent};
use tindra_store::{BoxFuture, StoreError};

/// Remembers what was accepted, or refuses everything.
#[derive(Debug, Default)]
pub struct FakeQueue {
    accepted: Mutex<Vec<NewEvent>>,
    fails: AtomicBool,
}

impl FakeQueue {
    /// From now on nothing can be made durable, or everything again.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Everything that was accepted, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<NewEvent> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl EventQueue for FakeQueue {
    fn accept(&self, event: NewEvent) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self.fails.load(Ordering::SeqCst) {
                let source = "as planned".into();
                return Err(StoreError::Storage { attempt: "commit to the store".to_owned(), source });
            }
            self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            Ok(())
        })
    }
}
