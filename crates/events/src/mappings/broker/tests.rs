//! A poller in front of a broker that loses connections and a function that fails: nothing is lost, nothing is removed unhandled.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tindra_core::event_source_mapping::{EventSource, MappingState, SourceKind};
use tindra_invoke::environments::Finished;
use tindra_invoke::{InvokeError, InvokeRequest};
use tindra_store::BoxFuture;
use tindra_testkit::{MemoryStore, Seeded, scope};
use uuid::Uuid;

use super::super::ports::SourceApi;
use super::*;

/// A broker, its connections and the function, with the dice for all of them.
#[derive(Debug)]
struct World {
    dice: Seeded,
    waiting: VecDeque<u64>,
    /// Of the connection that there is: numbers and messages.
    unacknowledged: VecDeque<(u64, u64)>,
    connections: u32,
    handled: BTreeSet<u64>,
    removed: BTreeSet<u64>,
    running: u32,
    batches: Vec<Vec<u64>>,
    fault_percent: u64,
}

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Connection {
    world: Shared,
    tag: u64,
}

fn lost() -> SourceError {
    SourceError::new("as planned")
}

impl BrokerQueue for Connection {
    fn take(&mut self) -> BoxFuture<'_, Result<BrokerMessage, SourceError>> {
        Box::pin(async move {
            loop {
                {
                    let mut world = self.world.world();
                    let fault_percent = world.fault_percent;
                    if !world.waiting.is_empty() && world.dice.happens(fault_percent) {
                        return Err(lost());
                    }
                    if let Some(message) = world.waiting.pop_front() {
                        self.tag += 1;
                        world.unacknowledged.push_back((self.tag, message));
                        let body = json!({ "n": message, "odd": message % 2 == 1 }).to_string().into_bytes();
                        let members = Map::from_iter([("n".to_owned(), message.into())]);
                        return Ok(BrokerMessage { tag: self.tag, bytes: body.len() as u64, members, body });
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
    }

    fn acknowledge(&mut self, tag: u64, all_before: bool) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let mut world = self.world.world();
            let fault_percent = world.fault_percent;
            // An acknowledgement may arrive although the connection breaks.
            let (is_lost, arrives) = (world.dice.happens(fault_percent), world.dice.happens(50));
            if !is_lost || arrives {
                let is_meant = |known: u64| known == tag || (all_before && known < tag);
                let (done, open) = world.unacknowledged.drain(..).partition::<Vec<_>, _>(|(known, _)| is_meant(*known));
                world.unacknowledged = open.into();
                world.removed.extend(done.into_iter().map(|(_, message)| message));
            }
            if is_lost { Err(lost()) } else { Ok(()) }
        })
    }

    fn reject(&mut self, tag: u64) -> BoxFuture<'_, Result<(), SourceError>> {
        self.acknowledge(tag, false)
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut world = self.world.world();
        while let Some((_, message)) = world.unacknowledged.pop_back() {
            world.waiting.push_front(message);
        }
        world.connections -= 1;
    }
}

impl Sources for Shared {
    fn open<'a>(&'a self, _: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>> {
        Box::pin(async { Err(lost()) })
    }

    fn broker<'a>(&'a self, _: &'a EventSourceMapping) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>> {
        Box::pin(async move {
            let mut world = self.world();
            let fault_percent = world.fault_percent;
            if world.dice.happens(fault_percent) {
                return Err(lost());
            }
            world.connections += 1;
            assert_eq!(world.connections, 1, "one connection at a time");
            Ok(Box::new(Connection { world: self.clone(), tag: 0 }) as Box<dyn BrokerQueue>)
        })
    }
}

impl Invoke for Shared {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&request.payload).unwrap();
            let messages = event["rmqMessagesByQueue"]["jobs::/"].as_array().unwrap();
            let batch: Vec<u64> = messages.iter().map(|message| message["n"].as_u64().unwrap()).collect();
            {
                let mut world = self.world();
                world.running += 1;
                assert_eq!(world.running, 1, "one batch at a time");
            }
            sleep(Duration::from_millis(20)).await;
            let mut world = self.world();
            world.running -= 1;
            let fault_percent = world.fault_percent;
            if world.dice.happens(fault_percent) {
                return Err(InvokeError::Pending);
            }
            let fails = world.dice.happens(fault_percent);
            if !fails {
                world.handled.extend(&batch);
                world.batches.push(batch);
            }
            let answer = Bytes::from_static(b"null");
            let outcome = if fails { Outcome::FunctionError(answer) } else { Outcome::Success(answer) };
            let finished = Finished { outcome, log_tail: None };
            Ok(InvokeResponse::Completed { finished, executed_version: String::new(), trace_id: String::new() })
        })
    }
}

fn mapping(batch_size: u32) -> EventSourceMapping {
    EventSourceMapping {
        uuid: Uuid::nil(),
        scope: scope(),
        function_name: "thing".to_owned(),
        qualifier: None,
        source: EventSource {
            kind: SourceKind::Mq,
            arn: Some("arn:aws:mq:us-east-1:000000000000:broker:b:b-1".to_owned()),
            bootstrap_servers: Vec::new(),
            topics: Vec::new(),
            queues: vec!["jobs".to_owned()],
            starting_position: None,
        },
        settings: MappingSettings { batch_size, ..MappingSettings::new(SourceKind::Mq, Uuid::nil()) },
        is_enabled: true,
        state: MappingState::Enabled,
        last_modified_ms: 0,
        tags: std::collections::BTreeMap::new(),
    }
}

/// Runs a poller over so many messages until all of them are removed.
async fn simulated(seed: u64, fault_percent: u64, messages: u64, batch_size: u32, filters: &[&str]) -> Shared {
    let world = World {
        dice: Seeded::new(seed),
        waiting: (0..messages).collect(),
        unacknowledged: VecDeque::new(),
        connections: 0,
        handled: BTreeSet::new(),
        removed: BTreeSet::new(),
        running: 0,
        batches: Vec::new(),
        fault_percent,
    };
    let shared = Shared(Arc::new(Mutex::new(world)));
    let beside = tindra_testkit::store();
    let store = MemoryStore::new(seed, 0, &beside);
    let mapping = mapping(batch_size);
    let status = Status::of(&mapping, store.handle());
    let filters: Vec<String> = filters.iter().map(|&filter| filter.to_owned()).collect();
    let filters = Filters::parse(&filters).unwrap();
    let (of_sources, of_invoke) = (Arc::new(shared.clone()), Arc::new(shared.clone()));
    let (stop, stopping) = watch::channel(false);
    let poller = BrokerPoller::new(mapping, filters, of_sources, of_invoke, status);
    let task = tokio::spawn(poller.run(stopping));
    while shared.world().removed.len() < usize::try_from(messages).unwrap() {
        sleep(Duration::from_millis(100)).await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
    assert!(shared.world().waiting.is_empty() && shared.world().connections == 0);
    shared
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_whatever_breaks() {
    for seed in 0..40 {
        let shared = simulated(seed, seed % 10, 40, 7, &[]).await;
        let world = shared.world();
        assert_eq!(world.handled, (0..40).collect(), "seed {seed}: what was removed was handled");
        assert!(world.batches.iter().all(|batch| batch.len() <= 7 && batch.is_sorted()), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_are_full_and_what_filters_hold_back_is_removed() {
    let shared = simulated(0, 0, 20, 4, &[r#"{"data":{"odd":[true]}}"#]).await;
    let batches = shared.world().batches.clone();
    assert_eq!(batches, [vec![1, 3, 5, 7], vec![9, 11, 13, 15], vec![17, 19]]);
}
