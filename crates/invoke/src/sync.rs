//! Atomics and locks of what is counted: the standard ones, or those that the model tests schedule.

#[cfg(not(all(test, feature = "model")))]
pub(crate) use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(all(test, feature = "model"))]
pub(crate) use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
