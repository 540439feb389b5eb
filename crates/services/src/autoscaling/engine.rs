//! The task that acts: looks at what is used and at the clock, and asks for other capacities.
//!
//! What it has decided is in the store before it acts, so that a server that ends in between goes on with it. Only what
//! was measured lies in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::{Clock, UnixMs};
use tindra_core::provisioned::Provisioned;
use tindra_store::{Batch, JsonRecords as _, Precondition, Store, StoreError, Versioned, Watch};

use super::Provisioning;
use super::advance::Moment;
use super::changes::{all, amend};
use super::meter::Meter;
use super::records::{ACTIVITY_PREFIX, Activities, TARGET_PREFIX, Target};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often activities are let go of whose targets have gone.
const SWEEP_INTERVAL_MS: u64 = 24 * 60 * 60 * 1_000;

/// The engine; see [`Engine::run`].
#[derive(Debug)]
pub(super) struct Engine {
    store: Store,
    clock: Arc<dyn Clock>,
    provisioning: Arc<dyn Provisioning>,
    /// Since when it looks.
    since_ms: UnixMs,
    swept_ms: UnixMs,
    /// The targets as they were last read; none when they have changed since.
    targets: Option<Vec<Target>>,
    meters: BTreeMap<String, Meter>,
}

impl Engine {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>, provisioning: Arc<dyn Provisioning>) -> Self {
        let since_ms = clock.unix_ms();
        Self { store, clock, provisioning, since_ms, swept_ms: 0, targets: None, meters: BTreeMap::new() }
    }

    /// Runs until the store closes or it is aborted. `watch` tells of targets.
    pub(super) async fn run(mut self, mut watch: Watch) {
        loop {
            if let Err(error) = self.look().await {
                self.forget();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "scalable targets could not be looked at; trying again");
            }
            tokio::select! {
                told = watch.changed() => match told {
                    Some(keys) if keys.is_empty() => return,
                    _ => self.forget(),
                },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Does everything that is due now.
    pub(super) async fn look(&mut self) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        if now_ms.saturating_sub(self.swept_ms) >= SWEEP_INTERVAL_MS {
            self.sweep(now_ms).await?;
            self.swept_ms = now_ms;
        }
        let targets = match self.targets.take() {
            Some(targets) => targets,
            None => self.read().await?,
        };
        let mut is_changed = false;
        for target in &targets {
            is_changed |= self.look_at(target, now_ms).await?;
        }
        self.targets = (!is_changed).then_some(targets);
        Ok(())
    }

    /// Reads all targets anew at the next look.
    pub(super) fn forget(&mut self) {
        self.targets = None;
    }

    async fn read(&mut self) -> Result<Vec<Target>, StoreError> {
        let records = all::<Target>(&self.store, TARGET_PREFIX).await?;
        let tracked: BTreeSet<&str> =
            records.iter().filter(|one| one.value.policy.is_some()).map(|one| one.key.as_str()).collect();
        self.meters.retain(|key, _| tracked.contains(key.as_str()));
        Ok(records.into_iter().map(|record| record.value).collect())
    }

    /// Does what is due for one target. True if its record may be another now.
    async fn look_at(&mut self, target: &Target, now_ms: UnixMs) -> Result<bool, StoreError> {
        let minute_ends = self.measure(target, now_ms);
        let is_due = |next_ms: Option<UnixMs>| next_ms.is_some_and(|next_ms| next_ms <= now_ms);
        let fires = target.actions.values().any(|action| is_due(action.next_ms));
        if !(minute_ends || fires || target.has_new_bounds || target.moving.is_some()) {
            return Ok(false);
        }
        let provisioned: Option<Versioned<Provisioned>> =
            self.store.metadata.get_json(&target.scaled.provisioned_key()).await?;
        let provisioned = provisioned.map(|record| record.value);
        let meter = self.meters.get(&target.scaled.target_key()).filter(|_| minute_ends);
        let moment = Moment {
            now_ms,
            since_ms: self.since_ms,
            provisioned: provisioned.as_ref(),
            used: meter.map(|meter| &meter.used),
        };
        let Some(advanced) = amend(&self.store, &target.scaled, |draft| draft.advance(moment)).await? else {
            return Ok(true);
        };
        if target.moving.is_some() && advanced.target.moving.is_none() {
            self.meters.get_mut(&target.scaled.target_key()).into_iter().for_each(Meter::restart);
        }
        if let Some(moving) = advanced.target.moving.as_ref().filter(|moving| !moving.is_asked) {
            let outcome = self.provisioning.set(&target.scaled, moving.capacity).await;
            amend(&self.store, &target.scaled, |draft| draft.asked(moving.activity, &outcome, now_ms)).await?;
            return Ok(true);
        }
        Ok(advanced.target != *target)
    }

    /// Takes in what was used since the last look. True at the end of a minute that was measured.
    fn measure(&mut self, target: &Target, now_ms: UnixMs) -> bool {
        if target.policy.is_none() {
            return false;
        }
        let utilisation = self.provisioning.take_utilisation(&target.scaled);
        match self.meters.get_mut(&target.scaled.target_key()) {
            Some(meter) => meter.look(utilisation, now_ms),
            None => {
                // What was used before nobody measured.
                self.meters.insert(target.scaled.target_key(), Meter::new(now_ms));
                false
            }
        }
    }

    /// Removes activities that nobody is told of any more.
    async fn sweep(&self, now_ms: UnixMs) -> Result<(), StoreError> {
        for record in all::<Activities>(&self.store, ACTIVITY_PREFIX).await? {
            if record.value.is_over(now_ms) {
                let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
                match self.store.metadata.commit(batch).await {
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
