//! CopyObject, and the bytes of UploadPartCopy.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, MetadataDirective, ServerSideEncryption,
    TaggingDirective,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use crate::changes::Change;
use crate::checksums::{Algorithm, Digested, hex, kind, tell_sum};
use crate::conditions::{ReadConditions, WriteConditions, modified};
use crate::failure;
use crate::gets::Wanted;
use crate::intake::{self, Taken};
use crate::puts::{
    Fresh, PUT_BYTES_MAX, check_object_acl, metadata, plain_encoding, refuse_keys, refuse_locks, storage_class,
};
use crate::record::{About, Bucket, Content, Sum, Version, Versioning};
use crate::service::{S3Service, check_owner};
use crate::tagging;
use crate::visitor::Asking;

/// What is copied from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) bucket: Bucket,
    pub(crate) key: String,
    pub(crate) wanted: Wanted,
}

impl S3Service {
    /// What a copy is made from, which the visitor has to be allowed to read.
    pub(crate) async fn source(
        &self,
        asking: &Asking,
        source: &CopySource,
        owner: Option<&str>,
        conditions: ReadConditions,
    ) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(failure::not_here("Copying from access points", "name the bucket"));
        };
        let bucket = self.bucket(bucket).await?.value;
        check_owner(&bucket, owner)?;
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.permit(asking, &bucket, action, Some(key))?;
        let wanted = Wanted { version: version_id.as_deref().map(str::to_owned), conditions, ..Wanted::default() };
        Ok(Source { bucket, key: key.to_string(), wanted })
    }

    pub(crate) async fn copy_object(
        &self,
        asking: &Asking,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let mut input = request.input;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        check_object_acl(&bucket, input.acl.as_ref().map(|acl| acl.as_str()))?;
        refuse_locks(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
        refuse_keys(input.server_side_encryption.as_ref(), input.sse_customer_algorithm.is_some())?;
        let conditions = ReadConditions {
            matches: input.copy_source_if_match.take(),
            none_matches: input.copy_source_if_none_match.take(),
            modified_since: input.copy_source_if_modified_since.take(),
            unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let owner = input.expected_source_bucket_owner.as_deref();
        let mut source = self.source(asking, &input.copy_source, owner, conditions).await?;
        let conditions = std::mem::take(&mut source.wanted.conditions);
        let original = self.see(&source.bucket, &source.key, &source.wanted).await?.version;
        conditions.check_source(&original)?;
        if original.size > PUT_BYTES_MAX {
            return Err(s3_error!(
                InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
            ));
        }
        let is_same = source.bucket.name == bucket.name && source.key == input.key && source.wanted.version.is_none();
        let about = about_of_copy(&mut input, &original, is_same)?;
        let named = input.checksum_algorithm.as_ref().map(|algorithm| Algorithm::of_name(algorithm.as_str()));
        let algorithm = match named {
            Some(None) => return Err(s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported.")),
            Some(algorithm) => algorithm,
            None => original.sum.as_ref().map(|sum| sum.algorithm),
        };
        let taken = self.copy(&source, &original, algorithm.unwrap_or(Algorithm::Crc64Nvme)).await?;
        let source_version = (source.bucket.versioning != Versioning::Off).then(|| original.id_text().to_owned());
        let fresh = Fresh {
            key: input.key,
            size: taken.size,
            etag: hex(&taken.digested.md5),
            sum: Some(taken.digested.sum),
            about,
            content: taken.draft.as_ref().map_or(Content::Empty, |draft| Content::File(draft.id)),
            event: "ObjectCreated:Copy",
        };
        let drafts = taken.draft.into_iter().collect();
        let conditions = WriteConditions::default();
        let (version, is_versioned) =
            self.publish(asking, &bucket.name, fresh, &conditions, Change::default(), drafts).await?;
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(modified(&version)),
            ..CopyObjectResult::default()
        };
        if let Some(sum) = &version.sum {
            tell_sum!(result, sum);
            result.checksum_type = Some(kind(sum.is_composite));
        }
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source_version,
            version_id: is_versioned.then(|| version.id_text().to_owned()),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..CopyObjectOutput::default()
        }))
    }

    /// The bytes of an object once more: under a second name where nothing has to be computed anew.
    async fn copy(&self, source: &Source, original: &Version, algorithm: Algorithm) -> S3Result<Taken> {
        if let Some(taken) = self.link(original, algorithm).await? {
            return Ok(taken);
        }
        let wanted = Wanted { version: source.wanted.version.clone(), ..Wanted::default() };
        let (_, outflow) = self.open(&source.bucket, &source.key, &wanted).await?;
        intake::take(&self.files, outflow, algorithm, PUT_BYTES_MAX).await
    }

    async fn link(&self, original: &Version, algorithm: Algorithm) -> S3Result<Option<Taken>> {
        let Content::File(file) = original.content else { return Ok(None) };
        let Some(sum) = original.sum.clone().filter(|sum: &Sum| sum.algorithm == algorithm && !sum.is_composite) else {
            return Ok(None);
        };
        let Some(md5) = md5_of(&original.etag) else { return Ok(None) };
        let files = self.files.clone();
        let linked = tokio::task::spawn_blocking(move || files.link(file)).await;
        match linked {
            Ok(Ok(draft)) => {
                Ok(Some(Taken { draft: Some(draft), size: original.size, digested: Digested { md5, sum } }))
            }
            // It has gone meanwhile, or has as many names as a file may have.
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }
}

/// The MD5 that an ETag is, unless it is one of parts.
fn md5_of(etag: &str) -> Option<[u8; 16]> {
    if etag.len() != 32 {
        return None;
    }
    u128::from_str_radix(etag, 16).ok().map(u128::to_be_bytes)
}

fn about_of_copy(input: &mut CopyObjectInput, original: &Version, is_same: bool) -> S3Result<About> {
    let is_replaced =
        input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let class = storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?;
    if is_same && !is_replaced && input.storage_class.is_none() && input.server_side_encryption.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let mut about = if is_replaced {
        About {
            content_type: input.content_type.take().map(|value| value.to_string()),
            content_encoding: plain_encoding(input.content_encoding.take()),
            content_disposition: input.content_disposition.take(),
            content_language: input.content_language.take(),
            cache_control: input.cache_control.take(),
            expires_ms: input.expires.as_ref().map(crate::conditions::unix_ms),
            metadata: metadata(input.metadata.take())?,
            ..About::default()
        }
    } else {
        About { tags: Vec::new(), ..original.about.clone() }
    };
    about.storage_class = class;
    let has_own_tags =
        input.tagging_directive.as_ref().is_some_and(|directive| directive.as_str() == TaggingDirective::REPLACE);
    about.tags = if has_own_tags { tagging::of_header(input.tagging.as_deref())? } else { original.about.tags.clone() };
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_of_parts_are_no_md5() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(md5_of(md5).map(|bytes| hex(&bytes)).as_deref(), Some(md5));
        assert_eq!(md5_of("d41d8cd98f00b204e9800998ecf84-12"), None);
        assert_eq!(md5_of("d41d8cd98f00b204e9800998ecf8427e-1"), None);
    }
}
