//! Queues that are kept in memory until they change in the store.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::{JsonRecords as _, Progress, Watch};

use super::SqsService;
use super::error::stored;
use super::record::{Known, Queue};

/// Queues kept, those that are known not to exist among them. Strangers can ask for any name, so it must end somewhere.
const KEPT_MAX: usize = 20_000;

/// Queues by their keys, until the next change.
#[derive(Debug)]
pub(super) struct Cache {
    progress: Progress,
    kept: RwLock<Kept>,
}

#[derive(Debug)]
struct Kept {
    changes: Watch,
    /// Grows with every change, so that what was read before one is not kept after it.
    generation: u64,
    queues: HashMap<String, Option<Arc<Known>>>,
}

impl Cache {
    pub(super) fn new(changes: Watch) -> Self {
        let progress = changes.progress();
        Self { progress, kept: RwLock::new(Kept { changes, generation: 0, queues: HashMap::new() }) }
    }

    /// A queue as it is now, or the generation of which it is not known.
    fn known(&self, key: &str) -> Result<Option<Arc<Known>>, u64> {
        if self.progress.is_behind() {
            self.write().forget_what_changed();
        }
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.queues.get(key).cloned().ok_or(kept.generation)
    }

    fn keep(&self, generation: u64, key: String, queue: Option<Arc<Known>>) {
        let mut kept = self.write();
        kept.forget_what_changed();
        if kept.generation == generation {
            if kept.queues.len() >= KEPT_MAX {
                kept.queues.clear();
            }
            kept.queues.insert(key, queue);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes every notice that has come, without waiting. The store sends them before a commit returns.
    fn forget_what_changed(&mut self) {
        loop {
            // Without a budget, because one that is used up looks as if nothing had come.
            let notice =
                pin!(tokio::task::unconstrained(self.changes.changed())).poll(&mut Context::from_waker(Waker::noop()));
            match notice {
                Poll::Pending => return,
                Poll::Ready(Some(keys)) if keys.is_empty() => return,
                Poll::Ready(keys) => {
                    self.generation += 1;
                    match keys {
                        Some(keys) => keys.iter().for_each(|key| drop(self.queues.remove(key))),
                        None => self.queues.clear(),
                    }
                }
            }
        }
    }
}

impl SqsService {
    /// A queue, if there is one.
    pub(super) async fn find(&self, scope: &Scope, name: &str) -> Result<Option<Arc<Known>>, ApiError> {
        let key = Queue::key(scope, name);
        let generation = match self.inner.cache.known(&key) {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let read = self.inner.around.store.metadata.get_json::<Queue>(&key).await.map_err(stored)?;
        let found = read.map(|read| Arc::new(Known::new(read.value)));
        self.inner.cache.keep(generation, key, found.clone());
        Ok(found)
    }
}
