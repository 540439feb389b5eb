//! Every process of this machine, so that a shutdown reaches those that are busy.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::environment::Process;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Living {
    processes: Mutex<Vec<Weak<Process>>>,
}

impl Living {
    /// Adds one, and forgets those that have gone.
    pub(crate) fn add(&self, process: &Arc<Process>) {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        if processes.len() == processes.capacity() {
            processes.retain(|process| process.strong_count() > 0);
        }
        processes.push(Arc::downgrade(process));
    }

    /// Kills all of them.
    pub(crate) fn kill_all(&self) {
        let processes = std::mem::take(&mut *self.processes.lock().unwrap_or_else(PoisonError::into_inner));
        for process in processes.iter().filter_map(Weak::upgrade) {
            process.kill();
        }
    }
}
