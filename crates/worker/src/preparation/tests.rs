//! Preparation over a real store: what becomes of unsettled functions.

use std::io::Write;
use std::path::PathBuf;

use bytes::Bytes;
use tindra_core::clock::SystemClock;
use tindra_core::function::{Scope, State, UpdateStatus};
use tindra_store::StoreOptions;

use super::*;

struct World {
    directory: PathBuf,
    store: Store,
    packs: Arc<Packs>,
    code: Arc<CodeCache>,
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
        Preparation::start(self.store.clone(), Arc::clone(&self.packs), Arc::clone(&self.code), Arc::new(Nobody))
    }

    async fn create(&self, name: &str, runtime: &str, zip: &Bytes) -> Function {
        let sha256 = self.store.blobs.put(zip.clone()).await.expect("stored");
        let scope = Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let mut function = tindra_testkit::active_function(&scope, name);
        function.state = State::Pending;
        function.update_status = UpdateStatus::InProgress;
        function.serving = None;
        function.desired.code = Code { sha256, size_bytes: zip.len() as u64, unzipped_bytes: 0 };
        function.desired.configuration.runtime = runtime.to_owned();
        let key = Function::key(&function.scope, name);
        let value = serde_json::to_vec(&function).expect("JSON");
        let batch = Batch::default().put(key, Precondition::Absent, value);
        self.store.metadata.commit(batch).await.expect("committed");
        function
    }

    /// Waits until a function is settled.
    async fn settled(&self, function: &Function) -> Function {
        let key = Function::key(&function.scope, &function.name);
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
