//! ListObjects and ListObjectsV2, and the walk over keys that all listings share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, CommonPrefixList, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Response, S3Result, s3_error};
use serde::de::DeserializeOwned;
use tindra_model::signing::percent_encode;

use crate::buckets::owner;
use crate::checksums::kind;
use crate::conditions::modified;
use crate::failure;
use crate::gets::signed;
use crate::keys;
use crate::record::{Bucket, Version};
use crate::service::S3Service;
use crate::visitor::Asking;

/// What one answer lists at most (AWS).
const LIST_MAX: usize = 1_000;

/// How many things an answer may list.
pub(crate) fn limit(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.unwrap_or(1_000);
    let asked = usize::try_from(asked)
        .map_err(|_| s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"))?;
    Ok(asked.min(LIST_MAX))
}

/// A walk over the records under a root, whose keys go on with those of objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) root: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) count_max: usize,
}

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// What several keys begin with.
    pub(crate) prefixes: Vec<String>,
    /// What comes last in this answer, if there is more: a key or a common prefix.
    pub(crate) next: Option<String>,
}

impl Walk<'_> {
    /// Finds what comes after a key.
    pub(crate) async fn records<T: DeserializeOwned>(
        self,
        service: &S3Service,
        after: Option<String>,
        key_of: impl Fn(&T) -> &str,
    ) -> S3Result<Found<T>> {
        self.chosen(service, after, key_of, |_| true).await
    }

    /// Finds what comes after a key and counts.
    pub(crate) async fn chosen<T: DeserializeOwned>(
        self,
        service: &S3Service,
        after: Option<String>,
        key_of: impl Fn(&T) -> &str,
        counts: impl Fn(&T) -> bool,
    ) -> S3Result<Found<T>> {
        let Self { root, prefix, delimiter, count_max } = self;
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut found = Found { items: Vec::new(), prefixes: Vec::new(), next: None };
        if count_max == 0 {
            return Ok(found);
        }
        let start = format!("{root}{prefix}");
        let mut after = after.map(|after| format!("{root}{}", self.past(after)));
        let mut last = None;
        loop {
            let page = service.list::<T>(&start, after.as_deref(), LIST_MAX).await?;
            let is_last = page.len() < LIST_MAX;
            after = page.last().map(|record| record.key.clone());
            let mut past: Option<String> = None;
            for record in page {
                let key = key_of(&record.value);
                if past.as_deref().is_some_and(|past| key.starts_with(past)) || !counts(&record.value) {
                    continue;
                }
                let common = delimiter.and_then(|delimiter| common_prefix(key, prefix, delimiter));
                if found.items.len() + found.prefixes.len() == count_max {
                    found.next = last;
                    return Ok(found);
                }
                match common {
                    Some(common) => {
                        last = Some(common.to_owned());
                        found.prefixes.push(common.to_owned());
                        past = Some(common.to_owned());
                    }
                    None => {
                        last = Some(key.to_owned());
                        found.items.push(record.value);
                    }
                }
            }
            if is_last {
                return Ok(found);
            }
            if let Some(past) =
                past.filter(|past| after.as_deref().is_some_and(|after| after[root.len()..].starts_with(past)))
            {
                // The rest of what begins so need not be read.
                after = Some(format!("{root}{past}{}", char::MAX));
            }
        }
    }

    /// Where to go on after a key, or after everything that a common prefix stands for.
    fn past(self, after: String) -> String {
        let is_common = self
            .delimiter
            .filter(|delimiter| !delimiter.is_empty())
            .is_some_and(|delimiter| common_prefix(&after, self.prefix, delimiter) == Some(after.as_str()));
        if is_common { format!("{after}{}", char::MAX) } else { after }
    }
}

/// What a key has in common with all that go on the same way to the next delimiter.
fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    Some(&key[..end])
}

/// How names are written in an answer: XML has no form for all characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    is_encoded: bool,
}

impl Names {
    pub(crate) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { is_encoded: false }),
            Some("url") => Ok(Self { is_encoded: true }),
            Some(_) => Err(failure::invalid("Invalid Encoding Method specified in Request")),
        }
    }

    pub(crate) fn written(self, name: &str) -> String {
        if self.is_encoded {
            name.split('/').map(percent_encode).collect::<Vec<_>>().join("/")
        } else {
            name.to_owned()
        }
    }

    pub(crate) fn prefixes(self, prefixes: &[String]) -> Option<CommonPrefixList> {
        let written = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.written(prefix)) });
        (!prefixes.is_empty()).then(|| written.collect())
    }
}

impl S3Service {
    pub(crate) async fn list_objects(
        &self,
        asking: &Asking,
        input: ListObjectsInput,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let count_max = limit(input.max_keys)?;
        let marker = input.marker.clone().filter(|marker| !marker.is_empty());
        let prefix = input.prefix.clone().unwrap_or_default();
        let found = self.objects(&bucket, &prefix, input.delimiter.as_deref(), marker, count_max).await?;
        let names = Names::of(input.encoding_type.as_ref())?;
        Ok(S3Response::new(ListObjectsOutput {
            contents: Some(found.items.iter().map(|version| listed(&bucket, version, names, true)).collect()),
            common_prefixes: names.prefixes(&found.prefixes),
            is_truncated: Some(found.next.is_some()),
            // Without a delimiter the last key says where to go on (AWS).
            next_marker: found.next.as_deref().filter(|_| input.delimiter.is_some()).map(|next| names.written(next)),
            name: Some(bucket.name),
            prefix: Some(names.written(&prefix)),
            marker: Some(input.marker.map(|marker| names.written(&marker)).unwrap_or_default()),
            max_keys: i32::try_from(count_max).ok(),
            delimiter: input.delimiter.map(|delimiter| names.written(&delimiter)),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        }))
    }

    pub(crate) async fn list_objects_v2(
        &self,
        asking: &Asking,
        input: ListObjectsV2Input,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let count_max = limit(input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => Some(of_token(token)?),
            None => input.start_after.clone().filter(|after| !after.is_empty()),
        };
        let found = self.objects(&bucket, &prefix, input.delimiter.as_deref(), after, count_max).await?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let has_owner = input.fetch_owner.unwrap_or(false);
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(found.items.len() + found.prefixes.len()).ok(),
            contents: Some(found.items.iter().map(|version| listed(&bucket, version, names, has_owner)).collect()),
            common_prefixes: names.prefixes(&found.prefixes),
            is_truncated: Some(found.next.is_some()),
            next_continuation_token: found.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            continuation_token: input.continuation_token,
            name: Some(bucket.name),
            prefix: Some(names.written(&prefix)),
            max_keys: i32::try_from(count_max).ok(),
            delimiter: input.delimiter.map(|delimiter| names.written(&delimiter)),
            start_after: input.start_after.map(|after| names.written(&after)),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn objects(
        &self,
        bucket: &Bucket,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<String>,
        count_max: usize,
    ) -> S3Result<Found<Version>> {
        let walk = Walk { root: &keys::objects(bucket.id), prefix, delimiter, count_max };
        walk.chosen::<Version>(self, after, |version| &version.key, |version| !version.is_marker).await
    }
}

fn listed(bucket: &Bucket, version: &Version, names: Names, has_owner: bool) -> Object {
    let class = version.about.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    Object {
        key: Some(names.written(&version.key)),
        size: Some(signed(version.size)),
        e_tag: Some(ETag::Strong(version.etag.clone())),
        last_modified: Some(modified(version)),
        storage_class: Some(ObjectStorageClass::from(class)),
        checksum_algorithm: version.sum.as_ref().map(|sum| vec![sum.algorithm.dto()]),
        checksum_type: version.sum.as_ref().map(|sum| kind(sum.is_composite)),
        owner: has_owner.then(|| owner(&bucket.scope.account)),
        ..Object::default()
    }
}

fn of_token(token: &str) -> S3Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| failure::invalid("The continuation token provided is incorrect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefixes_end_with_the_delimiter() {
        assert_eq!(common_prefix("a/b/c", "", "/"), Some("a/"));
        assert_eq!(common_prefix("a/b/c", "a/", "/"), Some("a/b/"));
        assert_eq!(common_prefix("a/b", "a/", "/"), None);
        assert_eq!(common_prefix("a--b", "a", "--"), Some("a--"));
    }

    #[test]
    fn names_are_encoded_but_for_slashes() {
        let names = Names { is_encoded: true };
        assert_eq!(names.written("a b/ü+"), "a%20b/%C3%BC%2B");
    }
}
