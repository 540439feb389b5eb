//! How often: what API keys have used of their plans, counted in memory and written in batches.
//!
//! A count is loaded from the store when its key first asks. Requests add to what is pending; a task writes that now and
//! then, and what others write to the same records (another server, UpdateUsage) is taken over. When a server is killed, the
//! requests of the last moment are forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned, Watch};
use tokio::task::JoinHandle;

use crate::restapi::records::scope_of;
use crate::restapi::usage::{USAGE_PREFIX, Used, day, days_of, key_of, left};
use crate::restapi::usage_plans::Plan;

/// Between two batches.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
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
    counters: Mutex<HashMap<Id, Counter>>,
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
        let counts =
            Arc::new(Counts { store, counters: Mutex::default(), flushing: tokio::sync::Mutex::const_new(()) });
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
    fn counters(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Counter>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, id: &Id) -> bool {
        self.counters().contains_key(id)
    }

    /// Another request may have learnt it meanwhile, and counted.
    fn learn(&self, id: &Id, days: Vec<(Date, Used)>) {
        let written = days.into_iter().collect();
        self.counters().entry(id.clone()).or_insert_with(|| Counter { written, pending: BTreeMap::new() });
    }

    fn count(&self, id: Id, plan: &Plan, today: Date) -> bool {
        let mut counters = self.counters();
        let counter = counters.entry(id).or_default();
        if let Some(quota) = plan.quota
            && left(&counter.days(), quota, today) <= 0
        {
            return false;
        }
        *counter.pending.entry(today).or_default() += 1;
        true
    }

    /// Writes what is pending; what cannot be written stays pending.
    async fn flush(&self) -> Result<(), StoreError> {
        let _one = self.flushing.lock().await;
        let pending: Vec<(Id, Date, u64)> = {
            let counters = self.counters();
            let of = |(id, counter): (&Id, &Counter)| {
                let days = counter.pending.iter().filter(|(_, more)| **more > 0);
                days.map(|(day, more)| (id.clone(), *day, *more)).collect::<Vec<_>>()
            };
            counters.iter().flat_map(of).collect()
        };
        for part in pending.chunks(BATCH_MAX) {
            self.write(part).await?;
        }
        Ok(())
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
        let mut counters = self.counters();
        for ((id, day, more), used) in part.iter().zip(written) {
            // Gone when everything was reset meanwhile.
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
        let mut counters = self.counters();
        if let Some(counter) = counters.get_mut(&id) {
            match found {
                Some(found) => drop(counter.written.insert(day, found.value)),
                None => drop(counter.written.remove(&day)),
            }
        }
        Ok(())
    }
}

impl Counter {
    /// What is used, written or not.
    fn days(&self) -> Vec<(Date, Used)> {
        let mut days = self.written.clone();
        for (day, more) in &self.pending {
            days.entry(*day).or_default().requests += more;
        }
        days.into_iter().collect()
    }
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
                    counts.counters().retain(|_, counter| !counter.pending.is_empty());
                }
            }
        }
    }
}
