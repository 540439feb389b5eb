//! Servers that come, go and die share the shards of a stream evenly, and soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{ShardRecord, is_runnable};
use tindra_core::event_source_mapping::{EventSourceMapping, MappingSettings, StartingPosition};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Versioned};
use tindra_testkit::{MemoryStore, RuntimeClock, Seeded, run_schedules};
use uuid::Uuid;

use crate::world::World;
use crate::{begin, mapping, settings};

/// Until pollers have seen each other, and given up what is another's, where no step fails and no batch runs for long: seven seconds,
/// and what it takes to open the stream, one in four attempts at which fails, with longer and longer waits.
const SOON: Duration = Duration::from_secs(45);
/// Until others have what a dead one had.
const AFTER_DEATH: Duration = Duration::from_secs(20);
/// With steps that fail, functions that take a minute, and streams that hang.
const LATE: Duration = Duration::from_secs(600);

/// How many shards that can be read each poller has; those that nobody has are under the nil name.
pub(crate) async fn held(memory: &MemoryStore, mapping: &EventSourceMapping) -> BTreeMap<Uuid, usize> {
    let prefix = mapping.shard_prefix();
    let listed: Vec<Versioned<ShardRecord>> = loop {
        if let Ok(listed) = memory.handle().metadata.list_json(&prefix, None, 10_000).await {
            break listed;
        }
    };
    let records: Vec<ShardRecord> = listed.into_iter().map(|record| record.value).collect();
    let mut held = BTreeMap::new();
    for record in records.iter().filter(|record| is_runnable(record, &records)) {
        *held.entry(record.owner.unwrap_or_default()).or_insert(0) += 1;
    }
    held
}

/// Waits until every shard that is closed is done, and so many pollers have as many of the others as each other, or one more.
pub(crate) async fn until_spread(
    memory: &MemoryStore,
    world: &World,
    mapping: &EventSourceMapping,
    pollers: usize,
    bound: Duration,
) {
    let mut waited = Duration::ZERO;
    loop {
        let held = held(memory, mapping).await;
        let shards: usize = held.values().sum();
        let (least, most) = (held.values().min().copied().unwrap_or(0), held.values().max().copied().unwrap_or(0));
        let is_whole = shards == world.stream().open_shards() && !held.contains_key(&Uuid::nil());
        if is_whole && held.len() == pollers.min(shards) && most - least <= 1 {
            return;
        }
        assert!(waited < bound, "after {waited:?} {pollers} pollers have {held:?}");
        world.clock.pass(Duration::from_millis(500)).await;
        waited += Duration::from_millis(500);
    }
}

async fn schedule(seed: u64, memory: MemoryStore) {
    let mut chance = Seeded::new(seed);
    // One lane: whoever goes on where another has ended repeats nothing.
    let settings = MappingSettings { parallelization_factor: 1, ..settings(&mut chance) };
    let world = Arc::new(World::new(seed, settings.clone(), Arc::new(RuntimeClock::start())));
    let mapping = mapping(settings, StartingPosition::TrimHorizon);
    let key = EventSourceMapping::key(&mapping.scope, mapping.uuid);
    let batch = Batch::default().put_json(key, Precondition::None, &mapping).unwrap();
    while memory.handle().metadata.commit(batch.clone()).await.is_err() {}
    // Five shards that are open, and their four parents.
    while world.stream().shards() < 9 {
        world.stream().split(&mut chance);
    }
    let is_calm = seed.is_multiple_of(4);
    let within = |calm: Duration| if is_calm { calm } else { LATE };
    if is_calm {
        world.stream().heal();
    }
    let mut put = |count: u64| {
        if !is_calm {
            world.stream().put(&mut chance, count);
        }
    };
    let mut first = begin(&memory, &world, true);
    put(50);
    until_spread(&memory, &world, &mapping, 1, within(SOON)).await;
    let second = begin(&memory, &world, true);
    put(50);
    until_spread(&memory, &world, &mapping, 2, within(SOON)).await;
    let mut third = begin(&memory, &world, true);
    put(50);
    until_spread(&memory, &world, &mapping, 3, within(SOON)).await;
    world.crashed();
    drop(second);
    put(50);
    until_spread(&memory, &world, &mapping, 2, within(AFTER_DEATH)).await;
    third.mappings.drain().await;
    put(50);
    until_spread(&memory, &world, &mapping, 1, within(SOON)).await;
    world.stream().heal();
    world.until_all_done().await;
    first.mappings.drain().await;
    // Where steps fail, a shard may have been taken at the last moment by a step whose end was never known.
    let are_free = held(&memory, &mapping).await.keys().all(Uuid::is_nil);
    assert!(!is_calm || are_free, "who stops gives its shards back");
    world.check();
    let left = loop {
        if let Ok(left) = memory.handle().metadata.list(&mapping.poller_prefix(), None, 10).await {
            break left.len();
        }
    };
    assert!(!is_calm || left == 0, "{left} pollers are still known");
}

#[test]
fn servers_share_the_shards_of_a_stream() {
    run_schedules("streams", 24, schedule);
}
