//! Where code comes from that a request does not carry itself: an object of an S3 bucket.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::Blob;

use crate::Control;
use crate::error::ControlError;
use crate::package::Package;

/// A future that can be stored in a trait object.
pub type CodeFuture<'a> = Pin<Box<dyn Future<Output = Result<Bytes, CodeSourceError>> + Send + 'a>>;

/// An object of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectName {
    /// `S3Bucket`.
    pub bucket: String,
    /// `S3Key`.
    pub key: String,
    /// `S3ObjectVersion`.
    pub version: Option<String>,
}

/// Gets objects from S3, or from what speaks its language.
pub trait CodeSource: Send + Sync + Debug {
    /// The bytes of an object of at most `bytes_max`, as an account may read it in a region.
    fn get<'a>(&'a self, object: &'a ObjectName, scope: &'a Scope, bytes_max: usize) -> CodeFuture<'a>;
}

/// Why an object cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeSourceError {
    /// What S3 answered.
    #[error("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}")]
    Refused {
        /// For example `NoSuchKey`.
        code: String,
        /// S3's sentence.
        message: String,
    },
    /// There is no telling what S3 would answer.
    #[error("Error occurred while GetObject. The S3 endpoint {endpoint} could not be used: {reason}")]
    Unreachable {
        /// Its URL.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// The object is larger than any package may be.
    #[error("Unzipped size must be smaller than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

/// The members by which requests say where code lies.
#[derive(Debug, Default)]
pub(crate) struct CodeMembers {
    pub(crate) zip_file: Option<Blob>,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
}

impl Control {
    /// The package that a request carries or names, when it can be one.
    pub(crate) async fn package(&self, members: CodeMembers, scope: &Scope) -> Result<Package, ControlError> {
        let CodeMembers { zip_file, bucket, key, version } = members;
        match (zip_file, bucket, key) {
            (Some(zip_file), None, None) => self.packages.inspect_upload(zip_file).await,
            (Some(_), _, _) => Err(ControlError::invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            )),
            (None, Some(bucket), Some(key)) => {
                let object = ObjectName { bucket, key, version };
                // The semaphore is never closed.
                let _fetching = self.packages.fetches.acquire().await.ok();
                self.packages.inspect(self.object(&object, scope).await?).await
            }
            (None, _, _) => Err(ControlError::invalid("Please provide a source for function code.")),
        }
    }

    async fn object(&self, object: &ObjectName, scope: &Scope) -> Result<Bytes, ControlError> {
        let Some(source) = &self.options.code_source else {
            return Err(ControlError::invalid(
                "This server has no S3 to read code from. Start it with s3_endpoint in its configuration, or with the environment variable AWS_ENDPOINT_URL_S3, or send the zip itself as ZipFile.",
            ));
        };
        let bytes_max = usize::try_from(limits::UNZIPPED_BYTES_MAX).unwrap_or(usize::MAX);
        source.get(object, scope, bytes_max).await.map_err(|error| ControlError::Invalid(error.to_string()))
    }
}
