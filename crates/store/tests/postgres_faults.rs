//! What the store does while its PostgreSQL is killed, cut off in the middle of a commit, or replaced by a standby.
//!
//! Each test has a PostgreSQL of its own, set up as in production: syncing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster::Cluster;
use tindra_core::clock::SystemClock;
use tindra_store::{Batch, Lapse, LeaseRequest, Message, MessageChange, Precondition, Store, StoreError, StoreOptions};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
/// Whoever asks a database that is away is told so within it. Refused connections take no time; the rest is for a busy machine.
const QUICKLY: Duration = Duration::from_secs(3);

fn try_open(url: &str, directory: &Path) -> Result<Store, StoreError> {
    Store::open_postgres(url, directory, StoreOptions::default(), Arc::new(SystemClock::new()))
}

fn text(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn message(number: u128) -> Message {
    let (head, body) = (Bytes::from_static(b"head"), Bytes::from_static(b"body"));
    Message { id: Uuid::from_u128(number), queue: "q".to_owned(), enqueued_ms: 0, due_ms: 0, head, body }
}

fn enqueue(number: u128) -> Batch {
    let change = MessageChange::Enqueue { message: message(number), held_until_ms: None };
    Batch::default().message(change).put(format!("k/{number}"), Precondition::None, "v")
}

fn lease_request() -> LeaseRequest {
    let lapse = Lapse { now_ms: 1, held_until_ms: 2 };
    LeaseRequest { queue: "q".to_owned(), due_ms: 1, lapse, messages_max: 10_000, bytes_max: 1 << 30 }
}

/// Enqueues until the first refusal; returns what was acknowledged and the refusal.
async fn enqueue_on(store: Store, from: u128) -> (Vec<u128>, StoreError) {
    let mut acknowledged = Vec::new();
    for number in from.. {
        match store.metadata.commit(enqueue(number)).await {
            Ok(_) => acknowledged.push(number),
            Err(error) => return (acknowledged, error),
        }
    }
    unreachable!("numbers do not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_is_an_error_at_once_and_loses_nothing() {
    let cluster = Cluster::start(&[]);
    cluster.create("d");
    let directory = tempfile::tempdir().unwrap();
    let store = try_open(&cluster.url("d"), directory.path()).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..2_u128 {
        let writers: Vec<_> =
            (0..4).map(|writer| tokio::spawn(enqueue_on(store.clone(), (round * 4 + writer) << 32))).collect();
        let mut watch = store.metadata.watch("k/");
        for _ in 0..20 {
            tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        }
        cluster.kill();
        for writer in writers {
            let (numbers, error) = tokio::time::timeout(PATIENCE, writer).await.unwrap().unwrap();
            assert!(!matches!(error, StoreError::Conflict { .. }), "{}", text(&error));
            acknowledged.extend(numbers);
        }
        let asked = Instant::now();
        for error in [
            store.metadata.commit(enqueue(1)).await.unwrap_err(),
            store.metadata.get("k/1").await.unwrap_err(),
            store.queues.lease(lease_request()).await.unwrap_err(),
            store.journals.bounds("j").await.unwrap_err(),
        ] {
            assert!(text(&error).contains("see that PostgreSQL runs"), "{}", text(&error));
        }
        assert!(asked.elapsed() < QUICKLY, "{:?}", asked.elapsed());
        cluster.start_again();
        // The very next request is served, by the same store.
        let next = 1_000 + round;
        store.metadata.commit(enqueue(next)).await.unwrap();
        acknowledged.push(next);
        for number in &acknowledged {
            let key = format!("k/{number}");
            assert!(store.metadata.get(&key).await.unwrap().is_some(), "{key} was acknowledged");
        }
    }
    assert!(acknowledged.len() > 40);
    let leased = store.queues.lease(lease_request()).await.unwrap().leased;
    let leased: std::collections::BTreeSet<u128> = leased.iter().map(|leased| leased.message.id.as_u128()).collect();
    assert!(acknowledged.iter().all(|number| leased.contains(number)), "every acknowledged message is there");
}

/// The session that waits for a standby, once there is one.
async fn waiting_session(cluster: &Cluster) -> String {
    let started = Instant::now();
    loop {
        let sessions = cluster.sql("d", "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        if let [session] = &sessions[..] {
            return session.clone();
        }
        assert!(started.elapsed() < PATIENCE, "no commit waits for the standby");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_of_unknown_outcome_and_can_be_repeated() {
    let cluster = Cluster::start(&[]);
    cluster.create("d");
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = try_open(&cluster.url("d"), directories[0].path()).unwrap();
    let other = try_open(&cluster.url("d"), directories[1].path()).unwrap();
    let (mut watch, mut others) = (store.metadata.watch("k/"), other.metadata.watch("k/"));
    for (from, how, why) in
        [(1, "pg_terminate_backend", "connection"), (1 << 32, "pg_cancel_backend", "committed with a warning")]
    {
        // A standby that never comes makes commits wait after they are written: the moment at which an answer is lost.
        cluster.sql("d", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        cluster.sql("d", "SELECT pg_reload_conf()");
        let committing = tokio::spawn(enqueue_on(store.clone(), from));
        let session = waiting_session(&cluster).await;
        cluster.sql("d", &format!("SELECT {how}({session})"));
        let (acknowledged, error) = tokio::time::timeout(PATIENCE, committing).await.unwrap().unwrap();
        assert!(matches!(error, StoreError::OutcomeUnknown { .. }), "{how}: {}", text(&error));
        assert!(text(&error).contains("read again, or repeat it") && text(&error).contains(why), "{}", text(&error));
        cluster.sql("d", "ALTER SYSTEM RESET synchronous_standby_names");
        cluster.sql("d", "SELECT pg_reload_conf()");
        // It was written after all: this server says that something may have changed, the other one sees what.
        let number = from + acknowledged.len() as u128;
        let key = format!("k/{number}");
        while tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().is_some() {}
        while tokio::time::timeout(PATIENCE, others.changed()).await.unwrap() != Some(vec![key.clone()]) {}
        assert!(other.metadata.get(&key).await.unwrap().is_some(), "{how}");
        let messages = store.queues.queues("", None, 9).await.unwrap()[0].messages;
        store.metadata.commit(enqueue(number)).await.unwrap();
        assert_eq!(store.queues.queues("", None, 9).await.unwrap()[0].messages, messages);
        assert_eq!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap(), Some(vec![key.clone()]));
        assert_eq!(tokio::time::timeout(PATIENCE, others.changed()).await.unwrap(), Some(vec![key]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_become_a_standby_is_refused_until_it_is_promoted() {
    let cluster = Cluster::start(&[]);
    cluster.create("d");
    let directory = tempfile::tempdir().unwrap();
    let store = try_open(&cluster.url("d"), directory.path()).unwrap();
    store.metadata.commit(enqueue(1)).await.unwrap();
    cluster.stop();
    cluster.become_standby();
    cluster.start_again();
    for error in [store.metadata.commit(enqueue(2)).await.unwrap_err(), store.metadata.get("k/1").await.unwrap_err()] {
        assert!(text(&error).contains("standby"), "{}", text(&error));
    }
    let another = tempfile::tempdir().unwrap();
    let error = text(&try_open(&cluster.url("d"), another.path()).unwrap_err());
    assert!(error.contains("standby"), "{error}");
    cluster.sql("d", "SELECT pg_promote()");
    store.metadata.commit(enqueue(2)).await.unwrap();
    assert!(store.metadata.get("k/1").await.unwrap().is_some());
}

#[test]
fn a_database_that_is_away_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let asked = Instant::now();
    let url = format!("postgres://u:secret@/d?host={}", directory.path().display());
    let error = text(&try_open(&url, &directory.path().join("data")).unwrap_err());
    assert!(error.contains("the database d at") && error.contains("see that PostgreSQL runs"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert!(asked.elapsed() < QUICKLY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_answer_is_given_up() {
    // Accepted by the kernel, answered by nobody: what a host that hangs looks like.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/d", silent.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let asked = Instant::now();
    let error = text(&try_open(&url, directory.path()).unwrap_err());
    assert!(error.contains("did not answer within 4 s"), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(4) + QUICKLY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_others_from_committing_is_not_waited_for_without_end() {
    let cluster = Cluster::start(&[]);
    cluster.create("d");
    let directory = tempfile::tempdir().unwrap();
    let store = try_open(&cluster.url("d"), directory.path()).unwrap();
    store.metadata.commit(enqueue(1)).await.unwrap();
    let (holder, connection) = tokio_postgres::connect(&cluster.url("d"), tokio_postgres::NoTls).await.unwrap();
    drop(tokio::spawn(connection));
    holder.batch_execute("BEGIN; SELECT * FROM tindra.counter FOR UPDATE").await.unwrap();
    let asked = Instant::now();
    let error = text(&store.metadata.commit(enqueue(2)).await.unwrap_err());
    assert!(error.contains("another server holds the lock for writing"), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(5) + QUICKLY);
    assert_eq!(store.queues.lease(lease_request()).await.unwrap().leased.len(), 1, "leasing goes on meanwhile");
    assert!(store.metadata.get("k/1").await.unwrap().is_some());
    holder.batch_execute("COMMIT").await.unwrap();
    store.metadata.commit(enqueue(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_hangs_is_given_up_for_another_one() {
    let cluster = Cluster::start(&[]);
    cluster.create("d");
    let directory = tempfile::tempdir().unwrap();
    let store = try_open(&cluster.url("d"), directory.path()).unwrap();
    store.metadata.commit(enqueue(1)).await.unwrap();
    let sessions = cluster.sql("d", "SELECT pid FROM pg_stat_activity WHERE datname = 'd' AND query = 'COMMIT'");
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    cluster.signal("STOP", session);
    let asked = Instant::now();
    let error = text(&store.metadata.commit(enqueue(2)).await.unwrap_err());
    assert!(error.contains("did not answer within 10 s"), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(10) + QUICKLY);
    store.metadata.commit(enqueue(2)).await.unwrap();
    cluster.signal("CONT", session);
}
