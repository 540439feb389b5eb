//! The operations, as the wire layer calls them: each is somewhere else, and this is the list.

use s3s::dto;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::configuration as config;
use crate::cors;
use crate::failure::not_here;
use crate::notifications;
use crate::service::S3Service;
use crate::tagging::{BUCKET_TAGS_MAX, Which, of_set, to_set};
use crate::visitor::Asking;

/// S3 for one visitor.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) service: S3Service,
    pub(crate) asking: Asking,
}

impl Api {
    async fn bucket(&self, name: &str, owner: Option<&str>) -> S3Result<crate::record::Bucket> {
        self.service.bucket_of(name, owner, &self.asking.visitor).await
    }
}

#[async_trait::async_trait]
impl S3 for Api {
    async fn put_object(&self, request: S3Request<dto::PutObjectInput>) -> S3Result<S3Response<dto::PutObjectOutput>> {
        // Forms of browsers come as a post, and the wire layer makes a put of them.
        let event = if request.method == http::Method::POST { "ObjectCreated:Post" } else { "ObjectCreated:Put" };
        self.service.put_object(&self.asking, request, event).await
    }

    async fn get_object(&self, request: S3Request<dto::GetObjectInput>) -> S3Result<S3Response<dto::GetObjectOutput>> {
        self.service.get_object(&self.asking, request).await
    }

    async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        self.service.head_object(&self.asking, request).await
    }

    async fn copy_object(
        &self,
        request: S3Request<dto::CopyObjectInput>,
    ) -> S3Result<S3Response<dto::CopyObjectOutput>> {
        self.service.copy_object(&self.asking, request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        self.service.delete_object(&self.asking, request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<dto::DeleteObjectsInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        self.service.delete_objects(&self.asking, request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        self.service.create_upload(&self.asking, request).await
    }

    async fn upload_part(
        &self,
        request: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        self.service.upload_part(&self.asking, request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<dto::UploadPartCopyInput>,
    ) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
        self.service.upload_part_copy(&self.asking, request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        self.service.complete_upload(&self.asking, request).await
    }

    async fn list_objects(
        &self,
        request: S3Request<dto::ListObjectsInput>,
    ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
        self.service.list_objects(&self.asking, request.input).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        self.service.list_objects_v2(&self.asking, request.input).await
    }

    async fn list_object_versions(
        &self,
        request: S3Request<dto::ListObjectVersionsInput>,
    ) -> S3Result<S3Response<dto::ListObjectVersionsOutput>> {
        self.service.list_versions(&self.asking, request.input).await
    }

    async fn list_parts(&self, request: S3Request<dto::ListPartsInput>) -> S3Result<S3Response<dto::ListPartsOutput>> {
        self.service.list_parts(&self.asking, request.input).await
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        self.service.list_uploads(&self.asking, request.input).await
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<dto::GetObjectAttributesInput>,
    ) -> S3Result<S3Response<dto::GetObjectAttributesOutput>> {
        self.service.attributes(&self.asking, request.input).await
    }

    async fn create_bucket(
        &self,
        request: S3Request<dto::CreateBucketInput>,
    ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        self.service.create_bucket(&self.asking, request.input).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<dto::HeadBucketInput>,
    ) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        self.service.head_bucket(&self.asking, request.input).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<dto::ListBucketsInput>,
    ) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        self.service.list_buckets(&self.asking, request.input).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<dto::GetBucketLocationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
        self.service.location(&self.asking, request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        self.service.abort_upload(&self.asking, &request.input).await?;
        Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<dto::DeleteBucketInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
        self.service.delete_bucket(&self.asking, &request.input).await?;
        Ok(S3Response::new(dto::DeleteBucketOutput::default()))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<dto::GetObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
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
        request: S3Request<dto::PutObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::PutObjectTaggingOutput>> {
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
        request: S3Request<dto::DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectTaggingOutput>> {
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
        request: S3Request<dto::GetBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::GetBucketTaggingOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        if bucket.tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(S3Response::new(dto::GetBucketTaggingOutput { tag_set: to_set(&bucket.tags) }))
    }

    async fn put_bucket_tagging(
        &self,
        request: S3Request<dto::PutBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::PutBucketTaggingOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.tags = of_set(input.tagging.tag_set.clone(), BUCKET_TAGS_MAX)?;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::PutBucketTaggingOutput::default()))
    }

    async fn delete_bucket_tagging(
        &self,
        request: S3Request<dto::DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketTaggingOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.tags.clear();
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeleteBucketTaggingOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<dto::GetBucketVersioningInput>,
    ) -> S3Result<S3Response<dto::GetBucketVersioningOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let status = config::versioning(&bucket);
        Ok(S3Response::new(dto::GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<dto::PutBucketVersioningInput>,
    ) -> S3Result<S3Response<dto::PutBucketVersioningOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                config::set_versioning(bucket, &input.versioning_configuration)
            })
            .await?;
        Ok(S3Response::new(dto::PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<dto::GetBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::GetBucketPolicyOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let policy = Some(config::policy(&bucket)?);
        Ok(S3Response::new(dto::GetBucketPolicyOutput { policy }))
    }

    async fn get_bucket_policy_status(
        &self,
        request: S3Request<dto::GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<dto::GetBucketPolicyStatusOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let status = dto::PolicyStatus { is_public: Some(config::is_public(&bucket)?) };
        Ok(S3Response::new(dto::GetBucketPolicyStatusOutput { policy_status: Some(status) }))
    }

    async fn put_bucket_policy(
        &self,
        request: S3Request<dto::PutBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::PutBucketPolicyOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| config::set_policy(bucket, &input.policy))
            .await?;
        Ok(S3Response::new(dto::PutBucketPolicyOutput::default()))
    }

    async fn delete_bucket_policy(
        &self,
        request: S3Request<dto::DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketPolicyOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.policy = None;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeleteBucketPolicyOutput::default()))
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<dto::GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::GetPublicAccessBlockOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let access = config::public_access(&bucket)?;
        Ok(S3Response::new(dto::GetPublicAccessBlockOutput { public_access_block_configuration: Some(access) }))
    }

    async fn put_public_access_block(
        &self,
        request: S3Request<dto::PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::PutPublicAccessBlockOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                Ok(config::set_public_access(bucket, &input.public_access_block_configuration))
            })
            .await?;
        Ok(S3Response::new(dto::PutPublicAccessBlockOutput::default()))
    }

    async fn delete_public_access_block(
        &self,
        request: S3Request<dto::DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::DeletePublicAccessBlockOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.public_access = None;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeletePublicAccessBlockOutput::default()))
    }

    async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<dto::GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::GetBucketOwnershipControlsOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let controls = config::ownership(&bucket)?;
        Ok(S3Response::new(dto::GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }))
    }

    async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<dto::PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::PutBucketOwnershipControlsOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                config::set_ownership(bucket, &input.ownership_controls)
            })
            .await?;
        Ok(S3Response::new(dto::PutBucketOwnershipControlsOutput::default()))
    }

    async fn delete_bucket_ownership_controls(
        &self,
        request: S3Request<dto::DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOwnershipControlsOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.ownership = None;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeleteBucketOwnershipControlsOutput::default()))
    }

    async fn get_bucket_encryption(
        &self,
        request: S3Request<dto::GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::GetBucketEncryptionOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let rules = Some(config::encryption(&bucket));
        Ok(S3Response::new(dto::GetBucketEncryptionOutput { server_side_encryption_configuration: rules }))
    }

    async fn put_bucket_encryption(
        &self,
        request: S3Request<dto::PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::PutBucketEncryptionOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                config::set_encryption(bucket, &input.server_side_encryption_configuration)
            })
            .await?;
        Ok(S3Response::new(dto::PutBucketEncryptionOutput::default()))
    }

    async fn delete_bucket_encryption(
        &self,
        request: S3Request<dto::DeleteBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketEncryptionOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.bucket_key = false;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeleteBucketEncryptionOutput::default()))
    }

    async fn get_bucket_cors(
        &self,
        request: S3Request<dto::GetBucketCorsInput>,
    ) -> S3Result<S3Response<dto::GetBucketCorsOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        if bucket.cors.is_empty() {
            return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
        }
        Ok(S3Response::new(dto::GetBucketCorsOutput { cors_rules: Some(cors::tell(&bucket.cors)) }))
    }

    async fn put_bucket_cors(
        &self,
        request: S3Request<dto::PutBucketCorsInput>,
    ) -> S3Result<S3Response<dto::PutBucketCorsOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.cors = cors::read(input.cors_configuration.cors_rules.clone())?;
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::PutBucketCorsOutput::default()))
    }

    async fn delete_bucket_cors(
        &self,
        request: S3Request<dto::DeleteBucketCorsInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketCorsOutput>> {
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.service
            .configure(&self.asking, &input.bucket, owner, |bucket| {
                bucket.cors.clear();
                Ok(Vec::new())
            })
            .await?;
        Ok(S3Response::new(dto::DeleteBucketCorsOutput::default()))
    }

    async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<dto::GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<dto::GetBucketNotificationConfigurationOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(notifications::tell(&bucket.notifications)))
    }

    async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<dto::PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<dto::PutBucketNotificationConfigurationOutput>> {
        self.service.put_notifications(&self.asking, request.input).await?;
        Ok(S3Response::new(dto::PutBucketNotificationConfigurationOutput::default()))
    }

    async fn get_bucket_acl(
        &self,
        request: S3Request<dto::GetBucketAclInput>,
    ) -> S3Result<S3Response<dto::GetBucketAclOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketAclOutput {
            grants: Some(config::grants(&bucket)),
            owner: Some(crate::buckets::owner(&bucket.scope.account)),
            ..Default::default()
        }))
    }

    async fn put_bucket_acl(
        &self,
        request: S3Request<dto::PutBucketAclInput>,
    ) -> S3Result<S3Response<dto::PutBucketAclOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let canned = input.acl.as_ref().map(|acl| acl.as_str());
        config::check_acl(&bucket, canned, input.access_control_policy.as_ref())?;
        Ok(S3Response::new(dto::PutBucketAclOutput::default()))
    }

    async fn get_object_acl(
        &self,
        request: S3Request<dto::GetObjectAclInput>,
    ) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        self.service.version(&bucket, &input.key, input.version_id.as_deref()).await?;
        Ok(S3Response::new(dto::GetObjectAclOutput {
            grants: Some(config::grants(&bucket)),
            owner: Some(crate::buckets::owner(&bucket.scope.account)),
            ..Default::default()
        }))
    }

    async fn put_object_acl(
        &self,
        request: S3Request<dto::PutObjectAclInput>,
    ) -> S3Result<S3Response<dto::PutObjectAclOutput>> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        self.service.version(&bucket, &input.key, input.version_id.as_deref()).await?;
        let canned = input.acl.as_ref().map(|acl| acl.as_str());
        config::check_acl(&bucket, canned, input.access_control_policy.as_ref())?;
        Ok(S3Response::new(dto::PutObjectAclOutput::default()))
    }

    async fn get_bucket_website(
        &self,
        request: S3Request<dto::GetBucketWebsiteInput>,
    ) -> S3Result<S3Response<dto::GetBucketWebsiteOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration"))
    }

    async fn get_bucket_replication(
        &self,
        request: S3Request<dto::GetBucketReplicationInput>,
    ) -> S3Result<S3Response<dto::GetBucketReplicationOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(ReplicationConfigurationNotFoundError, "The replication configuration was not found"))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<dto::GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLifecycleConfigurationOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<dto::GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<dto::GetObjectLockConfigurationOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(ObjectLockConfigurationNotFoundError, "Object Lock configuration does not exist for this bucket"))
    }

    async fn get_bucket_logging(
        &self,
        request: S3Request<dto::GetBucketLoggingInput>,
    ) -> S3Result<S3Response<dto::GetBucketLoggingOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketLoggingOutput::default()))
    }

    async fn get_bucket_accelerate_configuration(
        &self,
        request: S3Request<dto::GetBucketAccelerateConfigurationInput>,
    ) -> S3Result<S3Response<dto::GetBucketAccelerateConfigurationOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::GetBucketAccelerateConfigurationOutput::default()))
    }

    async fn get_bucket_request_payment(
        &self,
        request: S3Request<dto::GetBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<dto::GetBucketRequestPaymentOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        let payer = Some(dto::Payer::from_static(dto::Payer::BUCKET_OWNER));
        Ok(S3Response::new(dto::GetBucketRequestPaymentOutput { payer }))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<dto::GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::GetObjectLegalHoldOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchObjectLockConfiguration, "The specified object does not have a ObjectLock configuration"))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<dto::GetObjectRetentionInput>,
    ) -> S3Result<S3Response<dto::GetObjectRetentionOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Err(s3_error!(NoSuchObjectLockConfiguration, "The specified object does not have a ObjectLock configuration"))
    }

    async fn delete_bucket_website(
        &self,
        request: S3Request<dto::DeleteBucketWebsiteInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketWebsiteOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketWebsiteOutput::default()))
    }

    async fn delete_bucket_lifecycle(
        &self,
        request: S3Request<dto::DeleteBucketLifecycleInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketLifecycleOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketLifecycleOutput::default()))
    }

    async fn delete_bucket_replication(
        &self,
        request: S3Request<dto::DeleteBucketReplicationInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketReplicationOutput>> {
        let input = request.input;
        self.bucket(&input.bucket, input.expected_bucket_owner.as_deref()).await?;
        Ok(S3Response::new(dto::DeleteBucketReplicationOutput::default()))
    }

    async fn put_bucket_website(
        &self,
        _: S3Request<dto::PutBucketWebsiteInput>,
    ) -> S3Result<S3Response<dto::PutBucketWebsiteOutput>> {
        Err(not_here("Hosting a website", "serve it with a function behind a URL or an HTTP API"))
    }

    async fn put_bucket_replication(
        &self,
        _: S3Request<dto::PutBucketReplicationInput>,
    ) -> S3Result<S3Response<dto::PutBucketReplicationOutput>> {
        Err(not_here("Replication", "copy objects with a function that the bucket notifies"))
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        _: S3Request<dto::PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<dto::PutBucketLifecycleConfigurationOutput>> {
        Err(not_here("A lifecycle of objects", "delete them with a function on a schedule"))
    }

    async fn put_object_lock_configuration(
        &self,
        _: S3Request<dto::PutObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<dto::PutObjectLockConfigurationOutput>> {
        Err(not_here("Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"))
    }

    async fn put_object_legal_hold(
        &self,
        _: S3Request<dto::PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::PutObjectLegalHoldOutput>> {
        Err(not_here("Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"))
    }

    async fn put_object_retention(
        &self,
        _: S3Request<dto::PutObjectRetentionInput>,
    ) -> S3Result<S3Response<dto::PutObjectRetentionOutput>> {
        Err(not_here("Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"))
    }

    async fn put_bucket_accelerate_configuration(
        &self,
        _: S3Request<dto::PutBucketAccelerateConfigurationInput>,
    ) -> S3Result<S3Response<dto::PutBucketAccelerateConfigurationOutput>> {
        Err(not_here("Transfer acceleration", "leave it out: there is one way to this server"))
    }

    async fn put_bucket_logging(
        &self,
        _: S3Request<dto::PutBucketLoggingInput>,
    ) -> S3Result<S3Response<dto::PutBucketLoggingOutput>> {
        Err(not_here("Logging of requests to buckets", "leave it out, or let the bucket notify a function"))
    }

    async fn put_bucket_request_payment(
        &self,
        _: S3Request<dto::PutBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<dto::PutBucketRequestPaymentOutput>> {
        Err(not_here("Payment by requesters", "leave it out: nobody pays"))
    }

    async fn restore_object(
        &self,
        _: S3Request<dto::RestoreObjectInput>,
    ) -> S3Result<S3Response<dto::RestoreObjectOutput>> {
        Err(not_here("Archiving objects", "they can be read at once"))
    }

    async fn select_object_content(
        &self,
        _: S3Request<dto::SelectObjectContentInput>,
    ) -> S3Result<S3Response<dto::SelectObjectContentOutput>> {
        Err(not_here("S3 Select", "read the object and filter it in the function"))
    }
}
