//! The clock by which all waits that may take long: the machine's, or with `--clock manual` one in the user's hand.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_events::{AsyncInvokes, ManualClock, SystemTimer};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use crate::config::ClockKind;
use crate::edge::ClockShown;

/// Where a manual clock stood last, so that it does not go back when the server starts again.
const RECORD: &str = "clock/manual";

#[derive(Debug, Serialize, Deserialize)]
struct Stood {
    unix_ms: UnixMs,
}

/// The clock by which all waits that may take long.
#[derive(Clone, Debug)]
pub(crate) enum WaitingClock {
    System(Arc<SystemTimer>),
    Manual(Arc<ManualClock>),
}

impl WaitingClock {
    /// The clock of a kind. A manual one stands at the time of its start, or later where it was moved on before.
    pub(crate) async fn start(kind: ClockKind, store: &Store) -> Result<Self, StoreError> {
        let system = SystemTimer::default();
        if kind == ClockKind::System {
            return Ok(Self::System(Arc::new(system)));
        }
        let stood: Option<Versioned<Stood>> = store.metadata.get_json(RECORD).await?;
        let at_ms = system.unix_ms().max(stood.map_or(0, |stood| stood.value.unix_ms));
        Ok(Self::Manual(Arc::new(ManualClock::at(at_ms))))
    }

    /// As what is waited by.
    pub(crate) fn timer(&self) -> Arc<dyn Timer> {
        match self {
            Self::System(clock) => Arc::clone(clock) as _,
            Self::Manual(clock) => Arc::clone(clock) as _,
        }
    }

    pub(crate) fn shown(&self) -> ClockShown {
        match self {
            Self::System(clock) => ClockShown { clock: "system", unix_ms: clock.unix_ms() },
            Self::Manual(clock) => ClockShown { clock: "manual", unix_ms: clock.unix_ms() },
        }
    }

    /// Moves a manual clock on and waits until what became due is done; `false` for the machine's clock.
    pub(crate) async fn advance(&self, invokes: &AsyncInvokes, store: &Store, by_ms: u64) -> bool {
        let Self::Manual(clock) = self else { return false };
        invokes.advance(clock, by_ms).await;
        let stood = Stood { unix_ms: clock.unix_ms() };
        let written = match Batch::default().put_json(RECORD, Precondition::None, &stood) {
            Ok(batch) => store.metadata.commit(batch).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "where the clock stands could not be written down; it goes back at the next start");
        }
        true
    }
}
