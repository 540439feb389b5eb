//! A store in memory whose durable steps fail as a seed says: before they are made, or after, with the answer lost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tindra_store::{
    Batch, BoxFuture, Change, Lapse, Lease, LeaseRequest, Leased, LeasedMessages, Message, MessageChange, Metadata,
    Precondition, QueueFigures, Queues, Record, Store, StoreError, Watch,
};
use uuid::Uuid;

use crate::store::TestStore;

/// Random numbers that a seed decides (splitmix64).
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// True in `percent` of a hundred cases.
    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The memory; what a process forgets when it is killed is only who holds what.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<State>>,
    beside: Store,
}

struct State {
    /// With the revision of each.
    records: BTreeMap<String, (Bytes, u64)>,
    revision: u64,
    messages: BTreeMap<Uuid, Row>,
    epoch: u64,
    faults: Seeded,
    fault_percent: u64,
}

struct Row {
    message: Message,
    held: Option<Held>,
}

#[derive(Clone, Copy)]
struct Held {
    epoch: u64,
    until_ms: u64,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MemoryStore")
    }
}

impl MemoryStore {
    /// An empty one. Of a hundred durable steps `fault_percent` fail before they are made, and as many after.
    /// `beside` lends what this one does not keep.
    #[must_use]
    pub fn new(seed: u64, fault_percent: u64, beside: &TestStore) -> Self {
        let state = State {
            records: BTreeMap::new(),
            revision: 0,
            messages: BTreeMap::new(),
            epoch: 0,
            faults: Seeded::new(seed),
            fault_percent,
        };
        Self { shared: Arc::new(Mutex::new(state)), beside: beside.store.clone() }
    }

    /// As the handle that the parts take.
    #[must_use]
    pub fn handle(&self) -> Store {
        Store { metadata: Arc::new(self.clone()), queues: Arc::new(self.clone()), ..self.beside.clone() }
    }

    /// What a kill does: nobody holds anything any more.
    pub fn forget_leases(&self) {
        self.lock().messages.values_mut().for_each(|row| row.held = None);
    }

    /// How many messages there are.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.lock().messages.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fails(&mut self) -> Result<(), StoreError> {
        let percent = self.fault_percent;
        match self.faults.happens(percent) {
            true => Err(StoreError::Storage { attempt: "use the store".to_owned(), source: "as planned".into() }),
            false => Ok(()),
        }
    }

    fn holds(&self, lease: Lease) -> Result<(), StoreError> {
        let held = self.messages.get(&lease.id).and_then(|row| row.held);
        match held.is_some_and(|held| held.epoch == lease.epoch) {
            true => Ok(()),
            false => Err(StoreError::Conflict { key: lease.id.to_string() }),
        }
    }

    fn allows(&self, change: &Change) -> Result<(), StoreError> {
        let revision = self.records.get(&change.key).map(|(_, revision)| *revision);
        let holds = match change.precondition {
            Precondition::None => true,
            Precondition::Absent => revision.is_none(),
            Precondition::Revision(wanted) => revision == Some(wanted),
        };
        if holds { Ok(()) } else { Err(StoreError::Conflict { key: change.key.clone() }) }
    }

    fn commit(&mut self, batch: &Batch) -> Result<u64, StoreError> {
        batch.changes.iter().try_for_each(|change| self.allows(change))?;
        for change in &batch.messages {
            match change {
                MessageChange::Enqueue { .. } => {}
                MessageChange::Complete(lease) | MessageChange::Delay { lease, .. } => self.holds(*lease)?,
            }
        }
        self.revision += 1;
        for change in &batch.changes {
            match &change.value {
                Some(value) => drop(self.records.insert(change.key.clone(), (value.clone(), self.revision))),
                None => drop(self.records.remove(&change.key)),
            }
        }
        for change in &batch.messages {
            match change {
                MessageChange::Enqueue { message, held_until_ms } => {
                    let row = Row {
                        message: message.clone(),
                        held: held_until_ms.map(|until_ms| Held { epoch: 0, until_ms }),
                    };
                    self.messages.entry(message.id).or_insert(row);
                }
                MessageChange::Complete(lease) => drop(self.messages.remove(&lease.id)),
                MessageChange::Delay { lease, due_ms, head } => {
                    let row = self.messages.get_mut(&lease.id).expect("it is held");
                    row.held = None;
                    row.message.due_ms = *due_ms;
                    row.message.head = head.clone();
                }
            }
        }
        Ok(self.revision)
    }
}

impl Metadata for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            state.fails()?;
            let found = state.records.get(key).cloned();
            Ok(found.map(|(value, revision)| Record { key: key.to_owned(), value, revision }))
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            state.fails()?;
            let found = state.records.iter().filter(|(key, _)| key.starts_with(prefix));
            let found = found.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(limit);
            let record = |(key, (value, revision)): (&String, &(Bytes, u64))| Record {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            };
            Ok(found.map(record).collect())
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut state = self.lock();
            state.fails()?;
            let revision = state.commit(&batch)?;
            // Made, and the answer is lost.
            state.fails()?;
            Ok(revision)
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.beside.metadata.watch(prefix)
    }
}

impl Queues for MemoryStore {
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<LeasedMessages, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut state = self.lock();
            state.fails()?;
            let mut free: Vec<(u64, Uuid)> = state
                .messages
                .values()
                .filter(|row| row.message.queue == request.queue)
                .filter(|row| row.held.is_none_or(|held| held.until_ms <= request.lapse.now_ms))
                .map(|row| (row.message.due_ms, row.message.id))
                .collect();
            free.sort_unstable();
            let mut given = LeasedMessages::default();
            for (due_ms, id) in free {
                if due_ms > request.due_ms || given.leased.len() == request.messages_max {
                    given.next_due_ms = Some(due_ms);
                    break;
                }
                state.epoch += 1;
                let epoch = state.epoch;
                let row = state.messages.get_mut(&id).expect("it is there");
                row.held = Some(Held { epoch, until_ms: request.lapse.held_until_ms });
                given.leased.push(Leased { message: row.message.clone(), lease: Lease { id, epoch } });
            }
            Ok(given)
        })
    }

    fn renew(&self, leases: Vec<Lease>, lapse: Lapse) -> BoxFuture<'_, Result<Vec<Lease>, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            state.fails()?;
            let (kept, lost): (Vec<_>, Vec<_>) = leases.into_iter().partition(|lease| state.holds(*lease).is_ok());
            for Lease { id, epoch } in kept {
                let row = state.messages.get_mut(&id).expect("it is held");
                row.held = Some(Held { epoch, until_ms: lapse.held_until_ms });
            }
            Ok(lost)
        })
    }

    fn queues<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueueFigures>, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            state.fails()?;
            let mut queues: BTreeMap<&str, QueueFigures> = BTreeMap::new();
            for Row { message, .. } in state.messages.values() {
                let queue = message.queue.as_str();
                if !queue.starts_with(prefix) || after.is_some_and(|after| queue <= after) {
                    continue;
                }
                let figures = queues.entry(queue).or_insert_with(|| QueueFigures {
                    queue: queue.to_owned(),
                    messages: 0,
                    next_due_ms: u64::MAX,
                    oldest_ms: u64::MAX,
                });
                figures.messages += 1;
                figures.next_due_ms = figures.next_due_ms.min(message.due_ms);
                figures.oldest_ms = figures.oldest_ms.min(message.enqueued_ms);
            }
            Ok(queues.into_values().take(limit).collect())
        })
    }

    fn peek<'a>(
        &'a self,
        queue: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        Box::pin(async move {
            let state = self.lock();
            let rows = state.messages.values().map(|row| &row.message);
            let rows = rows.filter(|message| message.queue == queue && after.is_none_or(|after| message.id > after));
            Ok(rows.take(limit).cloned().collect())
        })
    }

    fn make_due<'a>(
        &'a self,
        queue: &'a str,
        id: Option<Uuid>,
        due_ms: u64,
        _now_ms: u64,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            let rows = state.messages.values_mut().filter(|row| row.message.queue == queue && row.held.is_none());
            let rows = rows.filter(|row| id.is_none_or(|id| row.message.id == id) && row.message.due_ms > due_ms);
            Ok(rows.map(|row| row.message.due_ms = due_ms).count() as u64)
        })
    }

    fn purge<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            let before = state.messages.len();
            state.messages.retain(|_, row| !row.message.queue.starts_with(prefix));
            Ok((before - state.messages.len()) as u64)
        })
    }
}
