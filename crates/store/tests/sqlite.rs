//! The contract, held by the store of SQLite and files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;

use std::path::Path;
use std::sync::Arc;

use tindra_core::clock::SystemClock;
use tindra_store::{Durability, LogBounds, Store, StoreOptions};

fn open(directory: &Path, logs: LogBounds) -> Store {
    // Durability is a matter of fsync, which no test can see; without it the suite runs in a tenth of the time.
    let options = StoreOptions { durability: Durability::Normal, logs };
    Store::open_sqlite(directory, options, Arc::new(SystemClock::new())).unwrap()
}

contract::suite!(super::open);
