//! The mark of a store that can no longer promise anything.
//!
//! When the disk fails to make data durable, the kernel may have thrown the unwritten pages away, so a second
//! fsync that succeeds proves nothing. The first failure is therefore final: every later write is refused
//! until the process starts anew and reads what is really there.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::watch;

use crate::StoreError;

/// Shared by all parts of one store.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    cause: Arc<watch::Sender<Option<String>>>,
}

impl Default for Failure {
    fn default() -> Self {
        Self { cause: Arc::new(watch::Sender::new(None)) }
    }
}

impl Failure {
    /// Marks the store as failed; the first cause stays.
    pub(crate) fn raise(&self, attempt: &str, cause: &dyn Error) {
        let text = format!("failed to {attempt}: {cause}");
        let raised = self.cause.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert_with(|| text.clone());
            first
        });
        if raised {
            tracing::error!(cause = text, "the disk no longer takes writes; nothing more is accepted until a restart");
        }
    }

    /// Refuses when the store has failed.
    pub(crate) fn check(&self, attempt: &str) -> Result<(), StoreError> {
        match self.cause.borrow().as_ref() {
            None => Ok(()),
            Some(cause) => {
                Err(StoreError::storage(attempt, format!("the store has stopped taking writes, because it {cause}")))
            }
        }
    }

    /// Whether it was raised.
    pub(crate) fn is_raised(&self) -> bool {
        self.cause.borrow().is_some()
    }

    /// Waits until the store fails and returns why; never returns for a healthy one.
    pub(crate) async fn raised(&self) -> String {
        let mut cause = self.cause.subscribe();
        // The sender lives as long as `self`, so there is always an answer.
        cause.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone()).unwrap_or_default()
    }
}
