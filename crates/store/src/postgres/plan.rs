//! What a group of batches comes to: each is checked against the state that the ones before it leave, and the writes of
//! all that hold are gathered, so that the database is asked once and told once for the whole group.
//!
//! Pure: the state comes in as [`Known`] and the writes go out as [`Writes`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use crate::{Batch, Change, JournalBounds, JournalChange, Lease, Message, MessageChange, Precondition};

/// The state as far as a group asks about it; what is not in a map does not exist.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Revisions of the records that have preconditions.
    pub(super) revisions: HashMap<String, u64>,
    /// The messages that are named.
    pub(super) messages: HashMap<Uuid, Standing>,
    /// The journals that are named.
    pub(super) journals: HashMap<String, JournalBounds>,
}

/// How a message stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) queue: String,
    pub(super) epoch: u64,
    pub(super) is_held: bool,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// By key: the value, unless it is deleted, and its revision.
    pub(super) records: BTreeMap<String, (Option<Bytes>, u64)>,
    /// Keys that changed, by the revision of their batch.
    pub(super) changes: Vec<(u64, String)>,
    pub(super) messages: BTreeMap<Uuid, MessageWrite>,
    pub(super) journals: BTreeMap<String, JournalWrite>,
    /// Messages that were put in, to number them.
    inserted: u64,
}

/// What becomes of a message: first the row is deleted, then one is inserted or the one that is there is given back.
#[derive(Debug, Default)]
pub(super) struct MessageWrite {
    pub(super) is_deleted: bool,
    pub(super) inserted: Option<NewMessage>,
    pub(super) delayed: Option<Delayed>,
}

/// A row to insert.
#[derive(Debug)]
pub(super) struct NewMessage {
    /// Where it comes among those of the group.
    pub(super) place: u64,
    pub(super) message: Message,
    pub(super) held_until_ms: Option<UnixMs>,
}

/// A message given back.
#[derive(Debug)]
pub(super) struct Delayed {
    pub(super) queue: String,
    pub(super) due_ms: UnixMs,
    pub(super) head: Bytes,
}

/// What becomes of a journal.
#[derive(Debug, Default)]
pub(super) struct JournalWrite {
    /// The rows before it go; all of them when it is removed.
    pub(super) trimmed_before: u64,
    pub(super) appended: BTreeMap<u64, Bytes>,
    /// None when it is removed.
    pub(super) bounds: Option<JournalBounds>,
}

/// A group as it is being put together.
#[derive(Debug, Default)]
pub(super) struct Plan {
    known: Known,
    writes: Writes,
}

/// One batch on its way into a plan.
#[derive(Default)]
struct Trial<'b> {
    messages: HashMap<Uuid, Option<Standing>>,
    journals: HashMap<&'b str, Option<JournalBounds>>,
    effects: Vec<Effect<'b>>,
}

enum Effect<'b> {
    Insert(&'b Message, Option<UnixMs>),
    Remove(Uuid),
    Delay(Uuid, Delayed),
    Append(&'b str, u64, &'b [Bytes]),
    Trim(&'b str, u64),
    RemoveJournal(&'b str),
}

impl Plan {
    pub(super) fn new(known: Known) -> Self {
        Self { known, writes: Writes::default() }
    }

    /// The writes of all batches that held.
    pub(super) fn into_writes(self) -> Writes {
        self.writes
    }

    /// Adds a batch, whole or not at all.
    ///
    /// # Errors
    /// With what a conflict names.
    pub(super) fn add(&mut self, batch: &Batch, revision: u64) -> Result<(), String> {
        if let Some(refused) = batch.changes.iter().find(|change| !self.holds(change)) {
            return Err(refused.key.clone());
        }
        let mut trial = Trial::default();
        batch.messages.iter().try_for_each(|change| self.try_message(&mut trial, change))?;
        batch.journals.iter().try_for_each(|change| self.try_journal(&mut trial, change))?;
        batch.changes.iter().for_each(|change| self.write_record(change, revision));
        let Trial { messages, journals, effects } = trial;
        for effect in effects {
            self.writes.apply(effect);
        }
        for (id, standing) in messages {
            set(&mut self.known.messages, id, standing);
        }
        for (journal, bounds) in journals {
            if let Some(write) = self.writes.journals.get_mut(journal) {
                write.bounds = bounds;
            }
            set(&mut self.known.journals, journal.to_owned(), bounds);
        }
        Ok(())
    }

    fn holds(&self, change: &Change) -> bool {
        let current = || self.known.revisions.get(&change.key).copied();
        match change.precondition {
            Precondition::None => true,
            Precondition::Absent => current().is_none(),
            Precondition::Revision(expected) => current() == Some(expected),
        }
    }

    fn write_record(&mut self, change: &Change, revision: u64) {
        set(&mut self.known.revisions, change.key.clone(), change.value.as_ref().map(|_| revision));
        self.writes.changes.push((revision, change.key.clone()));
        self.writes.records.insert(change.key.clone(), (change.value.clone(), revision));
    }

    fn try_message<'b>(&self, trial: &mut Trial<'b>, change: &'b MessageChange) -> Result<(), String> {
        let id = match change {
            MessageChange::Enqueue { message, .. } => message.id,
            MessageChange::Complete(lease) | MessageChange::Delay { lease, .. } => lease.id,
        };
        let standing = trial.messages.get(&id).cloned().unwrap_or_else(|| self.known.messages.get(&id).cloned());
        let held = |lease: &Lease| {
            let holds = |standing: &Standing| standing.is_held && standing.epoch == lease.epoch;
            let lost = || format!("of the message {id}, which somebody else has by now,");
            standing.clone().filter(holds).ok_or_else(lost)
        };
        match change {
            MessageChange::Enqueue { message, held_until_ms } => {
                if standing.is_none() {
                    let fresh = Standing { queue: message.queue.clone(), epoch: 0, is_held: held_until_ms.is_some() };
                    trial.messages.insert(id, Some(fresh));
                    trial.effects.push(Effect::Insert(message, *held_until_ms));
                }
            }
            MessageChange::Complete(lease) => {
                held(lease)?;
                trial.messages.insert(id, None);
                trial.effects.push(Effect::Remove(id));
            }
            MessageChange::Delay { lease, due_ms, head } => {
                let standing = held(lease)?;
                let delayed = Delayed { queue: standing.queue.clone(), due_ms: *due_ms, head: head.clone() };
                trial.messages.insert(id, Some(Standing { is_held: false, ..standing }));
                trial.effects.push(Effect::Delay(id, delayed));
            }
        }
        Ok(())
    }

    fn try_journal<'b>(&self, trial: &mut Trial<'b>, change: &'b JournalChange) -> Result<(), String> {
        let (JournalChange::Append { journal, .. }
        | JournalChange::Trim { journal, .. }
        | JournalChange::Remove { journal }) = change;
        let current = match trial.journals.get(journal.as_str()) {
            Some(bounds) => *bounds,
            None => self.known.journals.get(journal).copied(),
        };
        let known = current.unwrap_or_default();
        match change {
            JournalChange::Append { at, records, .. } => {
                if known.end != *at {
                    return Err(format!("of the end of {journal}, which is {},", known.end));
                }
                let end = at + records.len() as u64;
                trial.journals.insert(journal, Some(JournalBounds { end, ..known }));
                trial.effects.push(Effect::Append(journal, *at, records));
            }
            JournalChange::Trim { before, .. } => {
                let first = (*before).clamp(known.first, known.end);
                trial.journals.insert(journal, Some(JournalBounds { first, ..known }));
                trial.effects.push(Effect::Trim(journal, first));
            }
            JournalChange::Remove { .. } => {
                trial.journals.insert(journal, None);
                trial.effects.push(Effect::RemoveJournal(journal));
            }
        }
        Ok(())
    }
}

impl Writes {
    fn apply(&mut self, effect: Effect<'_>) {
        match effect {
            Effect::Insert(message, held_until_ms) => {
                self.inserted += 1;
                let inserted = NewMessage { place: self.inserted, message: message.clone(), held_until_ms };
                self.messages.entry(message.id).or_default().inserted = Some(inserted);
            }
            Effect::Remove(id) => {
                let write = self.messages.entry(id).or_default();
                write.is_deleted |= write.inserted.take().is_none();
                write.delayed = None;
            }
            Effect::Delay(id, delayed) => {
                let write = self.messages.entry(id).or_default();
                match &mut write.inserted {
                    Some(inserted) => {
                        inserted.message.due_ms = delayed.due_ms;
                        inserted.message.head = delayed.head;
                        inserted.held_until_ms = None;
                    }
                    None => write.delayed = Some(delayed),
                }
            }
            Effect::Append(journal, at, records) => {
                let appended = (at..).zip(records.iter().cloned());
                self.journals.entry(journal.to_owned()).or_default().appended.extend(appended);
            }
            Effect::Trim(journal, first) => {
                let write = self.journals.entry(journal.to_owned()).or_default();
                write.trimmed_before = write.trimmed_before.max(first);
                write.appended = write.appended.split_off(&first);
            }
            Effect::RemoveJournal(journal) => {
                let write = self.journals.entry(journal.to_owned()).or_default();
                *write = JournalWrite { trimmed_before: u64::MAX, ..JournalWrite::default() };
            }
        }
    }
}

fn set<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}
