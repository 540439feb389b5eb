//! Queue, retries, leases and clock under schedules that a seed decides: functions that fail, throttle and take their time,
//! destinations that refuse, a store whose steps fail before or after they are made, and processes that are killed.
//!
//! `TINDRA_SIMULATIONS` says how many schedules (default 2,000), `TINDRA_SEED` runs one again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tindra_core::clock::Clock as _;
use tindra_core::event_invoke_config::EventInvokeConfig;
use tindra_core::function::Scope;
use tindra_core::push::{Push, PushError};
use tindra_events::{
    AsyncInvokes, Deliver, DeliverError, Delivery, Invoke, ManualClock, Purpose, PushTo, Pushed, Workers,
};
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::event_queue::{EventQueue, NewEvent};
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Throttle};
use tindra_store::{Batch, BoxFuture, JsonBatch as _, Precondition};
use tindra_testkit::{MemoryStore, RuntimeClock, Seeded, run_schedules, scope};
use uuid::Uuid;

const START_MS: u64 = 1_769_860_800_000;
const FUNCTIONS: [&str; 3] = ["a", "b", "c"];
const RUNNING_MAX: usize = 4;
const HOUR_MS: u64 = 3_600_000;
/// Longer than any event and then its delivery may wait.
const HOURS_AT_THE_END: usize = 24;

/// What one attempt of an event comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails,
    Throttled,
    Broken,
}

#[derive(Debug, Default)]
struct History {
    /// What is still to come of each event.
    fates: HashMap<String, Vec<Fate>>,
    /// Runs of the function by event, with the time of each.
    runs: HashMap<String, Vec<(u64, Fate)>>,
    /// What was told of each event.
    told: HashMap<String, Vec<Purpose>>,
    running: usize,
    running_most: usize,
}

/// Functions and destinations of one schedule.
#[derive(Debug)]
struct World {
    history: Mutex<History>,
    chance: Mutex<Seeded>,
    clock: Arc<ManualClock>,
    real: Arc<RuntimeClock>,
}

impl World {
    fn chance<T>(&self, of: impl FnOnce(&mut Seeded) -> T) -> T {
        of(&mut self.chance.lock().unwrap())
    }

    /// Somebody else's turn, or some seconds of real time.
    async fn dawdle(&self) {
        for _ in 0..self.chance(|chance| chance.below(4)) {
            tokio::task::yield_now().await;
        }
        if self.chance(|chance| chance.happens(20)) {
            self.real.pass(Duration::from_millis(self.chance(|chance| chance.below(3_000)))).await;
        }
    }
}

/// Counts down also when the process is killed.
struct Running(Arc<World>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.history.lock().unwrap().running -= 1;
    }
}

#[derive(Debug)]
struct Functions(Arc<World>);

impl Invoke for Functions {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(async move {
            let world = &self.0;
            let id = request.request_id;
            let fate = {
                let mut history = world.history.lock().unwrap();
                history.running += 1;
                history.running_most = history.running_most.max(history.running);
                let fate = history.fates.get(&id).and_then(|fates| fates.first()).copied().unwrap_or(Fate::Fails);
                if matches!(fate, Fate::Succeeds | Fate::Fails) {
                    history.runs.entry(id.clone()).or_default().push((world.clock.unix_ms(), fate));
                }
                fate
            };
            let running = Running(Arc::clone(world));
            world.dawdle().await;
            drop(running);
            // An attempt that a kill cuts off comes again as it was.
            let mut history = world.history.lock().unwrap();
            if let Some(fates) = history.fates.get_mut(&id).filter(|fates| fates.len() > 1) {
                fates.remove(0);
            }
            let finished = |outcome| InvokeResponse::Completed {
                finished: Finished { outcome, log_tail: None },
                executed_version: "$LATEST".to_owned(),
                trace_id: String::new(),
            };
            match fate {
                Fate::Succeeds => Ok(finished(Outcome::Success(Bytes::from_static(b"{}")))),
                Fate::Fails => Ok(finished(Outcome::FunctionError(Bytes::from_static(br#"{"errorMessage":"no"}"#)))),
                Fate::Throttled => Err(InvokeError::Throttled(Throttle::Concurrency)),
                Fate::Broken => Err(InvokeError::Internal { attempt: "run", source: "as planned".into() }),
            }
        })
    }
}

#[derive(Debug)]
struct Destinations(Arc<World>);

impl Deliver for Destinations {
    fn deliver<'a>(&'a self, delivery: &'a Delivery, body: Bytes) -> BoxFuture<'a, Result<(), DeliverError>> {
        Box::pin(async move {
            self.0.dawdle().await;
            assert!(body.starts_with(b"{"), "{body:?}");
            if self.0.chance(|chance| chance.happens(30)) {
                return Err(DeliverError { message: "as planned".to_owned() });
            }
            let mut history = self.0.history.lock().unwrap();
            history.told.entry(delivery.request_id.clone()).or_default().push(delivery.purpose.clone());
            Ok(())
        })
    }
}

/// Nothing is pushed here.
#[derive(Debug)]
struct Nowhere;

impl PushTo for Nowhere {
    fn push<'a>(&'a self, _push: &'a Push, _id: Uuid, _body: &'a Bytes) -> BoxFuture<'a, Result<Pushed, PushError>> {
        Box::pin(async { Err(PushError::lasting("NO_TARGET", "as planned")) })
    }

    fn pushed(&self, _push: &Push) {}
}

/// One process: queue and dispatcher.
struct Process {
    queue: Arc<dyn EventQueue>,
    invokes: AsyncInvokes,
}

fn begin(memory: &MemoryStore, world: &Arc<World>) -> Process {
    let (queue, unstarted) =
        tindra_events::open(memory.handle(), Arc::clone(&world.clock) as _, Arc::clone(&world.real) as _);
    let functions = Arc::new(Functions(Arc::clone(world)));
    let destinations = Arc::new(Destinations(Arc::clone(world)));
    let workers =
        Workers { invoke: functions, deliver: destinations, push_to: Arc::new(Nowhere), handlers: Vec::new() };
    Process { queue: Arc::new(queue), invokes: unstarted.start(workers, RUNNING_MAX) }
}

fn config(function: &str, retries: u32, age_s: u32) -> EventInvokeConfig {
    EventInvokeConfig {
        scope: scope(),
        function_name: function.to_owned(),
        qualifier: "$LATEST".to_owned(),
        maximum_retry_attempts: Some(retries),
        maximum_event_age_s: Some(age_s),
        on_success: Some("arn:aws:sqs:eu-west-1:123456789012:done".to_owned()),
        on_failure: Some("arn:aws:sqs:eu-west-1:123456789012:failed".to_owned()),
        last_modified_ms: 0,
    }
}

fn event(id: &str, function: &str, is_unwanted: bool) -> NewEvent {
    NewEvent {
        request_id: id.to_owned(),
        scope: Scope { ..scope() },
        function_name: function.to_owned(),
        qualifier: None,
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned(),
        tenant: None,
        is_unwanted,
        payload: Bytes::from_static(b"{}"),
    }
}

/// What a schedule was like, for those who want to know that it was worth something.
#[derive(Debug, Default)]
struct Seen {
    kills: usize,
    refused: usize,
    retries: usize,
    told: usize,
}

/// What the attempts of an event come to; the last of it is what all further ones come to.
fn fates(chance: &mut Seeded) -> Vec<Fate> {
    const ALL: [Fate; 4] = [Fate::Succeeds, Fate::Fails, Fate::Throttled, Fate::Broken];
    let mut fates: Vec<Fate> = (0..chance.below(6)).map(|_| ALL[usize::try_from(chance.below(4)).unwrap()]).collect();
    fates.push(if chance.happens(50) { Fate::Succeeds } else { Fate::Fails });
    fates
}

async fn schedule(seed: u64, memory: MemoryStore) -> Seen {
    let mut chance = Seeded::new(seed);
    let clock = Arc::new(ManualClock::at(START_MS));
    let world = Arc::new(World {
        history: Mutex::default(),
        chance: Mutex::new(Seeded::new(seed ^ 0xffff)),
        clock: Arc::clone(&clock),
        real: Arc::new(RuntimeClock::start()),
    });
    let mut policies = BTreeMap::new();
    for function in FUNCTIONS {
        let (retries, age_s) =
            (u32::try_from(chance.below(3)).unwrap(), 60 + u32::try_from(chance.below(21_000)).unwrap());
        policies.insert(function, (retries, u64::from(age_s) * 1_000));
        let config = config(function, retries, age_s);
        let key = EventInvokeConfig::key(&scope(), function, "$LATEST");
        let batch = Batch::default().put_json(key, Precondition::None, &config).unwrap();
        while memory.handle().metadata.commit(batch.clone()).await.is_err() {}
    }
    let mut seen = Seen::default();
    let mut accepted: BTreeMap<String, (&str, u64, bool)> = BTreeMap::new();
    let mut doubtful = HashSet::new();
    let mut process = begin(&memory, &world);
    for step in 0..10 + chance.below(30) {
        match chance.below(10) {
            0..=5 => {
                let (id, function) = (format!("{step}"), FUNCTIONS[usize::try_from(chance.below(3)).unwrap()]);
                let is_unwanted = chance.happens(5);
                let fates = fates(&mut chance);
                world.history.lock().unwrap().fates.insert(id.clone(), fates);
                match process.queue.accept(event(&id, function, is_unwanted)).await {
                    Ok(()) => drop(accepted.insert(id, (function, clock.unix_ms(), is_unwanted))),
                    Err(_) => drop(doubtful.insert(id)),
                }
            }
            6..=8 => {
                let by_ms = chance.below(130_000);
                // Sometimes the process is killed meanwhile.
                if chance.happens(20) {
                    let patience = Duration::from_millis(chance.below(2_000));
                    drop(tokio::time::timeout(patience, process.invokes.advance(&clock, by_ms)).await);
                } else {
                    process.invokes.advance(&clock, by_ms).await;
                    continue;
                }
                seen.kills += 1;
                drop(process);
                tokio::task::yield_now().await;
                memory.forget_leases();
                process = begin(&memory, &world);
            }
            _ => tokio::task::yield_now().await,
        }
    }
    seen.refused = doubtful.len();
    for _ in 0..HOURS_AT_THE_END {
        // Leases of those who were killed lapse, and what got lost on its way is found by the next look at the store. Only
        // then may the clock go on: a word is not told for ever.
        world.real.pass(Duration::from_secs(100)).await;
        process.invokes.advance(&clock, HOUR_MS).await;
        if memory.messages() == 0 {
            break;
        }
    }
    check(&world.history.lock().unwrap(), &accepted, &policies, memory.messages(), &mut seen);
    seen
}

fn check(
    history: &History,
    accepted: &BTreeMap<String, (&str, u64, bool)>,
    policies: &BTreeMap<&str, (u32, u64)>,
    left: usize,
    seen: &mut Seen,
) {
    assert_eq!(left, 0, "nothing waits for ever");
    assert!(history.running_most <= RUNNING_MAX, "{} ran at once", history.running_most);
    for (id, (function, accepted_ms, is_unwanted)) in accepted {
        let (retries, age_ms) = policies[function];
        let runs = history.runs.get(id).map_or(&[][..], Vec::as_slice);
        let told = history.told.get(id).map_or(0, Vec::len);
        seen.told += told;
        seen.retries += runs.len().saturating_sub(1);
        assert!(told >= 1, "{id} of {function} was lost: {runs:?}");
        assert!(runs.len() <= 1 + retries as usize + seen.kills, "{id} of {function} ran too often: {runs:?}");
        assert!(!is_unwanted || runs.is_empty(), "{id} was not to be run: {runs:?}");
        for (at_ms, _) in runs {
            assert!(at_ms - accepted_ms < age_ms, "{id} of {function} ran when it was too old: {runs:?}");
        }
        if seen.kills == 0 {
            assert!(runs.iter().filter(|(_, fate)| *fate == Fate::Succeeds).count() <= 1, "{id} ran again: {runs:?}");
            for (number, pair) in (1..).zip(runs.windows(2)) {
                assert!(pair[1].0 - pair[0].0 >= number * 60_000, "{id} was tried again too early: {runs:?}");
            }
        }
    }
}

#[test]
fn nothing_is_lost_under_any_schedule() {
    let runs = run_schedules("simulation", 2_000, schedule);
    let many = runs.len() > 1_000;
    let mut total = Seen::default();
    for seen in runs {
        total.kills += seen.kills;
        total.refused += seen.refused;
        total.retries += seen.retries;
        total.told += seen.told;
    }
    if many {
        assert!(total.kills > 100 && total.refused > 100 && total.retries > 1_000 && total.told > 1_000, "{total:?}");
    }
}
