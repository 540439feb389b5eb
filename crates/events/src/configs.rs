//! The configurations of asynchronous invokes in memory, kept by watching the store.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tindra_core::async_invoke::AsyncEvent;
use tindra_core::event_invoke_config::{EVENT_INVOKE_CONFIG_PREFIX, EventInvokeConfig};
use tindra_core::function::{Configuration, Function, Scope, Version};
use tindra_core::name::LATEST;
use tindra_store::{JsonRecords as _, Store, StoreError, Versioned, Watch};

/// More than these are read anew; a configuration is small.
const KNOWN_MAX: usize = 10_000;

/// Configurations by their keys; those that do not exist are known, too.
#[derive(Debug)]
pub(crate) struct Configs {
    store: Store,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    changes: Watch,
    configs: HashMap<String, Option<Arc<EventInvokeConfig>>>,
    /// Grows when something changes, so that what was read before it is not kept.
    age: u64,
}

impl Known {
    /// Forgets what has changed since the last look.
    fn refresh(&mut self) {
        loop {
            // `pin!` in a block of its own: the watch is borrowed for one poll.
            let polled = {
                let next = pin!(tokio::task::unconstrained(self.changes.changed()));
                next.poll(&mut Context::from_waker(Waker::noop()))
            };
            match polled {
                Poll::Pending => return,
                Poll::Ready(Some(keys)) if keys.is_empty() => return,
                Poll::Ready(Some(keys)) => {
                    self.age += 1;
                    for key in keys {
                        self.configs.remove(&key);
                    }
                }
                Poll::Ready(None) => {
                    self.age += 1;
                    self.configs.clear();
                }
            }
        }
    }
}

impl Configs {
    pub(crate) fn new(store: Store) -> Self {
        let changes = store.metadata.watch(EVENT_INVOKE_CONFIG_PREFIX);
        Self { store, known: Mutex::new(Known { changes, configs: HashMap::new(), age: 0 }) }
    }

    /// The configuration that holds for an event: that of the version or alias that it names.
    pub(crate) async fn get(&self, event: &AsyncEvent) -> Result<Option<Arc<EventInvokeConfig>>, StoreError> {
        let qualifier = event.qualifier.as_deref().unwrap_or(LATEST);
        let key = EventInvokeConfig::key(&event.scope, &event.function_name, qualifier);
        let age = {
            let mut known = self.lock();
            known.refresh();
            if let Some(config) = known.configs.get(&key) {
                return Ok(config.clone());
            }
            known.age
        };
        let record: Option<Versioned<EventInvokeConfig>> = self.store.metadata.get_json(&key).await?;
        let config = record.map(|record| Arc::new(record.value));
        let mut known = self.lock();
        known.refresh();
        if known.age == age {
            if known.configs.len() >= KNOWN_MAX {
                known.configs.clear();
            }
            known.configs.insert(key, config.clone());
        }
        Ok(config)
    }

    /// What `$LATEST` of the function says: its versions have its dead-letter queue, too (AWS). None once it has gone.
    pub(crate) async fn latest(&self, event: &AsyncEvent) -> Result<Option<Configuration>, StoreError> {
        latest_configuration(&self.store, &event.scope, &event.function_name).await
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `$LATEST` of a function says; none once it has gone.
pub(crate) async fn latest_configuration(
    store: &Store,
    scope: &Scope,
    function_name: &str,
) -> Result<Option<Configuration>, StoreError> {
    let key = Function::version_key(scope, function_name, Version::Latest);
    let record: Option<Versioned<Function>> = store.metadata.get_json(&key).await?;
    Ok(record.map(|record| {
        let function = record.value;
        function.serving.unwrap_or(function.desired).configuration
    }))
}
