//! ListParts and ListMultipartUploads.

use s3s::dto::{
    ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
    Part as Listed, StorageClass,
};
use s3s::{S3Response, S3Result};
use tindra_store::Versioned;

use crate::buckets::{initiator, owner};
use crate::checksums::{kind, tell_sum};
use crate::conditions::timestamp;
use crate::gets::signed;
use crate::keys;
use crate::listing::{Names, Walk, limit};
use crate::record::{Part, Upload};
use crate::service::S3Service;
use crate::visitor::Asking;

impl S3Service {
    pub(crate) async fn list_parts(
        &self,
        asking: &Asking,
        input: ListPartsInput,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let upload = self.upload(&bucket, &input.key, &input.upload_id).await?.value;
        let count_max = limit(input.max_parts)?;
        let after = input.part_number_marker.map(|number| keys::part(upload.id, number));
        let mut parts: Vec<Versioned<Part>> =
            self.list(&keys::parts(upload.id), after.as_deref(), count_max + 1).await?;
        let is_truncated = parts.len() > count_max;
        parts.truncate(count_max);
        let last = parts.last().map(|part| part.value.number);
        let listed = parts.into_iter().map(|Versioned { value: part, .. }| {
            let mut listed = Listed {
                part_number: Some(part.number),
                e_tag: Some(ETag::Strong(part.md5.clone())),
                size: Some(signed(part.size)),
                last_modified: Some(timestamp(part.modified_ms / 1_000 * 1_000)),
                ..Listed::default()
            };
            if upload.is_asked {
                tell_sum!(listed, &part.sum);
            }
            listed
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(listed.collect()),
            bucket: Some(bucket.name.clone()),
            key: Some(upload.key.clone()),
            upload_id: Some(input.upload_id),
            is_truncated: Some(is_truncated),
            max_parts: i32::try_from(count_max).ok(),
            part_number_marker: Some(input.part_number_marker.unwrap_or(0)),
            next_part_number_marker: last,
            owner: Some(owner(&bucket.scope.account)),
            initiator: Some(initiator(&bucket.scope.account)),
            storage_class: Some(class(&upload)),
            checksum_algorithm: upload.is_asked.then(|| upload.algorithm.dto()),
            checksum_type: upload.is_asked.then(|| kind(upload.is_composite)),
            ..ListPartsOutput::default()
        }))
    }

    pub(crate) async fn list_uploads(
        &self,
        asking: &Asking,
        input: ListMultipartUploadsInput,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let count_max = limit(input.max_uploads)?;
        let root = keys::uploads(bucket.id);
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.key_marker.as_ref().filter(|marker| !marker.is_empty()).map(|marker| {
            match input.upload_id_marker.as_deref().filter(|id| !id.is_empty()) {
                Some(id) => format!("{marker}{}{id}", keys::SEPARATOR),
                None => format!("{marker}{}{}", keys::SEPARATOR, char::MAX),
            }
        });
        let walk = Walk { root: &root, prefix: &prefix, delimiter: input.delimiter.as_deref(), count_max };
        let found = walk.records::<Upload>(self, after, |upload| &upload.key).await?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let last = found.items.last().map(|upload| (upload.key.clone(), upload.id.simple().to_string()));
        let uploads = found.items.iter().map(|upload| MultipartUpload {
            key: Some(names.written(&upload.key)),
            upload_id: Some(upload.id.simple().to_string()),
            initiated: Some(timestamp(upload.begun_ms / 1_000 * 1_000)),
            owner: Some(owner(&bucket.scope.account)),
            initiator: Some(initiator(&bucket.scope.account)),
            storage_class: Some(class(upload)),
            checksum_algorithm: upload.is_asked.then(|| upload.algorithm.dto()),
            checksum_type: upload.is_asked.then(|| kind(upload.is_composite)),
        });
        let (next_key, next_id) = last.filter(|_| found.next.is_some()).unzip();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            common_prefixes: names.prefixes(&found.prefixes),
            bucket: Some(bucket.name.clone()),
            prefix: input.prefix.map(|prefix| names.written(&prefix)),
            delimiter: input.delimiter.map(|delimiter| names.written(&delimiter)),
            key_marker: Some(input.key_marker.map(|marker| names.written(&marker)).unwrap_or_default()),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            max_uploads: i32::try_from(count_max).ok(),
            is_truncated: Some(found.next.is_some()),
            next_key_marker: next_key.map(|key| names.written(&key)),
            next_upload_id_marker: next_id,
            encoding_type: input.encoding_type,
            ..ListMultipartUploadsOutput::default()
        }))
    }
}

fn class(upload: &Upload) -> StorageClass {
    StorageClass::from(upload.about.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()))
}
