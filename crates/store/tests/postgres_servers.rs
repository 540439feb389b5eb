//! Several servers on one PostgreSQL database, and rows that are not as they were written.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tindra_core::clock::SystemClock;
use tindra_store::{
    Batch, Durability, Lapse, LeaseRequest, LeasedMessages, Message, MessageChange, Precondition, Store, StoreError,
    StoreOptions,
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(10);

/// Servers with a directory each and one database, which belongs to the first directory.
struct Servers {
    directories: Vec<TempDir>,
    url: String,
    stores: Vec<Store>,
}

fn try_open(url: &str, directory: &Path, durability: Durability) -> Result<Store, StoreError> {
    let options = StoreOptions { durability, ..StoreOptions::default() };
    Store::open_postgres(url, directory, options, Arc::new(SystemClock::new()))
}

impl Servers {
    /// They start at once, on an empty database.
    fn new(count: usize) -> Self {
        let directories: Vec<TempDir> = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let url = cluster::database_of(directories[0].path());
        let open = |directory: &TempDir| try_open(&url, directory.path(), Durability::Off).unwrap();
        let stores = std::thread::scope(|scope| {
            let starting: Vec<_> = directories.iter().map(|directory| scope.spawn(|| open(directory))).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        Self { directories, url, stores }
    }

    fn database(&self) -> &str {
        self.url.split(['/', '?']).nth(3).unwrap()
    }

    fn sql(&self, statements: &str) -> Vec<String> {
        cluster::shared().sql(self.database(), &format!("SET search_path TO tindra; {statements}"))
    }
}

fn text(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn message(number: u128) -> Message {
    let (head, body) = (Bytes::from_static(b"head"), Bytes::from_static(b"body"));
    Message { id: Uuid::from_u128(number), queue: "q".to_owned(), enqueued_ms: 0, due_ms: 0, head, body }
}

async fn enqueue(store: &Store, number: u128) {
    let change = MessageChange::Enqueue { message: message(number), held_until_ms: None };
    store.metadata.commit(Batch::default().message(change)).await.unwrap();
}

async fn lease(store: &Store, at_ms: u64, messages_max: usize) -> LeasedMessages {
    let lapse = Lapse { now_ms: at_ms, held_until_ms: at_ms + 100 };
    let request = LeaseRequest { queue: "q".to_owned(), due_ms: at_ms, lapse, messages_max, bytes_max: 1 << 20 };
    store.queues.lease(request).await.unwrap()
}

fn is_conflict(outcome: &Result<u64, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_leases_another_does_not_get() {
    let servers = Servers::new(3);
    for number in 0..90 {
        enqueue(&servers.stores[0], number).await;
    }
    let takers = servers.stores.iter().cycle().take(9).cloned().map(|store| {
        tokio::spawn(async move {
            let mut taken: Vec<Uuid> = Vec::new();
            // Rows that another one is looking at are passed over, so that nothing may come although something is due.
            loop {
                let given = lease(&store, 0, 4).await;
                taken.extend(given.leased.iter().map(|leased| leased.message.id));
                if given.next_due_ms.is_none() {
                    return taken;
                }
            }
        })
    });
    let takers: Vec<_> = takers.collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap());
    }
    assert_eq!(all.len(), 90);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_lease_has_lapsed_cannot_change_what_another_has() {
    let servers = Servers::new(2);
    let [one, other] = &servers.stores[..] else { panic!() };
    enqueue(one, 1).await;
    let old = lease(one, 0, 1).await.leased[0].lease;
    assert!(lease(other, 99, 1).await.leased.is_empty());
    let new = lease(other, 100, 1).await.leased[0].lease;
    assert!(new.epoch > old.epoch);
    let commit = |store: &Store, change| {
        let metadata = Arc::clone(&store.metadata);
        async move { metadata.commit(Batch::default().message(change).put("k", Precondition::None, "v")).await }
    };
    assert!(is_conflict(&commit(one, MessageChange::Complete(old)).await));
    let delay = MessageChange::Delay { lease: old, due_ms: 7, head: Bytes::new() };
    assert!(is_conflict(&commit(one, delay).await));
    let lapse = Lapse { now_ms: 110, held_until_ms: 900 };
    assert_eq!(one.queues.renew(vec![old], lapse).await.unwrap(), [old]);
    assert_eq!(one.metadata.get("k").await.unwrap(), None, "nothing else of the batch was written");
    assert!(lease(one, 199, 1).await.leased.is_empty());
    let newer = lease(other, 200, 1).await.leased[0].lease;
    assert!(newer.epoch > new.epoch, "nobody but the holder made it hold for longer");
    assert_eq!(other.queues.renew(vec![newer], lapse).await.unwrap(), []);
    assert!(lease(one, 899, 1).await.leased.is_empty());
    assert!(is_conflict(&commit(other, MessageChange::Complete(new)).await));
    commit(other, MessageChange::Complete(newer)).await.unwrap();
    // One that is put in anew is another one: no lease of the old one fits.
    enqueue(one, 1).await;
    let newest = lease(one, 2_000, 1).await.leased[0].lease;
    assert!(newest.epoch > newer.epoch);
    assert!(is_conflict(&commit(other, MessageChange::Complete(newer)).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions_hold_between_servers() {
    let servers = Servers::new(3);
    servers.stores[0].metadata.commit(Batch::default().put("n", Precondition::Absent, "0")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for store in servers.stores.iter().cycle().take(6).cloned() {
        tasks.spawn(async move {
            let (mut done, mut refused) = (0, 0);
            while done < 20 {
                let record = store.metadata.get("n").await.unwrap().unwrap();
                let next = std::str::from_utf8(&record.value).unwrap().parse::<u32>().unwrap() + 1;
                let batch = Batch::default().put("n", Precondition::Revision(record.revision), next.to_string());
                match store.metadata.commit(batch).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict { .. }) => refused += 1,
                    Err(error) => panic!("{}", text(&error)),
                }
            }
            refused
        });
    }
    let refused: u32 = tasks.join_all().await.into_iter().sum();
    assert!(refused > 0, "they did not even meet");
    assert_eq!(&servers.stores[1].metadata.get("n").await.unwrap().unwrap().value[..], b"120");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_what_the_others_write_and_delete() {
    let servers = Servers::new(2);
    let [one, other] = &servers.stores[..] else { panic!() };
    let mut watch = other.metadata.watch("f/");
    let mut own = one.metadata.watch("f/");
    for index in 0..20 {
        let batch = Batch::default()
            .put(format!("f/{index}"), Precondition::None, "")
            .put(format!("g/{index}"), Precondition::None, "")
            .delete(format!("f/{}", index - 1), Precondition::None);
        one.metadata.commit(batch).await.unwrap();
    }
    other.metadata.commit(Batch::default().put("f/end", Precondition::None, "")).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 22 {
        seen.extend(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap());
    }
    for index in 0..20 {
        let keys = tokio::time::timeout(PATIENCE, own.changed()).await.unwrap().unwrap();
        assert_eq!(keys, [format!("f/{index}"), format!("f/{}", index - 1)], "its own come once, and in order");
    }
    assert_eq!(tokio::time::timeout(PATIENCE, own.changed()).await.unwrap().unwrap(), ["f/end"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_behind_what_was_trimmed_lists_again() {
    let servers = Servers::new(2);
    let mut watch = servers.stores[1].metadata.watch("");
    // As if ten thousand commits had come between two looks.
    servers.sql("UPDATE counter SET revision = 20000, trimmed = 10000");
    assert_eq!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap(), None);
    let batch = || Batch::default().put("a", Precondition::None, "");
    servers.stores[0].metadata.commit(batch()).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap(), ["a"]);
    servers.sql("UPDATE counter SET revision = 21999");
    servers.stores[0].metadata.commit(batch()).await.unwrap();
    assert_eq!(servers.sql("SELECT count(*) FROM changes"), ["2"]);
    assert_eq!(servers.sql("SELECT trimmed FROM counter"), ["12000"]);
    servers.sql("UPDATE counter SET revision = 30999");
    servers.stores[0].metadata.commit(batch()).await.unwrap();
    assert_eq!(servers.sql("SELECT revision FROM changes ORDER BY 1"), ["22000", "31000"], "the oldest is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_row_is_named_and_the_others_are_served() {
    let servers = Servers::new(1);
    let store = &servers.stores[0];
    let append = tindra_store::JournalChange::Append { journal: "j".into(), at: 0, records: vec!["x".into()] };
    let batch = Batch::default().put("a", Precondition::None, "1").put("b", Precondition::None, "2").journal(append);
    store.metadata.commit(batch).await.unwrap();
    for number in 1..=3 {
        enqueue(store, number).await;
    }
    servers.sql("UPDATE records SET value = 'x' WHERE key = 'a'; UPDATE journal_records SET value = 'y'");
    servers.sql(&format!("UPDATE messages SET body = 'z' WHERE id = '{}'", Uuid::from_u128(1)));
    servers.sql(&format!("UPDATE messages SET head = 'z' WHERE id = '{}'", Uuid::from_u128(2)));
    let error = text(&store.metadata.get("a").await.unwrap_err());
    assert!(error.contains("record a") && error.contains("checksum") && error.contains("backup"), "{error}");
    assert!(store.metadata.get("b").await.unwrap().is_some());
    let error = text(&store.journals.read("j", 0, 9, usize::MAX).await.unwrap_err());
    assert!(error.contains("record 0 of the journal j") && error.contains("checksum"), "{error}");
    for at_ms in [0, 1_000_000] {
        let given = lease(store, at_ms, 9).await;
        assert_eq!(given.leased.iter().map(|one| one.message.id.as_u128()).collect::<Vec<_>>(), [3]);
        assert_eq!(given.next_due_ms, None);
    }
    assert_eq!(store.queues.queues("", None, 9).await.unwrap()[0].messages, 3, "they stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_database_refuses_does_not_harm_its_neighbours() {
    let servers = Servers::new(1);
    // No index takes a key of random letters as long as this.
    let long: String = (0..400).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let commits = (0..20).map(|number| {
        let key = if number == 7 { long.clone() } else { format!("k{number}") };
        let metadata = Arc::clone(&servers.stores[0].metadata);
        tokio::spawn(async move { metadata.commit(Batch::default().put(key, Precondition::Absent, "v")).await })
    });
    let commits: Vec<_> = commits.collect();
    for (number, commit) in commits.into_iter().enumerate() {
        match commit.await.unwrap() {
            Ok(_) => assert_ne!(number, 7),
            Err(error) => {
                assert_eq!(number, 7, "{}", text(&error));
                assert!(text(&error).contains("a key must be shorter"), "{}", text(&error));
            }
        }
    }
    assert_eq!(servers.stores[0].metadata.list("k", None, 99).await.unwrap().len(), 19);
}

#[test]
fn a_newer_schema_is_refused_with_what_to_do() {
    let servers = Servers::new(1);
    servers.sql("UPDATE schema_version SET version = 99");
    let directory = tempfile::tempdir().unwrap();
    let error = text(&try_open(&servers.url, directory.path(), Durability::Off).unwrap_err());
    assert!(error.contains("newer tindra") && error.contains("schema 99"), "{error}");
}

#[test]
fn one_that_loses_what_it_acknowledged_is_refused() {
    let servers = Servers::new(1);
    let directory = tempfile::tempdir().unwrap();
    let error = text(&try_open(&servers.url, directory.path(), Durability::Full).unwrap_err());
    assert!(error.contains("fsync = off") && error.contains("set it to on"), "{error}");
}

#[test]
fn a_directory_belongs_to_one_process() {
    let servers = Servers::new(1);
    let error = text(&try_open(&servers.url, servers.directories[0].path(), Durability::Off).unwrap_err());
    assert!(error.contains("in use by process"), "{error}");
}
