//! Making an object of parts.

use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag, ServerSideEncryption,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tindra_store::{Precondition, Versioned};
use uuid::Uuid;

use super::PART_BYTES_MIN;
use crate::changes::Change;
use crate::checksums::{Algorithm, etag_of_parts, kind, sum_of_parts, take_sums, tell_sum};
use crate::conditions::WriteConditions;
use crate::keys;
use crate::puts::Fresh;
use crate::record::{Content, Part, Sum, Upload};
use crate::service::S3Service;
use crate::visitor::Asking;

/// An object that is about to be put together.
#[derive(Debug)]
struct Completion {
    fresh: Fresh,
    change: Change,
}

impl S3Service {
    pub(crate) async fn complete_upload(
        &self,
        asking: &Asking,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let S3Request { mut input, headers, .. } = request;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let upload = self.upload(&bucket, &input.key, &input.upload_id).await?;
        let named = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        let parts = self.all::<Part>(&keys::parts(upload.value.id)).await?;
        let claimed =
            Algorithm::ALL.into_iter().zip(take_sums!(input)).find_map(|(algorithm, sum)| Some((algorithm, sum?)));
        let Completion { fresh, change } = complete(&upload, &named, parts)?;
        check_claims(&fresh, claimed.as_ref(), input.mpu_object_size)?;
        let conditions = WriteConditions { matches: input.if_match.take(), none_matches: input.if_none_match.take() };
        let (version, is_versioned) =
            self.publish(asking, &bucket.name, fresh, &conditions, change, Vec::new()).await?;
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = version.key.split('/').map(tindra_model::signing::percent_encode).collect::<Vec<_>>().join("/");
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("http://{host}/{}/{path}", bucket.name)),
            bucket: Some(bucket.name),
            key: Some(version.key.clone()),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            version_id: is_versioned.then(|| version.id_text().to_owned()),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..CompleteMultipartUploadOutput::default()
        };
        if let Some(sum) = &version.sum {
            tell_sum!(output, sum);
            output.checksum_type = Some(kind(sum.is_composite));
        }
        Ok(S3Response::new(output))
    }
}

/// The object that an upload becomes, when the parts that are named are those that were put.
fn complete(upload: &Versioned<Upload>, named: &[CompletedPart], put: Vec<Versioned<Part>>) -> S3Result<Completion> {
    if named.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let numbers: Vec<i32> = named.iter().map(|part| part.part_number.unwrap_or_default()).collect();
    if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        ));
    }
    let Upload { key, id, about, algorithm, is_composite, .. } = &upload.value;
    let mut change = Change::default().delete(upload.key.clone(), Precondition::Revision(upload.revision));
    let mut chosen = Vec::with_capacity(named.len());
    let mut wanted = named.iter().peekable();
    for Versioned { key, value: part, .. } in put {
        change = change.delete(key, Precondition::None);
        match wanted.next_if(|wanted| wanted.part_number == Some(part.number)) {
            Some(named) if is_same(named, &part) => chosen.push(part),
            Some(_) => return Err(invalid_part()),
            None => change.gone.extend(part.file.map(|file| (file, vec![file]))),
        }
    }
    if wanted.next().is_some() {
        return Err(invalid_part());
    }
    if chosen.iter().rev().skip(1).any(|part| part.size < PART_BYTES_MIN) {
        return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
    }
    let size = chosen.iter().map(|part| part.size).sum();
    let is_of_one_kind = chosen.iter().all(|part| part.sum.algorithm == *algorithm);
    let sum = is_of_one_kind.then(|| sum_of_parts(*algorithm, *is_composite, &chosen)).flatten();
    let count = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
    let content = Content::Parts { manifest: Uuid::new_v4(), count };
    if let Content::Parts { manifest, .. } = content {
        change = change.put(keys::manifest(manifest), Precondition::Absent, &chosen)?;
    }
    let fresh = Fresh {
        key: key.clone(),
        size,
        etag: etag_of_parts(&chosen),
        sum,
        about: about.clone(),
        content,
        event: "ObjectCreated:CompleteMultipartUpload",
    };
    tracing::debug!(upload = %id, parts = chosen.len(), "an upload is put together");
    Ok(Completion { fresh, change })
}

fn is_same(named: &CompletedPart, part: &Part) -> bool {
    let etag = named.e_tag.as_ref().is_some_and(|etag| etag.value() == part.md5);
    let sums = [
        &named.checksum_crc32,
        &named.checksum_crc32c,
        &named.checksum_crc64nvme,
        &named.checksum_sha1,
        &named.checksum_sha256,
    ];
    let mut sums = Algorithm::ALL.into_iter().zip(sums);
    etag && sums.all(|(algorithm, sum)| match sum {
        Some(sum) => algorithm == part.sum.algorithm && *sum == part.sum.value,
        None => true,
    })
}

fn invalid_part() -> s3s::S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

/// Compares with what the sender says of the whole object.
fn check_claims(fresh: &Fresh, claimed: Option<&(Algorithm, String)>, size: Option<i64>) -> S3Result<()> {
    if let Some((algorithm, value)) = claimed {
        let has = |sum: &Sum| {
            sum.algorithm == *algorithm
                && (sum.value == *value || sum.is_composite && sum.value.split('-').next() == Some(value))
        };
        if !fresh.sum.as_ref().is_some_and(has) {
            let name = algorithm.name();
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
    }
    if size.is_some_and(|size| u64::try_from(size) != Ok(fresh.size)) {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header does not match what was computed."
        ));
    }
    Ok(())
}
