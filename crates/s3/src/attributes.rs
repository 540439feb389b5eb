//! GetObjectAttributes.

use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart, StorageClass,
};
use s3s::dto::{ETag, ObjectAttributes};
use s3s::{S3Response, S3Result};

use crate::checksums::{kind, tell_sum};
use crate::conditions::modified;
use crate::gets::{Wanted, signed};
use crate::listing::limit;
use crate::record::{Content, Part, Version};
use crate::service::S3Service;
use crate::visitor::Asking;

impl S3Service {
    pub(crate) async fn attributes(
        &self,
        asking: &Asking,
        input: GetObjectAttributesInput,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let wanted = Wanted { version: input.version_id.clone(), ..Wanted::default() };
        let seen = self.see(&bucket, &input.key, &wanted).await?;
        let wants = |name: &str| {
            // Clients send one header with all of them, or one for each.
            input.object_attributes.iter().flat_map(|given| given.as_str().split(',')).any(|given| given.trim() == name)
        };
        let version = &seen.version;
        let object_parts =
            if wants(ObjectAttributes::OBJECT_PARTS) { self.listed_parts(version, &input).await? } else { None };
        let class = || StorageClass::from(version.about.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()));
        Ok(S3Response::new(GetObjectAttributesOutput {
            e_tag: wants(ObjectAttributes::ETAG).then(|| ETag::Strong(version.etag.clone())),
            checksum: if wants(ObjectAttributes::CHECKSUM) { checksum(version) } else { None },
            object_parts,
            object_size: wants(ObjectAttributes::OBJECT_SIZE).then(|| signed(version.size)),
            storage_class: wants(ObjectAttributes::STORAGE_CLASS).then(class),
            last_modified: Some(modified(version)),
            version_id: seen.is_versioned.then(|| version.id_text().to_owned()),
            ..GetObjectAttributesOutput::default()
        }))
    }

    async fn listed_parts(
        &self,
        version: &Version,
        input: &GetObjectAttributesInput,
    ) -> S3Result<Option<GetObjectAttributesParts>> {
        let Content::Parts { manifest, count } = version.content else { return Ok(None) };
        let parts = self.manifest(manifest).await?.unwrap_or_default();
        let (count_max, marker) = (limit(input.max_parts)?, input.part_number_marker.unwrap_or(0));
        let after: Vec<(i32, &Part)> = (1..).zip(&parts).filter(|(number, _)| *number > marker).collect();
        let listed: Vec<ObjectPart> =
            after.iter().take(count_max).map(|(number, part)| object_part(*number, part)).collect();
        // Parts without checksums that were asked for are not listed one by one (AWS).
        let is_listed = version.sum.as_ref().is_some_and(|sum| sum.is_composite);
        Ok(Some(GetObjectAttributesParts {
            total_parts_count: i32::try_from(count).ok(),
            is_truncated: Some(after.len() > count_max),
            max_parts: i32::try_from(count_max).ok(),
            part_number_marker: Some(marker),
            next_part_number_marker: listed.last().and_then(|part| part.part_number),
            parts: is_listed.then_some(listed),
        }))
    }
}

fn object_part(number: i32, part: &Part) -> ObjectPart {
    let mut listed = ObjectPart { part_number: Some(number), size: Some(signed(part.size)), ..ObjectPart::default() };
    tell_sum!(listed, &part.sum);
    listed
}

fn checksum(version: &Version) -> Option<Checksum> {
    let sum = version.sum.as_ref()?;
    let mut checksum = Checksum { checksum_type: Some(kind(sum.is_composite)), ..Checksum::default() };
    tell_sum!(checksum, sum);
    Some(checksum)
}
