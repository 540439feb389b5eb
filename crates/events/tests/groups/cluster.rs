//! A topic, the group that reads it, and what has happened to its records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tindra_core::event_source_mapping::MappingSettings;
use tindra_core::event_source_mapping::stream::Partition;
use tindra_events::mappings::GroupEvent;
use tindra_testkit::{RuntimeClock, Seeded};

pub(crate) const TOPIC: &str = "news";
/// Of a hundred calls, how many fail.
const FAULT_PERCENT: u64 = 3;

pub(crate) fn partition(number: usize) -> Partition {
    Partition { topic: TOPIC.to_owned(), number: i32::try_from(number).unwrap() }
}

/// A record, by its partition and its offset.
pub(crate) type Place = (usize, u64);

/// A member of the group as the cluster knows it.
#[derive(Debug, Default)]
pub(crate) struct MemberState {
    pub(crate) inbox: VecDeque<GroupEvent>,
    /// The next offset of each partition that it has, and whether it is held.
    pub(crate) own: BTreeMap<usize, (u64, bool)>,
    is_revoking: bool,
    pub(crate) is_broken: bool,
}

/// One run of the function.
#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) records: Vec<Place>,
    /// Whether partitions had gone to somebody else before their batches were done.
    is_after_loss: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) chance: Seeded,
    /// By partition: for each record whether filters hold it back.
    log: Vec<Vec<bool>>,
    committed: BTreeMap<usize, u64>,
    pub(crate) members: BTreeMap<u64, MemberState>,
    next_member: u64,
    fault_percent: u64,
    pub(crate) invokes: Vec<Invoked>,
    /// Before which invoke a record was handled for the first time.
    handled: BTreeMap<Place, usize>,
    /// Before which invoke a record was given up for the first time.
    pub(crate) told: BTreeMap<Place, usize>,
    pub(crate) rebalances: usize,
    pub(crate) lost: usize,
    /// Offsets that were not taken.
    pub(crate) refused: usize,
    /// What must not be and was: a task that panics is not heard.
    violations: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    state: Mutex<State>,
    pub(crate) settings: MappingSettings,
    pub(crate) clock: Arc<RuntimeClock>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, settings: MappingSettings, partitions: usize, clock: Arc<RuntimeClock>) -> Self {
        let state = State {
            chance: Seeded::new(seed ^ 0xffff),
            log: vec![Vec::new(); partitions],
            committed: BTreeMap::new(),
            members: BTreeMap::new(),
            next_member: 0,
            fault_percent: FAULT_PERCENT,
            invokes: Vec::new(),
            handled: BTreeMap::new(),
            told: BTreeMap::new(),
            rebalances: 0,
            lost: 0,
            refused: 0,
            violations: Vec::new(),
        };
        Self { state: Mutex::new(state), settings, clock }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until nothing is left to do, and that is committed.
    pub(crate) async fn until_all_done(&self) {
        for _ in 0..4_000 {
            if self.state().is_all_done() {
                return;
            }
            self.clock.pass(Duration::from_secs(5)).await;
        }
        let state = self.state();
        panic!("these are never done: {:?}, {:?}, {:?}", state.left(), state.committed, state.violations);
    }

    /// What must be true in the end.
    pub(crate) fn check(&self) {
        let state = self.state();
        assert!(state.violations.is_empty(), "{:?}", state.violations);
        for (number, invoke) in state.invokes.iter().enumerate() {
            assert!(invoke.records.is_sorted(), "in their order");
            for (partition, offset) in &invoke.records {
                assert!(!state.is_out((*partition, *offset)), "{offset} is not for the function");
                for before in (0..*offset).map(|before| (*partition, before)) {
                    let is_with_it = invoke.records.contains(&before);
                    let is_done = state.is_out(before) || state.is_done(before, number);
                    assert!(is_with_it || is_done, "{partition}:{offset} came before {before:?}: {invoke:?}");
                }
                let is_again = state.handled.get(&(*partition, *offset)).is_some_and(|at| *at <= number);
                assert!(!is_again || invoke.is_after_loss, "{partition}:{offset} came again without a reason");
            }
        }
    }
}

impl State {
    pub(crate) fn partitions(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn length(&self, partition: usize) -> u64 {
        self.log[partition].len() as u64
    }

    pub(crate) fn is_out(&self, (partition, offset): Place) -> bool {
        self.log[partition][usize::try_from(offset).unwrap()]
    }

    pub(crate) fn records(&self) -> usize {
        self.log.iter().map(Vec::len).sum()
    }

    pub(crate) fn fails(&mut self) -> bool {
        let percent = self.fault_percent;
        self.chance.happens(percent)
    }

    pub(crate) fn put(&mut self, count: u64) {
        for _ in 0..count {
            let partition = usize::try_from(self.chance.below(self.log.len() as u64)).unwrap();
            let is_out = self.chance.below(5) == 0;
            self.log[partition].push(is_out);
        }
    }

    /// From now on nothing breaks.
    pub(crate) fn heal(&mut self) {
        self.fault_percent = 0;
    }

    // The group.

    pub(crate) fn enter(&mut self) -> u64 {
        self.next_member += 1;
        self.next_member
    }

    pub(crate) fn join(&mut self, member: u64) {
        self.members.insert(member, MemberState::default());
        self.rebalance();
    }

    pub(crate) fn leave(&mut self, member: u64) {
        if self.members.remove(&member).is_some() {
            self.rebalance();
        }
    }

    /// Has all give their partitions back, as they are ready to.
    pub(crate) fn rebalance(&mut self) {
        self.rebalances += 1;
        for member in self.members.values_mut() {
            member.inbox.retain(|event| !matches!(event, GroupEvent::Assigned(_)));
            if !member.own.is_empty() && !member.is_revoking {
                member.is_revoking = true;
                member.inbox.push_back(GroupEvent::Revoking);
            }
        }
        self.hand_out();
    }

    fn hand_out(&mut self) {
        if self.members.values().any(|member| member.is_revoking) || self.members.is_empty() {
            return;
        }
        let mut shares: BTreeMap<u64, Vec<Partition>> = self.members.keys().map(|id| (*id, Vec::new())).collect();
        let ids: Vec<u64> = self.members.keys().copied().collect();
        for number in 0..self.log.len() {
            shares.entry(ids[number % ids.len()]).or_default().push(partition(number));
        }
        for (id, share) in shares {
            if let Some(member) = self.members.get_mut(&id) {
                member.inbox.push_back(GroupEvent::Assigned(share));
            }
        }
    }

    pub(crate) fn release(&mut self, member: u64) {
        if let Some(member) = self.members.get_mut(&member) {
            // Records of runs that were not waited for come again.
            member.own.clear();
            member.is_revoking = false;
        }
        self.hand_out();
    }

    fn any_member(&mut self) -> Option<u64> {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        let index = self.chance.below(ids.len().max(1) as u64);
        ids.get(usize::try_from(index).unwrap()).copied()
    }

    /// The cluster has not heard of a member for too long.
    pub(crate) fn lose_one(&mut self) {
        let Some(member) = self.any_member().and_then(|id| self.members.get_mut(&id)) else { return };
        self.lost += 1;
        member.own.clear();
        member.inbox.clear();
        member.is_revoking = false;
        member.inbox.push_back(GroupEvent::Lost);
        self.rebalance();
    }

    /// A member's connection breaks.
    pub(crate) fn break_one(&mut self) {
        if let Some(member) = self.any_member().and_then(|id| self.members.get_mut(&id)) {
            member.is_broken = true;
        }
    }

    pub(crate) fn committed(&self, partition: usize) -> Option<u64> {
        self.committed.get(&partition).copied()
    }

    /// An offset comes from a member: all before it must be done.
    pub(crate) fn commit(&mut self, member: u64, partition: usize, offset: u64) {
        if !self.members.get(&member).is_some_and(|member| member.own.contains_key(&partition)) {
            return;
        }
        let now = self.invokes.len();
        let open = (0..offset).map(|one| (partition, one)).find(|one| !self.is_out(*one) && !self.is_done(*one, now));
        if let Some(open) = open {
            self.violations.push(format!("{offset} was committed of {partition}, and {open:?} is not done"));
        }
        let before = self.committed.get(&partition).copied().unwrap_or_default();
        if offset < before {
            self.violations.push(format!("{partition} went back from {before} to {offset}"));
        }
        if self.fails() {
            self.refused += 1;
            if let Some(member) = self.members.get_mut(&member) {
                member.inbox.push_back(GroupEvent::NotCommitted(vec![self::partition(partition)]));
            }
            return;
        }
        self.committed.insert(partition, offset);
    }

    // The records.

    /// The function is given records.
    pub(crate) fn begin(&mut self, records: Vec<Place>) {
        // Until a loss, or a member that does not answer, records come once; later they may come again.
        let is_after_loss = self.lost > 0 || self.rebalances > 1 || self.refused > 0;
        self.invokes.push(Invoked { records, is_after_loss });
    }

    pub(crate) fn handled(&mut self, records: &[Place]) {
        let before = self.invokes.len();
        for place in records {
            self.handled.entry(*place).or_insert(before);
        }
    }

    pub(crate) fn told(&mut self, partition: usize, first: u64, last: u64) {
        let before = self.invokes.len();
        for offset in first..=last {
            self.told.entry((partition, offset)).or_insert(before);
        }
    }

    fn is_done(&self, place: Place, before: usize) -> bool {
        let is_done = |done: &BTreeMap<Place, usize>| done.get(&place).is_some_and(|at| *at <= before);
        is_done(&self.handled) || is_done(&self.told)
    }

    /// How many runs had records that were handled before.
    pub(crate) fn again(&self) -> usize {
        let is_again = |(number, invoke): &(usize, &Invoked)| {
            invoke.records.iter().any(|place| self.handled.get(place).is_some_and(|at| at <= number))
        };
        self.invokes.iter().enumerate().filter(is_again).count()
    }

    fn left(&self) -> BTreeSet<Place> {
        let now = self.invokes.len();
        let all = (0..self.log.len()).flat_map(|number| (0..self.length(number)).map(move |offset| (number, offset)));
        all.filter(|place| !self.is_out(*place) && !self.is_done(*place, now)).collect()
    }

    fn is_all_done(&self) -> bool {
        let is_committed = |number: usize| self.committed(number).unwrap_or_default() == self.length(number);
        self.left().is_empty() && (0..self.log.len()).all(is_committed)
    }
}
