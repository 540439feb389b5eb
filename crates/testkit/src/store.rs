//! Real stores in a directory of their own, and ones that fail on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tindra_core::clock::SystemClock;
use tindra_store::{Batch, BoxFuture, Metadata, Record, Store, StoreError, StoreOptions, Watch};

/// A store that goes away with the test.
#[derive(Debug)]
pub struct TestStore {
    /// The store.
    pub store: Store,
    faults: Arc<AtomicBool>,
    directory: tempfile::TempDir,
}

impl TestStore {
    /// Where it lies, for what lies beside it; it goes with it.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// From now on every read and write of records fails, or works again. Only with [`faulty_store`].
    pub fn fail(&self, fails: bool) {
        self.faults.store(fails, Ordering::SeqCst);
    }
}

/// An empty store.
#[must_use]
pub fn store() -> TestStore {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let store = Store::open_sqlite(directory.path(), StoreOptions::default(), Arc::new(SystemClock::new()))
        .expect("an empty directory becomes a store");
    TestStore { store, faults: Arc::default(), directory }
}

/// An empty store that can be told to fail.
#[must_use]
pub fn faulty_store() -> TestStore {
    let mut test = store();
    let real = Arc::clone(&test.store.metadata);
    test.store.metadata = Arc::new(Faulty { real, faults: Arc::clone(&test.faults) });
    test
}

#[derive(Debug)]
struct Faulty {
    real: Arc<dyn Metadata>,
    faults: Arc<AtomicBool>,
}

impl Faulty {
    fn check(&self) -> Result<(), StoreError> {
        if self.faults.load(Ordering::SeqCst) {
            let source = "as planned".into();
            return Err(StoreError::Storage { attempt: "use the store".to_owned(), source });
        }
        Ok(())
    }
}

impl Metadata for Faulty {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.real.get(key).await
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.real.list(prefix, after, limit).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.real.commit(batch).await
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.real.watch(prefix)
    }
}
