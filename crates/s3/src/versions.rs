//! ListObjectVersions: the latest version of each key, and the older ones after it.

use s3s::dto::{
    DeleteMarkerEntry, ETag, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
    ObjectVersionStorageClass,
};
use s3s::{S3Response, S3Result};

use crate::buckets::owner;
use crate::checksums::kind;
use crate::conditions::modified;
use crate::gets::signed;
use crate::keys;
use crate::listing::{Names, Walk, limit};
use crate::record::{Bucket, Version, Versioning};
use crate::service::S3Service;
use crate::visitor::Asking;

/// A version as it is listed.
struct Listed {
    version: Version,
    is_latest: bool,
}

/// Versions that were found.
#[derive(Default)]
struct Found {
    listed: Vec<Listed>,
    prefixes: Vec<String>,
    /// The key and id of what comes last in this answer, if there is more.
    next: Option<(String, Option<String>)>,
}

impl S3Service {
    pub(crate) async fn list_versions(
        &self,
        asking: &Asking,
        input: ListObjectVersionsInput,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let count_max = limit(input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let root = keys::objects(bucket.id);
        let walk = Walk { root: &root, prefix: &prefix, delimiter: input.delimiter.as_deref(), count_max };
        let found = self.versions(&bucket, walk, &input).await?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for Listed { version, is_latest } in found.listed {
            let key = Some(names.written(&version.key));
            let (version_id, owner) = (Some(version.id_text().to_owned()), Some(owner(&bucket.scope.account)));
            let (last_modified, is_latest) = (Some(modified(&version)), Some(is_latest));
            if version.is_marker {
                markers.push(DeleteMarkerEntry { key, version_id, owner, last_modified, is_latest });
                continue;
            }
            let class = version.about.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
            versions.push(ObjectVersion {
                key,
                version_id,
                owner,
                last_modified,
                is_latest,
                size: Some(signed(version.size)),
                e_tag: Some(ETag::Strong(version.etag)),
                storage_class: Some(ObjectVersionStorageClass::from(class)),
                checksum_algorithm: version.sum.as_ref().map(|sum| vec![sum.algorithm.dto()]),
                checksum_type: version.sum.as_ref().map(|sum| kind(sum.is_composite)),
                ..ObjectVersion::default()
            });
        }
        let is_truncated = found.next.is_some();
        let (next_key, next_id) = found.next.unzip();
        Ok(S3Response::new(ListObjectVersionsOutput {
            versions: Some(versions),
            delete_markers: Some(markers),
            common_prefixes: names.prefixes(&found.prefixes),
            is_truncated: Some(is_truncated),
            next_key_marker: next_key.map(|key| names.written(&key)),
            next_version_id_marker: next_id.flatten(),
            name: Some(bucket.name),
            prefix: Some(names.written(&prefix)),
            key_marker: Some(input.key_marker.map(|marker| names.written(&marker)).unwrap_or_default()),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            max_keys: i32::try_from(count_max).ok(),
            delimiter: input.delimiter.map(|delimiter| names.written(&delimiter)),
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        }))
    }

    async fn versions(&self, bucket: &Bucket, walk: Walk<'_>, input: &ListObjectVersionsInput) -> S3Result<Found> {
        let count_max = walk.count_max;
        let mut found = Found::default();
        let marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
        if let (Some(key), Some(id)) = (&marker, input.version_id_marker.as_deref().filter(|id| !id.is_empty())) {
            // What is left of the key in the middle of which the last answer ended.
            let all = self.versions_of(bucket, key).await?;
            let rest = all.into_iter().skip_while(|listed| !listed.version.has_id(id)).skip(1);
            found.listed.extend(rest);
        }
        // One key has at least one version, so this is enough, and what is too much is cut off below.
        let latest = walk.records::<Version>(self, marker, |version| &version.key).await?;
        let mut ended = latest.next.map(|last| (last, None));
        for version in latest.items {
            if found.listed.len() > count_max {
                ended = None;
                break;
            }
            if bucket.versioning == Versioning::Off {
                found.listed.push(Listed { version, is_latest: true });
            } else {
                found.listed.extend(self.versions_of(bucket, &version.key).await?);
            }
        }
        found.prefixes = latest.prefixes;
        let room = count_max.saturating_sub(found.prefixes.len());
        if found.listed.len() > room {
            found.listed.truncate(room);
            let last = found.listed.last().map(|last| &last.version);
            // Prefixes after that key come again.
            if let Some(last) = last {
                found.prefixes.retain(|prefix| *prefix < last.key);
            }
            ended = last.map(|last| (last.key.clone(), Some(last.id_text().to_owned())));
        }
        found.next = ended;
        Ok(found)
    }

    /// All versions of a key, the latest first.
    async fn versions_of(&self, bucket: &Bucket, key: &str) -> S3Result<Vec<Listed>> {
        let latest = self.get::<Version>(&keys::object(bucket.id, key)).await?;
        let older = self.all::<Version>(&keys::versions_of(bucket.id, key)).await?;
        let latest = latest.map(|latest| Listed { version: latest.value, is_latest: true });
        let older = older.into_iter().map(|older| Listed { version: older.value, is_latest: false });
        Ok(latest.into_iter().chain(older).collect())
    }
}
