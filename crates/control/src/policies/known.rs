//! Policies kept in memory until any policy changes in the store: invokes ask for them, and an invoke waits for no
//! disk.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use tindra_core::policy::Policy;
use tindra_store::{Progress, Watch};

/// Answers kept. Anybody who may invoke can ask for any name, so it must end somewhere.
const KEPT_MAX: usize = 10_000;

/// Policies by their keys; `None` where there is known to be none.
#[derive(Debug)]
pub(crate) struct KnownPolicies {
    progress: Progress,
    answers: RwLock<Answers>,
}

#[derive(Debug)]
struct Answers {
    changes: Watch,
    /// Grows with every change, so that what was read before one is not kept after it.
    generation: u64,
    policies: HashMap<String, Option<Arc<Policy>>>,
}

impl KnownPolicies {
    pub(crate) fn new(changes: Watch) -> Self {
        let progress = changes.progress();
        Self { progress, answers: RwLock::new(Answers { changes, generation: 0, policies: HashMap::new() }) }
    }

    /// An answer that holds now, or the generation of which none is known.
    pub(super) fn get(&self, key: &str) -> Result<Option<Arc<Policy>>, u64> {
        if self.progress.is_behind() {
            self.write().forget_what_changed();
        }
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.policies.get(key).cloned().ok_or(answers.generation)
    }

    /// Keeps an answer, unless something has changed since `generation`.
    pub(super) fn keep(&self, generation: u64, key: String, policy: Option<Arc<Policy>>) {
        let mut answers = self.write();
        answers.forget_what_changed();
        if answers.generation != generation {
            return;
        }
        if answers.policies.len() >= KEPT_MAX {
            answers.policies.clear();
        }
        answers.policies.insert(key, policy);
    }

    fn write(&self) -> RwLockWriteGuard<'_, Answers> {
        self.answers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// Takes every notice that has come, without waiting. The store sends them before a commit returns.
    fn forget_what_changed(&mut self) {
        loop {
            // Without a budget, because one that is used up looks as if nothing had come.
            let next = pin!(tokio::task::unconstrained(self.changes.changed()));
            match next.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return,
                Poll::Ready(Some(keys)) if keys.is_empty() => return,
                Poll::Ready(_) => {
                    self.generation += 1;
                    self.policies.clear();
                }
            }
        }
    }
}
