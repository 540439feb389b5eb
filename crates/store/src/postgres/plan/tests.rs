//! A group must come to the same as its batches one after the other. A small database in memory takes the writes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use uuid::Uuid;

use super::{Known, Plan, Standing, Writes};
use crate::{Batch, JournalBounds, JournalChange, Lease, Message, MessageChange, Precondition};

#[derive(Clone, Debug, Default, PartialEq)]
struct Database {
    records: BTreeMap<String, (Bytes, u64)>,
    changes: Vec<(u64, String)>,
    messages: BTreeMap<Uuid, Row>,
    /// The order in which messages were put in.
    order: Vec<Uuid>,
    journals: BTreeMap<String, JournalBounds>,
    journal_records: BTreeMap<(String, u64), Bytes>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    queue: String,
    due_ms: u64,
    head: Bytes,
    epoch: u64,
    is_held: bool,
}

impl Database {
    fn known(&self) -> Known {
        let standing = |row: &Row| Standing { queue: row.queue.clone(), epoch: row.epoch, is_held: row.is_held };
        Known {
            revisions: self.records.iter().map(|(key, (_, revision))| (key.clone(), *revision)).collect(),
            messages: self.messages.iter().map(|(id, row)| (*id, standing(row))).collect(),
            journals: self.journals.clone().into_iter().collect(),
        }
    }

    /// In the order of [`super::super::write`], with what its statements would refuse.
    fn take(&mut self, writes: Writes) {
        for (key, (value, revision)) in writes.records {
            match value {
                Some(value) => drop(self.records.insert(key, (value, revision))),
                None => drop(self.records.remove(&key)),
            }
        }
        self.changes.extend(writes.changes);
        let mut inserted = Vec::new();
        for (id, write) in writes.messages {
            if write.is_deleted {
                assert!(self.messages.remove(&id).is_some());
                self.order.retain(|one| *one != id);
            }
            if let Some(new) = write.inserted {
                let Message { queue, due_ms, head, .. } = new.message;
                let row = Row { queue, due_ms, head, epoch: 0, is_held: new.held_until_ms.is_some() };
                assert!(self.messages.insert(id, row).is_none());
                inserted.push((new.place, id));
            }
            if let Some(delayed) = write.delayed {
                let row = self.messages.get_mut(&id).unwrap();
                assert_eq!(row.queue, delayed.queue);
                (row.due_ms, row.head, row.is_held) = (delayed.due_ms, delayed.head, false);
            }
        }
        inserted.sort_unstable();
        self.order.extend(inserted.into_iter().map(|(_, id)| id));
        for (journal, write) in writes.journals {
            self.journal_records.retain(|(name, position), _| *name != journal || *position >= write.trimmed_before);
            for (position, value) in write.appended {
                assert!(self.journal_records.insert((journal.clone(), position), value).is_none());
            }
            match write.bounds {
                Some(bounds) => drop(self.journals.insert(journal, bounds)),
                None => drop(self.journals.remove(&journal)),
            }
        }
    }

    fn group(&mut self, batches: &[Batch], revision: u64) -> Vec<Result<u64, String>> {
        let mut plan = Plan::new(self.known());
        let outcomes =
            batches.iter().zip(revision..).map(|(batch, revision)| plan.add(batch, revision).map(|()| revision));
        let outcomes = outcomes.collect();
        self.take(plan.into_writes());
        outcomes
    }
}

fn journal() -> impl Strategy<Value = String> {
    prop_oneof![Just("i".to_owned()), Just("j".to_owned())]
}

fn batch() -> impl Strategy<Value = Batch> {
    let precondition = prop_oneof![3 => Just(Precondition::None), 1 => Just(Precondition::Absent), 2 => (1..12_u64).prop_map(Precondition::Revision)];
    let record = ("[ab]", precondition, proptest::option::of("[xyz]"))
        .prop_map(|(key, precondition, value)| (key, precondition, value.map(Bytes::from)));
    let id = || (1..4_u128).prop_map(Uuid::from_u128);
    let message = prop_oneof![
        3 => (id(), "[pq]", 0..9_u64, any::<bool>()).prop_map(|(id, queue, due_ms, is_held)| {
            let message = Message { id, queue, enqueued_ms: 0, due_ms, head: Bytes::new(), body: Bytes::new() };
            MessageChange::Enqueue { message, held_until_ms: is_held.then_some(9) }
        }),
        2 => (id(), 0..2_u64).prop_map(|(id, epoch)| MessageChange::Complete(Lease { id, epoch })),
        2 => (id(), 0..2_u64, 0..9_u64, "[mn]").prop_map(|(id, epoch, due_ms, head)| {
            MessageChange::Delay { lease: Lease { id, epoch }, due_ms, head: head.into() }
        }),
    ];
    let journal = prop_oneof![
        4 => (journal(), 0..6_u64, proptest::collection::vec("[rst]", 0..3)).prop_map(|(journal, at, records)| {
            JournalChange::Append { journal, at, records: records.into_iter().map(Bytes::from).collect() }
        }),
        2 => (journal(), 0..6_u64).prop_map(|(journal, before)| JournalChange::Trim { journal, before }),
        1 => journal().prop_map(|journal| JournalChange::Remove { journal }),
    ];
    let records = proptest::collection::vec(record, 0..3);
    let messages = proptest::collection::vec(message, 0..3);
    (records, messages, proptest::collection::vec(journal, 0..3)).prop_map(|(records, messages, journals)| {
        let batch = Batch { messages, journals, ..Batch::default() };
        records.into_iter().fold(batch, |batch, (key, precondition, value)| match value {
            Some(value) => batch.put(key, precondition, value),
            None => batch.delete(key, precondition),
        })
    })
}

proptest! {
    #[test]
    fn a_group_comes_to_the_same_as_its_batches_one_by_one(
        groups in proptest::collection::vec(proptest::collection::vec(batch(), 1..8), 1..4),
    ) {
        let (mut together, mut apart) = (Database::default(), Database::default());
        let mut revision = 1;
        for group in groups {
            let outcomes = together.group(&group, revision);
            let one_by_one = group.iter().zip(revision..).flat_map(|(batch, revision)| {
                apart.group(std::slice::from_ref(batch), revision)
            });
            prop_assert_eq!(outcomes, one_by_one.collect::<Vec<_>>());
            prop_assert_eq!(&together, &apart);
            revision += group.len() as u64;
            // Somebody leases what is free, as happens between two groups.
            for database in [&mut together, &mut apart] {
                for row in database.messages.values_mut().filter(|row| !row.is_held) {
                    (row.epoch, row.is_held) = (1, true);
                }
            }
        }
        let positions: BTreeSet<_> = together.journal_records.keys().cloned().collect();
        let bounds = together.journals.iter();
        let expected = bounds.flat_map(|(journal, bounds)| (bounds.first..bounds.end).map(|at| (journal.clone(), at)));
        prop_assert_eq!(positions, expected.collect::<BTreeSet<_>>());
    }
}
