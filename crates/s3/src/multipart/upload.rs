//! Beginning an upload, putting its parts, and giving it up.

use s3s::dto::{
    AbortMultipartUploadInput, ChecksumType, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ETag, ServerSideEncryption, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tindra_store::{Precondition, Versioned};
use uuid::Uuid;

use super::check_number;
use crate::changes::{Change, Committed, Tries, unchanged};
use crate::checksums::{Algorithm, hex, kind, take_sums, tell_sum};
use crate::conditions::{ReadConditions, timestamp};
use crate::failure;
use crate::intake::{self, Taken};
use crate::keys;
use crate::puts::{
    AfterBody, Claims, PUT_BYTES_MAX, check_object_acl, metadata, plain_encoding, refuse_keys, refuse_locks,
    storage_class,
};
use crate::record::{About, Bucket, Part, Upload, Versioning};
use crate::service::S3Service;
use crate::tagging;
use crate::visitor::Asking;

impl S3Service {
    pub(crate) async fn create_upload(
        &self,
        asking: &Asking,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let mut input = request.input;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        check_object_acl(&bucket, input.acl.as_ref().map(|acl| acl.as_str()))?;
        refuse_locks(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
        refuse_keys(input.server_side_encryption.as_ref(), input.sse_customer_algorithm.is_some())?;
        let (algorithm, is_composite) = checksum(&input)?;
        let is_asked = input.checksum_algorithm.is_some();
        let upload = Upload {
            key: input.key.clone(),
            id: Uuid::new_v4(),
            begun_ms: self.now_ms(),
            about: About {
                content_type: input.content_type.take().map(|value| value.to_string()),
                content_encoding: plain_encoding(input.content_encoding.take()),
                content_disposition: input.content_disposition.take(),
                content_language: input.content_language.take(),
                cache_control: input.cache_control.take(),
                expires_ms: input.expires.as_ref().map(crate::conditions::unix_ms),
                metadata: metadata(input.metadata.take())?,
                tags: tagging::of_header(input.tagging.as_deref())?,
                storage_class: storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?,
            },
            algorithm,
            is_composite,
            is_asked,
        };
        let _gate = self.buckets.read().await;
        let bucket = self.bucket(&bucket.name).await?.value;
        let key = keys::upload(bucket.id, &upload.key, upload.id);
        let change = Change::default().put(key, Precondition::Absent, &upload)?;
        self.commit(change, Vec::new()).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket.name),
            key: Some(upload.key),
            upload_id: Some(upload.id.simple().to_string()),
            checksum_algorithm: is_asked.then(|| algorithm.dto()),
            checksum_type: is_asked.then(|| kind(is_composite)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(crate) async fn upload_part(
        &self,
        asking: &Asking,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let S3Request { mut input, headers, trailing_headers, .. } = request;
        check_number(input.part_number)?;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let upload = self.upload(&bucket, &input.key, &input.upload_id).await?.value;
        let claims = Claims { md5: input.content_md5.take(), sums: take_sums!(input), algorithm: None };
        let (algorithm, _) = claims.algorithm(&headers)?;
        if let Some(algorithm) = algorithm.filter(|algorithm| upload.is_asked && *algorithm != upload.algorithm) {
            let (expected, given) = (upload.algorithm.name().to_lowercase(), algorithm.name().to_lowercase());
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {given}"
            ));
        }
        // What is claimed is checked; an upload that asked for nothing is put together with AWS's own choice.
        let after = AfterBody { verified: trailing_headers.as_ref(), asking };
        let taken = self.take(input.body.take(), &claims, &headers, &after, Some(upload.algorithm)).await?;
        let part = self.put_part(&bucket, &upload, input.part_number, taken).await?;
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(part.md5.clone())),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..UploadPartOutput::default()
        };
        tell_sum!(output, &part.sum);
        Ok(S3Response::new(output))
    }

    pub(crate) async fn upload_part_copy(
        &self,
        asking: &Asking,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let mut input = request.input;
        check_number(input.part_number)?;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let upload = self.upload(&bucket, &input.key, &input.upload_id).await?.value;
        let conditions = ReadConditions {
            matches: input.copy_source_if_match.take(),
            none_matches: input.copy_source_if_none_match.take(),
            modified_since: input.copy_source_if_modified_since.take(),
            unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let owner = input.expected_source_bucket_owner.as_deref();
        let mut source = self.source(asking, &input.copy_source, owner, conditions).await?;
        let conditions = std::mem::take(&mut source.wanted.conditions);
        source.wanted.range = input.copy_source_range.as_deref().map(range).transpose()?;
        let (seen, outflow) = self.open(&source.bucket, &source.key, &source.wanted).await?;
        conditions.check_source(&seen.version)?;
        let taken = intake::take(&self.files, outflow, upload.algorithm, PUT_BYTES_MAX).await?;
        let part = self.put_part(&bucket, &upload, input.part_number, taken).await?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.md5.clone())),
            last_modified: Some(timestamp(part.modified_ms / 1_000 * 1_000)),
            ..CopyPartResult::default()
        };
        if upload.is_asked {
            tell_sum!(result, &part.sum);
        }
        let is_versioned = source.bucket.versioning != Versioning::Off;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: is_versioned.then(|| seen.version.id_text().to_owned()),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..UploadPartCopyOutput::default()
        }))
    }

    /// Makes bytes a part of an upload, in the place of an earlier part of the same number.
    async fn put_part(&self, bucket: &Bucket, upload: &Upload, number: i32, taken: Taken) -> S3Result<Part> {
        let part = Part {
            number,
            file: taken.draft.as_ref().map(|draft| draft.id),
            size: taken.size,
            md5: hex(&taken.digested.md5),
            sum: taken.digested.sum,
            modified_ms: self.now_ms(),
        };
        let mut drafts = taken.draft.into_iter().collect();
        let (place, of_upload) = (keys::part(upload.id, number), keys::upload(bucket.id, &upload.key, upload.id));
        let mut tries = Tries::default();
        loop {
            // While somebody completes or gives up the upload there is no part to be put: whoever does holds the other side.
            let _gate = self.buckets.read().await;
            let found = self.get::<Upload>(&of_upload).await?.ok_or_else(failure::no_such_upload)?;
            let earlier = self.get::<Part>(&place).await?;
            // Written again as it is, so that parts and the end of their upload exclude each other.
            let mut change = Change::default().put(place.clone(), unchanged(earlier.as_ref()), &part)?.put(
                of_upload.clone(),
                Precondition::Revision(found.revision),
                &found.value,
            )?;
            if let Some(file) = earlier.and_then(|earlier| earlier.value.file) {
                change.gone.push((file, vec![file]));
            }
            match self.commit(change, drafts).await? {
                Committed::Done => return Ok(part),
                Committed::Conflict { drafts: still, .. } => drafts = still,
            }
            tries.again()?;
        }
    }

    /// Removes an upload with its parts.
    pub(crate) async fn drop_upload(&self, upload: Versioned<Upload>) -> S3Result<Committed> {
        let parts = self.all::<Part>(&keys::parts(upload.value.id)).await?;
        let mut change = Change::default().delete(upload.key, Precondition::Revision(upload.revision));
        for Versioned { key, value, .. } in parts {
            change = change.delete(key, Precondition::None);
            change.gone.extend(value.file.map(|file| (file, vec![file])));
        }
        self.commit(change, Vec::new()).await
    }

    pub(crate) async fn abort_upload(&self, asking: &Asking, input: &AbortMultipartUploadInput) -> S3Result<()> {
        let owner = input.expected_bucket_owner.as_deref();
        let mut tries = Tries::default();
        loop {
            let bucket = self.bucket_of(&input.bucket, owner, &asking.visitor).await?;
            let upload = self.upload(&bucket, &input.key, &input.upload_id).await?;
            if let Committed::Done = self.drop_upload(upload).await? {
                return Ok(());
            }
            tries.again()?;
        }
    }
}

/// Which checksum the object is to have, and whether it is one of the checksums of its parts.
fn checksum(input: &CreateMultipartUploadInput) -> S3Result<(Algorithm, bool)> {
    let asked = input.checksum_algorithm.as_ref().map(|algorithm| Algorithm::of_name(algorithm.as_str()));
    let algorithm = match asked {
        None => Algorithm::Crc64Nvme,
        Some(Some(algorithm)) => algorithm,
        Some(None) => {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
            ));
        }
    };
    let is_composite = match input.checksum_type.as_ref().map(ChecksumType::as_str) {
        None => algorithm != Algorithm::Crc64Nvme,
        Some(ChecksumType::COMPOSITE) => true,
        Some(_) => false,
    };
    let fits = if is_composite { algorithm != Algorithm::Crc64Nvme } else { algorithm.combines() };
    if !fits {
        let (kind, name) = (kind(is_composite), algorithm.name().to_lowercase());
        return Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with the {name} checksum algorithm.",
            kind.as_str()
        ));
    }
    Ok((algorithm, is_composite))
}

/// `x-amz-copy-source-range`, which has both ends.
fn range(text: &str) -> S3Result<s3s::dto::Range> {
    let read = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last).then_some(s3s::dto::Range::Int { first, last: Some(last) })
    };
    read().ok_or_else(|| {
        s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_copies_have_two_ends() {
        assert_eq!(range("bytes=0-4").unwrap(), s3s::dto::Range::Int { first: 0, last: Some(4) });
        assert!(range("bytes=5-4").is_err() && range("bytes=1-").is_err() && range("0-4").is_err());
    }
}
