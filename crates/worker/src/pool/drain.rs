//! Ends the environments of generations that no longer serve, by watching the functions' records.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::function::Function;
use tindra_store::{JsonRecords as _, Store, Watch};
use uuid::Uuid;

use super::Pool;

/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs until the store closes or it is aborted.
pub(crate) async fn follow(pool: Arc<Pool>, store: Store, mut watch: Watch) {
    loop {
        let changed = match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => keys.into_iter().collect(),
            None => pool.keys(),
        };
        for key in pool.keys().intersection(&changed) {
            let serving = serving(&store, key).await;
            pool.keep_only(key, serving);
        }
    }
}

/// The generation that a function serves now.
async fn serving(store: &Store, key: &str) -> Option<Uuid> {
    loop {
        match store.metadata.get_json::<Function>(key).await {
            Ok(record) => return record.and_then(|record| record.value.serving).map(|serving| serving.generation),
            Err(error) => {
                tracing::warn!(key, error = &error as &dyn std::error::Error, "a function could not be read");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

impl Pool {
    fn keys(&self) -> HashSet<String> {
        let generations = self.all();
        let generations = generations.iter().map(|generation| generation.record_key().to_owned());
        generations.chain(self.machine.snapshots.keys()).collect()
    }

    fn keep_only(&self, key: &str, serving: Option<Uuid>) {
        self.machine.snapshots.keep_only(key, serving);
        for generation in self.all().iter().filter(|generation| generation.record_key() == key) {
            drop(generation.retire(Some(generation.id()) != serving));
        }
    }
}
