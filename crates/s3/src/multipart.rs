//! Uploads in parts: begun, put part by part, and made an object in one commit. The object is the parts' files one after the
//! other; nothing is copied.

mod complete;
mod listings;
mod upload;

use s3s::{S3Result, s3_error};
use tindra_store::Versioned;
use uuid::Uuid;

use crate::failure;
use crate::keys;
use crate::record::{Bucket, Upload};
use crate::service::S3Service;

/// Parts of an object (AWS).
pub(crate) const PARTS_MAX: i32 = 10_000;
/// Of every part but the last (AWS).
const PART_BYTES_MIN: u64 = 5 << 20;

impl S3Service {
    /// An upload under way.
    pub(crate) async fn upload(&self, bucket: &Bucket, key: &str, id: &str) -> S3Result<Versioned<Upload>> {
        let id = Uuid::try_parse(id).map_err(|_| failure::no_such_upload())?;
        self.get(&keys::upload(bucket.id, key, id)).await?.ok_or_else(failure::no_such_upload)
    }
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}
