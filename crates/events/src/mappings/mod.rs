//! Event source mappings at work: one poller for each that is enabled, following the store.
//!
//! A mapping that changes gets a new poller once the old one has ended what it had begun; what was taken and not begun is given
//! back, so that nothing is lost and nothing waits longer than it must.

mod ability;
mod batch;
mod broker;
mod cursor;
mod dynamodb;
mod kafka;
mod kinesis;
mod lease;
mod listing;
mod mapped;
mod peers;
mod ports;
mod queue;
mod runs;
mod seen;
mod shard;
mod status;
mod stream;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::{Clock, Timer};
use tindra_core::event_source_mapping::{EventSourceMapping, Filters, MAPPING_PREFIX, MappingState, SourceKind};
use tindra_store::{Store, StoreError, Versioned};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::Outbox;
use crate::ports::Invoke;
use broker::BrokerPoller;
use dynamodb::TableStream;
use kafka::KafkaPoller;
use kinesis::KinesisStream;
use lease::Owners;
use mapped::Mapped;
use ports::ShardSource;
use queue::QueuePoller;
use seen::AllSeen;
use shard::Stream;
use status::Status;
use stream::StreamPoller;

pub use listing::{MappingsListing, ShardListed, SourceListed};
pub use ports::{BrokerMessage, BrokerQueue, GroupEvent, GroupMember, SourceApi, SourceError, Sources};

/// Records read at once.
const PAGE: usize = 256;
/// Wait after the store failed, or before a source that cannot be opened is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest wait before a source that cannot be opened is tried again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Polls the sources of all mappings until it is dropped.
#[derive(Debug)]
pub struct Mappings {
    listing: MappingsListing,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// What pollers are given to work with.
#[derive(Debug)]
pub struct MappingsOptions {
    /// Where mappings and positions are.
    pub store: Store,
    /// By which attempts and batches wait.
    pub timer: Arc<dyn Timer>,
    /// Real time, for leases and for what sources say of times.
    pub real: Arc<dyn Clock>,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Opens sources.
    pub sources: Arc<dyn Sources>,
    /// Takes what destinations are to be told.
    pub outbox: Outbox,
    /// Whether other processes poll by the same store.
    pub is_shared: bool,
}

/// What pollers work with.
#[derive(Clone, Debug)]
struct Tools {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    invoke: Arc<dyn Invoke>,
    sources: Arc<dyn Sources>,
    outbox: Outbox,
    is_shared: bool,
    owners: Arc<Owners>,
    seen: AllSeen,
}

/// A poller at work.
#[derive(Debug)]
struct Running {
    mapping: EventSourceMapping,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Mappings {
    /// Follows the mappings of a store. To be called inside a tokio runtime.
    #[must_use]
    pub fn start(options: MappingsOptions) -> Self {
        let (stop, stopping) = watch::channel(false);
        let MappingsOptions { store, timer, real, invoke, sources, outbox, is_shared } = options;
        let (owners, seen) = (Arc::default(), AllSeen::default());
        let tools = Tools { store, timer, real, invoke, sources, outbox, is_shared, owners, seen };
        Self { listing: MappingsListing(tools.clone()), stop, task: Some(tokio::spawn(run(tools, stopping))) }
    }

    /// For whoever asks what they are doing.
    #[must_use]
    pub fn listing(&self) -> MappingsListing {
        self.listing.clone()
    }

    /// Begins nothing more, and returns when what was begun has ended.
    pub async fn drain(&mut self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(tools: Tools, mut stop: watch::Receiver<bool>) {
    // Watching before listing: a change in between is seen twice rather than never.
    let mut changes = tools.store.metadata.watch(MAPPING_PREFIX);
    let mut running: HashMap<Uuid, Running> = HashMap::new();
    // Pollers that end what they had begun.
    let mut ending: Vec<JoinHandle<()>> = Vec::new();
    loop {
        match wanted(&tools.store).await {
            Ok(wanted) => {
                ending.retain(|task| !task.is_finished());
                ending.extend(follow(&tools, &mut running, wanted));
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "event source mappings could not be read; trying again"
                );
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        }
        tokio::select! {
            changed = changes.changed() => match changed {
                Some(keys) if keys.is_empty() => break,
                _ => {}
            },
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    for (_, Running { stop, task, .. }) in running {
        let _ = stop.send(true);
        ending.push(task);
    }
    for task in ending {
        let _ = task.await;
    }
}

/// The mappings whose records are to be taken, of the kinds that can be.
async fn wanted(store: &Store) -> Result<HashMap<Uuid, EventSourceMapping>, StoreError> {
    let mut all = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.metadata.list(MAPPING_PREFIX, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            let key = record.key.clone();
            match Versioned::<EventSourceMapping>::decode(record) {
                Ok(Versioned { value: mapping, .. }) => {
                    if mapping.state == MappingState::Enabled && mapping.source.kind.is_polled() {
                        all.insert(mapping.uuid, mapping);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        key,
                        error = &error as &dyn std::error::Error,
                        "an event source mapping cannot be read"
                    );
                }
            }
        }
        if is_last {
            return Ok(all);
        }
    }
}

/// Tells pollers of mappings that are no longer as they were to end, and begins those that are missing. Returns those that end.
fn follow(
    tools: &Tools,
    running: &mut HashMap<Uuid, Running>,
    wanted: HashMap<Uuid, EventSourceMapping>,
) -> Vec<JoinHandle<()>> {
    let is_over = |poller: &Running| {
        let is_same = wanted.get(&poller.mapping.uuid).is_some_and(|mapping| polls_alike(mapping, &poller.mapping));
        !is_same || poller.task.is_finished()
    };
    let over = running.extract_if(|_, poller| is_over(poller)).map(|(_, poller)| {
        let _ = poller.stop.send(true);
        poller.task
    });
    let over = over.collect();
    for (uuid, mapping) in wanted {
        running.entry(uuid).or_insert_with(|| {
            let (stop, stopping) = watch::channel(false);
            let task = tokio::spawn(poll(tools.clone(), mapping.clone(), stopping));
            Running { mapping, stop, task }
        });
    }
    over
}

/// Whether a poller of the one is a poller of the other: tags and dates do not matter.
fn polls_alike(one: &EventSourceMapping, other: &EventSourceMapping) -> bool {
    one.settings == other.settings && one.function_name == other.function_name && one.qualifier == other.qualifier
}

/// Opens the source of a mapping, again and again until it can be, and polls it.
async fn poll(tools: Tools, mapping: EventSourceMapping, mut stop: watch::Receiver<bool>) {
    let status = Status::of(&mapping, tools.store.clone());
    let filters = match Filters::parse(&mapping.settings.filters) {
        Ok(filters) => filters,
        Err(error) => return status.has_problem(&format!("its filters cannot be read: {error}")).await,
    };
    if mapping.source.kind == SourceKind::Mq {
        return BrokerPoller::new(mapping, filters, tools.sources, tools.invoke, status).run(stop).await;
    }
    if mapping.source.kind.is_kafka() {
        return KafkaPoller::new(Mapped { tools, mapping, filters, status }).run(stop).await;
    }
    let mut wait = RETRY_AFTER;
    let source = loop {
        match tools.sources.open(&mapping).await {
            Ok(source) => break source,
            Err(error) => status.has_problem(&error.message).await,
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_AFTER_MAX),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    };
    if mapping.source.kind.is_sqs() {
        let poller = QueuePoller::new(mapping, filters, source, tools.invoke, tools.timer, status);
        return Arc::new(poller).run(stop).await;
    }
    let arn = mapping.source.arn.clone().unwrap_or_default();
    let source: Arc<dyn ShardSource> = match mapping.source.kind {
        SourceKind::DynamoDb => {
            let region = mapping.source_region().to_owned();
            Arc::new(TableStream { api: source, arn, region })
        }
        _ => {
            let role_arn = told::role(&tools, &mapping).await.unwrap_or_default();
            Arc::new(KinesisStream::new(source, &arn, role_arn))
        }
    };
    let mapped = Mapped { tools, mapping, filters, status };
    StreamPoller::new(Stream { mapped, source, ability: Arc::default() }).run(stop).await;
}
