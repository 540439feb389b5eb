//! Changes of what is kept: each one commit, with whatever is to be told of it and the files that come and go.

use std::sync::atomic::{AtomicU64, Ordering};

use s3s::{S3Result, s3_error};
use tindra_store::{Batch, JsonBatch as _, Message, Precondition, StoreError, Versioned};
use uuid::Uuid;

use crate::failure;
use crate::files::Draft;
use crate::keys;
use crate::record::{Bucket, Content, Version};
use crate::service::S3Service;

/// How often a change is decided anew because another one was faster. Each time somebody's change has succeeded.
const TRIES_MAX: usize = 1_000;

/// One change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) batch: Batch,
    pub(crate) messages: Vec<Message>,
    /// What no record names any more afterwards.
    pub(crate) gone: Vec<(Uuid, Vec<Uuid>)>,
}

/// How a commit ended.
pub(crate) enum Committed {
    Done,
    /// Somebody was faster; the files that were to be named are still nobody's.
    Conflict {
        /// What they changed.
        key: String,
        drafts: Vec<Draft>,
    },
}

impl Change {
    pub(crate) fn put<T: serde::Serialize>(
        mut self,
        key: String,
        precondition: Precondition,
        value: &T,
    ) -> S3Result<Self> {
        self.batch = self.batch.put_json(key, precondition, value).map_err(|error| failure::store(&error))?;
        Ok(self)
    }

    pub(crate) fn delete(mut self, key: String, precondition: Precondition) -> Self {
        self.batch = self.batch.delete(key, precondition);
        self
    }
}

/// What must hold of a record that was read.
pub(crate) fn unchanged<T>(record: Option<&Versioned<T>>) -> Precondition {
    record.map_or(Precondition::Absent, |record| Precondition::Revision(record.revision))
}

/// Counts the tries of one change.
#[derive(Debug, Default)]
pub(crate) struct Tries(usize);

impl Tries {
    pub(crate) fn again(&mut self) -> S3Result<()> {
        self.0 += 1;
        if self.0 < TRIES_MAX { Ok(()) } else { Err(s3_error!(SlowDown, "Please reduce your request rate.")) }
    }
}

impl S3Service {
    /// Commits a change. It goes on to its end also when the caller has gone: half of it would be a file without a record, or
    /// a record without its file.
    pub(crate) async fn commit(&self, change: Change, drafts: Vec<Draft>) -> S3Result<Committed> {
        let service = self.clone();
        let ended = tokio::spawn(async move {
            let Change { batch, messages, gone } = change;
            match service.ground.outbox.commit(batch, messages).await {
                Ok(_) => {
                    drafts.into_iter().for_each(Draft::keep);
                    for (content, files) in gone {
                        service.files.discard(content, files);
                    }
                    Ok(Committed::Done)
                }
                Err(StoreError::Conflict { key }) => Ok(Committed::Conflict { key, drafts }),
                Err(error) => {
                    // A record may name them; if none does, the next start removes them.
                    drafts.into_iter().for_each(Draft::keep);
                    Err(failure::store(&error))
                }
            }
        });
        ended.await.unwrap_or_else(|error| Err(failure::storage("commit a change", &error)))
    }

    /// Adds that a version is no more.
    pub(crate) async fn forget(&self, mut change: Change, content: Content) -> S3Result<Change> {
        if let Some(id) = content.id() {
            change.gone.push((id, self.files_of(content).await?));
        }
        if let Content::Parts { manifest, .. } = content {
            change = change.delete(keys::manifest(manifest), Precondition::None);
        }
        Ok(change)
    }

    /// The older version that AWS calls `null`.
    pub(crate) async fn older_null(&self, bucket: &Bucket, key: &str) -> S3Result<Option<Versioned<Version>>> {
        let all = self.all::<Version>(&keys::versions_of(bucket.id, key)).await?;
        Ok(all.into_iter().find(|version| version.value.id.is_none()))
    }

    /// A number for a version that is greater than that of the one before.
    pub(crate) fn next_sequence(&self, before: Option<u64>) -> u64 {
        /// Two changes of different keys have different numbers, too.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let now = self.ground.timer.unix_ms().saturating_mul(1_000_000);
        let least = now.max(before.map_or(0, |before| before + 1));
        let mut last = LAST.load(Ordering::Relaxed);
        loop {
            let next = least.max(last + 1);
            match LAST.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(other) => last = other,
            }
        }
    }
}
