//! How often: what API keys have used of their plans, counted in memory and written in batches.
//!
//! A count is loaded from the store when its key first asks. Requests add to what is pending; a task writes that now and
//! then, and what others write to the same records (another server, UpdateUsage) is taken over. When a server is killed, the
//! requests of the last moment are forgotten.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use crate::restapi::records::scope_of;
use crate::restapi::usage::{USAGE_PREFIX, Used, day, days_of, key_of, period_start};
use crate::restapi::usage_plans::{Plan, Quota};

/// Between two batches.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Enough that requests of different keys rarely wait for one another.
const SHARDS: usize = 16;
/// Records of one batch.
const BATCH_MAX: usize = 256;

/// Of which plan and key, and whose.
type Id = (Scope, String, String);

/// What one key has used of one plan.
#[derive(Debug, Default)]
struct Counter {
    /// As the store has it.
    written: BTreeMap<Date, Used>,
    /// What is to be added to it.
    pending: BTreeMap<Date, u64>,
}

/// The counts.
#[derive(Debug)]
pub(super) struct Meter {
    counts: Arc<Counts>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Counts {
    store: Store,
    hasher: RandomState,
    shards: [Mutex<HashMap<Id, Counter>>; SHARDS],
    /// One batch at a time, so that nothing is added twice.
    flushing: tokio::sync::Mutex<()>,
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Meter {
    pub(super) fn start(store: Store) -> Self {
        let watch = store.metadata.watch(USAGE_PREFIX);
        let counts = Arc::new(Counts {
            store,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            flushing: tokio::sync::Mutex::const_new(()),
        });
        let tasks = [
            tokio::spawn(write_now_and_then(Arc::clone(&counts))),
            tokio::spawn(take_over(Arc::clone(&counts), watch)),
        ];
        Self { counts, tasks }
    }

    /// Counts a request of a key; false, and not counted, when its quota is used up. While the store is away and the count is
    /// not known, requests are let in and counted from then on.
    pub(super) async fn admit(&self, scope: &Scope, plan: &Plan, api_key: &str, now_ms: UnixMs) -> bool {
        let id = (scope.clone(), plan.id.clone(), api_key.to_owned());
        if !self.counts.knows(&id) {
            match days_of(&self.counts.store, scope, &plan.id, api_key).await {
                Ok(days) => self.counts.learn(&id, days),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "what an API key has used is not known");
                }
            }
        }
        self.counts.count(id, plan, day(now_ms))
    }

    pub(super) async fn flush(&self) {
        if let Err(error) = self.counts.flush().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what API keys have used could not be written");
        }
    }
}

impl Counts {
    /// The counters beside which a key's is.
    fn counters(&self, id: &Id) -> MutexGuard<'_, HashMap<Id, Counter>> {
        let index = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or(0);
        locked(&self.shards[index])
    }

    fn knows(&self, id: &Id) -> bool {
        self.counters(id).contains_key(id)
    }

    /// Another request may have learnt it meanwhile, and counted.
    fn learn(&self, id: &Id, days: Vec<(Date, Used)>) {
        let written = days.into_iter().collect();
        self.counters(id).entry(id.clone()).or_insert_with(|| Counter { written, pending: BTreeMap::new() });
    }

    fn count(&self, id: Id, plan: &Plan, today: Date) -> bool {
        let mut counters = self.counters(&id);
        let counter = counters.entry(id).or_default();
        if let Some(quota) = plan.quota
            && counter.left(quota, today) <= 0
        {
            return false;
        }
        *counter.pending.entry(today).or_default() += 1;
        true
    }

    /// Writes what is pending; what cannot be written stays pending.
    async fn flush(&self) -> Result<(), StoreError> {
        let _one = self.flushing.lock().await;
        let pending = self.without_plans_that_went(self.pending()).await?;
        for part in pending.chunks(BATCH_MAX) {
            self.write(part).await?;
        }
        Ok(())
    }

    fn pending(&self) -> Vec<(Id, Date, u64)> {
        let of = |(id, counter): (&Id, &Counter)| {
            let days = counter.pending.iter();
            days.map(|(day, more)| (id.clone(), *day, *more)).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(|shard| locked(shard).iter().flat_map(of).collect::<Vec<_>>()).collect()
    }

    /// What was used of a plan that has gone is of no interest, and is forgotten.
    async fn without_plans_that_went(
        &self,
        mut pending: Vec<(Id, Date, u64)>,
    ) -> Result<Vec<(Id, Date, u64)>, StoreError> {
        let plans: HashSet<(Scope, String)> =
            pending.iter().map(|((scope, plan, _), _, _)| (scope.clone(), plan.clone())).collect();
        for (scope, plan) in plans {
            if self.store.metadata.get(&Plan::key(&scope, &plan)).await?.is_none() {
                let is_of = |id: &Id| id.0 == scope && id.1 == plan;
                pending.retain(|(id, _, _)| !is_of(id));
                self.shards.iter().for_each(|shard| locked(shard).retain(|id, _| !is_of(id)));
            }
        }
        Ok(pending)
    }

    async fn write(&self, part: &[(Id, Date, u64)]) -> Result<(), StoreError> {
        loop {
            let mut batch = Batch::default();
            let mut written = Vec::with_capacity(part.len());
            for ((scope, plan, api_key), day, more) in part {
                let key = key_of(scope, plan, api_key, *day);
                let found: Option<Versioned<Used>> = self.store.metadata.get_json(&key).await?;
                let precondition =
                    found.as_ref().map_or(Precondition::Absent, |found| Precondition::Revision(found.revision));
                let mut used = found.map(|found| found.value).unwrap_or_default();
                used.requests += more;
                batch = batch.put_json(key, precondition, &used)?;
                written.push(used);
            }
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    self.settle(part, &written);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what was written out of what is pending.
    fn settle(&self, part: &[(Id, Date, u64)], written: &[Used]) {
        for ((id, day, more), used) in part.iter().zip(written) {
            let mut counters = self.counters(id);
            let Some(counter) = counters.get_mut(id) else { continue };
            counter.written.insert(*day, *used);
            if let Some(pending) = counter.pending.get_mut(day) {
                *pending = pending.saturating_sub(*more);
            }
            counter.pending.retain(|_, pending| *pending > 0);
        }
    }

    /// Takes over what a record says now, which may be what this server wrote itself.
    async fn read(&self, key: &str) -> Result<(), StoreError> {
        let Some((id, day)) = place(key) else { return Ok(()) };
        // What is being written is in the record and still pending; afterwards it is in the record alone.
        let _one = self.flushing.lock().await;
        if !self.knows(&id) {
            return Ok(());
        }
        let found: Option<Versioned<Used>> = self.store.metadata.get_json(key).await?;
        if let Some(counter) = self.counters(&id).get_mut(&id) {
            match found {
                Some(found) => drop(counter.written.insert(day, found.value)),
                None => drop(counter.written.remove(&day)),
            }
        }
        Ok(())
    }
}

impl Counter {
    /// What is left of a quota on a day, by what is written and what is not yet.
    fn left(&self, quota: Quota, today: Date) -> i64 {
        let period = period_start(quota, today)..=today;
        let written = self.written.range(period.clone()).map(|(_, used)| used.left_by());
        let pending = self.pending.range(period).map(|(_, more)| i64::try_from(*more).unwrap_or(i64::MAX));
        i64::from(quota.limit) + written.sum::<i64>() - pending.sum::<i64>()
    }
}

/// No invariant spans an unwinding point.
fn locked(shard: &Mutex<HashMap<Id, Counter>>) -> MutexGuard<'_, HashMap<Id, Counter>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the key of a record is about.
fn place(key: &str) -> Option<(Id, Date)> {
    let (scope, ids) = scope_of(USAGE_PREFIX, key)?;
    let mut parts = ids.split('/');
    let (plan, api_key, day) = (parts.next()?, parts.next()?, parts.next()?);
    Some(((scope, plan.to_owned(), api_key.to_owned()), day.parse().ok()?))
}

async fn write_now_and_then(counts: Arc<Counts>) {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        if let Err(error) = counts.flush().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what API keys have used could not be written; trying again"
            );
        }
    }
}

async fn take_over(counts: Arc<Counts>, mut watch: Watch) {
    loop {
        match watch.changed().await {
            Some(keys) if keys.is_empty() => return,
            Some(keys) => {
                for key in keys {
                    if let Err(error) = counts.read(&key).await {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a usage record could not be read");
                    }
                }
            }
            // Whoever asks next learns anew; what is pending is written before.
            None => {
                if counts.flush().await.is_ok() {
                    let is_pending = |_: &Id, counter: &mut Counter| !counter.pending.is_empty();
                    counts.shards.iter().for_each(|shard| locked(shard).retain(is_pending));
                }
            }
        }
    }
}
