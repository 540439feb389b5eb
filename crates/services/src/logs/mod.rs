//! CloudWatch Logs over the store's log streams: what `aws logs`, `sam logs` and `tindra logs` read.
//!
//! [`LogsService`] answers the API; [`LogIngest`] takes lines from the functions without ever making them
//! wait. Operations that are not in [`LogsService::answer`] are refused by name.

mod changes;
mod error;
mod filter;
mod group_tags;
mod groups;
mod ingest;
mod live_tail;
mod names;
mod page;
mod pattern;
mod read;
mod settings;
mod streams;
mod subscriptions;
mod taps;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tindra_core::clock::{Clock, Timer};
use tindra_core::function::Scope;
use tindra_store::{Store, StoreError};

use crate::followed::Followed;
use crate::outbox::Outbox;

pub use error::LogsError;
pub use ingest::LogIngest;
pub use live_tail::LiveTail;
use taps::{Delivery, Taps};

pub use subscriptions::{Destinations, LogsTo};

/// For what was stored to be handed on, at the end of a server.
const HANDING_ON_MAX: Duration = Duration::from_secs(5);

/// CloudWatch Logs of every account and region.
#[derive(Clone, Debug)]
pub struct LogsService {
    store: Store,
    clock: Arc<dyn Clock>,
    ingest: LogIngest,
    taps: Arc<Taps>,
    _expiry: Arc<Expiry>,
    /// The task that hands events to functions.
    delivering: Arc<OnceLock<Expiry>>,
}

/// A task, for example the one that removes expired events; it ends with the last handle to the service.
#[derive(Debug)]
struct Expiry(tokio::task::JoinHandle<()>);

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LogsService {
    /// Starts the writer of lines, so it must be called inside a tokio runtime.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let taps = Arc::new(Taps::default());
        let ingest = LogIngest::start(Arc::clone(&store.logs), Arc::clone(&taps), Arc::clone(&clock));
        let expiry = Arc::new(Expiry(tokio::spawn(settings::expire_for_ever(store.clone(), Arc::clone(&clock)))));
        Self { store, clock, ingest, taps, _expiry: expiry, delivering: Arc::default() }
    }

    /// From now on functions get the events that subscription filters let pass.
    ///
    /// # Errors
    /// When the filters cannot be read.
    pub async fn deliver(
        &self,
        outbox: Arc<dyn Outbox>,
        timer: Arc<dyn Timer>,
        destinations: Arc<dyn Destinations>,
    ) -> Result<(), StoreError> {
        let table = Followed::start(self.store.clone(), subscriptions::PREFIX, subscriptions::known).await?;
        let task = self.taps.deliver_by(Delivery { outbox, timer, destinations, table });
        // Done once, at the start.
        let _ = self.delivering.set(Expiry(task));
        Ok(())
    }

    fn taps(&self) -> &Taps {
        &self.taps
    }

    fn delivery(&self) -> Option<&Delivery> {
        self.taps.delivery()
    }

    /// A cheap handle for whoever has lines to store.
    #[must_use]
    pub fn ingest(&self) -> LogIngest {
        self.ingest.clone()
    }

    /// Waits until every line that was taken in is in the store, and handed on to functions that want it; for the end of a server.
    pub async fn flush(&self) {
        self.ingest.flush().await;
        // A store that has failed for good does not keep a server from ending.
        if tokio::time::timeout(HANDING_ON_MAX, self.taps.flush()).await.is_err() {
            tracing::warn!("log events could not be handed to functions");
        }
    }

    /// Answers one operation, told by its name in the service model, with the members of its output.
    ///
    /// # Errors
    /// As the API has them; see [`LogsError`].
    pub async fn answer(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, LogsError> {
        match operation {
            "DescribeLogGroups" => output(self.describe_groups(scope, parse(input)?).await?),
            "DescribeLogStreams" => output(self.describe_streams(scope, parse(input)?).await?),
            "GetLogEvents" => output(self.get_events(scope, parse(input)?).await?),
            "FilterLogEvents" => output(self.filter_events(scope, parse(input)?).await?),
            "CreateLogGroup" => self.create_group(scope, parse(input)?).await.map(|()| json!({})),
            "DeleteLogGroup" => self.delete_group(scope, parse(input)?).await.map(|()| json!({})),
            "CreateLogStream" => self.create_stream(scope, parse(input)?).await.map(|()| json!({})),
            "DeleteLogStream" => self.delete_stream(scope, parse(input)?).await.map(|()| json!({})),
            "PutLogEvents" => output(self.put_events(scope, parse(input)?).await?),
            "ListTagsForResource" => self.list_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await.map(|()| json!({})),
            "UntagResource" => self.untag(scope, parse(input)?).await.map(|()| json!({})),
            "PutRetentionPolicy" => self.put_retention(scope, parse(input)?).await.map(|()| json!({})),
            "PutSubscriptionFilter" => self.put_filter(scope, parse(input)?).await.map(|()| json!({})),
            "DescribeSubscriptionFilters" => self.describe_filters(scope, parse(input)?).await,
            "DeleteSubscriptionFilter" => self.delete_filter(scope, parse(input)?).await.map(|()| json!({})),
            "ListTagsLogGroup" => self.list_tags_of_group(scope, parse(input)?).await,
            "TagLogGroup" => self.tag_group(scope, parse(input)?).await.map(|()| json!({})),
            "UntagLogGroup" => self.untag_group(scope, parse(input)?).await.map(|()| json!({})),
            "DeleteRetentionPolicy" => self.delete_retention(scope, parse(input)?).await.map(|()| json!({})),
            _ => Err(LogsError::unknown_operation(operation)),
        }
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, LogsError> {
    serde_json::from_value(input).map_err(|error| LogsError::new("SerializationException", error.to_string()))
}

fn output(shape: impl Serialize) -> Result<Value, LogsError> {
    serde_json::to_value(shape).map_err(|error| LogsError::new("ServiceUnavailableException", error.to_string()))
}
