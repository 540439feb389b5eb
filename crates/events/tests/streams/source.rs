//! A stream of Kinesis that refuses, hangs, and splits as a seed says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tindra_core::clock::Clock as _;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_events::mappings::{BrokerQueue, SourceApi, SourceError, Sources};
use tindra_store::BoxFuture;
use tindra_testkit::{RuntimeClock, Seeded};

use crate::world::World;

const KEYS: [&str; 5] = ["a", "b", "c", "d", "out"];
/// No position is a number of fewer digits.
const FIRST: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct Record {
    sequence: u64,
    key: &'static str,
    at_ms: u64,
}

#[derive(Debug)]
struct Shard {
    id: String,
    parent: Option<usize>,
    /// Keys from there on, up to there.
    keys: (usize, usize),
    records: Vec<Record>,
    /// The number after its last record.
    ending: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    shards: Vec<Shard>,
    /// Of all records.
    keys: BTreeMap<u64, &'static str>,
    next: u64,
    chance: Seeded,
    clock: Arc<RuntimeClock>,
    /// Iterators end with their shard; otherwise they go on, and give nothing.
    ends: bool,
    is_well: bool,
}

impl Stream {
    pub(crate) fn new(seed: u64, clock: Arc<RuntimeClock>) -> Self {
        let first =
            Shard { id: "shard-0".to_owned(), parent: None, keys: (0, KEYS.len()), records: Vec::new(), ending: None };
        Self {
            shards: vec![first],
            keys: BTreeMap::new(),
            next: FIRST,
            chance: Seeded::new(seed ^ 0xff),
            clock,
            ends: seed.is_multiple_of(2),
            is_well: false,
        }
    }

    pub(crate) fn put(&mut self, chance: &mut Seeded, count: u64) {
        for _ in 0..count {
            let number = usize::try_from(chance.below(KEYS.len() as u64)).unwrap();
            self.keys.insert(self.next, KEYS[number]);
            let record = Record { sequence: self.next, key: KEYS[number], at_ms: self.clock.unix_ms() };
            self.next += 1;
            let is_its = |shard: &&mut Shard| shard.ending.is_none() && (shard.keys.0..shard.keys.1).contains(&number);
            self.shards.iter_mut().find(is_its).unwrap().records.push(record);
        }
    }

    /// Splits an open shard with at least two keys, if there is one.
    pub(crate) fn split(&mut self, chance: &mut Seeded) {
        let open: Vec<usize> = (0..self.shards.len())
            .filter(|at| self.shards[*at].ending.is_none() && self.shards[*at].keys.1 - self.shards[*at].keys.0 > 1)
            .collect();
        let Some(at) = open.get(usize::try_from(chance.below(open.len().max(1) as u64)).unwrap()).copied() else {
            return;
        };
        let (from, to) = self.shards[at].keys;
        let middle = from + 1 + usize::try_from(chance.below((to - from - 1) as u64)).unwrap();
        self.shards[at].ending = Some(self.next);
        self.next += 1;
        for keys in [(from, middle), (middle, to)] {
            let id = format!("shard-{}", self.shards.len());
            self.shards.push(Shard { id, parent: Some(at), keys, records: Vec::new(), ending: None });
        }
    }

    /// From now on it does what it is asked.
    pub(crate) fn heal(&mut self) {
        self.is_well = true;
    }

    pub(crate) fn is_well(&self) -> bool {
        self.is_well
    }

    pub(crate) fn records(&self) -> usize {
        self.shards.iter().map(|shard| shard.records.len()).sum()
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn open_shards(&self) -> usize {
        self.shards.iter().filter(|shard| shard.ending.is_none()).count()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        self.shards.iter().flat_map(|shard| shard.records.iter().map(|record| record.sequence))
    }

    pub(crate) fn of_shard(&self, id: &str) -> Vec<u64> {
        let shard = self.shards.iter().find(|shard| shard.id == id).unwrap();
        shard.records.iter().map(|record| record.sequence).collect()
    }

    pub(crate) fn is_filtered_out(&self, sequence: u64) -> bool {
        self.keys[&sequence] == "out"
    }

    /// Records of the same key that were put before: numbers grow over all shards.
    pub(crate) fn earlier_of_key(&self, sequence: u64) -> impl Iterator<Item = u64> {
        let key = self.keys[&sequence];
        self.keys.range(..sequence).filter(move |(_, other)| **other == key).map(|(sequence, _)| *sequence)
    }

    fn list(&self) -> Value {
        let shards = self.shards.iter().map(|shard| {
            json!({ "ShardId": shard.id, "ParentShardId": shard.parent.map(|parent| &self.shards[parent].id),
                "SequenceNumberRange": { "StartingSequenceNumber": "0",
                    "EndingSequenceNumber": shard.ending.map(|ending| ending.to_string()) } })
        });
        json!({ "Shards": shards.collect::<Vec<_>>() })
    }

    fn iterator(&self, input: &Value) -> Result<Value, SourceError> {
        if input["ShardIteratorType"] == "AT_TIMESTAMP" {
            return Err(SourceError::new("not every server knows times"));
        }
        let after = input["StartingSequenceNumber"].as_str().unwrap_or("0");
        Ok(json!({ "ShardIterator": format!("{}/{after}", input["ShardId"].as_str().unwrap()) }))
    }

    fn read(&mut self, input: &Value) -> Result<Value, SourceError> {
        let (id, after) = input["ShardIterator"].as_str().unwrap().split_once('/').unwrap();
        if !self.is_well && self.chance.happens(3) {
            return Err(SourceError::refused("ExpiredIteratorException", "as planned"));
        }
        let after: u64 = after.parse().unwrap();
        let limit = usize::try_from(input["Limit"].as_u64().unwrap().min(1 + self.chance.below(20))).unwrap();
        let limit = if self.chance.happens(10) { 0 } else { limit };
        let shard = self.shards.iter().find(|shard| shard.id == id).unwrap();
        let rest = || shard.records.iter().filter(|record| record.sequence > after);
        let given: Vec<&Record> = rest().take(limit).collect();
        let last = given.last().map_or(after, |record| record.sequence);
        let is_over = rest().count() == given.len();
        let records = given.iter().map(|record| {
            json!({ "SequenceNumber": record.sequence.to_string(), "PartitionKey": record.key, "Data": "e30=",
                "ApproximateArrivalTimestamp": record.at_ms as f64 / 1_000.0 })
        });
        let next = (!(is_over && self.ends && shard.ending.is_some())).then(|| format!("{id}/{last}"));
        let behind_ms = if is_over { 0 } else { 1 };
        let records: Vec<Value> = records.collect();
        Ok(json!({ "Records": records, "NextShardIterator": next, "MillisBehindLatest": behind_ms }))
    }
}

/// Opens the stream.
#[derive(Debug)]
pub(crate) struct Opened(pub(crate) Arc<World>);

impl Sources for Opened {
    fn open<'a>(&'a self, _mapping: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>> {
        Box::pin(async {
            match self.0.below(4) {
                0 => Err(SourceError::new("as planned")),
                _ => Ok(Arc::new(Asked(Arc::clone(&self.0))) as Arc<dyn SourceApi>),
            }
        })
    }

    fn broker<'a>(
        &'a self,
        _mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>> {
        Box::pin(async { Err(SourceError::new("there are streams only")) })
    }
}

#[derive(Debug)]
struct Asked(Arc<World>);

impl SourceApi for Asked {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move {
            let is_well = self.0.stream().is_well();
            match self.0.below(100) {
                _ if is_well => {}
                0..=2 => return Err(SourceError::new("as planned")),
                3..=4 => return Err(SourceError::refused("ProvisionedThroughputExceededException", "as planned")),
                5 => self.0.clock.pass(Duration::from_secs(3_600)).await,
                _ => self.0.clock.pass(Duration::from_millis(self.0.below(30))).await,
            }
            match operation {
                "ListShards" => Ok(self.0.stream().list()),
                "GetShardIterator" => self.0.stream().iterator(&input),
                _ => self.0.stream().read(&input),
            }
        })
    }
}
