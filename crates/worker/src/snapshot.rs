//! The snapshots of this machine: for each version with SnapStart a process that has come to its snapshot, and copies of it
//! that wait to be restored.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tindra_sandbox::{Copy, Network, Storage};
use uuid::Uuid;

use crate::environment::Environment;
use crate::habitat::Habitat;
use crate::spares::demand::Demand;

/// Copies that wait however little is restored.
const FLOOR: usize = 2;
/// Copies that wait at most.
const CEILING: usize = 32;
/// Pause before copies are made in place of those that were taken, so that the restore has the processor.
const QUIET: Duration = Duration::from_millis(25);

/// One snapshot. Environments that began from it keep it alive: its end is theirs.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Key of the function's record.
    key: String,
    original: Mutex<Box<Environment>>,
    /// Where all copies live.
    network: Arc<Network>,
    storage: Arc<Storage>,
    ready: Mutex<Vec<Copy>>,
    demand: Mutex<Demand>,
    is_filling: AtomicBool,
}

impl Snapshot {
    /// Of an environment that has taken its snapshot.
    pub(crate) fn new(key: String, original: Box<Environment>) -> Self {
        let habitat = original.habitat();
        Self {
            key,
            network: Arc::clone(&habitat.network),
            storage: Arc::clone(&habitat.storage),
            original: Mutex::new(original),
            ready: Mutex::default(),
            demand: Mutex::default(),
            is_filling: AtomicBool::new(false),
        }
    }

    /// Where a copy lives: beside all others, on a connection of its own.
    pub(crate) fn habitat_of(&self, copy: &Copy) -> std::io::Result<Habitat> {
        Habitat::shared(Arc::clone(&self.network), Arc::clone(&self.storage), copy.connection.try_clone()?)
    }

    /// Takes a copy that waits, else makes one. `None` when the snapshot gives no copies any more.
    pub(crate) async fn take(self: &Arc<Self>, now: Duration) -> Option<Copy> {
        lock(&self.demand).note(now);
        let waiting = loop {
            match lock(&self.ready).pop() {
                Some(copy) if matches!(copy.sandbox.try_exit(), Ok(None)) => break Some(copy),
                Some(_ended) => {}
                None => break None,
            }
        };
        let copy = match waiting {
            Some(copy) => Some(copy),
            None => self.make().await,
        };
        self.fill_later(now);
        copy
    }

    async fn make(self: &Arc<Self>) -> Option<Copy> {
        let snapshot = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || lock(&snapshot.original).make_copy()).await;
        match made {
            Ok(Ok(copy)) => Some(copy),
            Ok(Err(error)) => {
                tracing::warn!(function = self.key, %error, "a snapshot could not be copied");
                None
            }
            Err(_) => None,
        }
    }

    /// Makes copies in the background until enough wait.
    pub(crate) fn fill_later(self: &Arc<Self>, now: Duration) {
        if self.is_filling.swap(true, Ordering::AcqRel) {
            return;
        }
        let snapshot = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(QUIET).await;
            let wanted = lock(&snapshot.demand).peak(now).clamp(FLOOR, CEILING);
            while lock(&snapshot.ready).len() < wanted {
                let Some(copy) = snapshot.make().await else { break };
                lock(&snapshot.ready).push(copy);
            }
            snapshot.is_filling.store(false, Ordering::Release);
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        // Held while a copy is made: then it has not.
        self.original.try_lock().is_ok_and(|original| original.has_ended())
    }
}

/// The snapshots by the generation that they are of.
#[derive(Debug, Default)]
pub(crate) struct SnapshotTable {
    snapshots: RwLock<HashMap<Uuid, Arc<Snapshot>>>,
    /// Generations whose snapshot is being made anew, or could not be.
    remade: Mutex<HashSet<Uuid>>,
}

impl SnapshotTable {
    /// Whether the caller is the one to make the snapshot of a generation anew.
    pub(crate) fn remake(&self, generation: Uuid) -> bool {
        lock(&self.remade).insert(generation)
    }

    /// The snapshot of a generation, unless its process has ended.
    pub(crate) fn get(&self, generation: Uuid) -> Option<Arc<Snapshot>> {
        let snapshots = self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        snapshots.get(&generation).filter(|snapshot| !snapshot.has_ended()).cloned()
    }

    pub(crate) fn put(&self, generation: Uuid, snapshot: Arc<Snapshot>) {
        self.snapshots.write().unwrap_or_else(PoisonError::into_inner).insert(generation, snapshot);
        lock(&self.remade).remove(&generation);
    }

    /// Keys of the functions that have one.
    pub(crate) fn keys(&self) -> Vec<String> {
        let snapshots = self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        snapshots.values().map(|snapshot| snapshot.key.clone()).collect()
    }

    /// Forgets a function's snapshots but that of the generation that serves.
    pub(crate) fn keep_only(&self, key: &str, serving: Option<Uuid>) {
        let mut snapshots = self.snapshots.write().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|generation, snapshot| snapshot.key != key || Some(*generation) == serving);
    }

    /// Forgets those whose process has ended.
    pub(crate) fn forget_ended(&self) {
        let mut snapshots = self.snapshots.write().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|_, snapshot| !snapshot.has_ended());
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.snapshots.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
