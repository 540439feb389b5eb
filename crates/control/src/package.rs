//! Code packages on their way from a request into the store.

use bytes::Bytes;
use tindra_core::code_package;
use tindra_core::function::Code;
use tindra_core::limits;
use tindra_model::Blob;
use tindra_store::Store;
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};

use crate::error::ControlError;

/// Packages inflated at the same time: each keeps a core busy and tens of megabytes in use.
const INSPECTIONS_MAX: usize = 2;

/// Objects of S3 fetched and looked into at the same time: each may have 250 MB, which are held in memory.
const FETCHES_MAX: usize = 4;

/// The way in. While an [`Upload`] exists nothing is swept, so that a blob is safe between being written and
/// being referred to.
#[derive(Debug)]
pub(crate) struct Packages {
    inspections: Semaphore,
    pub(crate) fetches: Semaphore,
    pub(crate) uploads: RwLock<()>,
}

/// A package that was looked into.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) zip: Bytes,
    pub(crate) unzipped_bytes: u64,
}

/// A package that is durable, and that no record refers to yet.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) code: Code,
    /// Dropped after the record was written.
    _unswept: RwLockReadGuard<'a, ()>,
}

impl Packages {
    pub(crate) fn new() -> Self {
        Self {
            inspections: Semaphore::new(INSPECTIONS_MAX),
            fetches: Semaphore::new(FETCHES_MAX),
            uploads: RwLock::new(()),
        }
    }

    /// Takes the `ZipFile` of a request when it can be a code package.
    pub(crate) async fn inspect_upload(&self, Blob(zip): Blob) -> Result<Package, ControlError> {
        if zip.len() > limits::ZIP_BYTES_MAX {
            return Err(ControlError::ZipTooLarge);
        }
        self.inspect(zip).await
    }

    /// Takes a zip when it can be a code package.
    pub(crate) async fn inspect(&self, zip: Bytes) -> Result<Package, ControlError> {
        if zip.is_empty() {
            return Err(ControlError::invalid("Uploaded file must be a non-empty zip"));
        }
        // The semaphore is never closed.
        let _inspecting = self.inspections.acquire().await.ok();
        let inspected = zip.clone();
        let summary = tokio::task::spawn_blocking(move || code_package::inspect(&inspected)).await;
        let summary = summary.map_err(ControlError::Lost)?.map_err(ControlError::Package)?;
        if summary.files == 0 {
            return Err(ControlError::invalid("Uploaded file must be a non-empty zip"));
        }
        Ok(Package { zip, unzipped_bytes: summary.unzipped_bytes })
    }

    /// Stores a package durably.
    pub(crate) async fn upload(&self, store: &Store, package: &Package) -> Result<Upload<'_>, ControlError> {
        let unswept = self.uploads.read().await;
        let code = code(package, store.blobs.put(package.zip.clone()).await?);
        Ok(Upload { code, _unswept: unswept })
    }
}

/// What a package will be called, also when it is not stored.
pub(crate) fn code(package: &Package, sha256: String) -> Code {
    Code { sha256, size_bytes: package.zip.len() as u64, unzipped_bytes: package.unzipped_bytes }
}
