//! The contract, held by the store of PostgreSQL and files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;
mod contract;

use std::path::Path;
use std::sync::Arc;

use tindra_core::clock::SystemClock;
use tindra_store::{Durability, LogBounds, Store, StoreOptions};

fn open(directory: &Path, logs: LogBounds) -> Store {
    let options = StoreOptions { durability: Durability::Off, logs };
    let url = cluster::database_of(directory);
    Store::open_postgres(&url, directory, options, Arc::new(SystemClock::new())).unwrap()
}

contract::suite!(super::open);
