//! Where the records of S3 lie in the store.
//!
//! `s3/b/NAME` is a bucket; names are global, so no account is in it. Everything of a bucket lies under its id, so that a bucket
//! that is made anew under an old name begins empty: `s3/o/ID/KEY` is the latest version of a key, `s3/v/ID/KEY␁SEQUENCE` an older
//! one, newest first, and `s3/u/ID/KEY␁UPLOAD` an upload in parts. `s3/p/UPLOAD/NUMBER` is a part, `s3/m/CONTENT` the list of
//! the files of an object that was put in parts.

use uuid::Uuid;

/// Lies between a key and what tells versions of it apart: it sorts before whatever a longer key goes on with.
pub(crate) const SEPARATOR: char = '\u{1}';

pub(crate) const BUCKETS: &str = "s3/b/";
pub(crate) const OBJECTS: &str = "s3/o/";
pub(crate) const VERSIONS: &str = "s3/v/";
pub(crate) const PARTS: &str = "s3/p/";
pub(crate) const MANIFESTS: &str = "s3/m/";

pub(crate) fn bucket(name: &str) -> String {
    format!("{BUCKETS}{name}")
}

pub(crate) fn objects(bucket: Uuid) -> String {
    format!("{OBJECTS}{}/", bucket.simple())
}

pub(crate) fn object(bucket: Uuid, key: &str) -> String {
    format!("{}{key}", objects(bucket))
}

pub(crate) fn versions(bucket: Uuid) -> String {
    format!("{VERSIONS}{}/", bucket.simple())
}

/// Under which all older versions of one key lie.
pub(crate) fn versions_of(bucket: Uuid, key: &str) -> String {
    format!("{}{key}{SEPARATOR}", versions(bucket))
}

pub(crate) fn version(bucket: Uuid, key: &str, sequence: u64) -> String {
    format!("{}{:016x}", versions_of(bucket, key), u64::MAX - sequence)
}

pub(crate) fn uploads(bucket: Uuid) -> String {
    format!("s3/u/{}/", bucket.simple())
}

pub(crate) fn upload(bucket: Uuid, key: &str, upload: Uuid) -> String {
    format!("{}{key}{SEPARATOR}{}", uploads(bucket), upload.simple())
}

pub(crate) fn parts(upload: Uuid) -> String {
    format!("{PARTS}{}/", upload.simple())
}

pub(crate) fn part(upload: Uuid, number: i32) -> String {
    format!("{}{number:05}", parts(upload))
}

pub(crate) fn manifest(content: Uuid) -> String {
    format!("{MANIFESTS}{}", content.simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first_and_longer_keys_after() {
        let bucket = Uuid::nil();
        let mut keys =
            [version(bucket, "a", 1), version(bucket, "a!", 9), version(bucket, "a", 2), version(bucket, "a/b", 3)];
        keys.sort();
        assert_eq!(
            keys,
            [version(bucket, "a", 2), version(bucket, "a", 1), version(bucket, "a!", 9), version(bucket, "a/b", 3)]
        );
    }
}
