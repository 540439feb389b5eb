//! Preparation over a real store: what becomes of unsettled functions.

use std::io::Write;
use std::path::PathBuf;

use bytes::Bytes;
use tindra_core::clock::SystemClock;
use tindra_core::function::{Code, Scope, State, UpdateStatus, Version};
use tindra_core::report::Status;
use tindra_store::{BoxFuture, StoreOptions};

use super::*;
use crate::snapshots::{self, Snapshots};

struct World {
    directory: PathBuf,
    store: Store,
    packs: Arc<Packs>,
    code: Arc<CodeCache>,
}

/// Makes no snapshots: every environment goes through an init phase of its own.
#[derive(Debug)]
struct NoSnapshots;

impl Snapshots for NoSnapshots {
    fn make<'a>(&'a self, _function: &'a Function) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[derive(Debug)]
struct Nobody;

impl Prepared for Nobody {
    fn expect(&self, _: &Configuration, _: &Path, _: Option<&Path>) {}
}

impl World {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("tindra-preparation-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        let clock = Arc::new(SystemClock::new());
        let store = Store::open_sqlite(&directory.join("store"), StoreOptions::default(), clock).expect("a store");
        let packs = Arc::new(Packs::open(directory.join("packs")).expect("packs"));
        let code = CodeCache::open(directory.join("code"), Arc::clone(&store.blobs)).expect("a cache");
        Self { directory, store, packs, code: Arc::new(code) }
    }

    fn start(&self) -> Preparation {
        self.start_with(Arc::new(NoSnapshots))
    }

    fn start_with(&self, snapshots: Arc<dyn Snapshots>) -> Preparation {
        let (store, packs, code) = (self.store.clone(), Arc::clone(&self.packs), Arc::clone(&self.code));
        Preparation::start(store, packs, code, Arc::new(Nobody), snapshots)
    }

    async fn create(&self, name: &str, runtime: &str, zip: &Bytes) -> Function {
        self.create_version(name, Version::Latest, runtime, zip).await
    }

    /// A version of a function that begins from a snapshot.
    async fn create_version(&self, name: &str, version: Version, runtime: &str, zip: &Bytes) -> Function {
        let sha256 = self.store.blobs.put(zip.clone()).await.expect("stored");
        let scope = Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let mut function = tindra_testkit::active_function(&scope, name);
        function.state = State::Pending;
        function.update_status = UpdateStatus::InProgress;
        function.serving = None;
        function.desired.code = Code { sha256, size_bytes: zip.len() as u64, unzipped_bytes: 0 };
        function.desired.configuration.runtime = runtime.to_owned();
        function.desired.configuration.snapshots_versions = version != Version::Latest;
        function.version = version;
        let key = function.record_key();
        let value = serde_json::to_vec(&function).expect("JSON");
        let batch = Batch::default().put(key, Precondition::Absent, value);
        self.store.metadata.commit(batch).await.expect("committed");
        function
    }

    /// Waits until a function is settled.
    async fn settled(&self, function: &Function) -> Function {
        let key = function.record_key();
        let wait = async {
            let mut watch = self.store.metadata.watch(&key);
            loop {
                let record = self.store.metadata.get(&key).await.expect("readable").expect("there");
                let function = parse(&record).expect("a function");
                if !function.is_unsettled() {
                    return function;
                }
                watch.changed().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("settled in time")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn zip_with_bootstrap() -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("bootstrap", options).expect("in memory");
    writer.write_all(b"#!/bin/sh\n").expect("in memory");
    Bytes::from(writer.finish().expect("in memory").into_inner())
}

#[tokio::test]
async fn functions_become_active_or_fail_with_a_reason() {
    let world = World::new("outcomes");
    // Written before the start: as after a kill.
    let early = world.create("early", "provided.al2023", &zip_with_bootstrap()).await;
    let _preparation = world.start();
    let early = world.settled(&early).await;
    assert_eq!((early.state, early.update_status), (State::Active, UpdateStatus::Successful));
    assert_eq!(early.serving, Some(early.desired.clone()));

    let late = world.create("late", "provided.al2", &zip_with_bootstrap()).await;
    assert_eq!(world.settled(&late).await.state, State::Active);

    let missing = world.create("missing", "python3.99", &zip_with_bootstrap()).await;
    let missing = world.settled(&missing).await;
    assert_eq!(missing.state, State::Failed);
    let reason = missing.state_reason.expect("a reason");
    assert_eq!(reason.code, "InvalidRuntime");
    assert!(reason.message.contains("tindra runtime install python3.99 --from-host PATH"), "{}", reason.message);

    let broken = world.create("broken", "provided.al2023", &Bytes::from_static(b"this is no zip file, is it?")).await;
    let broken = world.settled(&broken).await;
    assert_eq!(broken.state_reason.expect("a reason").code, "InvalidZipFileException");
}

/// Makes snapshots when it is told to; that of version 2 fails.
#[derive(Debug)]
struct Told {
    go: Semaphore,
    asked: Semaphore,
}

impl Snapshots for Told {
    fn make<'a>(&'a self, function: &'a Function) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async {
            self.asked.add_permits(1);
            self.go.acquire().await.expect("open").forget();
            match function.version {
                Version::Published(2) => Err(snapshots::failed(&Status::Error("Runtime.ExitError".to_owned()))),
                _ => Ok(()),
            }
        })
    }
}

#[tokio::test]
async fn a_version_waits_for_its_snapshot_and_keeps_no_other_function_waiting() {
    let world = World::new("snapshots");
    let told = Arc::new(Told { go: Semaphore::new(0), asked: Semaphore::new(0) });
    let _preparation = world.start_with(Arc::clone(&told) as Arc<dyn Snapshots>);
    let mut versions = Vec::new();
    for number in 1..=2 {
        let version = Version::Published(number);
        versions.push(world.create_version("thing", version, "provided.al2023", &zip_with_bootstrap()).await);
    }
    let asked = tokio::time::timeout(Duration::from_secs(60), told.asked.acquire_many(2)).await;
    asked.expect("asked in time").expect("open").forget();
    for version in &versions {
        let record = world.store.metadata.get(&version.record_key()).await.expect("readable").expect("there");
        assert_eq!(parse(&record).expect("a function").state, State::Pending);
    }
    let other = world.create("other", "provided.al2023", &zip_with_bootstrap()).await;
    assert_eq!(world.settled(&other).await.state, State::Active);

    told.go.add_permits(2);
    assert_eq!(world.settled(&versions[0]).await.state, State::Active);
    let failed = world.settled(&versions[1]).await;
    assert_eq!(failed.state, State::Failed);
    let reason = failed.state_reason.expect("a reason");
    assert_eq!(reason.code, "FunctionError");
    assert!(reason.message.ends_with("initialization errors. (Runtime.ExitError)"), "{}", reason.message);
}
