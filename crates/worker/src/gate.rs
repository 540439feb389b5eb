//! What tasks wait on, and what can be taken from under them for a while: sockets and pipes of an environment that is
//! parked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// See the module. Open while there is something in it.
#[derive(Debug)]
pub(crate) struct Gate<T> {
    inner: Mutex<Option<Arc<T>>>,
    changed: Notify,
}

impl<T> Gate<T> {
    /// One that is open.
    pub(crate) fn new(inner: T) -> Self {
        Self { inner: Mutex::new(Some(Arc::new(inner))), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there now.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.lock().clone()
    }

    /// Opens it.
    pub(crate) fn open(&self, inner: T) {
        self.put(Some(Arc::new(inner)));
    }

    /// Closes it. Tasks let go of what was there when they run next.
    pub(crate) fn close(&self) {
        self.put(None);
    }

    fn put(&self, inner: Option<Arc<T>>) {
        let before = std::mem::replace(&mut *self.lock(), inner);
        drop(before);
        self.changed.notify_waiters();
    }

    /// Does `work` with what is there, waiting until there is something. When that changes before the work is done, the
    /// work is dropped and begun again.
    pub(crate) async fn run<F: Future>(&self, mut work: impl FnMut(Arc<T>) -> F) -> F::Output {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From now on no change is missed.
            changed.as_mut().enable();
            let Some(inner) = self.get() else {
                changed.await;
                continue;
            };
            tokio::select! {
                biased;
                done = work(inner) => return done,
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_waits_while_it_is_closed_and_begins_again_with_what_is_new() {
        let gate = Arc::new(Gate::new(1));
        assert_eq!(gate.run(|one| async move { *one }).await, 1);
        let first = gate.get().unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.run(|one| async move { if *one == 1 { std::future::pending().await } else { *one } }).await }
        });
        // Until the task holds it, too.
        while Arc::strong_count(&first) < 3 {
            tokio::task::yield_now().await;
        }
        gate.close();
        while Arc::strong_count(&first) > 1 {
            tokio::task::yield_now().await;
        }
        gate.open(2);
        assert_eq!(waiting.await.unwrap(), 2);
    }
}
