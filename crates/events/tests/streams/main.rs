//! Streams, their pollers and their functions under schedules that a seed decides: functions that fail, throttle, answer with
//! failures of items or with nonsense; streams that refuse, hang, split, and end in two ways; a store whose steps fail before or
//! after they are made; processes that are killed, stopped, and held up for longer than their leases.
//!
//! Whatever happens, every record ends handled, given up to its destination, or filtered out; the order of a key holds; and no
//! position is written that lies behind a record which is none of these.
//!
//! `TINDRA_SIMULATIONS` says how many schedules (default 50), `TINDRA_SEED` runs one again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod function;
mod guarded;
mod source;
mod spread;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::{
    EventSource, EventSourceMapping, MappingSettings, MappingState, SourceKind, StartingPosition,
};
use tindra_events::Unstarted;
use tindra_events::mappings::{Mappings, MappingsOptions};
use tindra_store::{Batch, JsonBatch as _, Precondition};
use tindra_testkit::{MemoryStore, RuntimeClock, Seeded, run_schedules, scope};
use uuid::Uuid;

use function::Function;
use guarded::{Guarded, Held};
use source::Opened;
use spread::until_spread;
use world::World;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";
/// Longer than a lease holds.
const HELD_UP: Duration = Duration::from_secs(45);

/// One server.
struct Process {
    mappings: Mappings,
    held: Arc<Held>,
    _queue: Unstarted,
}

fn begin(memory: &MemoryStore, world: &Arc<World>, is_shared: bool) -> Process {
    let held = Arc::new(Held::default());
    let store = Guarded::around(memory, world, &held);
    let timer = Arc::clone(&world.clock);
    let real = Arc::clone(&world.clock) as _;
    let (outbox, queue) = tindra_events::open(store.clone(), Arc::clone(&timer) as _, real);
    let mappings = Mappings::start(MappingsOptions {
        store,
        timer,
        real: Arc::clone(&world.clock) as _,
        invoke: Arc::new(Function(Arc::clone(world))),
        sources: Arc::new(Opened(Arc::clone(world))),
        outbox,
        is_shared,
    });
    Process { mappings, held, _queue: queue }
}

fn settings(chance: &mut Seeded) -> MappingSettings {
    let mut small = |end: u64| u32::try_from(chance.below(end)).unwrap();
    let (batch_size, window_s, factor, retries) = (1 + small(8), small(3), 1 + small(3), small(4));
    let (ages, bisects, reports, has_windows) = (small(4), small(2) == 1, small(2) == 1, small(4) == 0);
    MappingSettings {
        batch_size,
        batching_window_s: Some(window_s),
        filters: vec![r#"{"partitionKey":[{"anything-but":["out"]}]}"#.to_owned()],
        parallelization_factor: factor,
        maximum_record_age_s: (ages == 0).then_some(60 + 60 * retries),
        maximum_retry_attempts: Some(retries),
        bisect_on_error: bisects,
        reports_item_failures: reports,
        tumbling_window_s: if has_windows { 5 } else { 0 },
        on_failure: Some("arn:aws:sqs:eu-west-1:123456789012:told".to_owned()),
        ..MappingSettings::new(SourceKind::Kinesis, Uuid::nil())
    }
}

fn mapping(settings: MappingSettings, starting_position: StartingPosition) -> EventSourceMapping {
    EventSourceMapping {
        uuid: Uuid::from_u128(7),
        scope: scope(),
        function_name: "reads".to_owned(),
        qualifier: None,
        source: EventSource {
            kind: SourceKind::Kinesis,
            arn: Some(STREAM.to_owned()),
            bootstrap_servers: Vec::new(),
            topics: Vec::new(),
            queues: Vec::new(),
            starting_position: Some(starting_position),
        },
        settings,
        is_enabled: true,
        state: MappingState::Enabled,
        last_modified_ms: 0,
        tags: std::collections::BTreeMap::new(),
    }
}

/// What a schedule was like, for those who want to know that it was worth something.
#[derive(Debug, Default)]
struct Seen {
    records: usize,
    invokes: usize,
    told: usize,
    kills: usize,
    held_up: usize,
    shards: usize,
}

async fn schedule(seed: u64, memory: MemoryStore) -> Seen {
    let mut chance = Seeded::new(seed);
    let settings = settings(&mut chance);
    let clock = Arc::new(RuntimeClock::start());
    let world = Arc::new(World::new(seed, settings.clone(), clock));
    let start = if chance.happens(50) { StartingPosition::TrimHorizon } else { StartingPosition::AtTimestamp(0) };
    let mapping = mapping(settings.clone(), start);
    let key = EventSourceMapping::key(&mapping.scope, mapping.uuid);
    let batch = Batch::default().put_json(key, Precondition::None, &mapping).unwrap();
    while memory.handle().metadata.commit(batch.clone()).await.is_err() {}
    let is_shared = chance.happens(50);
    // Servers hand shards to each other, and what one lane has done behind what another has not comes again.
    if is_shared && settings.parallelization_factor > 1 {
        world.crashed();
    }
    let mut processes: Vec<Process> = (0..=u64::from(is_shared)).map(|_| begin(&memory, &world, is_shared)).collect();
    let mut seen = Seen::default();
    for _ in 0..10 + chance.below(30) {
        let one = usize::try_from(chance.below(processes.len() as u64)).unwrap();
        match chance.below(12) {
            0..=6 => world.stream().put(&mut chance, 1 + chance_of(seed, seen.records)),
            7 => world.stream().split(&mut chance),
            8 if chance.happens(40) => {
                seen.kills += 1;
                world.crashed();
                processes.remove(one);
                processes.push(begin(&memory, &world, is_shared));
            }
            8 => {
                let mut process = processes.remove(one);
                process.mappings.drain().await;
                // What one lane has done behind what another has not comes again.
                if world.settings.parallelization_factor > 1 {
                    world.crashed();
                }
                processes.push(begin(&memory, &world, is_shared));
            }
            9 if is_shared => {
                seen.held_up += 1;
                world.crashed();
                processes[one].held.hold();
                world.clock.pass(HELD_UP).await;
                processes[one].held.go_on();
            }
            _ => world.clock.pass(Duration::from_millis(chance.below(4_000))).await,
        }
        seen.records += 1;
    }
    world.stream().heal();
    world.until_all_done().await;
    if is_shared {
        until_spread(&memory, &world, &mapping, processes.len(), Duration::from_secs(3_600)).await;
    }
    for mut process in processes {
        process.mappings.drain().await;
    }
    world.check();
    let history = world.history();
    seen.records = world.stream().records();
    (seen.invokes, seen.told) = (history.invokes.len(), history.told.len());
    seen.shards = world.stream().shards();
    seen
}

/// A few records, or many.
fn chance_of(seed: u64, step: usize) -> u64 {
    Seeded::new(seed.wrapping_add(step as u64)).below(20)
}

#[test]
fn no_record_is_lost_and_no_position_runs_ahead() {
    let runs = run_schedules("streams", 50, schedule);
    let many = runs.len() >= 50;
    let mut total = Seen::default();
    for seen in runs {
        total.records += seen.records;
        total.invokes += seen.invokes;
        total.told += seen.told;
        total.kills += seen.kills;
        total.held_up += seen.held_up;
        total.shards += seen.shards;
    }
    if many {
        let is_worth_it = total.kills > 5 && total.held_up > 5 && total.told > 50 && total.shards > 100;
        assert!(is_worth_it && total.records > 2_000 && total.invokes > 1_000, "{total:?}");
    }
}
