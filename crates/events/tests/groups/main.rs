//! Consumer groups of Kafka, their members here and their functions under schedules that a seed decides: functions that fail,
//! throttle, answer with failures of records or with nonsense; a cluster that takes partitions away in an orderly way or at once,
//! breaks connections, and does not take offsets; a store whose steps fail before or after they are made; servers that come and go.
//!
//! Whatever happens, every record ends handled, given up to its destination, or filtered out; the order of a partition holds; and no
//! offset is committed that lies behind a record which is none of these, nor by somebody who has lost the partition.
//!
//! `TINDRA_SIMULATIONS` says how many schedules (default 50), `TINDRA_SEED` runs one again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;
mod function;
mod guarded;
mod member;

use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::{
    EventSource, EventSourceMapping, MappingSettings, MappingState, ProvisionedPollers, SourceKind, StartingPosition,
};
use tindra_events::Unstarted;
use tindra_events::mappings::{Mappings, MappingsOptions};
use tindra_store::{Batch, JsonBatch as _, Precondition};
use tindra_testkit::{MemoryStore, RuntimeClock, Seeded, run_schedules, scope};
use uuid::Uuid;

use cluster::Cluster;
use function::Function;
use guarded::Guarded;
use member::Reached;

/// One server.
struct Process {
    mappings: Mappings,
    _queue: Unstarted,
}

fn begin(memory: &MemoryStore, cluster: &Arc<Cluster>) -> Process {
    let store = Guarded::around(memory, cluster);
    let timer = Arc::clone(&cluster.clock);
    let real = Arc::clone(&cluster.clock) as _;
    let (outbox, queue) = tindra_events::open(store.clone(), Arc::clone(&timer) as _, real);
    let mappings = Mappings::start(MappingsOptions {
        store,
        timer,
        real: Arc::clone(&cluster.clock) as _,
        invoke: Arc::new(Function(Arc::clone(cluster))),
        sources: Arc::new(Reached(Arc::clone(cluster))),
        outbox,
        is_shared: true,
    });
    Process { mappings, _queue: queue }
}

fn settings(chance: &mut Seeded) -> MappingSettings {
    let mut small = |end: u64| u32::try_from(chance.below(end)).unwrap();
    let (batch_size, window_s, retries, pollers) = (1 + small(8), small(3), small(4), small(4));
    let (bisects, reports, gives_up) = (small(2) == 1, small(2) == 1, small(4) > 0);
    let provisioned = ProvisionedPollers { minimum: 1, maximum: 1, group: None };
    MappingSettings {
        batch_size,
        batching_window_s: window_s.checked_sub(1),
        filters: vec![r#"{"value":{"out":[false]}}"#.to_owned()],
        maximum_retry_attempts: gives_up.then_some(retries),
        bisect_on_error: bisects,
        reports_item_failures: reports,
        provisioned_pollers: (pollers == 0).then_some(provisioned),
        on_failure: Some("arn:aws:sqs:eu-west-1:123456789012:told".to_owned()),
        ..MappingSettings::new(SourceKind::SelfManagedKafka, Uuid::nil())
    }
}

fn mapping(settings: MappingSettings, starting_position: StartingPosition) -> EventSourceMapping {
    EventSourceMapping {
        uuid: Uuid::from_u128(7),
        scope: scope(),
        function_name: "reads".to_owned(),
        qualifier: None,
        source: EventSource {
            kind: SourceKind::SelfManagedKafka,
            arn: None,
            bootstrap_servers: vec!["kafka:9092".to_owned()],
            topics: vec![cluster::TOPIC.to_owned()],
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
    again: usize,
    rebalances: usize,
    lost: usize,
    refused: usize,
}

async fn schedule(seed: u64, memory: MemoryStore) -> Seen {
    let mut chance = Seeded::new(seed);
    let settings = settings(&mut chance);
    let partitions = 1 + usize::try_from(chance.below(12)).unwrap();
    let cluster = Arc::new(Cluster::new(seed, settings.clone(), partitions, Arc::new(RuntimeClock::start())));
    let start = if chance.happens(50) { StartingPosition::TrimHorizon } else { StartingPosition::AtTimestamp(0) };
    let mapping = mapping(settings, start);
    let key = EventSourceMapping::key(&mapping.scope, mapping.uuid);
    let batch = Batch::default().put_json(key, Precondition::None, &mapping).unwrap();
    while memory.handle().metadata.commit(batch.clone()).await.is_err() {}
    let mut processes = vec![begin(&memory, &cluster)];
    for _ in 0..10 + chance.below(40) {
        match chance.below(12) {
            0..=5 => cluster.state().put(1 + chance.below(30)),
            6 => cluster.state().rebalance(),
            7 => cluster.state().lose_one(),
            8 => cluster.state().break_one(),
            9 if processes.len() < 3 => processes.push(begin(&memory, &cluster)),
            9 => {
                let one = usize::try_from(chance.below(processes.len() as u64)).unwrap();
                processes.remove(one).mappings.drain().await;
            }
            _ => cluster.clock.pass(Duration::from_millis(chance.below(4_000))).await,
        }
    }
    cluster.state().heal();
    cluster.until_all_done().await;
    for mut process in processes {
        process.mappings.drain().await;
    }
    cluster.check();
    let state = cluster.state();
    assert!(state.members.is_empty(), "all have left");
    Seen {
        records: state.records(),
        invokes: state.invokes.len(),
        told: state.told.len(),
        again: state.again(),
        rebalances: state.rebalances,
        lost: state.lost,
        refused: state.refused,
    }
}

#[test]
fn no_record_is_lost_and_no_offset_runs_ahead() {
    let runs = run_schedules("groups", 50, schedule);
    let many = runs.len() >= 50;
    let mut total = Seen::default();
    for seen in runs {
        total.records += seen.records;
        total.invokes += seen.invokes;
        total.told += seen.told;
        total.again += seen.again;
        total.rebalances += seen.rebalances;
        total.lost += seen.lost;
        total.refused += seen.refused;
    }
    if many {
        let is_worth_it = total.rebalances > 150 && total.lost > 25 && total.told > 25 && total.refused > 25;
        assert!(is_worth_it && total.records > 2_500 && total.invokes > 1_000 && total.again > 50, "{total:?}");
    }
}
