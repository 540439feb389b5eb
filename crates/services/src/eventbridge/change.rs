//! Reading and changing records: every change is one compare-and-set batch, made anew when another came first.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned};

use super::EventBridgeService;
use super::error::EventsError;
use super::names::{BusName, Kind};
use super::records::{Bus, Rule};

/// Attempts of a change whose record others change at the same time.
const ATTEMPTS_MAX: usize = 32;

/// What is written beside a changed record.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) batch: Batch,
    pub(super) messages: Vec<Message>,
}

impl EventBridgeService {
    /// A record of a kind; an error in the words of the API when there is none.
    pub(super) async fn named<T: DeserializeOwned>(
        &self,
        kind: Kind,
        scope: &Scope,
        name: &str,
    ) -> Result<Versioned<T>, EventsError> {
        let record = self.around.store.metadata.get_json(&kind.key(scope, name)).await?;
        record.ok_or_else(|| kind.missing(name))
    }

    /// A bus that is there; the default one also without a record, then with revision 0.
    pub(super) async fn bus(&self, name: &BusName) -> Result<Versioned<Bus>, EventsError> {
        let key = name.key();
        match self.around.store.metadata.get_json(&key).await? {
            Some(record) => Ok(record),
            None if name.is_default() => {
                Ok(Versioned { key, value: Bus::new(name.clone(), self.now_ms()), revision: 0 })
            }
            None => Err(name.missing()),
        }
    }

    pub(super) async fn rule(&self, bus: &BusName, name: &str) -> Result<Versioned<Rule>, EventsError> {
        match self.around.store.metadata.get_json(&bus.rule_key(name)).await? {
            Some(rule) => Ok(rule),
            None => {
                self.bus(bus).await?;
                Err(EventsError::missing(format!("Rule {name} does not exist on EventBus {}.", bus.name)))
            }
        }
    }

    pub(super) async fn change_bus<T>(
        &self,
        name: &BusName,
        edit: impl Fn(&mut Bus) -> Result<T, EventsError>,
    ) -> Result<T, EventsError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut record = self.bus(name).await?;
            let outcome = edit(&mut record.value)?;
            record.value.modified_ms = self.now_ms();
            if self.write(&record, Beside::default()).await? {
                return Ok(outcome);
            }
        }
        Err(EventsError::concurrent())
    }

    /// Changes a rule; what has to be written beside it comes of the rule before and the rule as it is to be.
    pub(super) async fn change_rule<T>(
        &self,
        bus: &BusName,
        name: &str,
        edit: impl Fn(&mut Rule) -> Result<T, EventsError>,
    ) -> Result<T, EventsError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut record = self.rule(bus, name).await?;
            let before = record.value.clone();
            let outcome = edit(&mut record.value)?;
            let beside = self.timed(Some(&before), &record.value);
            if self.write(&record, beside).await? {
                return Ok(outcome);
            }
        }
        Err(EventsError::concurrent())
    }

    /// Changes a record of a kind.
    pub(super) async fn change<R: DeserializeOwned + Serialize, T>(
        &self,
        kind: Kind,
        scope: &Scope,
        name: &str,
        edit: impl Fn(&mut R) -> Result<T, EventsError>,
    ) -> Result<T, EventsError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut record = self.named::<R>(kind, scope, name).await?;
            let outcome = edit(&mut record.value)?;
            if self.write(&record, Beside::default()).await? {
                return Ok(outcome);
            }
        }
        Err(EventsError::concurrent())
    }

    /// Writes a record at its revision, 0 for one that is not there. False when somebody else has changed it.
    pub(super) async fn write<T: Serialize>(&self, record: &Versioned<T>, beside: Beside) -> Result<bool, EventsError> {
        let before = match record.revision {
            0 => Precondition::Absent,
            revision => Precondition::Revision(revision),
        };
        let batch = beside.batch.put_json(&*record.key, before, &record.value)?;
        match self.around.outbox.commit(batch, beside.messages).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a new record; `exists` is the error when there is one.
    pub(super) async fn create<T: Serialize>(
        &self,
        key: String,
        value: &T,
        beside: Beside,
        exists: impl Fn() -> EventsError,
    ) -> Result<(), EventsError> {
        let record = Versioned { key, value, revision: 0 };
        if self.write(&record, beside).await? { Ok(()) } else { Err(exists()) }
    }

    /// Removes a record as it was read. False when somebody else has changed it.
    pub(super) async fn remove(&self, key: &str, revision: u64, batch: Batch) -> Result<bool, EventsError> {
        let batch = batch.delete(key, Precondition::Revision(revision));
        match self.around.outbox.commit(batch, Vec::new()).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
