//! What operators see of the environments: a card for each, from its start to its end.
//!
//! The environment writes its card while it lives; what an invoke writes are atomics. Whoever lists reads the cards.

mod card;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tindra_core::function::Scope;
use tindra_invoke::environments::Target;

pub(crate) use card::Card;

/// What an environment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being put together.
    Starting,
    /// In its init phase, or being restored.
    Initialising,
    /// Ready for an invoke.
    Idle,
    /// Idle, and given no processor.
    Frozen,
    /// It runs an invoke, or what the function goes on with afterwards.
    Busy,
    /// Copies are made of it; it is never invoked.
    Snapshot,
    /// A spare: its runtime is up and belongs to no function.
    Waiting,
}

impl State {
    /// Every state that an environment of a function can be in.
    pub const OF_FUNCTIONS: [Self; 6] =
        [Self::Starting, Self::Initialising, Self::Idle, Self::Frozen, Self::Busy, Self::Snapshot];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Initialising => "initialising",
            Self::Idle => "idle",
            Self::Frozen => "frozen",
            Self::Busy => "busy",
            Self::Snapshot => "snapshot",
            Self::Waiting => "waiting",
        }
    }
}

/// One environment, or one spare, at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The function's, where it has one. A spare has none.
    #[serde(flatten)]
    pub owner: Option<Owner>,
    /// See [`State`].
    pub state: State,
    /// The `Runtime` value.
    pub runtime: String,
    /// Its limit; none for a spare that takes any.
    pub memory_mb: Option<u32>,
    /// What it uses now, in bytes, the kernel's caches for it among them. 0 where there is no process.
    pub memory_bytes: u64,
    /// Since it began to be made, in milliseconds.
    pub age_ms: u64,
    /// Since it became idle, in milliseconds.
    pub idle_ms: Option<u64>,
}

/// What an environment has that belongs to a function.
#[derive(Clone, Debug, Serialize)]
pub struct Owner {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Unqualified name.
    pub function: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// The tenant, of a function that isolates them.
    pub tenant: Option<String>,
    /// Invokes that it has taken, the present one among them.
    pub invokes: u64,
    /// The initialisation type, in AWS's words.
    pub initialization: &'static str,
    /// How its runtime came to be: `spare`, `fork`, `plain` or `copy`. None while that is not known.
    pub start: Option<&'static str>,
    /// Its log stream, which is its own.
    pub log_stream: Option<String>,
}

impl Owner {
    fn new(target: &Target) -> Self {
        let Scope { account, region } = target.scope.clone();
        let (function, version) = (target.name.clone(), target.version.to_string());
        let tenant = target.tenant.as_ref().map(ToString::to_string);
        let (invokes, initialization, start, log_stream) = (0, "", None, None);
        Self { account, region, function, version, tenant, invokes, initialization, start, log_stream }
    }
}

/// The cards of this machine.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    cards: Mutex<Vec<Weak<Card>>>,
}

impl Inventory {
    /// Adds one, and forgets those that have gone.
    pub(crate) fn add(&self, card: &Arc<Card>) {
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        if cards.len() == cards.capacity() {
            cards.retain(|card| card.strong_count() > 0);
        }
        cards.push(Arc::downgrade(card));
    }

    fn cards(&self) -> Vec<Arc<Card>> {
        let cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        cards.iter().filter_map(Weak::upgrade).collect()
    }

    /// Everything on the cards, the oldest first. Reads a file for each; to be called where blocking is no harm.
    pub(crate) fn list(&self, now: Duration) -> Vec<Listed> {
        self.cards().iter().map(|card| card.listed(now)).collect()
    }

    /// How many are in each state.
    pub(crate) fn count(&self) -> [(State, usize); State::OF_FUNCTIONS.len()] {
        let states: Vec<State> = self.cards().iter().map(|card| card.state()).collect();
        State::OF_FUNCTIONS.map(|wanted| (wanted, states.iter().filter(|state| **state == wanted).count()))
    }
}

/// Whole milliseconds.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
