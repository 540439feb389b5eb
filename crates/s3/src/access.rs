//! Which action of IAM each operation is, and whether the visitor may do it. Asked by the wire layer before it reads a body; only
//! where signatures are verified.

use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::s3_error;
use tindra_core::policy::Context;

use crate::service::S3Service;
use crate::visitor::Asking;

/// The visitor's own key, which their request has to be signed with.
#[derive(Clone, Debug)]
pub(crate) struct KeyOfVisitor(pub(crate) Asking);

#[async_trait::async_trait]
impl S3Auth for KeyOfVisitor {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match &self.0.visitor.key {
            Some((id, secret)) if id == access_key => Ok(SecretKey::from(secret.as_str())),
            _ => {
                Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
            }
        }
    }
}

/// Asks the policies.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) service: S3Service,
    pub(crate) asking: Asking,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Self { service, asking } = self;
        let Some(rights) = &asking.visitor.rights else { return Ok(()) };
        let query = Query(context.uri().query().unwrap_or_default());
        let action = format!("s3:{}", action(context.s3_op().name(), query.get("versionId").is_some()));
        if action == "s3:DeleteObjects" {
            // Object by object, once the body tells which.
            return Ok(());
        }
        let (name, key) = match context.s3_path() {
            S3Path::Root => return service.permit_without_bucket(asking, &action, "*"),
            S3Path::Bucket { bucket } => (bucket, None),
            S3Path::Object { bucket, key } => (bucket, Some(key.as_ref())),
        };
        let Some(bucket) = service.find_bucket(name).await? else {
            let resource = format!("arn:aws:s3:::{name}");
            return service.permit_without_bucket(asking, &action, &resource);
        };
        let facts = facts(rights.context.clone(), context, query);
        service.permit_with(asking, &bucket.value, &action, key, &facts)
    }
}

/// The keys of S3's own that conditions may read.
fn facts(facts: Context, context: &S3AccessContext<'_>, query: Query<'_>) -> Context {
    let asked = [
        ("prefix", "s3:prefix"),
        ("delimiter", "s3:delimiter"),
        ("max-keys", "s3:max-keys"),
        ("versionId", "s3:VersionId"),
    ];
    let facts = asked.into_iter().fold(facts, |facts, (name, key)| match query.get(name) {
        Some(value) => facts.with(key, value),
        None => facts,
    });
    let told = [
        ("x-amz-acl", "s3:x-amz-acl"),
        ("x-amz-copy-source", "s3:x-amz-copy-source"),
        ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
        ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
        ("x-amz-storage-class", "s3:x-amz-storage-class"),
        ("user-agent", "aws:UserAgent"),
        ("referer", "aws:Referer"),
    ];
    told.into_iter().fold(facts, |facts, (name, key)| {
        match context.headers().get(name).and_then(|value| value.to_str().ok()) {
            Some(value) => facts.with(key, value),
            None => facts,
        }
    })
}

#[derive(Clone, Copy, Debug)]
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(known, _)| *known == name)?;
        Some(tindra_model::percent_decode(&value.replace('+', " ")).into_owned())
    }
}

/// The action of an operation (service authorization reference).
fn action(operation: &str, is_of_version: bool) -> String {
    let plain = match operation {
        "GetObject" | "HeadObject" | "GetObjectAttributes" if is_of_version => "GetObjectVersion",
        "GetObject" | "HeadObject" | "GetObjectAttributes" => "GetObject",
        "PutObject"
        | "PostObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "DeleteObject" if is_of_version => "DeleteObjectVersion",
        "GetObjectTagging" if is_of_version => "GetObjectVersionTagging",
        "PutObjectTagging" if is_of_version => "PutObjectVersionTagging",
        "DeleteObjectTagging" if is_of_version => "DeleteObjectVersionTagging",
        "GetObjectAcl" if is_of_version => "GetObjectVersionAcl",
        "PutObjectAcl" if is_of_version => "PutObjectVersionAcl",
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListBuckets" => "ListAllMyBuckets",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "GetBucketCors" => "GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "PutBucketCORS",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        other => other,
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_actions() {
        for (operation, is_of_version, expected) in [
            ("HeadObject", false, "GetObject"),
            ("GetObject", true, "GetObjectVersion"),
            ("UploadPart", false, "PutObject"),
            ("ListObjectsV2", false, "ListBucket"),
            ("CreateBucket", false, "CreateBucket"),
        ] {
            assert_eq!(action(operation, is_of_version), expected);
        }
        assert_eq!(Query("list-type=2&prefix=a%2Fb+c").get("prefix").as_deref(), Some("a/b c"));
    }
}
