//! Answers of IAM that are kept in memory until anything of it changes in the store, which is seldom.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use tindra_core::clock::UnixMs;
use tindra_store::{Progress, Watch};

use super::Principal;
use super::lookup::{FoundKey, Policies};

/// Answers kept of each kind. Strangers can ask for any key, so it must end somewhere.
const KEPT_MAX: usize = 10_000;

/// When and for what a key was used last.
#[derive(Clone, Debug)]
pub(super) struct LastUse {
    pub(super) at_ms: UnixMs,
    pub(super) region: String,
    pub(super) service: String,
}

/// Answers until the next change. Reading one costs no exclusive lock, because invokes do it.
#[derive(Debug)]
pub(super) struct Cache {
    progress: Progress,
    answers: RwLock<Answers>,
    uses: Mutex<HashMap<String, LastUse>>,
}

/// Every answer that holds now.
#[derive(Debug)]
pub(super) struct Answers {
    changes: Watch,
    /// Grows with every change, so that what was read before one is not kept after it.
    generation: u64,
    /// `None` for a key that is known to be nobody's.
    pub(super) keys: HashMap<String, Option<Arc<FoundKey>>>,
    pub(super) policies: HashMap<Principal, Arc<Policies>>,
}

impl Cache {
    pub(super) fn new(changes: Watch) -> Self {
        let progress = changes.progress();
        let answers = Answers { changes, generation: 0, keys: HashMap::new(), policies: HashMap::new() };
        Self { progress, answers: RwLock::new(answers), uses: Mutex::new(HashMap::new()) }
    }

    pub(super) fn last_use(&self, id: &str) -> Option<LastUse> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn note_use(&self, id: &str, last: LastUse) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), last);
    }

    /// An answer that holds now, or the generation of which none is known.
    pub(super) fn known<T>(&self, pick: impl FnOnce(&Answers) -> Option<T>) -> Result<T, u64> {
        if self.progress.is_behind() {
            self.write().forget_what_changed();
        }
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        pick(&answers).ok_or(answers.generation)
    }

    /// Keeps an answer, unless something has changed since `generation`.
    pub(super) fn keep(&self, generation: u64, put: impl FnOnce(&mut Answers)) {
        let mut answers = self.write();
        answers.forget_what_changed();
        if answers.generation == generation {
            if answers.keys.len() >= KEPT_MAX || answers.policies.len() >= KEPT_MAX {
                answers.forget();
            }
            put(&mut answers);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Answers> {
        self.answers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn forget(&mut self) {
        self.keys.clear();
        self.policies.clear();
    }

    /// Takes every notice that has come, without waiting. The store sends them before a commit returns.
    fn forget_what_changed(&mut self) {
        loop {
            // Without a budget, because one that is used up looks as if nothing had come.
            let notice =
                pin!(tokio::task::unconstrained(self.changes.changed())).poll(&mut Context::from_waker(Waker::noop()));
            match notice {
                Poll::Pending => return,
                Poll::Ready(Some(keys)) if keys.is_empty() => return,
                Poll::Ready(_) => {
                    self.generation += 1;
                    self.forget();
                }
            }
        }
    }
}
