//! Event source mappings at work: one poller for each that is enabled, following the store.
//!
//! A mapping that changes gets a new poller once the old one has ended what it had begun; what was taken and not begun is given
//! back, so that nothing is lost and nothing waits longer than it must.

mod batch;
mod broker;
mod invoking;
mod ports;
mod queue;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::Timer;
use tindra_core::event_source_mapping::{EventSourceMapping, Filters, MAPPING_PREFIX, MappingState, SourceKind};
use tindra_store::{Store, StoreError, Versioned};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::ports::Invoke;
use broker::BrokerPoller;
use queue::QueuePoller;
use status::Status;

pub use ports::{BrokerMessage, BrokerQueue, QueueSource, SourceError, Sources};

/// Records read at once.
const PAGE: usize = 256;
/// Wait after the store failed, or before a source that cannot be opened is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest wait before a source that cannot be opened is tried again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Polls the sources of all mappings until it is dropped.
#[derive(Debug)]
pub struct Mappings {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// What pollers work with.
#[derive(Clone, Debug)]
struct Tools {
    store: Store,
    timer: Arc<dyn Timer>,
    invoke: Arc<dyn Invoke>,
    sources: Arc<dyn Sources>,
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
    pub fn start(store: Store, timer: Arc<dyn Timer>, invoke: Arc<dyn Invoke>, sources: Arc<dyn Sources>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let tools = Tools { store, timer, invoke, sources };
        Self { stop, task: Some(tokio::spawn(run(tools, stopping))) }
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
    let mut wait = RETRY_AFTER;
    let queue = loop {
        match tools.sources.queue(&mapping).await {
            Ok(queue) => break queue,
            Err(error) => status.has_problem(&error.message).await,
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_AFTER_MAX),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    };
    let poller = QueuePoller::new(mapping, filters, queue, tools.invoke, tools.timer, status);
    Arc::new(poller).run(stop).await;
}
