//! The sub-resources of a bucket: what is put acts, is told back as AWS tells its default, or is refused.

use s3s::dto;
use s3s::dto::{
    BucketVersioningStatus, MFADelete, ObjectOwnership, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::{S3Error, S3Result, s3_error};
use tindra_store::{Message, Precondition, Versioned};

use crate::buckets::canonical_id;
use crate::changes::{Change, Committed, Tries};
use crate::failure::{self, custom};
use crate::policies;
use crate::record::{Bucket, PublicAccess, Versioning};
use crate::service::{S3Service, check_owner};
use crate::visitor::Asking;

impl S3Service {
    /// Changes a bucket, in one commit with what is to be told of it.
    pub(crate) async fn configure(
        &self,
        asking: &Asking,
        name: &str,
        owner: Option<&str>,
        mut change: impl FnMut(&mut Bucket) -> S3Result<Vec<Message>>,
    ) -> S3Result<()> {
        let mut tries = Tries::default();
        loop {
            let Versioned { key, mut value, revision } = self.bucket(name).await?;
            check_owner(&value, owner)?;
            let messages = change(&mut value)?;
            let mut written = Change::default().put(key, Precondition::Revision(revision), &value)?;
            written.messages = messages;
            if let Committed::Done = self.commit(written, Vec::new()).await? {
                tracing::debug!(bucket = name, request_id = asking.visitor.request_id, "a bucket was configured");
                return Ok(());
            }
            tries.again()?;
        }
    }
}

pub(crate) fn set_versioning(bucket: &mut Bucket, given: &dto::VersioningConfiguration) -> S3Result<Vec<Message>> {
    if given.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
        return Err(failure::not_here(
            "MFA delete",
            "leave it out, or deny s3:DeleteObjectVersion in the bucket's policy",
        ));
    }
    bucket.versioning = match given.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            return Err(s3_error!(IllegalVersioningConfigurationException, "The Versioning element must be specified"));
        }
    };
    Ok(Vec::new())
}

pub(crate) fn versioning(bucket: &Bucket) -> Option<BucketVersioningStatus> {
    match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
    }
}

pub(crate) fn set_policy(bucket: &mut Bucket, text: &str) -> S3Result<Vec<Message>> {
    let policy = policies::read(bucket, text)?;
    if bucket.public_access.is_some_and(|access| access.block_policy) && policies::is_public(&policy) {
        return Err(s3_error!(
            AccessDenied,
            "User is not authorized to perform: s3:PutBucketPolicy on resource: \"{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
            bucket.arn()
        ));
    }
    bucket.policy = Some(text.to_owned());
    Ok(Vec::new())
}

pub(crate) fn policy(bucket: &Bucket) -> S3Result<String> {
    bucket.policy.clone().ok_or_else(no_policy)
}

pub(crate) fn is_public(bucket: &Bucket) -> S3Result<bool> {
    let text = bucket.policy.as_deref().ok_or_else(no_policy)?;
    Ok(policies::is_public(&policies::read(bucket, text)?))
}

fn no_policy() -> S3Error {
    s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
}

pub(crate) fn set_public_access(bucket: &mut Bucket, given: &PublicAccessBlockConfiguration) -> Vec<Message> {
    bucket.public_access = Some(PublicAccess {
        block_acls: given.block_public_acls.unwrap_or(false),
        ignore_acls: given.ignore_public_acls.unwrap_or(false),
        block_policy: given.block_public_policy.unwrap_or(false),
        restrict_buckets: given.restrict_public_buckets.unwrap_or(false),
    });
    Vec::new()
}

pub(crate) fn public_access(bucket: &Bucket) -> S3Result<PublicAccessBlockConfiguration> {
    let access = bucket.public_access.ok_or_else(|| {
        custom(
            "NoSuchPublicAccessBlockConfiguration",
            http::StatusCode::NOT_FOUND,
            "The public access block configuration was not found",
        )
    })?;
    Ok(PublicAccessBlockConfiguration {
        block_public_acls: Some(access.block_acls),
        ignore_public_acls: Some(access.ignore_acls),
        block_public_policy: Some(access.block_policy),
        restrict_public_buckets: Some(access.restrict_buckets),
    })
}

pub(crate) fn set_ownership(bucket: &mut Bucket, given: &dto::OwnershipControls) -> S3Result<Vec<Message>> {
    let [OwnershipControlsRule { object_ownership }] = given.rules.as_slice() else {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    };
    bucket.ownership = Some(object_ownership.as_str().to_owned());
    Ok(Vec::new())
}

pub(crate) fn ownership(bucket: &Bucket) -> S3Result<dto::OwnershipControls> {
    let ownership = bucket
        .ownership
        .clone()
        .ok_or_else(|| s3_error!(OwnershipControlsNotFoundError, "The bucket ownership controls were not found"))?;
    let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from(ownership) };
    Ok(dto::OwnershipControls { rules: vec![rule] })
}

pub(crate) fn set_encryption(bucket: &mut Bucket, given: &ServerSideEncryptionConfiguration) -> S3Result<Vec<Message>> {
    let [rule] = given.rules.as_slice() else {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    };
    if let Some(by_default) = &rule.apply_server_side_encryption_by_default {
        crate::puts::refuse_keys(Some(&by_default.sse_algorithm), by_default.kms_master_key_id.is_some())?;
    }
    bucket.bucket_key = rule.bucket_key_enabled.unwrap_or(false);
    Ok(Vec::new())
}

/// AWS has a configuration for each bucket, whether one was put or not.
pub(crate) fn encryption(bucket: &Bucket) -> ServerSideEncryptionConfiguration {
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        }),
        bucket_key_enabled: Some(bucket.bucket_key),
    };
    ServerSideEncryptionConfiguration { rules: vec![rule] }
}

/// The list that every bucket and object has: its owner may do everything.
pub(crate) fn grants(bucket: &Bucket) -> dto::Grants {
    let grantee = dto::Grantee {
        display_name: None,
        email_address: None,
        id: Some(canonical_id(&bucket.scope.account)),
        type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
        uri: None,
    };
    let permission = dto::Permission::from_static(dto::Permission::FULL_CONTROL);
    vec![dto::Grant { grantee: Some(grantee), permission: Some(permission) }]
}

/// Lists may only say what holds anyway.
pub(crate) fn check_acl(
    bucket: &Bucket,
    canned: Option<&str>,
    given: Option<&dto::AccessControlPolicy>,
) -> S3Result<()> {
    let own = grants(bucket);
    let is_own = |grant: &dto::Grant| {
        let id = |grant: &dto::Grant| grant.grantee.as_ref().and_then(|grantee| grantee.id.clone());
        id(grant) == id(&own[0]) && grant.permission == own[0].permission
    };
    let has_others = given.and_then(|given| given.grants.as_ref()).is_some_and(|grants| !grants.iter().all(is_own));
    let is_private = matches!(canned, None | Some("private" | "bucket-owner-full-control"));
    if is_private && !has_others {
        return Ok(());
    }
    if bucket.is_owner_enforced() {
        return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
    }
    Err(failure::not_here("Sharing by access control lists", "use a bucket policy"))
}
