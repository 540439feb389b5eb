//! GetObject and HeadObject.

use std::io;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::dto::{
    ChecksumMode, ContentType, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ServerSideEncryption, StorageClass, StreamingBlob,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::checksums::{kind, tell_sum};
use crate::conditions::{ReadConditions, Unmet, modified, precondition_failed, timestamp};
use crate::failure::{self, custom};
use crate::outflow::{Outflow, Segment, cut};
use crate::record::{Bucket, Content, Part, Version, Versioning};
use crate::service::S3Service;
use crate::visitor::Asking;

/// How often a reader looks again because what it found was replaced before it could be opened.
const LOOKS_MAX: usize = 20;

/// What is wanted of an object.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) version: Option<String>,
    pub(crate) conditions: ReadConditions,
    pub(crate) range: Option<s3s::dto::Range>,
    pub(crate) part: Option<i32>,
}

/// What there is of it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) version: Version,
    pub(crate) is_versioned: bool,
    /// The bytes that are wanted, when they are not all.
    pub(crate) range: Option<Range<u64>>,
    pub(crate) parts_count: Option<i32>,
}

impl Seen {
    pub(crate) fn bytes(&self) -> Range<u64> {
        self.range.clone().unwrap_or(0..self.version.size)
    }

    fn content_range(&self) -> Option<String> {
        let Range { start, end } = self.range.clone()?;
        Some(format!("bytes {start}-{}/{}", end.saturating_sub(1), self.version.size))
    }

    fn version_id(&self) -> Option<String> {
        self.is_versioned.then(|| self.version.id_text().to_owned())
    }
}

/// Fills in what GetObject and HeadObject tell alike.
macro_rules! tell_version {
    ($output:expr, $seen:expr, $mode:expr) => {{
        let seen: &Seen = $seen;
        let Version { about, etag, sum, .. } = &seen.version;
        let mode: Option<&ChecksumMode> = $mode;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = Some(ETag::Strong(etag.clone()));
        $output.last_modified = Some(modified(&seen.version));
        $output.content_type = Some(content_type(about.content_type.as_deref()));
        $output.content_encoding.clone_from(&about.content_encoding);
        $output.content_disposition.clone_from(&about.content_disposition);
        $output.content_language.clone_from(&about.content_language);
        $output.cache_control.clone_from(&about.cache_control);
        $output.expires = about.expires_ms.map(timestamp);
        $output.metadata = Some(about.metadata.iter().cloned().collect());
        $output.storage_class = about.storage_class.clone().map(StorageClass::from);
        $output.server_side_encryption = Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256));
        if let (Some(sum), true, None) =
            (sum, mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED), &seen.range)
        {
            tell_sum!($output, sum);
            $output.checksum_type = Some(kind(sum.is_composite));
        }
    }};
}

/// What a request wants of which version; GET and HEAD have the same members in types of their own.
macro_rules! wanted {
    ($input:expr) => {
        Wanted {
            version: $input.version_id.take(),
            conditions: ReadConditions {
                matches: $input.if_match.take(),
                none_matches: $input.if_none_match.take(),
                modified_since: $input.if_modified_since.take(),
                unmodified_since: $input.if_unmodified_since.take(),
            },
            range: $input.range,
            part: $input.part_number,
        }
    };
}

impl S3Service {
    pub(crate) async fn get_object(
        &self,
        asking: &Asking,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let mut input = request.input;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let wanted = wanted!(input);
        let (seen, outflow) = self.open(&bucket, &input.key, &wanted).await?;
        let length = seen.bytes();
        let mut output = GetObjectOutput {
            body: Some(StreamingBlob::new(outflow)),
            content_length: Some(signed(length.end - length.start)),
            content_range: seen.content_range(),
            parts_count: seen.parts_count,
            version_id: seen.version_id(),
            ..GetObjectOutput::default()
        };
        tell_version!(output, &seen, input.checksum_mode.as_ref());
        let tags = seen.version.about.tags.len();
        output.tag_count = (tags > 0).then(|| i32::try_from(tags).unwrap_or(i32::MAX));
        Ok(S3Response::new(output))
    }

    pub(crate) async fn head_object(
        &self,
        asking: &Asking,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let mut input = request.input;
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let wanted = wanted!(input);
        let seen = self.see(&bucket, &input.key, &wanted).await?;
        let length = seen.bytes();
        let mut output = HeadObjectOutput {
            content_length: Some(signed(length.end - length.start)),
            content_range: seen.content_range(),
            parts_count: seen.parts_count,
            version_id: seen.version_id(),
            ..HeadObjectOutput::default()
        };
        tell_version!(output, &seen, input.checksum_mode.as_ref());
        let mut response = S3Response::new(output);
        if seen.range.is_some() {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        let overridden = [
            (header::CONTENT_TYPE, input.response_content_type),
            (header::CONTENT_DISPOSITION, input.response_content_disposition),
            (header::CONTENT_ENCODING, input.response_content_encoding),
            (header::CONTENT_LANGUAGE, input.response_content_language),
            (header::CACHE_CONTROL, input.response_cache_control),
        ];
        for (name, value) in overridden {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                response.headers.insert(name, value);
            }
        }
        Ok(response)
    }

    /// What there is of an object, with its bytes, which stay to the end also when the object goes meanwhile.
    pub(crate) async fn open(&self, bucket: &Bucket, key: &str, wanted: &Wanted) -> S3Result<(Seen, Outflow)> {
        for _ in 0..LOOKS_MAX {
            let seen = self.see(bucket, key, wanted).await?;
            match self.outflow(seen.version.content, seen.version.size, seen.bytes()).await? {
                Some(outflow) => return Ok((seen, outflow)),
                // It was replaced after it had been looked at.
                None => tokio::task::yield_now().await,
            }
        }
        Err(s3_error!(SlowDown, "Please reduce your request rate."))
    }

    /// Some bytes of a content; none when it has gone.
    async fn outflow(&self, content: Content, size: u64, bytes: Range<u64>) -> S3Result<Option<Outflow>> {
        let lease = content.id().map(|id| self.files.lease(id));
        let segments = match content {
            Content::Empty => Vec::new(),
            Content::File(file) => cut([Segment { file, offset: 0, length: size }], bytes),
            Content::Parts { manifest, .. } => match self.manifest(manifest).await? {
                Some(parts) => cut(segments(&parts), bytes),
                None => return Ok(None),
            },
        };
        let files = self.files.clone();
        let opened = tokio::task::spawn_blocking(move || Outflow::open(&files, segments, lease)).await;
        match opened {
            Ok(Ok(outflow)) => Ok(Some(outflow)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(failure::storage("open a file", &error)),
            Err(error) => Err(failure::storage("open a file", &error)),
        }
    }

    pub(crate) async fn see(&self, bucket: &Bucket, key: &str, wanted: &Wanted) -> S3Result<Seen> {
        let found = self.find_version(bucket, key, wanted.version.as_deref()).await?;
        let version = match (found.map(|found| found.value), &wanted.version) {
            (Some(version), _) if !version.is_marker => version,
            (Some(marker), Some(_)) => {
                let error = s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.");
                return Err(of_marker(error, &marker));
            }
            (Some(marker), None) => return Err(of_marker(failure::no_such_key(), &marker)),
            (None, Some(_)) => return Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
            (None, None) => return Err(failure::no_such_key()),
        };
        match wanted.conditions.unmet(&version) {
            None => {}
            Some(Unmet::Failed(condition)) => return Err(precondition_failed(condition)),
            Some(Unmet::NotModified) => return Err(not_modified(&version)),
        }
        let is_versioned = bucket.versioning != Versioning::Off;
        let (range, parts_count) = match (wanted.part, &wanted.range) {
            (Some(_), Some(_)) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter"
                ));
            }
            (Some(number), None) => self.part_range(&version, number).await?,
            (None, Some(range)) => {
                let range = range
                    .check(version.size)
                    .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
                (Some(range), None)
            }
            (None, None) => (None, None),
        };
        Ok(Seen { version, is_versioned, range, parts_count })
    }

    /// Where a part lies, and how many parts there are.
    async fn part_range(&self, version: &Version, number: i32) -> S3Result<(Option<Range<u64>>, Option<i32>)> {
        let not_there = || {
            custom(
                "InvalidPartNumber",
                http::StatusCode::RANGE_NOT_SATISFIABLE,
                "The requested partnumber is not satisfiable",
            )
        };
        let Content::Parts { manifest, count } = version.content else {
            // An object that came in one piece is its own first part.
            return if number == 1 {
                Ok(((version.size > 0).then_some(0..version.size), None))
            } else {
                Err(not_there())
            };
        };
        let parts = self.manifest(manifest).await?.unwrap_or_default();
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(not_there)?;
        let part = parts.get(index).ok_or_else(not_there)?;
        let start: u64 = parts[..index].iter().map(|part| part.size).sum();
        Ok((Some(start..start + part.size), i32::try_from(count).ok()))
    }
}

fn content_type(given: Option<&str>) -> ContentType {
    given.unwrap_or("binary/octet-stream").to_owned()
}

pub(crate) fn segments(parts: &[Part]) -> impl Iterator<Item = Segment> + '_ {
    parts.iter().filter_map(|part| Some(Segment { file: part.file?, offset: 0, length: part.size }))
}

/// Sizes of the wire are signed; no object is as large as that matters.
pub(crate) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn of_marker(mut error: S3Error, marker: &Version) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(id) = HeaderValue::from_str(marker.id_text()) {
        headers.insert(HeaderName::from_static("x-amz-version-id"), id);
    }
    error.set_headers(headers);
    error
}

fn not_modified(version: &Version) -> S3Error {
    let mut error = s3_error!(NotModified, "Not Modified");
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", version.etag)) {
        headers.insert(header::ETAG, etag);
    }
    let mut text = Vec::new();
    if modified(version).format(s3s::dto::TimestampFormat::HttpDate, &mut text).is_ok()
        && let Ok(modified) = HeaderValue::from_bytes(&text)
    {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    error.set_headers(headers);
    error
}
