//! Spares: sandboxes whose runtime is up and waits, bound to no function. A cold start takes one, attaches the function's
//! code, and tells it the function's environment; what is left of a cold start is the function's own imports.
//!
//! Spares of runtimes that can be forked come from a template, others are started ahead. There is a supply for each
//! [`Kind`] of spare, sized by what recent minutes took, refilled in the background, and given up when memory is short.
//! What a spare cannot serve (`start_only.rs` has the list) is started plainly: slower, never wrong.

pub(crate) mod demand;
mod keeper;
mod kind;
mod spare;
mod start_only;
mod supply;

use std::collections::HashMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::available_parallelism;

use tindra_core::clock::Clock;
use tindra_core::function::Configuration;
use tindra_sandbox::{Launcher, Template};
use tokio::sync::{Notify, OnceCell, Semaphore};

use crate::inventory::{Listed, State, whole_ms};
use crate::packs::{Pack, Packs};
use crate::preparation::Prepared;
use supply::Supply;

pub(crate) use keeper::keep;
pub(crate) use kind::Kind;
pub(crate) use spare::{BindError, Binding, CONTROL_DESCRIPTOR, Spare, Waiting};

/// Kinds that have a supply at once; the one that was wanted longest ago makes room.
const KINDS_MAX: usize = 16;

/// Templates are forked for waiting invokes at most so many times at once for each processor. More would not come sooner, and in a
/// burst of a thousand all would come so late together that their init phases, which share the processors, ran out of time.
const FORKS_PER_PROCESSOR: usize = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Spares {
    launcher: Launcher,
    packs: Arc<Packs>,
    clock: Arc<dyn Clock>,
    /// Of all kinds together; 0 switches spares off.
    max: usize,
    supplies: RwLock<HashMap<Kind, Arc<Supply>>>,
    templates: Mutex<HashMap<TemplateKey, Arc<OnceCell<Template>>>>,
    /// Wakes the keeper.
    work: Notify,
    /// Forks that may begin.
    forks: Semaphore,
    /// How often a launcher has taken the place of another.
    launchers: AtomicU64,
}

/// One template serves all kinds that differ in limits alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TemplateKey {
    root: std::path::PathBuf,
    preload: kind::Preload,
}

/// How a cold start came to its runtime; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A spare was waiting.
    Spare,
    /// A template was forked just now.
    Fork,
    /// The runtime was executed.
    Plain,
    /// It is a copy of a snapshot.
    Copy,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spare => "spare",
            Self::Fork => "fork",
            Self::Plain => "plain",
            Self::Copy => "copy",
        }
    }
}

impl Spares {
    pub(crate) fn new(launcher: Launcher, packs: Arc<Packs>, clock: Arc<dyn Clock>, max: usize) -> Self {
        Self {
            launcher,
            packs,
            clock,
            max,
            supplies: RwLock::default(),
            templates: Mutex::default(),
            work: Notify::new(),
            forks: Semaphore::new(FORKS_PER_PROCESSOR * available_parallelism().map_or(1, NonZero::get)),
            launchers: AtomicU64::new(0),
        }
    }

    /// The kind of spare that can serve a function, if one can.
    fn kind(&self, configuration: &Configuration, code: &Path, layers: Option<&Path>) -> Option<Kind> {
        if self.max == 0 || !self.launcher.can_attach() {
            return None;
        }
        let kind = Kind::of(configuration, code, layers)?;
        // What has not started yet reads everything when it starts.
        (kind.way == kind::Way::Parked || start_only::reason(configuration).is_none()).then_some(kind)
    }

    /// Takes a spare for a function, forking a template when none waits. `None`: it has to be started plainly.
    pub(crate) async fn take(
        &self,
        pack: &Arc<Pack>,
        configuration: &Configuration,
        code: &Path,
        layers: Option<&Path>,
    ) -> Option<(Spare, Origin)> {
        let kind = self.kind(configuration, code, layers)?;
        let supply = self.supply(&kind);
        let taken = supply.take(self.clock.monotonic(), pack);
        self.work.notify_one();
        if let Some(spare) = taken {
            return Some((spare, Origin::Spare));
        }
        let template = self.ready_template(&kind, pack)?;
        let turn = self.forks.acquire().await;
        let made = spare::fork(&self.launcher, &template, &kind, pack, false).await;
        drop(turn);
        match made {
            Ok(spare) => Some((spare, Origin::Fork)),
            Err(error) => {
                tracing::debug!(error, runtime = kind.runtime, "a template could not be forked");
                self.forget_template(&kind, pack, &template);
                None
            }
        }
    }

    fn supply(&self, kind: &Kind) -> Arc<Supply> {
        if let Some(supply) = self.supplies.read().unwrap_or_else(PoisonError::into_inner).get(kind) {
            return Arc::clone(supply);
        }
        let mut supplies = self.supplies.write().unwrap_or_else(PoisonError::into_inner);
        if supplies.len() >= KINDS_MAX && !supplies.contains_key(kind) {
            let oldest = supplies.iter().min_by_key(|(_, supply)| supply.last_wanted()).map(|(kind, _)| kind.clone());
            oldest.and_then(|oldest| supplies.remove(&oldest));
        }
        Arc::clone(supplies.entry(kind.clone()).or_default())
    }

    /// How many there may be.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Those that wait now. Reads a file for each.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all = Vec::new();
        for (kind, supply) in self.all() {
            all.extend(supply.list().into_iter().map(|(age, memory_bytes)| Listed {
                owner: None,
                state: State::Waiting,
                runtime: kind.runtime.clone(),
                memory_mb: kind.memory_mb,
                memory_bytes,
                age_ms: whole_ms(age),
                idle_ms: None,
            }));
        }
        all
    }

    fn all(&self) -> Vec<(Kind, Arc<Supply>)> {
        let supplies = self.supplies.read().unwrap_or_else(PoisonError::into_inner);
        supplies.iter().map(|(kind, supply)| (kind.clone(), Arc::clone(supply))).collect()
    }

    fn template_cell(&self, kind: &Kind, pack: &Pack) -> Arc<OnceCell<Template>> {
        let key = TemplateKey { root: pack.root.clone(), preload: kind.preload };
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        // Templates of packs that have been replaced are not asked again; what they forked lives on.
        templates.retain(|other, _| other.root == key.root || other.root.is_dir());
        Arc::clone(templates.entry(key).or_default())
    }

    /// After a launcher has taken the place of another: the templates and spares of the old one are gone.
    pub(crate) fn begin_anew(&self) {
        self.launchers.fetch_add(1, Ordering::AcqRel);
        self.templates.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.all().iter().for_each(|(_, supply)| supply.resume());
        self.work.notify_one();
    }

    fn ready_template(&self, kind: &Kind, pack: &Pack) -> Option<Arc<OnceCell<Template>>> {
        if kind.way != kind::Way::Forked {
            return None;
        }
        let cell = self.template_cell(kind, pack);
        cell.initialized().then_some(cell)
    }

    /// The next one that needs the template starts it anew.
    fn forget_template(&self, kind: &Kind, pack: &Pack, broken: &Arc<OnceCell<Template>>) {
        let key = TemplateKey { root: pack.root.clone(), preload: kind.preload };
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        if templates.get(&key).is_some_and(|cell| Arc::ptr_eq(cell, broken)) {
            templates.remove(&key);
        }
    }
}

impl Prepared for Spares {
    /// The first cold start of this function is to find a spare.
    fn expect(&self, configuration: &Configuration, code: &Path, layers: Option<&Path>) {
        if let Some(kind) = self.kind(configuration, code, layers)
            && self.supply(&kind).expect(self.clock.monotonic())
        {
            self.work.notify_one();
        }
    }
}
