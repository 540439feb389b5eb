//! Random operations against a map that says what must come of them.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use tindra_store::{Batch, Precondition, Store, StoreError};

use super::{Open, Place};

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Write>),
    List { prefix: String, after: Option<String>, limit: usize },
    Reopen,
}

#[derive(Clone, Debug)]
struct Write {
    key: String,
    guess: Guess,
    value: Option<u8>,
}

/// A precondition, which can name only revisions that the run has made.
#[derive(Clone, Copy, Debug)]
enum Guess {
    None,
    Absent,
    Current,
    Stale,
}

fn key() -> impl Strategy<Value = String> {
    "[ab/%]{0,3}"
}

fn step() -> impl Strategy<Value = Step> {
    let guess = prop_oneof![3 => Just(Guess::None), 1 => Just(Guess::Absent), 3 => Just(Guess::Current), 1 => Just(Guess::Stale)];
    let write =
        (key(), guess, proptest::option::of(0..=u8::MAX)).prop_map(|(key, guess, value)| Write { key, guess, value });
    prop_oneof![
        8 => proptest::collection::vec(write, 1..4).prop_map(Step::Commit),
        4 => (key(), proptest::option::of(key()), 0..6_usize).prop_map(|(prefix, after, limit)| Step::List { prefix, after, limit }),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<String, (Vec<u8>, u64)>;

pub(crate) async fn random_operations_agree_with_a_map(open: Open) {
    let runtime = tokio::runtime::Handle::current();
    let test = move || {
        let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
        runner.run(&proptest::collection::vec(step(), 1..40), |steps| {
            runtime.block_on(run(open, steps));
            Ok(())
        })
    };
    tokio::task::spawn_blocking(test).await.unwrap().unwrap();
}

async fn run(open: Open, steps: Vec<Step>) {
    let mut place = Place::new(open);
    let mut model = Model::new();
    for step in steps {
        match step {
            Step::Commit(writes) => commit(place.store(), &mut model, writes).await,
            Step::List { prefix, after, limit } => {
                let listed = place.store().metadata.list(&prefix, after.as_deref(), limit).await.unwrap();
                let listed: Vec<_> = listed.into_iter().map(|r| (r.key, (r.value.to_vec(), r.revision))).collect();
                let inside = model.iter().filter(|(key, _)| key.starts_with(&prefix));
                let later = inside.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
                let expected: Vec<_> = later.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
                assert_eq!(listed, expected);
            }
            Step::Reopen => place.reopen(),
        }
    }
}

async fn commit(store: &Store, model: &mut Model, writes: Vec<Write>) {
    let mut batch = Batch::default();
    let mut conflict = None;
    for Write { key, guess, value } in &writes {
        let current = model.get(key).map(|(_, revision)| *revision);
        let precondition = match guess {
            Guess::None => Precondition::None,
            Guess::Absent => Precondition::Absent,
            Guess::Current => current.map_or(Precondition::Absent, Precondition::Revision),
            Guess::Stale => Precondition::Revision(current.map_or(1, |revision| revision - 1)),
        };
        let holds = match guess {
            Guess::None | Guess::Current => true,
            Guess::Absent => current.is_none(),
            Guess::Stale => false,
        };
        if !holds && conflict.is_none() {
            conflict = Some(key.clone());
        }
        batch = match value {
            Some(value) => batch.put(key.clone(), precondition, vec![*value]),
            None => batch.delete(key.clone(), precondition),
        };
    }
    match (store.metadata.commit(batch).await, conflict) {
        (Ok(revision), None) => {
            for Write { key, value, .. } in writes {
                match value {
                    Some(value) => drop(model.insert(key, (vec![value], revision))),
                    None => drop(model.remove(&key)),
                }
            }
        }
        (Err(StoreError::Conflict { key }), Some(expected)) => assert_eq!(key, expected),
        (outcome, expected) => panic!("{outcome:?}, expected a conflict: {expected:?}"),
    }
}
