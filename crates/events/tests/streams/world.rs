//! What all of a schedule share, what has happened in it, and what must be true of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tindra_core::event_source_mapping::MappingSettings;
use tindra_testkit::{RuntimeClock, Seeded};

use crate::source::Stream;

/// One run of the function.
#[derive(Debug)]
pub(crate) struct Invoked {
    /// Sequence numbers, in their order.
    pub(crate) records: Vec<u64>,
    /// Whether somebody had been killed or held up before.
    pub(crate) is_after_crash: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) invokes: Vec<Invoked>,
    /// By record: before which invoke it was handled for the first time.
    pub(crate) handled: BTreeMap<u64, usize>,
    /// By record: before which invoke it was given up for the first time.
    pub(crate) told: BTreeMap<u64, usize>,
    /// The position of each shard, with the epoch in which it was written.
    pub(crate) positions: BTreeMap<String, (u64, u64)>,
    has_crashed: bool,
}

impl History {
    fn is_done(&self, sequence: u64, before: usize) -> bool {
        let is_done = |done: &BTreeMap<u64, usize>| done.get(&sequence).is_some_and(|at| *at <= before);
        is_done(&self.handled) || is_done(&self.told)
    }
}

#[derive(Debug)]
pub(crate) struct World {
    stream: Mutex<Stream>,
    history: Mutex<History>,
    chance: Mutex<Seeded>,
    pub(crate) settings: MappingSettings,
    pub(crate) clock: Arc<RuntimeClock>,
}

impl World {
    pub(crate) fn new(seed: u64, settings: MappingSettings, clock: Arc<RuntimeClock>) -> Self {
        Self {
            stream: Mutex::new(Stream::new(seed, Arc::clone(&clock))),
            history: Mutex::default(),
            chance: Mutex::new(Seeded::new(seed ^ 0xffff)),
            settings,
            clock,
        }
    }

    pub(crate) fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap()
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.chance.lock().unwrap().below(end)
    }

    /// From now on records may come again.
    pub(crate) fn crashed(&self) {
        self.history().has_crashed = true;
    }

    /// The function is given records.
    pub(crate) fn begin(&self, records: Vec<u64>) {
        let mut history = self.history();
        let is_after_crash = history.has_crashed;
        history.invokes.push(Invoked { records, is_after_crash });
    }

    /// The function has handled records.
    pub(crate) fn handled(&self, records: &[u64]) {
        let mut history = self.history();
        let before = history.invokes.len();
        for sequence in records {
            history.handled.entry(*sequence).or_insert(before);
        }
    }

    /// Records of a shard from one to another are given up.
    pub(crate) fn told(&self, shard: &str, first: u64, last: u64) {
        let given_up: Vec<u64> =
            self.stream().of_shard(shard).into_iter().filter(|at| (first..=last).contains(at)).collect();
        let mut history = self.history();
        let before = history.invokes.len();
        for sequence in given_up {
            history.told.entry(sequence).or_insert(before);
        }
    }

    /// A position was written: all before it must be done, and neither it nor the epoch may go back.
    pub(crate) fn positioned(&self, shard: &str, epoch: u64, position: u64) {
        let stream = self.stream();
        let mut history = self.history();
        let now = history.invokes.len();
        for sequence in stream.of_shard(shard).into_iter().filter(|sequence| *sequence <= position) {
            let is_done = stream.is_filtered_out(sequence) || history.is_done(sequence, now);
            assert!(is_done, "{shard} is at {position}, and {sequence} is not done");
        }
        let (epoch_before, position_before) = history.positions.get(shard).copied().unwrap_or_default();
        assert!(epoch >= epoch_before, "a poller that had lost {shard} wrote {position}");
        assert!(position >= position_before, "{shard} went back from {position_before} to {position}");
        history.positions.insert(shard.to_owned(), (epoch, position));
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn until_all_done(&self) {
        for _ in 0..4_000 {
            if self.left().is_empty() {
                return;
            }
            self.clock.pass(Duration::from_secs(5)).await;
        }
        panic!("these are never done: {:?}", self.left());
    }

    fn left(&self) -> BTreeSet<u64> {
        let stream = self.stream();
        let history = self.history();
        let now = history.invokes.len();
        stream.all().filter(|one| !stream.is_filtered_out(*one) && !history.is_done(*one, now)).collect()
    }

    /// What must be true in the end.
    pub(crate) fn check(&self) {
        let stream = self.stream();
        let history = self.history();
        for (number, invoke) in history.invokes.iter().enumerate() {
            let mut sorted = invoke.records.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, invoke.records, "in their order");
            for sequence in &invoke.records {
                assert!(!stream.is_filtered_out(*sequence), "{sequence} is not for the function");
                for before in stream.earlier_of_key(*sequence) {
                    let is_with_it = invoke.records.contains(&before);
                    assert!(
                        is_with_it || history.is_done(before, number),
                        "{sequence} came before {before}: {invoke:?}"
                    );
                }
                let is_again = history.handled.get(sequence).is_some_and(|at| *at <= number);
                assert!(!is_again || invoke.is_after_crash, "{sequence} came again without a reason: {invoke:?}");
            }
        }
    }
}
