//! Objects for Tindra itself: code that is deployed, and records of invokes that failed.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use s3s::S3Error;

use crate::changes::Change;
use crate::checksums::{Algorithm, hex};
use crate::conditions::WriteConditions;
use crate::gets::Wanted;
use crate::intake;
use crate::puts::{Fresh, PUT_BYTES_MAX};
use crate::record::{About, Content};
use crate::service::S3Service;
use crate::visitor::{Asking, Visitor};

/// Why an object cannot be had or put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// What S3 says to it.
    #[error("{code}: {message}")]
    Refused {
        /// For example `NoSuchKey`.
        code: String,
        /// S3's sentence.
        message: String,
    },
    /// It is larger than may be.
    #[error("the object is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

impl From<S3Error> for ObjectError {
    fn from(error: S3Error) -> Self {
        Self::Refused {
            code: error.code().as_str().to_owned(),
            message: error.message().unwrap_or("We encountered an internal error. Please try again.").to_owned(),
        }
    }
}

impl S3Service {
    /// The bytes of an object of at most so many, as somebody may read it.
    ///
    /// # Errors
    /// As GetObject; and when it is too large.
    pub async fn read(
        &self,
        visitor: Visitor,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: usize,
    ) -> Result<Bytes, ObjectError> {
        let asking = Asking { visitor: visitor.into(), trailers: crate::chunked::Trailers::default() };
        let bucket = self.bucket(bucket).await?.value;
        let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.permit(&asking, &bucket, action, Some(key))?;
        let wanted = Wanted { version: version.map(str::to_owned), ..Wanted::default() };
        let (seen, mut outflow) = self.open(&bucket, key, &wanted).await?;
        if seen.version.size > bytes_max as u64 {
            return Err(ObjectError::TooLarge { bytes_max });
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = outflow.next().await {
            whole.extend_from_slice(&piece.map_err(|_| S3Error::new(s3s::S3ErrorCode::InternalError))?);
        }
        Ok(whole.freeze())
    }

    /// Puts an object.
    ///
    /// # Errors
    /// As PutObject.
    pub async fn write(
        &self,
        visitor: Visitor,
        bucket: &str,
        key: &str,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<(), ObjectError> {
        let asking = Asking { visitor: visitor.into(), trailers: crate::chunked::Trailers::default() };
        let found = self.bucket(bucket).await?.value;
        self.permit(&asking, &found, "s3:PutObject", Some(key))?;
        let stream = futures_util::stream::once(async { Ok(bytes) });
        let taken = intake::take(&self.files, stream, Algorithm::Crc64Nvme, PUT_BYTES_MAX).await?;
        let fresh = Fresh {
            key: key.to_owned(),
            size: taken.size,
            etag: hex(&taken.digested.md5),
            sum: Some(taken.digested.sum),
            about: About { content_type: Some(content_type.to_owned()), ..About::default() },
            content: taken.draft.as_ref().map_or(Content::Empty, |draft| Content::File(draft.id)),
            event: "ObjectCreated:Put",
        };
        let drafts = taken.draft.into_iter().collect();
        self.publish(&asking, bucket, fresh, &WriteConditions::default(), Change::default(), drafts).await?;
        Ok(())
    }
}
