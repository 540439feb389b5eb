//! Tags: of buckets and of objects.

use s3s::dto;
use s3s::{S3Result, s3_error};
use tindra_store::Versioned;

use crate::changes::{Change, Committed, Tries};
use crate::failure;
use crate::keys;
use crate::notifications::Happening;
use crate::record::{Tag, Version, Versioning};
use crate::service::S3Service;
use crate::visitor::Asking;

/// Of an object (AWS).
const OBJECT_TAGS_MAX: usize = 10;
/// Of a bucket (AWS).
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// The tags of `x-amz-tagging`, which are written like a query.
pub(crate) fn of_header(header: Option<&str>) -> S3Result<Vec<Tag>> {
    let pairs = header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let tags = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let read = |text: &str| tindra_model::percent_decode(&text.replace('+', " ")).into_owned();
        Tag { key: read(key), value: read(value) }
    });
    check(tags.collect(), OBJECT_TAGS_MAX)
}

pub(crate) fn of_set(set: dto::TagSet, count_max: usize) -> S3Result<Vec<Tag>> {
    let tags =
        set.into_iter().map(|tag| Tag { key: tag.key.unwrap_or_default(), value: tag.value.unwrap_or_default() });
    check(tags.collect(), count_max)
}

pub(crate) fn to_set(tags: &[Tag]) -> dto::TagSet {
    tags.iter().map(|tag| dto::Tag { key: Some(tag.key.clone()), value: Some(tag.value.clone()) }).collect()
}

fn check(tags: Vec<Tag>, count_max: usize) -> S3Result<Vec<Tag>> {
    if tags.len() > count_max {
        let message = match count_max {
            OBJECT_TAGS_MAX => "Object tags cannot be greater than 10",
            _ => "Bucket tag count cannot be greater than 50",
        };
        return Err(failure::custom("BadRequest", http::StatusCode::BAD_REQUEST, message));
    }
    for (index, tag) in tags.iter().enumerate() {
        if tag.key.is_empty() || tag.key.chars().count() > KEY_CHARS_MAX {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if tag.value.chars().count() > VALUE_CHARS_MAX {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if tags[..index].iter().any(|other| other.key == tag.key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

/// Which version of which object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Which<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) owner: Option<&'a str>,
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
}

impl S3Service {
    /// The tags of an object, with the version's id in a bucket that has versions.
    pub(crate) async fn tags(&self, asking: &Asking, which: Which<'_>) -> S3Result<(Vec<Tag>, Option<String>)> {
        let bucket = self.bucket_of(which.bucket, which.owner, &asking.visitor).await?;
        let version = self.version(&bucket, which.key, which.version).await?.value;
        let id = (bucket.versioning != Versioning::Off).then(|| version.id_text().to_owned());
        Ok((version.about.tags, id))
    }

    /// Gives an object other tags; none takes them away.
    pub(crate) async fn set_tags(
        &self,
        asking: &Asking,
        which: Which<'_>,
        set: Option<dto::TagSet>,
    ) -> S3Result<Option<String>> {
        let event = if set.is_some() { "ObjectTagging:Put" } else { "ObjectTagging:Delete" };
        let tags = set.map(|set| of_set(set, OBJECT_TAGS_MAX)).transpose()?.unwrap_or_default();
        let mut tries = Tries::default();
        loop {
            let bucket = self.bucket_of(which.bucket, which.owner, &asking.visitor).await?;
            let Versioned { key: place, value: mut version, revision } =
                self.version(&bucket, which.key, which.version).await?;
            version.about.tags.clone_from(&tags);
            let mut change = Change::default().put(place, tindra_store::Precondition::Revision(revision), &version)?;
            let happening = Happening { sequence: self.next_sequence(None), ..Happening::of(event, &version) };
            change.messages.extend(happening.messages(&bucket, &asking.visitor, self.now_ms()));
            if let Committed::Done = self.commit(change, Vec::new()).await? {
                return Ok((bucket.versioning != Versioning::Off).then(|| version.id_text().to_owned()));
            }
            tries.again()?;
        }
    }

    /// A version that is an object, and where its record lies.
    pub(crate) async fn version(
        &self,
        bucket: &crate::record::Bucket,
        key: &str,
        id: Option<&str>,
    ) -> S3Result<Versioned<Version>> {
        let found = self.find_version(bucket, key, id).await?;
        match (found, id) {
            (Some(found), _) if !found.value.is_marker => Ok(found),
            (Some(_), Some(_)) => {
                Err(s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource."))
            }
            (None, Some(_)) => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
            (_, None) => Err(failure::no_such_key()),
        }
    }

    /// A version or marker: the latest, or the one of an id.
    pub(crate) async fn find_version(
        &self,
        bucket: &crate::record::Bucket,
        key: &str,
        id: Option<&str>,
    ) -> S3Result<Option<Versioned<Version>>> {
        let latest = self.get::<Version>(&keys::object(bucket.id, key)).await?;
        let Some(id) = id else { return Ok(latest) };
        if latest.as_ref().is_some_and(|latest| latest.value.has_id(id)) {
            return Ok(latest);
        }
        let older = self.all::<Version>(&keys::versions_of(bucket.id, key)).await?;
        Ok(older.into_iter().find(|version| version.value.has_id(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_tags_like_a_query() {
        let tags = of_header(Some("a=1&b+c=%26&d")).unwrap();
        let texts: Vec<_> = tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
        assert_eq!(texts, [("a", "1"), ("b c", "&"), ("d", "")]);
        assert!(of_header(Some("a=1&a=2")).is_err());
        let many: Vec<String> = (0..11).map(|number| format!("k{number}=v")).collect();
        assert!(of_header(Some(&many.join("&"))).is_err());
    }
}
