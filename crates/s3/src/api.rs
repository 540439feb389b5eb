//! The operations, as the wire layer calls them: each is somewhere else, and this is the list.

use s3s::dto;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tindra_store::Message;

use crate::configuration as config;
use crate::cors;
use crate::notifications;
use crate::record::Bucket;
use crate::service::S3Service;
use crate::tagging::{BUCKET_TAGS_MAX, Which, of_set, to_set};
use crate::visitor::Asking;

/// A request of an operation.
type Asked<T> = S3Request<T>;
/// What comes of it.
type Told<T> = S3Result<S3Response<T>>;

/// S3 for one visitor.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) service: S3Service,
    pub(crate) asking: Asking,
}

impl Api {
    async fn bucket(&self, name: &str, owner: Option<&str>) -> S3Result<Bucket> {
        self.service.bucket_of(name, owner, &self.asking.visitor).await
    }

    /// Changes a bucket.
    async fn configured<T: Default>(
        &self,
        name: &str,
        owner: Option<&str>,
        change: impl FnMut(&mut Bucket) -> S3Result<Vec<Message>> + Send,
    ) -> S3Result<S3Response<T>> {
        self.service.configure(&self.asking, name, owner, change).await?;
        Ok(S3Response::new(T::default()))
    }
}

#[async_trait::async_trait]
impl S3 for Api {
    async fn put_object(&self, request: Asked<dto::PutObjectInput>) -> Told<dto::PutObjectOutput> {
        // Forms of browsers come as a post, and the wire layer makes a put of them.
        let event = if request.method == http::Method::POST { "ObjectCreated:Post" } else { "ObjectCreated:Put" };
        self.service.put_object(&self.asking, request, event).await
    }

    async fn get_object(&self, request: Asked<dto::GetObjectInput>) -> Told<dto::GetObjectOutput> {
        self.service.get_object(&self.asking, request).await
    }

    async fn head_object(&self, request: Asked<dto::HeadObjectInput>) -> Told<dto::HeadObjectOutput> {
        self.service.head_object(&self.asking, request).await
    }

    async fn copy_object(&self, request: Asked<dto::CopyObjectInput>) -> Told<dto::CopyObjectOutput> {
        self.service.copy_object(&self.asking, request).await
    }

    async fn delete_object(&self, request: Asked<dto::DeleteObjectInput>) -> Told<dto::DeleteObjectOutput> {
        self.service.delete_object(&self.asking, request).await
    }

    async fn delete_objects(&self, request: Asked<dto::DeleteObjectsInput>) -> Told<dto::DeleteObjectsOutput> {
        self.service.delete_objects(&self.asking, request).await
    }

    async fn create_multipart_upload(
        &self,
        request: Asked<dto::CreateMultipartUploadInput>,
    ) -> Told<dto::CreateMultipartUploadOutput> {
        self.service.create_upload(&self.asking, request).await
    }

    async fn upload_part(&self, request: Asked<dto::UploadPartInput>) -> Told<dto::UploadPartOutput> {
        self.service.upload_part(&self.asking, request).await
    }

    async fn upload_part_copy(&self, request: Asked<dto::UploadPartCopyInput>) -> Told<dto::UploadPartCopyOutput> {
        self.service.upload_part_copy(&self.asking, request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: Asked<dto::CompleteMultipartUploadInput>,
    ) -> Told<dto::CompleteMultipartUploadOutput> {
        self.service.complete_upload(&self.asking, request).await
    }

    async fn list_objects(&self, request: Asked<dto::ListObjectsInput>) -> Told<dto::ListObjectsOutput> {
        self.service.list_objects(&self.asking, request.input).await
    }

    async fn list_objects_v2(&self, request: Asked<dto::ListObjectsV2Input>) -> Told<dto::ListObjectsV2Output> {
        self.service.list_objects_v2(&self.asking, request.input).await
    }

    async fn list_object_versions(
        &self,
        request: Asked<dto::ListObjectVersionsInput>,
    ) -> Told<dto::ListObjectVersionsOutput> {
        self.service.list_versions(&self.asking, request.input).await
    }

    async fn list_parts(&self, request: Asked<dto::ListPartsInput>) -> Told<dto::ListPartsOutput> {
        self.service.list_parts(&self.asking, request.input).await
    }

    async fn list_multipart_uploads(
        &self,
        request: Asked<dto::ListMultipartUploadsInput>,
    ) -> Told<dto::ListMultipartUploadsOutput> {
        self.service.list_uploads(&self.asking, request.input).await
    }

    async fn get_object_attributes(
        &self,
        request: Asked<dto::GetObjectAttributesInput>,
    ) -> Told<dto::GetObjectAttributesOutput> {
        self.service.attributes(&self.asking, request.input).await
    }

    async fn create_bucket(&self, request: Asked<dto::CreateBucketInput>) -> Told<dto::CreateBucketOutput> {
        self.service.create_bucket(&self.asking, request.input).await
    }

    async fn head_bucket(&self, request: Asked<dto::HeadBucketInput>) -> Told<dto::HeadBucketOutput> {
        self.service.head_bucket(&self.asking, request.input).await
    }

    async fn list_buckets(&self, request: Asked<dto::ListBucketsInput>) -> Told<dto::ListBucketsOutput> {
        self.service.list_buckets(&self.asking, request.input).await
    }

    async fn get_bucket_location(
        &self,
        request: Asked<dto::GetBucketLocationInput>,
    ) -> Told<dto::GetBucketLocationOutput> {
        self.service.location(&self.asking, request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: Asked<dto::AbortMultipartUploadInput>,
    ) -> Told<dto::AbortMultipartUploadOutput> {
        self.service.abort_upload(&self.asking, &request.input).await?;
        Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
    }

    async fn delete_bucket(&self, request: Asked<dto::DeleteBucketInput>) -> Told<dto::DeleteBucketOutput> {
        self.service.delete_bucket(&self.asking, &request.input).await?;
        Ok(S3Response::new(dto::DeleteBucketOutput::default()))
    }

    async fn get_object_tagging(
        &self,
        request: Asked<dto::GetObjectTaggingInput>,
    ) -> Told<dto::GetObjectTaggingOutput> {
        let input = request.input;
        let which = Which {
            bucket: &input.bucket,
            owner: input.expected_bucket_owner.as_deref(),
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let (tags, version_id) = self.service.tags(&self.asking, which).await?;
        Ok(S3Response::new(dto::GetObjectTaggingOutput { tag_set: to_set(&tags), version_id }))
    }

    async fn put_object_tagging(
        &self,
        request: Asked<dto::PutObjectTaggingInput>,
    ) -> Told<dto::PutObjectTaggingOutput> {
        let input = request.input;
        let which = Which {
            bucket: &input.bucket,
            owner: input.expected_bucket_owner.as_deref(),
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let version_id = self.service.set_tags(&self.asking, which, Some(input.tagging.tag_set.clone())).await?;
        Ok(S3Response::new(dto::PutObjectTaggingOutput { version_id }))
    }

    async fn delete_object_tagging(
        &self,
        request: Asked<dto::DeleteObjectTaggingInput>,
    ) -> Told<dto::DeleteObjectTaggingOutput> {
        let input = request.input;
        let which = Which {
            bucket: &input.bucket,
            owner: input.expected_bucket_owner.as_deref(),
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let version_id = self.service.set_tags(&self.asking, which, None).await?;
        Ok(S3Response::new(dto::DeleteObjectTaggingOutput { version_id }))
    }

    async fn get_bucket_tagging(
        &self,
        request: Asked<dto::GetBucketTaggingInput>,
    ) -> Told<dto::GetBucketTaggingOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        if bucket.tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(S3Response::new(dto::GetBucketTaggingOutput { tag_set: to_set(&bucket.tags) }))
    }

    async fn put_bucket_tagging(
        &self,
        request: Asked<dto::PutBucketTaggingInput>,
    ) -> Told<dto::PutBucketTaggingOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.tags = of_set(input.tagging.tag_set.clone(), BUCKET_TAGS_MAX)?;
            Ok(Vec::new())
        })
        .await
    }

    async fn delete_bucket_tagging(
        &self,
        request: Asked<dto::DeleteBucketTaggingInput>,
    ) -> Told<dto::DeleteBucketTaggingOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.tags.clear();
            Ok(Vec::new())
        })
        .await
    }

    async fn get_bucket_versioning(
        &self,
        request: Asked<dto::GetBucketVersioningInput>,
    ) -> Told<dto::GetBucketVersioningOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let status = config::versioning(&bucket);
        Ok(S3Response::new(dto::GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: Asked<dto::PutBucketVersioningInput>,
    ) -> Told<dto::PutBucketVersioningOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| config::set_versioning(bucket, &input.versioning_configuration))
            .await
    }

    async fn get_bucket_policy(&self, request: Asked<dto::GetBucketPolicyInput>) -> Told<dto::GetBucketPolicyOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let policy = Some(config::policy(&bucket)?);
        Ok(S3Response::new(dto::GetBucketPolicyOutput { policy }))
    }

    async fn get_bucket_policy_status(
        &self,
        request: Asked<dto::GetBucketPolicyStatusInput>,
    ) -> Told<dto::GetBucketPolicyStatusOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let status = dto::PolicyStatus { is_public: Some(config::is_public(&bucket)?) };
        Ok(S3Response::new(dto::GetBucketPolicyStatusOutput { policy_status: Some(status) }))
    }

    async fn put_bucket_policy(&self, request: Asked<dto::PutBucketPolicyInput>) -> Told<dto::PutBucketPolicyOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| config::set_policy(bucket, &input.policy)).await
    }

    async fn delete_bucket_policy(
        &self,
        request: Asked<dto::DeleteBucketPolicyInput>,
    ) -> Told<dto::DeleteBucketPolicyOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.policy = None;
            Ok(Vec::new())
        })
        .await
    }

    async fn get_public_access_block(
        &self,
        request: Asked<dto::GetPublicAccessBlockInput>,
    ) -> Told<dto::GetPublicAccessBlockOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let access = config::public_access(&bucket)?;
        Ok(S3Response::new(dto::GetPublicAccessBlockOutput { public_access_block_configuration: Some(access) }))
    }

    async fn put_public_access_block(
        &self,
        request: Asked<dto::PutPublicAccessBlockInput>,
    ) -> Told<dto::PutPublicAccessBlockOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            Ok(config::set_public_access(bucket, &input.public_access_block_configuration))
        })
        .await
    }

    async fn delete_public_access_block(
        &self,
        request: Asked<dto::DeletePublicAccessBlockInput>,
    ) -> Told<dto::DeletePublicAccessBlockOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.public_access = None;
            Ok(Vec::new())
        })
        .await
    }

    async fn get_bucket_ownership_controls(
        &self,
        request: Asked<dto::GetBucketOwnershipControlsInput>,
    ) -> Told<dto::GetBucketOwnershipControlsOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let controls = config::ownership(&bucket)?;
        Ok(S3Response::new(dto::GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }))
    }

    async fn put_bucket_ownership_controls(
        &self,
        request: Asked<dto::PutBucketOwnershipControlsInput>,
    ) -> Told<dto::PutBucketOwnershipControlsOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| config::set_ownership(bucket, &input.ownership_controls)).await
    }

    async fn delete_bucket_ownership_controls(
        &self,
        request: Asked<dto::DeleteBucketOwnershipControlsInput>,
    ) -> Told<dto::DeleteBucketOwnershipControlsOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.ownership = None;
            Ok(Vec::new())
        })
        .await
    }

    async fn get_bucket_encryption(
        &self,
        request: Asked<dto::GetBucketEncryptionInput>,
    ) -> Told<dto::GetBucketEncryptionOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let rules = Some(config::encryption(&bucket));
        Ok(S3Response::new(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: rules }))
    }

    async fn put_bucket_encryption(
        &self,
        request: Asked<dto::PutBucketEncryptionInput>,
    ) -> Told<dto::PutBucketEncryptionOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            config::set_encryption(bucket, &input.server_side_encryption_configuration)
        })
        .await
    }

    async fn delete_bucket_encryption(
        &self,
        request: Asked<dto::DeleteBucketEncryptionInput>,
    ) -> Told<dto::DeleteBucketEncryptionOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.bucket_key = false;
            Ok(Vec::new())
        })
        .await
    }

    async fn get_bucket_cors(&self, request: Asked<dto::GetBucketCorsInput>) -> Told<dto::GetBucketCorsOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        if bucket.cors.is_empty() {
            return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
        }
        Ok(S3Response::new(dto::GetBucketCorsOutput { cors_rules: Some(cors::tell(&bucket.cors)) }))
    }

    async fn put_bucket_cors(&self, request: Asked<dto::PutBucketCorsInput>) -> Told<dto::PutBucketCorsOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.cors = cors::read(input.cors_configuration.cors_rules.clone())?;
            Ok(Vec::new())
        })
        .await
    }

    async fn delete_bucket_cors(
        &self,
        request: Asked<dto::DeleteBucketCorsInput>,
    ) -> Told<dto::DeleteBucketCorsOutput> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.configured(&input.bucket, owner, |bucket| {
            bucket.cors.clear();
            Ok(Vec::new())
        })
        .await
    }

    async fn get_bucket_notification_configuration(
        &self,
        request: Asked<dto::GetBucketNotificationConfigurationInput>,
    ) -> Told<dto::GetBucketNotificationConfigurationOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(notifications::tell(&bucket.notifications)))
    }

    async fn put_bucket_notification_configuration(
        &self,
        request: Asked<dto::PutBucketNotificationConfigurationInput>,
    ) -> Told<dto::PutBucketNotificationConfigurationOutput> {
        self.service.put_notifications(&self.asking, request.input).await?;
        Ok(S3Response::new(dto::PutBucketNotificationConfigurationOutput::default()))
    }

    async fn get_bucket_acl(&self, request: Asked<dto::GetBucketAclInput>) -> Told<dto::GetBucketAclOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketAclOutput {
            grants: Some(config::grants(&bucket)),
            owner: Some(crate::buckets::owner(&bucket.scope.account)),
        }))
    }

    async fn put_bucket_acl(&self, request: Asked<dto::PutBucketAclInput>) -> Told<dto::PutBucketAclOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let canned = input.acl.as_ref().map(|acl| acl.as_str());
        config::check_acl(&bucket, canned, input.access_control_policy.as_ref())?;
        Ok(S3Response::new(dto::PutBucketAclOutput::default()))
    }

    async fn get_object_acl(&self, request: Asked<dto::GetObjectAclInput>) -> Told<dto::GetObjectAclOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        self.service.version(&bucket, &input.key, input.version_id.as_deref()).await?;
        Ok(S3Response::new(dto::GetObjectAclOutput {
            grants: Some(config::grants(&bucket)),
            owner: Some(crate::buckets::owner(&bucket.scope.account)),
            ..Default::default()
        }))
    }

    async fn put_object_acl(&self, request: Asked<dto::PutObjectAclInput>) -> Told<dto::PutObjectAclOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        self.service.version(&bucket, &input.key, input.version_id.as_deref()).await?;
        let canned = input.acl.as_ref().map(|acl| acl.as_str());
        config::check_acl(&bucket, canned, input.access_control_policy.as_ref())?;
        Ok(S3Response::new(dto::PutObjectAclOutput::default()))
    }

    async fn get_bucket_website(
        &self,
        request: Asked<dto::GetBucketWebsiteInput>,
    ) -> Told<dto::GetBucketWebsiteOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration"))
    }

    async fn get_bucket_replication(
        &self,
        request: Asked<dto::GetBucketReplicationInput>,
    ) -> Told<dto::GetBucketReplicationOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(ReplicationConfigurationNotFoundError, "The replication configuration was not found"))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: Asked<dto::GetBucketLifecycleConfigurationInput>,
    ) -> Told<dto::GetBucketLifecycleConfigurationOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"))
    }

    async fn get_object_lock_configuration(
        &self,
        request: Asked<dto::GetObjectLockConfigurationInput>,
    ) -> Told<dto::GetObjectLockConfigurationOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(ObjectLockConfigurationNotFoundError, "Object Lock configuration does not exist for this bucket"))
    }

    async fn get_bucket_logging(
        &self,
        request: Asked<dto::GetBucketLoggingInput>,
    ) -> Told<dto::GetBucketLoggingOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketLoggingOutput::default()))
    }

    async fn get_bucket_accelerate_configuration(
        &self,
        request: Asked<dto::GetBucketAccelerateConfigurationInput>,
    ) -> Told<dto::GetBucketAccelerateConfigurationOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketAccelerateConfigurationOutput::default()))
    }

    async fn get_bucket_request_payment(
        &self,
        request: Asked<dto::GetBucketRequestPaymentInput>,
    ) -> Told<dto::GetBucketRequestPaymentOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let payer = Some(dto::Payer::from_static(dto::Payer::BUCKET_OWNER));
        Ok(S3Response::new(dto::GetBucketRequestPaymentOutput { payer }))
    }

    async fn get_object_legal_hold(
        &self,
        request: Asked<dto::GetObjectLegalHoldInput>,
    ) -> Told<dto::GetObjectLegalHoldOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchObjectLockConfiguration, "The specified object does not have a ObjectLock configuration"))
    }

    async fn get_object_retention(
        &self,
        request: Asked<dto::GetObjectRetentionInput>,
    ) -> Told<dto::GetObjectRetentionOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchObjectLockConfiguration, "The specified object does not have a ObjectLock configuration"))
    }

    async fn delete_bucket_website(
        &self,
        request: Asked<dto::DeleteBucketWebsiteInput>,
    ) -> Told<dto::DeleteBucketWebsiteOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketWebsiteOutput::default()))
    }

    async fn delete_bucket_lifecycle(
        &self,
        request: Asked<dto::DeleteBucketLifecycleInput>,
    ) -> Told<dto::DeleteBucketLifecycleOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketLifecycleOutput::default()))
    }

    async fn delete_bucket_replication(
        &self,
        request: Asked<dto::DeleteBucketReplicationInput>,
    ) -> Told<dto::DeleteBucketReplicationOutput> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketReplicationOutput::default()))
    }
}
