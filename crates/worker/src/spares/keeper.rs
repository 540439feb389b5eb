//! Fills the supplies in the background, one spare at a time, and gives up what is too much.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::kind::Way;
use super::{Kind, Spares, spare};
use crate::memory::Memory;
use crate::packs::Pack;
use crate::spares::supply::Supply;
use tindra_core::runtime::Runtime;

/// How often it looks without being woken: demand is forgotten, memory runs short, spares end.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After a spare was taken, refilling waits so long for the next taking, so that it does not compete with the calls
/// that caused it; a burst that is larger than the supply is served by forks in the meantime.
const QUIET: Duration = Duration::from_millis(25);
/// The longest that refilling waits, however many are taken.
const QUIET_MAX: Duration = Duration::from_millis(250);

/// Runs until it is aborted.
pub(crate) async fn keep(spares: Arc<Spares>) {
    loop {
        let is_short = Memory::read().is_some_and(|memory| memory.is_short());
        while !is_short && spares.make_one().await {
            spares.quiet().await;
        }
        spares.trim(is_short);
        if tokio::time::timeout(LOOK_EVERY, spares.work.notified()).await.is_ok() {
            tokio::time::sleep(QUIET).await;
            spares.quiet().await;
        }
    }
}

impl Spares {
    /// Waits until nothing has been taken for a moment.
    async fn quiet(&self) {
        let latest = tokio::time::Instant::now() + QUIET_MAX;
        while tokio::time::timeout(QUIET, self.work.notified()).await.is_ok() && tokio::time::Instant::now() < latest {}
    }

    /// Makes the spare that is missed most; false when none is missed.
    async fn make_one(&self) -> bool {
        let now = self.clock.monotonic();
        let supplies = self.all();
        let total: usize = supplies.iter().map(|(_, supply)| supply.ready()).sum();
        if total >= self.max {
            return false;
        }
        let missing = |supply: &Supply| {
            let wanted = supply.wanted(now, self.max);
            // The emptiest first: none before few.
            (wanted > supply.ready()).then(|| supply.ready() * 100 / wanted)
        };
        let scored = supplies.iter().filter_map(|(kind, supply)| Some((missing(supply)?, kind, supply)));
        let Some((_, kind, supply)) = scored.min_by_key(|(score, _, _)| *score) else { return false };
        let Some(pack) = self.packs.get(&Runtime::parse(&kind.runtime)) else {
            supply.pause(now);
            return true;
        };
        let launchers = self.launchers.load(Ordering::Acquire);
        match self.make(kind, &pack).await {
            Ok(made) => supply.put(made),
            // It was the old launcher's; the new one has not been tried.
            Err(_) if self.launchers.load(Ordering::Acquire) != launchers => {}
            Err(error) => {
                tracing::warn!(runtime = kind.runtime, error, "a spare environment could not be made; trying again");
                supply.pause(now);
            }
        }
        true
    }

    async fn make(&self, kind: &Kind, pack: &Arc<Pack>) -> Result<spare::Spare, String> {
        if kind.way != Way::Forked {
            return spare::start(&self.launcher, kind, pack).await;
        }
        let cell = self.template_cell(kind, pack);
        cell.get_or_try_init(|| spare::template(&self.launcher, kind, pack)).await?;
        let made = spare::fork(&self.launcher, &cell, kind, pack, true).await;
        if made.is_err() {
            self.forget_template(kind, pack, &cell);
        }
        made
    }

    fn trim(&self, is_short: bool) {
        let now = self.clock.monotonic();
        for (_, supply) in self.all() {
            let keep = if is_short { 0 } else { supply.wanted(now, self.max) };
            drop(supply.trim(keep));
        }
        self.show();
    }

    /// Brings the figures of the metrics up to date.
    fn show(&self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        self.all().into_iter().for_each(|(kind, supply)| *counts.entry(kind.runtime).or_default() += supply.ready());
        for (runtime, count) in counts {
            metrics::gauge!("tindra_spares", "runtime" => runtime).set(count as f64);
        }
    }
}
