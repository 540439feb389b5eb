//! What only the inside can see: how many transactions the commits shared, and what a failed disk does.

use tokio::sync::mpsc;

use super::writer::{Commit, Request, Told, Writer};
use super::*;
use crate::Precondition;

fn queued(
    writer_failure: &Failure,
    directory: &Path,
    commits: usize,
) -> (Writer, Vec<oneshot::Receiver<Result<u64, StoreError>>>) {
    let connection = schema::open(&directory.join(FILE_NAME), Durability::Full, false).unwrap();
    let (requests, queue) = mpsc::channel(commits);
    let mut outcomes = Vec::new();
    let told = Told { records: Watchers::new(), mail: Watchers::new() };
    for index in 0..commits {
        let (reply, outcome) = oneshot::channel();
        let batch = Batch::default().put(format!("k{index}"), Precondition::Absent, "v");
        requests.try_send(Request::Commit(Commit { batch, reply })).unwrap();
        outcomes.push(outcome);
    }
    let writer = Writer::new(connection, queue, told, writer_failure.clone()).unwrap();
    (writer, outcomes)
}

#[test]
fn a_thousand_waiting_commits_are_two_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, outcomes) = queued(&Failure::default(), directory.path(), 1_000);
    let mut transactions = 0;
    while writer.serve_next() {
        transactions += 1;
    }
    assert_eq!(transactions, 2);
    for (mut outcome, revision) in outcomes.into_iter().zip(1..) {
        assert_eq!(outcome.try_recv().unwrap().unwrap(), revision);
    }
}

#[test]
fn after_a_failed_disk_nothing_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let failure = Failure::default();
    let (mut writer, outcomes) = queued(&failure, directory.path(), 3);
    failure.raise("sync", &std::io::Error::other("input/output error"));
    while writer.serve_next() {}
    for mut outcome in outcomes {
        let error = outcome.try_recv().unwrap().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("stopped taking writes") && cause.contains("input/output error"), "{cause}");
    }
}
