//! What the store of SQLite and files does when the disk is not as it left it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tindra_core::clock::SystemClock;
use tindra_store::{Batch, LogEvent, Precondition, Store, StoreError, StoreOptions};

fn try_open(directory: &Path) -> Result<Store, StoreError> {
    Store::open_sqlite(directory, StoreOptions::default(), Arc::new(SystemClock::new()))
}

fn open(directory: &Path) -> Store {
    try_open(directory).unwrap()
}

fn text(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn lines(count: u64) -> Vec<LogEvent> {
    (0..count).map(|n| LogEvent { timestamp_ms: n, ingestion_ms: n, message: format!("line {n}") }).collect()
}

#[tokio::test]
async fn a_second_process_is_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let error = text(&try_open(directory.path()).unwrap_err());
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert!(error.contains("--data") && !error.contains('\n'), "{error}");
    drop(store);
    open(directory.path());
}

#[tokio::test]
async fn a_flipped_bit_in_a_blob_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bytes = Bytes::from_static(b"some code");
    let id = store.blobs.put(bytes.clone()).await.unwrap();
    let path = directory.path().join("blobs").join(&id[..2]).join(&id);
    let mut content = fs::read(&path).unwrap();
    content[3] ^= 1;
    fs::write(&path, content).unwrap();
    let error = text(&store.blobs.get(&id).await.unwrap_err());
    assert!(error.contains(&id), "{error}");
    assert_eq!(store.blobs.put(bytes.clone()).await.unwrap(), id, "storing it again heals it");
    assert_eq!(store.blobs.get(&id).await.unwrap(), Some(bytes));
}

#[tokio::test]
async fn unfinished_blobs_are_swept() {
    let directory = tempfile::tempdir().unwrap();
    let leftover = directory.path().join("blobs/unfinished/0f");
    drop(open(directory.path()));
    fs::write(&leftover, "half").unwrap();
    let store = open(directory.path());
    assert!(!leftover.exists());
    assert!(store.blobs.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_torn_log_tail_is_cut_and_written_on() {
    for torn in [1, 7, 20] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        store.logs.append("s", "g", "t", lines(10)).await.unwrap();
        drop(store);
        let segment =
            files(&directory.path().join("logs")).into_iter().find(|path| !path.ends_with("group.json")).unwrap();
        let content = fs::read(&segment).unwrap();
        fs::write(&segment, &content[..content.len() - torn]).unwrap();
        let store = open(directory.path());
        assert_eq!(store.logs.end("s", "g", "t").await.unwrap(), Some(9));
        store.logs.append("s", "g", "t", lines(1)).await.unwrap();
        let (_, events) = store.logs.read("s", "g", "t", 0, 100).await.unwrap().unwrap();
        assert_eq!(events, [lines(9), lines(1)].concat());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let database = rusqlite::Connection::open(directory.path().join("metadata.sqlite")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let error = text(&try_open(directory.path()).unwrap_err());
    assert!(error.contains("newer tindra") && error.contains("schema 99"), "{error}");
}

#[tokio::test]
async fn a_changed_record_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store
        .metadata
        .commit(Batch::default().put("a", Precondition::None, "1").put("b", Precondition::None, "2"))
        .await
        .unwrap();
    drop(store);
    let database = rusqlite::Connection::open(directory.path().join("metadata.sqlite")).unwrap();
    database.execute("UPDATE records SET value = x'33' WHERE key = 'a'", []).unwrap();
    drop(database);
    let store = open(directory.path());
    let error = text(&store.metadata.get("a").await.unwrap_err());
    assert!(error.contains("record a") && error.contains("checksum"), "{error}");
    assert!(store.metadata.get("b").await.unwrap().is_some(), "the others are served");
}

#[tokio::test]
async fn a_damaged_database_is_refused_after_an_unclean_stop() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut batch = Batch::default();
    for index in 0..2_000 {
        batch = batch.put(format!("key/{index}"), Precondition::None, "x".repeat(100));
    }
    store.metadata.commit(batch).await.unwrap();
    drop(store);
    let path = directory.path().join("metadata.sqlite");
    let mut content = fs::read(&path).unwrap();
    for page in (8_192..content.len() - 4_096).step_by(4_096) {
        content[page..page + 64].fill(0xEE);
    }
    fs::write(&path, content).unwrap();
    fs::write(directory.path().join("lock"), "process 1\n").unwrap();
    let error = text(&try_open(directory.path()).unwrap_err());
    assert!(error.contains("backup") || error.contains("malformed"), "{error}");
}

#[tokio::test]
async fn the_disk_as_a_kill_leaves_it_has_every_answered_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for index in 0..20 {
        store.metadata.commit(Batch::default().put(format!("k{index}"), Precondition::Absent, "v")).await.unwrap();
        store.logs.append("s", "g", "t", lines(1)).await.unwrap();
    }
    // What is on the disk now, with the store still open, is what a killed process leaves.
    let copy = tempfile::tempdir().unwrap();
    for path in files(directory.path()) {
        let target = copy.path().join(path.strip_prefix(directory.path()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
    let store = open(copy.path());
    assert_eq!(store.metadata.list("k", None, 100).await.unwrap().len(), 20);
    assert_eq!(store.logs.end("s", "g", "t").await.unwrap(), Some(20));
}
