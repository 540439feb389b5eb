//! DeleteObject and DeleteObjects.

use futures_util::StreamExt as _;
use s3s::dto;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use tindra_store::{Precondition, Versioned};

use crate::changes::{Change, Committed, Tries, unchanged};
use crate::conditions::{WriteConditions, precondition_failed};
use crate::keys;
use crate::notifications::Happening;
use crate::puts::new_id;
use crate::record::{About, Bucket, Content, Version, Versioning};
use crate::service::S3Service;
use crate::visitor::Asking;

/// Objects that one request may delete (AWS).
const OBJECTS_MAX: usize = 1_000;
/// Of one request at once: their commits are then written together.
const AT_ONCE: usize = 32;

/// What became of an object.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// Of the version that was deleted, or of the marker that was put.
    pub(crate) version_id: Option<String>,
    pub(crate) is_marker: bool,
}

/// Preconditions of a delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteConditions {
    etag: WriteConditions,
    size: Option<i64>,
    modified_ms: Option<u64>,
}

impl DeleteConditions {
    fn check(&self, current: Option<&Version>) -> S3Result<()> {
        self.etag.check(current)?;
        let is_other = current.is_some_and(|version| {
            self.size.is_some_and(|size| crate::gets::signed(version.size) != size)
                || self.modified_ms.is_some_and(|modified_ms| version.modified_ms / 1_000 != modified_ms / 1_000)
        });
        if is_other { Err(precondition_failed("If-Match")) } else { Ok(()) }
    }
}

impl S3Service {
    pub(crate) async fn delete_object(
        &self,
        asking: &Asking,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let conditions = DeleteConditions {
            etag: WriteConditions { matches: input.if_match, none_matches: None },
            size: input.if_match_size,
            modified_ms: input.if_match_last_modified_time.as_ref().map(crate::conditions::unix_ms),
        };
        let deleted = self.delete(asking, &input.bucket, &input.key, input.version_id.as_deref(), &conditions).await?;
        let output = DeleteObjectOutput {
            delete_marker: deleted.is_marker.then_some(true),
            version_id: deleted.version_id,
            ..DeleteObjectOutput::default()
        };
        Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
    }

    pub(crate) async fn delete_objects(
        &self,
        asking: &Asking,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, expected_bucket_owner, .. } = request.input;
        let found = self.bucket_of(&bucket, expected_bucket_owner.as_deref(), &asking.visitor).await?;
        if delete.objects.is_empty() || delete.objects.len() > OBJECTS_MAX {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let is_quiet = delete.quiet.unwrap_or(false);
        let found = &found;
        let outcomes = futures_util::stream::iter(delete.objects)
            .map(|object| async move {
                let outcome = self.delete_listed(asking, found, &object).await;
                (object, outcome)
            })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (object, outcome) in outcomes {
            match outcome {
                Ok(_) if is_quiet => {}
                Ok(outcome) => deleted.push(told(object, outcome)),
                Err(error) => errors.push(told_error(object, &error)),
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn delete_listed(&self, asking: &Asking, bucket: &Bucket, object: &ObjectIdentifier) -> S3Result<Deleted> {
        let action = if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        self.permit(asking, bucket, action, Some(&object.key))?;
        let conditions = DeleteConditions {
            etag: WriteConditions { matches: object.e_tag.clone().map(dto::ETagCondition::ETag), none_matches: None },
            size: object.size,
            modified_ms: object.last_modified_time.as_ref().map(crate::conditions::unix_ms),
        };
        self.delete(asking, &bucket.name, &object.key, object.version_id.as_deref(), &conditions).await
    }

    /// Deletes an object, or one version of it.
    pub(crate) async fn delete(
        &self,
        asking: &Asking,
        bucket: &str,
        key: &str,
        id: Option<&str>,
        conditions: &DeleteConditions,
    ) -> S3Result<Deleted> {
        let mut tries = Tries::default();
        loop {
            let bucket = self.bucket(bucket).await?.value;
            let current = self.get::<Version>(&keys::object(bucket.id, key)).await?;
            let decided = match (id, bucket.versioning) {
                (Some(id), _) => self.without_version(asking, &bucket, key, id, current, conditions).await?,
                (None, Versioning::Off) => {
                    conditions.check(current.as_ref().map(|current| &current.value))?;
                    match current {
                        Some(current) => self.without(asking, &bucket, current, Vec::new()).await?,
                        None => return Ok(Deleted::default()),
                    }
                }
                (None, _) => {
                    conditions.check(current.as_ref().map(|current| &current.value))?;
                    self.with_marker(asking, &bucket, key, current).await?
                }
            };
            let (change, deleted) = decided;
            if change.batch.changes.is_empty() {
                return Ok(deleted);
            }
            if let Committed::Done = self.commit(change, Vec::new()).await? {
                return Ok(deleted);
            }
            tries.again()?;
        }
    }

    /// The latest version goes, and the one before it becomes the latest.
    async fn without(
        &self,
        asking: &Asking,
        bucket: &Bucket,
        current: Versioned<Version>,
        older: Vec<Versioned<Version>>,
    ) -> S3Result<(Change, Deleted)> {
        let precondition = unchanged(Some(&current));
        let change = match older.into_iter().next() {
            Some(next) => Change::default().delete(next.key, Precondition::Revision(next.revision)).put(
                current.key,
                precondition,
                &next.value,
            )?,
            None => Change::default().delete(current.key, precondition),
        };
        self.told_gone(asking, bucket, change, &current.value).await
    }

    async fn without_version(
        &self,
        asking: &Asking,
        bucket: &Bucket,
        key: &str,
        id: &str,
        current: Option<Versioned<Version>>,
        conditions: &DeleteConditions,
    ) -> S3Result<(Change, Deleted)> {
        let nothing = || (Change::default(), Deleted { version_id: Some(id.to_owned()), is_marker: false });
        let Some(current) = current else { return Ok(nothing()) };
        let mut older = self.all::<Version>(&keys::versions_of(bucket.id, key)).await?;
        if current.value.has_id(id) {
            conditions.check(Some(&current.value))?;
            return self.without(asking, bucket, current, older).await;
        }
        let Some(at) = older.iter().position(|version| version.value.has_id(id)) else { return Ok(nothing()) };
        let version = older.swap_remove(at);
        conditions.check(Some(&version.value))?;
        let change = Change::default().delete(version.key, Precondition::Revision(version.revision));
        self.told_gone(asking, bucket, change, &version.value).await
    }

    async fn told_gone(
        &self,
        asking: &Asking,
        bucket: &Bucket,
        change: Change,
        version: &Version,
    ) -> S3Result<(Change, Deleted)> {
        let mut change = self.forget(change, version.content).await?;
        let happening = Happening {
            sequence: self.next_sequence(Some(version.sequence)),
            ..Happening::of("ObjectRemoved:Delete", version)
        };
        change.messages.extend(happening.messages(bucket, &asking.visitor, self.now_ms()));
        let is_versioned = bucket.versioning != Versioning::Off;
        let version_id = is_versioned.then(|| version.id_text().to_owned());
        Ok((change, Deleted { version_id, is_marker: version.is_marker }))
    }

    /// A marker becomes the latest version.
    async fn with_marker(
        &self,
        asking: &Asking,
        bucket: &Bucket,
        key: &str,
        current: Option<Versioned<Version>>,
    ) -> S3Result<(Change, Deleted)> {
        let marker = Version {
            key: key.to_owned(),
            id: new_id(bucket),
            sequence: self.next_sequence(current.as_ref().map(|current| current.value.sequence)),
            modified_ms: self.now_ms(),
            is_marker: true,
            size: 0,
            etag: String::new(),
            sum: None,
            about: About::default(),
            content: Content::Empty,
        };
        let mut change = self.supersede(bucket, &marker, current, Change::default()).await?;
        let happening = Happening::of("ObjectRemoved:DeleteMarkerCreated", &marker);
        change.messages.extend(happening.messages(bucket, &asking.visitor, marker.modified_ms));
        Ok((change, Deleted { version_id: Some(marker.id_text().to_owned()), is_marker: true }))
    }
}

fn told(object: ObjectIdentifier, outcome: Deleted) -> DeletedObject {
    let is_new_marker = outcome.is_marker && object.version_id.is_none();
    DeletedObject {
        key: Some(object.key),
        delete_marker: outcome.is_marker.then_some(true),
        delete_marker_version_id: outcome.version_id.filter(|_| is_new_marker || outcome.is_marker),
        version_id: object.version_id,
    }
}

fn told_error(object: ObjectIdentifier, error: &S3Error) -> dto::Error {
    dto::Error {
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        key: Some(object.key),
        version_id: object.version_id,
    }
}
