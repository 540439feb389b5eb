//! PutObject, and what all that make a new version have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::dto::{ETag, PutObjectInput, PutObjectOutput, ServerSideEncryption, StreamingBlob};
use s3s::{S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use tindra_store::Versioned;

use crate::changes::{Change, Committed, Tries, unchanged};
use crate::checksums::{Algorithm, Digested, hex, kind, take_sums, tell_sum};
use crate::conditions::WriteConditions;
use crate::failure;
use crate::files::Draft;
use crate::intake::{self, Taken};
use crate::keys;
use crate::notifications::Happening;
use crate::record::{About, Bucket, Content, Sum, Version, Versioning};
use crate::service::S3Service;
use crate::tagging;
use crate::visitor::Asking;

/// An object or a part that comes in one request (AWS).
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;
/// Names and values of a user's metadata together (AWS).
const METADATA_BYTES_MAX: usize = 2 << 10;

/// What is to become the latest version of a key.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) sum: Option<Sum>,
    pub(crate) about: About,
    pub(crate) content: Content,
    /// For example `ObjectCreated:Put`.
    pub(crate) event: &'static str,
}

/// What the sender says that the bytes are.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) md5: Option<String>,
    pub(crate) sums: [Option<String>; 5],
    pub(crate) algorithm: Option<String>,
}

impl Claims {
    /// The checksum to compute, and the value that it is to have if that came ahead of the bytes.
    pub(crate) fn algorithm(&self, headers: &HeaderMap) -> S3Result<(Option<Algorithm>, Option<&str>)> {
        let mut given = Algorithm::ALL.into_iter().zip(&self.sums);
        let mut given = given.by_ref().filter_map(|(algorithm, sum)| Some((algorithm, sum.as_deref()?)));
        let first = given.next();
        if given.next().is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        if let Some((algorithm, value)) = first {
            if !algorithm.is_value(value) {
                return Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", algorithm.header()));
            }
            return Ok((Some(algorithm), Some(value)));
        }
        let trailer = headers.get("x-amz-trailer").and_then(|trailer| trailer.to_str().ok());
        let in_trailer =
            trailer.and_then(|name| Algorithm::ALL.into_iter().find(|known| known.header() == name.trim()));
        let named = || {
            match self.algorithm.as_deref() {
            None => Ok(None),
            Some(name) => Algorithm::of_name(name).map(Some).ok_or_else(|| {
                s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
            }),
        }
        };
        Ok((in_trailer.map_or_else(named, |algorithm| Ok(Some(algorithm)))?, None))
    }

    /// Compares with what came.
    pub(crate) fn check(&self, digested: &Digested, trailers: &AfterBody<'_>) -> S3Result<()> {
        if let Some(md5) = &self.md5 {
            let claimed = STANDARD.decode(md5).ok().filter(|bytes| bytes.len() == 16);
            let claimed =
                claimed.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."))?;
            if claimed != digested.md5 {
                return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
            }
        }
        let Sum { algorithm, value, .. } = &digested.sum;
        let header = algorithm.header();
        let ahead = Algorithm::ALL.into_iter().zip(&self.sums).find_map(|(_, sum)| sum.clone());
        match ahead.or_else(|| trailers.get(&header)) {
            Some(claimed) if claimed != *value => {
                let name = algorithm.name();
                Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
            }
            _ => Ok(()),
        }
    }
}

/// Headers that came after a body.
pub(crate) struct AfterBody<'a> {
    pub(crate) verified: Option<&'a TrailingHeaders>,
    pub(crate) asking: &'a Asking,
}

impl AfterBody<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let of = |headers: &HeaderMap| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.verified.and_then(|trailers| trailers.read(of).flatten()).or_else(|| self.asking.trailers.get(name))
    }
}

impl S3Service {
    pub(crate) async fn put_object(
        &self,
        asking: &Asking,
        request: S3Request<PutObjectInput>,
        event: &'static str,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { mut input, headers, trailing_headers, .. } = request;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        check_object_acl(&bucket, input.acl.as_ref().map(|acl| acl.as_str()))?;
        refuse_locks(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
        refuse_keys(input.server_side_encryption.as_ref(), input.sse_customer_algorithm.is_some())?;
        if input.write_offset_bytes.is_some() {
            return Err(failure::not_here("Appending to objects", "put the whole object"));
        }
        let about = about_of_put(&mut input)?;
        let conditions = WriteConditions { matches: input.if_match.take(), none_matches: input.if_none_match.take() };
        if conditions.matches.is_some() || conditions.none_matches.is_some() {
            // Before the bytes, which may be many; and again with the commit.
            let current = self.get::<Version>(&keys::object(bucket.id, &input.key)).await?;
            conditions.check(current.as_ref().map(|current| &current.value))?;
        }
        let claims = Claims {
            md5: input.content_md5.take(),
            sums: take_sums!(input),
            algorithm: input.checksum_algorithm.take().map(|algorithm| algorithm.as_str().to_owned()),
        };
        let after = AfterBody { verified: trailing_headers.as_ref(), asking };
        let taken = self.take(input.body.take(), &claims, &headers, &after, None).await?;
        let fresh = Fresh {
            key: input.key,
            size: taken.size,
            etag: hex(&taken.digested.md5),
            sum: Some(taken.digested.sum),
            about,
            content: taken.draft.as_ref().map_or(Content::Empty, |draft| Content::File(draft.id)),
            event,
        };
        let drafts = taken.draft.into_iter().collect();
        let (version, is_versioned) =
            self.publish(asking, &bucket.name, fresh, &conditions, Change::default(), drafts).await?;
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(version.etag.clone())),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            version_id: is_versioned.then(|| version.id_text().to_owned()),
            ..PutObjectOutput::default()
        };
        if let Some(sum) = &version.sum {
            tell_sum!(output, sum);
            output.checksum_type = Some(kind(sum.is_composite));
        }
        Ok(S3Response::new(output))
    }

    /// Takes a body, which has to be what the sender says.
    pub(crate) async fn take(
        &self,
        body: Option<StreamingBlob>,
        claims: &Claims,
        headers: &HeaderMap,
        after: &AfterBody<'_>,
        algorithm_default: Option<Algorithm>,
    ) -> S3Result<Taken> {
        let (algorithm, _) = claims.algorithm(headers)?;
        let algorithm = algorithm.or(algorithm_default).unwrap_or(Algorithm::Crc64Nvme);
        let taken = match body {
            Some(body) => intake::take(&self.files, body, algorithm, PUT_BYTES_MAX).await?,
            None => intake::take(&self.files, futures_util::stream::empty(), algorithm, PUT_BYTES_MAX).await?,
        };
        claims.check(&taken.digested, after)?;
        Ok(taken)
    }

    /// Makes something the latest version of its key, in one commit with what else is to change and with what is told of it.
    /// Says also whether the bucket has versions.
    pub(crate) async fn publish(
        &self,
        asking: &Asking,
        bucket: &str,
        fresh: Fresh,
        conditions: &WriteConditions,
        base: Change,
        mut drafts: Vec<Draft>,
    ) -> S3Result<(Version, bool)> {
        let Fresh { key, size, etag, sum, about, content, event } = fresh;
        let mut version = Version {
            key,
            id: None,
            sequence: 0,
            modified_ms: self.now_ms(),
            is_marker: false,
            size,
            etag,
            sum,
            about,
            content,
        };
        let mut tries = Tries::default();
        loop {
            let _gate = self.buckets.read().await;
            let bucket = self.bucket(bucket).await?.value;
            let current = self.get::<Version>(&keys::object(bucket.id, &version.key)).await?;
            conditions.check(current.as_ref().map(|current| &current.value))?;
            version.sequence = self.next_sequence(current.as_ref().map(|current| current.value.sequence));
            version.id = new_id(&bucket);
            let mut change = self.supersede(&bucket, &version, current, base.clone()).await?;
            let happening = Happening::of(event, &version);
            change.messages.extend(happening.messages(&bucket, &asking.visitor, version.modified_ms));
            match self.commit(change, std::mem::take(&mut drafts)).await? {
                Committed::Done => return Ok((version, bucket.versioning != Versioning::Off)),
                Committed::Conflict { key, drafts: still } => {
                    let is_of_versions = key.starts_with(keys::OBJECTS) || key.starts_with(keys::VERSIONS);
                    if !is_of_versions {
                        // The upload whose parts these were has ended otherwise.
                        return Err(failure::no_such_upload());
                    }
                    drafts = still;
                }
            }
            tries.again()?;
        }
    }

    /// Puts a version or a marker where the latest version is; that one becomes an older one, or goes.
    pub(crate) async fn supersede(
        &self,
        bucket: &Bucket,
        version: &Version,
        current: Option<Versioned<Version>>,
        change: Change,
    ) -> S3Result<Change> {
        let mut change = change.put(keys::object(bucket.id, &version.key), unchanged(current.as_ref()), version)?;
        let Some(Versioned { value: current, .. }) = current else { return Ok(change) };
        let is_replaced = match bucket.versioning {
            Versioning::Off => true,
            Versioning::Enabled => false,
            Versioning::Suspended => current.id.is_none(),
        };
        if is_replaced {
            return self.forget(change, current.content).await;
        }
        let place = keys::version(bucket.id, &current.key, current.sequence);
        change = change.put(place, tindra_store::Precondition::Absent, &current)?;
        if bucket.versioning == Versioning::Suspended
            && let Some(older) = self.older_null(bucket, &version.key).await?
        {
            change = change.delete(older.key, tindra_store::Precondition::Revision(older.revision));
            change = self.forget(change, older.value.content).await?;
        }
        Ok(change)
    }
}

/// The id of a new version.
pub(crate) fn new_id(bucket: &Bucket) -> Option<String> {
    (bucket.versioning == Versioning::Enabled).then(|| uuid::Uuid::new_v4().simple().to_string())
}

fn about_of_put(input: &mut PutObjectInput) -> S3Result<About> {
    Ok(About {
        content_type: input.content_type.take().map(|value| value.to_string()),
        content_encoding: plain_encoding(input.content_encoding.take()),
        content_disposition: input.content_disposition.take(),
        content_language: input.content_language.take(),
        cache_control: input.cache_control.take(),
        expires_ms: input.expires.as_ref().map(crate::conditions::unix_ms),
        metadata: metadata(input.metadata.take())?,
        tags: tagging::of_header(input.tagging.as_deref())?,
        storage_class: storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?,
    })
}

/// The encoding of the content: chunks were only its way here.
pub(crate) fn plain_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let rest: Vec<&str> =
        encoding.split(',').map(str::trim).filter(|one| *one != "aws-chunked" && !one.is_empty()).collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

pub(crate) fn metadata(given: Option<s3s::dto::Metadata>) -> S3Result<Vec<(String, String)>> {
    let mut metadata: Vec<(String, String)> = given.unwrap_or_default().into_iter().collect();
    metadata.sort();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
    }
    Ok(metadata)
}

/// A class whose objects can be read at once is kept as a label; others would have to be restored first.
pub(crate) fn storage_class(class: Option<&str>) -> S3Result<Option<String>> {
    match class {
        None | Some("STANDARD") => Ok(None),
        Some(class @ ("STANDARD_IA" | "ONEZONE_IA" | "INTELLIGENT_TIERING" | "GLACIER_IR" | "REDUCED_REDUNDANCY")) => {
            Ok(Some(class.to_owned()))
        }
        Some("GLACIER" | "DEEP_ARCHIVE") => {
            Err(failure::not_here("Archiving objects", "use a storage class that can be read at once, as GLACIER_IR"))
        }
        Some(_) => Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid")),
    }
}

/// Lists that give what the owner has anyway are fine; all others are refused.
pub(crate) fn check_object_acl(bucket: &Bucket, acl: Option<&str>) -> S3Result<()> {
    match acl {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(_) if bucket.is_owner_enforced() => {
            Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"))
        }
        Some(_) => Err(failure::not_here("Sharing by access control lists", "use a bucket policy")),
    }
}

pub(crate) fn refuse_locks(is_asked: bool) -> S3Result<()> {
    if is_asked {
        return Err(failure::not_here(
            "Object Lock",
            "leave it out, or deny s3:DeleteObjectVersion in the bucket's policy",
        ));
    }
    Ok(())
}

pub(crate) fn refuse_keys(encryption: Option<&ServerSideEncryption>, is_customers: bool) -> S3Result<()> {
    let is_kms = encryption.is_some_and(|encryption| encryption.as_str() != ServerSideEncryption::AES256);
    if is_kms || is_customers {
        return Err(failure::not_here(
            "Encryption with keys of KMS or of the caller",
            "use AES256, and encrypt the disk",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_no_encoding_of_the_content() {
        let plain = |text: &str| plain_encoding(Some(text.to_owned()));
        assert_eq!(plain("aws-chunked"), None);
        assert_eq!(plain("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(plain("gzip,br").as_deref(), Some("gzip,br"));
    }

    #[test]
    fn storage_classes_are_labels_or_refused() {
        assert_eq!(storage_class(Some("STANDARD")).unwrap(), None);
        assert_eq!(storage_class(Some("STANDARD_IA")).unwrap().as_deref(), Some("STANDARD_IA"));
        assert!(storage_class(Some("GLACIER")).is_err() && storage_class(Some("COLD")).is_err());
    }
}
