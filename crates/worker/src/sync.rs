//! Locks and atomics of the queues: the standard ones, or those that the model tests schedule.

#[cfg(not(all(test, feature = "model")))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, feature = "model"))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
