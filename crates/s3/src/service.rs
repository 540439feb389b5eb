//! The service: what it stands on, and the records that everything begins with.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use s3s::S3Result;
use serde::de::DeserializeOwned;
use tindra_core::clock::UnixMs;
use tindra_services::Surroundings;
use tindra_store::{JsonRecords as _, Metadata, StoreError, Versioned};
use tokio::sync::RwLock;
use uuid::Uuid;

use crate::failure;
use crate::files::Files;
use crate::keys;
use crate::notifications::Destinations;
use crate::record::{Bucket, Content, Part, Version};
use crate::visitor::Visitor;

/// Records read at once.
const PAGE: usize = 1_000;

/// S3. Cheap to clone.
#[derive(Clone, Debug)]
pub struct S3Service {
    pub(crate) ground: Surroundings,
    pub(crate) files: Files,
    /// Held by whatever puts something into a bucket while it is written, and alone by whoever deletes a bucket.
    pub(crate) buckets: Arc<RwLock<()>>,
    destinations: Arc<OnceLock<Arc<dyn Destinations>>>,
}

/// Why S3 cannot start.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// Of the files.
    #[error("failed to open the directory of objects {path}")]
    Directory {
        /// Where it was to be.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Of the records.
    #[error("failed to read which objects there are")]
    Store {
        /// The cause.
        #[source]
        source: StoreError,
    },
}

impl S3Service {
    /// S3 with its files in a directory. Removes files that no record names: of uploads that a kill cut off.
    ///
    /// # Errors
    /// When the directory or the store cannot be read.
    pub async fn start(ground: Surroundings, directory: PathBuf) -> Result<Self, S3Error> {
        let at = |source| S3Error::Directory { path: directory.clone(), source };
        let files = Files::open(directory.clone()).map_err(at)?;
        let service = Self { ground, files, buckets: Arc::default(), destinations: Arc::default() };
        if !service.files.all().map_err(at)?.is_empty() {
            let named = service.named().await.map_err(|source| S3Error::Store { source })?;
            let removed = service.files.sweep(&named).map_err(at)?;
            tracing::debug!(named = named.len(), removed, "looked through the files of S3");
        }
        Ok(service)
    }

    /// From now on those whom a bucket is to tell are asked before it is configured so.
    pub fn ask(&self, destinations: Arc<dyn Destinations>) {
        // Set once, at the start.
        let _ = self.destinations.set(destinations);
    }

    pub(crate) fn destinations(&self) -> Option<&dyn Destinations> {
        self.destinations.get().map(AsRef::as_ref)
    }

    /// Removes the files of all objects, whose records have gone.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn reset(&self) -> std::io::Result<()> {
        let _alone = self.buckets.write().await;
        self.files.sweep(&HashSet::new()).map(drop)
    }

    pub(crate) fn metadata(&self) -> &dyn Metadata {
        self.ground.store.metadata.as_ref()
    }

    pub(crate) fn now_ms(&self) -> UnixMs {
        self.ground.timer.unix_ms()
    }

    /// A bucket that may not be there.
    pub(crate) async fn find_bucket(&self, name: &str) -> S3Result<Option<Versioned<Bucket>>> {
        self.get(&keys::bucket(name)).await
    }

    /// A bucket.
    pub(crate) async fn bucket(&self, name: &str) -> S3Result<Versioned<Bucket>> {
        self.find_bucket(name).await?.ok_or_else(failure::no_such_bucket)
    }

    /// The bucket of a request, whose owner may have been named.
    pub(crate) async fn bucket_of(&self, name: &str, owner: Option<&str>, visitor: &Visitor) -> S3Result<Bucket> {
        let bucket = self.bucket(name).await?.value;
        check_owner(&bucket, owner)?;
        let _ = visitor;
        Ok(bucket)
    }

    /// Whether there is such a bucket.
    pub async fn has_bucket(&self, name: &str) -> bool {
        matches!(self.find_bucket(name).await, Ok(Some(_)))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &str) -> S3Result<Option<Versioned<T>>> {
        self.metadata().get_json(key).await.map_err(|error| failure::store(&error))
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> S3Result<Vec<Versioned<T>>> {
        self.metadata().list_json(prefix, after, limit).await.map_err(|error| failure::store(&error))
    }

    /// All records under a prefix.
    pub(crate) async fn all<T: DeserializeOwned>(&self, prefix: &str) -> S3Result<Vec<Versioned<T>>> {
        let mut all: Vec<Versioned<T>> = Vec::new();
        loop {
            let after = all.last().map(|record| record.key.clone());
            let page = self.list(prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The parts that an object consists of.
    pub(crate) async fn manifest(&self, id: Uuid) -> S3Result<Option<Vec<Part>>> {
        Ok(self.get(&keys::manifest(id)).await?.map(|record| record.value))
    }

    /// The files of a content.
    pub(crate) async fn files_of(&self, content: Content) -> S3Result<Vec<Uuid>> {
        match content {
            Content::Empty => Ok(Vec::new()),
            Content::File(file) => Ok(vec![file]),
            Content::Parts { manifest, .. } => {
                let parts = self.manifest(manifest).await?.unwrap_or_default();
                Ok(parts.into_iter().filter_map(|part| part.file).collect())
            }
        }
    }

    /// All files that a record names.
    async fn named(&self) -> Result<HashSet<Uuid>, StoreError> {
        let mut named = HashSet::new();
        for prefix in [keys::OBJECTS, keys::VERSIONS] {
            self.each(prefix, |version: Version| {
                if let Content::File(file) = version.content {
                    named.insert(file);
                }
            })
            .await?;
        }
        self.each(keys::PARTS, |part: Part| named.extend(part.file)).await?;
        self.each(keys::MANIFESTS, |parts: Vec<Part>| named.extend(parts.into_iter().filter_map(|part| part.file)))
            .await?;
        Ok(named)
    }

    async fn each<T: DeserializeOwned>(&self, prefix: &str, mut look: impl FnMut(T)) -> Result<(), StoreError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.metadata().list_json(prefix, after.as_deref(), PAGE).await?;
            after = page.last().map(|record: &Versioned<T>| record.key.clone());
            let is_last = page.len() < PAGE;
            page.into_iter().for_each(|record| look(record.value));
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Refuses a request that expects a bucket to be somebody else's.
pub(crate) fn check_owner(bucket: &Bucket, expected: Option<&str>) -> S3Result<()> {
    match expected {
        Some(owner) if owner != bucket.scope.account => Err(s3s::s3_error!(AccessDenied, "Access Denied")),
        _ => Ok(()),
    }
}
