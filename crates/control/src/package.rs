//! Code packages on their way from a request into the store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tindra_core::code_package::{self, PackageError};
use tindra_core::function::Code;
use tindra_core::limits;
use tindra_store::Store;
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};

use crate::error::ControlError;

/// Packages decoded and inflated at the same time: each keeps a core busy and tens of megabytes in use.
const INSPECTIONS_MAX: usize = 2;

/// The way in. While an [`Upload`] exists nothing is swept, so that a blob is safe between being written and
/// being referred to.
#[derive(Debug)]
pub(crate) struct Packages {
    inspections: Semaphore,
    pub(crate) uploads: RwLock<()>,
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
        Self { inspections: Semaphore::new(INSPECTIONS_MAX), uploads: RwLock::new(()) }
    }

    /// Decodes and inspects the `ZipFile` of a request.
    pub(crate) async fn read(&self, zip_file: Option<String>) -> Result<Bytes, ControlError> {
        let Some(base64) = zip_file else {
            return Err(ControlError::invalid("Please provide a source for function code."));
        };
        if base64.is_empty() {
            return Err(ControlError::invalid("Uploaded file must be a non-empty zip"));
        }
        // The semaphore is never closed.
        let _inspecting = self.inspections.acquire().await.ok();
        tokio::task::spawn_blocking(move || inspect(&base64)).await.map_err(ControlError::Lost)?
    }

    /// Stores a package durably.
    pub(crate) async fn upload(&self, store: &Store, zip: Bytes) -> Result<Upload<'_>, ControlError> {
        let unswept = self.uploads.read().await;
        let code = code(&zip, store.blobs.put(zip.clone()).await?);
        Ok(Upload { code, _unswept: unswept })
    }
}

/// What a package will be called, also when it is not stored.
pub(crate) fn code(zip: &Bytes, sha256: String) -> Code {
    Code { sha256, size_bytes: zip.len() as u64 }
}

fn inspect(base64: &str) -> Result<Bytes, ControlError> {
    let zip = STANDARD.decode(base64).map_err(|error| {
        ControlError::Package(PackageError::Broken { reason: format!("it is not base64: {error}") })
    })?;
    if zip.len() > limits::ZIP_BYTES_MAX {
        return Err(ControlError::ZipTooLarge);
    }
    code_package::inspect(&zip).map_err(ControlError::Package)?;
    Ok(Bytes::from(zip))
}
