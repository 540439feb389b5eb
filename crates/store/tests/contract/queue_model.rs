//! Random operations on queues against a list of messages that says what must come of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use tindra_store::{
    Batch, Lapse, Lease, LeaseRequest, Leased, LeasedMessages, Message, MessageChange, Precondition, QueueFigures,
    Store, StoreError,
};
use uuid::Uuid;

use super::{Open, Place};

/// New leases hold for as long.
const HOLD_MS: u64 = 100;
const QUEUES: [&str; 2] = ["a", "b"];
/// Sizes of bodies: in the row, empty, beside it.
const BODY_BYTES: [usize; 3] = [10, 0, 2_000];

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Lease { queue: usize, ahead_ms: u64, messages_max: usize, bytes_max: usize },
    Renew(Vec<usize>),
    MakeDue { queue: usize, id: Option<u128>, ahead_ms: u64 },
    Purge(usize),
    Advance(u64),
    Reopen,
}

/// A change of a batch; leases are named by their place among those that were given.
#[derive(Clone, Debug)]
enum Change {
    Enqueue { id: u128, queue: usize, ahead_ms: u64, body: usize, is_held: bool },
    Complete(usize),
    Delay { lease: usize, ahead_ms: u64 },
}

fn change() -> impl Strategy<Value = Change> {
    let ahead_ms = || 0..150_u64;
    prop_oneof![
        3 => (1..9_u128, 0..2_usize, ahead_ms(), 0..3_usize, any::<bool>())
            .prop_map(|(id, queue, ahead_ms, body, is_held)| Change::Enqueue { id, queue, ahead_ms, body, is_held }),
        2 => any::<usize>().prop_map(Change::Complete),
        2 => (any::<usize>(), ahead_ms()).prop_map(|(lease, ahead_ms)| Change::Delay { lease, ahead_ms }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let bytes_max = prop_oneof![3 => Just(1_usize << 20), 1 => Just(15_usize), 1 => Just(0_usize)];
    prop_oneof![
        12 => proptest::collection::vec(change(), 1..4).prop_map(Step::Commit),
        8 => (0..2_usize, 0..100_u64, 0..5_usize, bytes_max).prop_map(|(queue, ahead_ms, messages_max, bytes_max)| {
            Step::Lease { queue, ahead_ms, messages_max, bytes_max }
        }),
        2 => proptest::collection::vec(any::<usize>(), 1..4).prop_map(Step::Renew),
        2 => (0..2_usize, proptest::option::of(1..9_u128), 0..100_u64)
            .prop_map(|(queue, id, ahead_ms)| Step::MakeDue { queue, id, ahead_ms }),
        1 => (0..2_usize).prop_map(Step::Purge),
        4 => (0..150_u64).prop_map(Step::Advance),
        1 => Just(Step::Reopen),
    ]
}

/// A message as it must be.
#[derive(Clone, Debug)]
struct Kept {
    message: Message,
    /// Grows with every message that is put in.
    number: u64,
    holder: Option<(Lease, u64)>,
}

impl Kept {
    fn is_free(&self, now_ms: u64) -> bool {
        self.holder.is_none_or(|(_, until_ms)| until_ms <= now_ms)
    }
}

struct Model {
    now_ms: u64,
    numbers: u64,
    messages: BTreeMap<Uuid, Kept>,
    /// Every lease that was given since the store was opened, lost ones among them.
    given: Vec<Lease>,
}

pub(crate) async fn random_operations_agree_with_a_list(open: Open) {
    let runtime = tokio::runtime::Handle::current();
    let test = move || {
        let mut runner = TestRunner::new(Config { cases: 64, ..Config::default() });
        runner.run(&proptest::collection::vec(step(), 1..50), |steps| {
            runtime.block_on(run(open, steps));
            Ok(())
        })
    };
    tokio::task::spawn_blocking(test).await.unwrap().unwrap();
}

async fn run(open: Open, steps: Vec<Step>) {
    let mut place = Place::new(open);
    let mut model = Model { now_ms: 1_000, numbers: 0, messages: BTreeMap::new(), given: Vec::new() };
    for step in steps {
        match step {
            Step::Reopen => {
                place.reopen();
                model.reopened();
            }
            step => model.take(place.store(), step).await,
        }
        model.compare(place.store()).await;
    }
}

impl Model {
    async fn take(&mut self, store: &Store, step: Step) {
        let lapse = Lapse { now_ms: self.now_ms, held_until_ms: self.now_ms + HOLD_MS };
        match step {
            Step::Commit(changes) => self.commit(store, changes).await,
            Step::Lease { queue, ahead_ms, messages_max, bytes_max } => {
                let (queue, due_ms) = (QUEUES[queue].to_owned(), self.now_ms - 50 + ahead_ms);
                let request = LeaseRequest { queue, due_ms, lapse, messages_max, bytes_max };
                let given = store.queues.lease(request.clone()).await.unwrap();
                self.leased(&request, given);
            }
            Step::Renew(places) => {
                let leases: Vec<Lease> = places.iter().filter_map(|place| self.lease(*place)).collect();
                let mut lost = Vec::new();
                for lease in &leases {
                    match self.holding(*lease) {
                        Some(kept) => kept.holder = Some((*lease, lapse.held_until_ms)),
                        None => lost.push(*lease),
                    }
                }
                assert_eq!(store.queues.renew(leases, lapse).await.unwrap(), lost);
            }
            Step::MakeDue { queue, id, ahead_ms } => {
                let (now_ms, due_ms, id) = (self.now_ms, self.now_ms - 50 + ahead_ms, id.map(Uuid::from_u128));
                let mut changed = 0;
                for kept in self.messages.values_mut() {
                    let is_named = kept.message.queue == QUEUES[queue] && id.is_none_or(|id| id == kept.message.id);
                    if is_named && kept.is_free(now_ms) && kept.message.due_ms > due_ms {
                        kept.message.due_ms = due_ms;
                        changed += 1;
                    }
                }
                assert_eq!(store.queues.make_due(QUEUES[queue], id, due_ms, now_ms).await.unwrap(), changed);
            }
            Step::Purge(queue) => {
                let before = self.messages.len();
                self.messages.retain(|_, kept| kept.message.queue != QUEUES[queue]);
                let removed = (before - self.messages.len()) as u64;
                assert_eq!(store.queues.purge(QUEUES[queue]).await.unwrap(), removed);
            }
            Step::Advance(by_ms) => self.now_ms += by_ms,
            Step::Reopen => unreachable!("is done by whoever has the place"),
        }
    }

    /// Whoever held something is gone with the process. A store that other processes share waits for the leases to end.
    fn reopened(&mut self) {
        let ends = self.messages.values().filter_map(|kept| kept.holder.map(|(_, until_ms)| until_ms));
        self.now_ms = ends.fold(self.now_ms, u64::max);
        self.messages.values_mut().for_each(|kept| kept.holder = None);
        self.given.clear();
    }

    fn lease(&self, place: usize) -> Option<Lease> {
        // Mostly one of the last, which are not all lost.
        let recent = &self.given[self.given.len().saturating_sub(10)..];
        (!recent.is_empty()).then(|| recent[place % recent.len()])
    }

    fn holding(&mut self, lease: Lease) -> Option<&mut Kept> {
        let kept = self.messages.get_mut(&lease.id)?;
        kept.holder.is_some_and(|(holder, _)| holder == lease).then_some(kept)
    }

    async fn commit(&mut self, store: &Store, changes: Vec<Change>) {
        let before = (self.messages.clone(), self.given.len(), self.numbers);
        let (mut batch, mut touched, mut is_refused) = (Batch::default(), BTreeSet::new(), false);
        for change in changes {
            let Some((id, change)) = self.named(change) else { continue };
            // What a message is in the middle of a batch is nobody's business.
            if touched.insert(id) {
                is_refused |= !self.changed(&change);
                batch = batch.message(change);
            }
        }
        let key = format!("batch/{}", self.numbers);
        let outcome = store.metadata.commit(batch.put(key.clone(), Precondition::None, "")).await;
        let is_written = store.metadata.get(&key).await.unwrap().is_some();
        store.metadata.commit(Batch::default().delete(key, Precondition::None)).await.unwrap();
        match outcome {
            Ok(_) => assert!(!is_refused && is_written),
            Err(StoreError::Conflict { .. }) => {
                assert!(is_refused && !is_written);
                self.messages = before.0;
                self.given.truncate(before.1);
                self.numbers = before.2;
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The change with the message that it is about.
    fn named(&self, change: Change) -> Option<(Uuid, MessageChange)> {
        match change {
            Change::Enqueue { id, queue, ahead_ms, body, is_held } => {
                let message = Message {
                    id: Uuid::from_u128(id),
                    queue: QUEUES[queue].to_owned(),
                    enqueued_ms: self.now_ms,
                    due_ms: self.now_ms - 50 + ahead_ms,
                    head: Bytes::from(format!("head {}", self.numbers)),
                    body: vec![7; BODY_BYTES[body]].into(),
                };
                let held_until_ms = is_held.then_some(self.now_ms + HOLD_MS);
                Some((message.id, MessageChange::Enqueue { message, held_until_ms }))
            }
            Change::Complete(place) => self.lease(place).map(|lease| (lease.id, MessageChange::Complete(lease))),
            Change::Delay { lease, ahead_ms } => {
                let (due_ms, head) = (self.now_ms - 50 + ahead_ms, Bytes::from_static(b"delayed"));
                self.lease(lease).map(|lease| (lease.id, MessageChange::Delay { lease, due_ms, head }))
            }
        }
    }

    /// Makes a change; `false` when it must be refused.
    fn changed(&mut self, change: &MessageChange) -> bool {
        match change {
            MessageChange::Enqueue { message, held_until_ms } => {
                if !self.messages.contains_key(&message.id) {
                    self.numbers += 1;
                    let holder = held_until_ms.map(|until_ms| (Lease::first(message.id), until_ms));
                    self.given.extend(holder.map(|(lease, _)| lease));
                    self.messages.insert(message.id, Kept { message: message.clone(), number: self.numbers, holder });
                }
                true
            }
            MessageChange::Complete(lease) => {
                let is_held = self.holding(*lease).is_some();
                if is_held {
                    self.messages.remove(&lease.id);
                }
                is_held
            }
            MessageChange::Delay { lease, due_ms, head } => match self.holding(*lease) {
                Some(kept) => {
                    kept.message.due_ms = *due_ms;
                    kept.message.head = head.clone();
                    kept.holder = None;
                    true
                }
                None => false,
            },
        }
    }

    /// Checks what a lease gave and takes note of who has it now.
    fn leased(&mut self, request: &LeaseRequest, given: LeasedMessages) {
        let mut free: Vec<&Kept> = self
            .messages
            .values()
            .filter(|kept| kept.message.queue == request.queue && kept.is_free(self.now_ms))
            .collect();
        free.sort_by_key(|kept| (kept.message.due_ms, kept.number));
        let (mut expected, mut bytes, mut next_due_ms) = (Vec::new(), 0, None);
        for kept in free {
            let is_full = expected.len() == request.messages_max || bytes >= request.bytes_max;
            if is_full || kept.message.due_ms > request.due_ms {
                next_due_ms = Some(kept.message.due_ms);
                break;
            }
            bytes += kept.message.head.len() + kept.message.body.len();
            expected.push(kept.message.clone());
        }
        let messages: Vec<Message> = given.leased.iter().map(|leased| leased.message.clone()).collect();
        assert_eq!((messages, given.next_due_ms), (expected, next_due_ms));
        for Leased { message, lease } in given.leased {
            assert_eq!(lease.id, message.id);
            assert!(!self.given.contains(&lease), "a lease must be told from every earlier one");
            self.given.push(lease);
            let kept = self.messages.get_mut(&message.id).unwrap();
            kept.holder = Some((lease, request.lapse.held_until_ms));
        }
    }

    /// Everything that can be seen without taking it.
    async fn compare(&self, store: &Store) {
        let mut expected = Vec::new();
        for queue in QUEUES {
            let inside = || self.messages.values().filter(|kept| kept.message.queue == queue).map(|kept| &kept.message);
            let heads: Vec<Message> =
                inside().map(|message| Message { body: Bytes::new(), ..message.clone() }).collect();
            assert_eq!(store.queues.peek(queue, None, 99).await.unwrap(), heads);
            if let Some(next_due_ms) = inside().map(|message| message.due_ms).min() {
                let oldest_ms = inside().map(|message| message.enqueued_ms).min().unwrap();
                let messages = heads.len() as u64;
                expected.push(QueueFigures { queue: queue.to_owned(), messages, next_due_ms, oldest_ms });
            }
        }
        assert_eq!(store.queues.queues("", None, 99).await.unwrap(), expected);
    }
}
