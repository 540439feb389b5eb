//! The cache over a blob store in memory.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tindra_store::{BlobId, BoxFuture};

use super::*;

/// Blobs that count how often they are read.
#[derive(Debug, Default)]
struct Memory {
    blobs: HashMap<String, Bytes>,
    reads: AtomicUsize,
}

impl Blobs for Memory {
    fn put(&self, _bytes: Bytes) -> BoxFuture<'_, Result<BlobId, StoreError>> {
        Box::pin(async { Ok(String::new()) })
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(self.blobs.get(id).cloned()) })
    }

    fn delete<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<BlobId>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn code(letter: char) -> Code {
    Code { sha256: letter.to_string().repeat(64), size_bytes: 1, unzipped_bytes: 1 }
}

fn zip() -> Bytes {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("lib/app.py", options.unix_permissions(0o600)).expect("in memory");
    writer.write_all(b"x = 1\n").expect("in memory");
    writer.start_file("bootstrap", options.unix_permissions(0o700)).expect("in memory");
    Bytes::from(writer.finish().expect("in memory").into_inner())
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("tindra-code-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    directory
}

#[tokio::test]
async fn code_is_unpacked_once_and_readable_by_any_uid() {
    let directory = scratch("once");
    let blobs = Arc::new(Memory { blobs: HashMap::from([(code('a').sha256, zip())]), ..Memory::default() });
    let cache = CodeCache::open(directory.clone(), blobs.clone()).expect("a directory");
    assert_eq!(cache.get(&code('a')), None);
    let wanted = code('a');
    let (one, other) = tokio::join!(cache.ensure(&wanted), cache.ensure(&wanted));
    let path = one.expect("unpacked");
    assert_eq!(other.expect("unpacked"), path);
    assert_eq!(cache.get(&wanted), Some(path.clone()));
    assert_eq!(blobs.reads.load(Ordering::Relaxed), 1);
    for (inside, mode) in [("", 0o755), ("lib", 0o755), ("lib/app.py", 0o644), ("bootstrap", 0o755)] {
        assert_eq!(disk::mode(&path.join(inside)), mode, "{inside}");
    }
    drop(cache);
    fs::create_dir_all(directory.join(".temporary-half")).expect("a leftover");
    let again = CodeCache::open(directory.clone(), blobs).expect("the same directory");
    assert_eq!(again.get(&wanted), Some(path));
    assert!(!directory.join(".temporary-half").exists());
    let _ = fs::remove_dir_all(directory);
}

#[tokio::test]
async fn missing_and_broken_packages_leave_nothing() {
    let directory = scratch("broken");
    let blobs = HashMap::from([(code('b').sha256, Bytes::from_static(b"no zip at all, however long it may be"))]);
    let blobs = Arc::new(Memory { blobs, ..Memory::default() });
    let cache = CodeCache::open(directory.clone(), blobs).expect("a directory");
    assert!(matches!(cache.ensure(&code('a')).await, Err(CodeError::Missing { .. })));
    assert!(matches!(cache.ensure(&code('b')).await, Err(CodeError::Package(_))));
    let left = fs::read_dir(&directory).expect("there").flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left, 0);
    let _ = fs::remove_dir_all(directory);
}

#[tokio::test]
async fn the_sweep_keeps_what_is_needed() {
    let directory = scratch("sweep");
    let blobs = ['a', 'b', 'c'].map(|letter| (code(letter).sha256, zip()));
    let blobs = Arc::new(Memory { blobs: HashMap::from(blobs), ..Memory::default() });
    let cache = Arc::new(CodeCache::open(directory.clone(), blobs).expect("a directory"));
    for letter in ['a', 'b', 'c'] {
        cache.ensure(&code(letter)).await.expect("unpacked");
    }
    let needed = HashSet::from([code('a').sha256]);
    cache.sweep_to(needed.clone(), 0, GRACE).await;
    assert!(cache.get(&code('b')).is_some(), "an environment may still use it");
    // Six bytes are one tree: the one used last stays.
    cache.sweep_to(needed, 6, Duration::ZERO).await;
    assert!(cache.get(&code('a')).is_some());
    assert!(cache.get(&code('c')).is_none() && !directory.join(code('c').sha256).exists(), "used before b");
    assert!(cache.get(&code('b')).is_some());
    let _ = fs::remove_dir_all(directory);
}

#[tokio::test]
async fn a_merged_tree_that_was_given_up_before_it_was_known_is_taken_up() {
    let directory = scratch("layers");
    let blobs = HashMap::from([(code('a').sha256, zip()), (code('b').sha256, zip())]);
    let cache =
        CodeCache::open(directory.clone(), Arc::new(Memory { blobs, ..Memory::default() })).expect("a directory");
    let layer = |letter| LayerReference { arn: String::from(letter), code: code(letter) };
    let layers = [layer('a'), layer('b')];
    let path = cache.ensure_layers(&layers).await.expect("merged").expect("a tree");
    assert!(path.join("lib/app.py").is_file());
    cache.trees().remove(&merged_name(&layers));
    assert_eq!(cache.ensure_layers(&layers).await.expect("found"), Some(path));
    assert_ne!(merged_name(&layers), merged_name(&[layer('b'), layer('a')]), "the order counts");
    assert!(lock(&cache.unpacking).is_empty());
    drop(cache);
    fs::remove_dir_all(directory).expect("removed");
}
