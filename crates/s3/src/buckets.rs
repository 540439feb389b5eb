//! Making, listing and removing buckets.

use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::{
    Bucket as Listed, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, Initiator, ListBucketsInput,
    ListBucketsOutput, Owner,
};
use s3s::{S3Response, S3Result, s3_error};
use tindra_core::function::Scope;
use tindra_store::{Precondition, Versioned};
use uuid::Uuid;

use crate::changes::{Change, Committed};
use crate::checksums::hex;
use crate::conditions::timestamp;
use crate::failure;
use crate::keys;
use crate::listing::limit;
use crate::notifications::Notifications;
use crate::record::{Bucket, OWNER_ENFORCED, PublicAccess, Upload, Version, Versioning};
use crate::service::S3Service;
use crate::visitor::Asking;

/// The region in which a bucket's location has no name.
const FIRST_REGION: &str = "us-east-1";

/// The owner of an account's buckets. AWS has an id for them beside the account's; nobody computes with it.
pub(crate) fn owner(account: &str) -> Owner {
    Owner { id: Some(canonical_id(account)), display_name: None }
}

pub(crate) fn initiator(account: &str) -> Initiator {
    Initiator { id: Some(canonical_id(account)), display_name: None }
}

pub(crate) fn canonical_id(account: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(account.as_bytes());
    hex(digest.finalize().as_ref())
}

impl S3Service {
    pub(crate) async fn create_bucket(
        &self,
        asking: &Asking,
        input: CreateBucketInput,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let account = &asking.visitor.scope.account;
        let region = region(&input, &asking.visitor.scope)?;
        crate::puts::refuse_locks(input.object_lock_enabled_for_bucket.unwrap_or(false))?;
        let ownership = input.object_ownership.as_ref().map_or(OWNER_ENFORCED, |ownership| ownership.as_str());
        let bucket = Bucket {
            name: input.bucket,
            id: Uuid::new_v4(),
            scope: Scope { account: account.clone(), region },
            created_ms: self.now_ms(),
            versioning: Versioning::Off,
            tags: Vec::new(),
            policy: None,
            public_access: Some(PublicAccess {
                block_acls: true,
                ignore_acls: true,
                block_policy: true,
                restrict_buckets: true,
            }),
            ownership: Some(ownership.to_owned()),
            cors: Vec::new(),
            notifications: Notifications::default(),
            bucket_key: false,
        };
        match input.acl.as_ref().map(|acl| acl.as_str()) {
            None | Some("private") => {}
            Some(_) => return Err(failure::not_here("Sharing by access control lists", "use a bucket policy")),
        }
        let change = Change::default().put(keys::bucket(&bucket.name), Precondition::Absent, &bucket)?;
        if let Committed::Conflict { .. } = self.commit(change, Vec::new()).await? {
            return self.exists(account, &bucket).await;
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", bucket.name)) }))
    }

    /// A bucket of that name is there already. In the first region its owner may make it once more (AWS).
    async fn exists(&self, account: &str, bucket: &Bucket) -> S3Result<S3Response<CreateBucketOutput>> {
        let there = self.find_bucket(&bucket.name).await?.map(|there| there.value);
        match there {
            Some(there) if there.scope.account == account => {
                if there.scope.region == FIRST_REGION && bucket.scope.region == FIRST_REGION {
                    return Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", bucket.name)) }));
                }
                Err(s3_error!(
                    BucketAlreadyOwnedByYou,
                    "Your previous request to create the named bucket succeeded and you already own it."
                ))
            }
            _ => Err(s3_error!(
                BucketAlreadyExists,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
            )),
        }
    }

    pub(crate) async fn head_bucket(
        &self,
        asking: &Asking,
        input: HeadBucketInput,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(bucket.scope.region),
            access_point_alias: Some(false),
            ..HeadBucketOutput::default()
        }))
    }

    pub(crate) async fn location(
        &self,
        asking: &Asking,
        input: GetBucketLocationInput,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let bucket = self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let region = Some(bucket.scope.region).filter(|region| region != FIRST_REGION);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region.map(BucketLocationConstraint::from) }))
    }

    pub(crate) async fn list_buckets(
        &self,
        asking: &Asking,
        input: ListBucketsInput,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let account = &asking.visitor.scope.account;
        let count_max = if input.max_buckets.is_some() { limit(input.max_buckets)? } else { usize::MAX };
        let prefix = format!("{}{}", keys::BUCKETS, input.prefix.as_deref().unwrap_or_default());
        let all: Vec<Versioned<Bucket>> = self.all(&prefix).await?;
        let region = input.bucket_region.as_ref().map(|region| region.as_str().to_owned());
        let mut own = all
            .into_iter()
            .map(|bucket| bucket.value)
            .filter(|bucket| bucket.scope.account == *account)
            .filter(|bucket| region.as_ref().is_none_or(|region| bucket.scope.region == *region))
            .skip_while(|bucket| input.continuation_token.as_ref().is_some_and(|token| bucket.name <= *token));
        let listed: Vec<Listed> = own
            .by_ref()
            .take(count_max)
            .map(|bucket| Listed {
                name: Some(bucket.name),
                creation_date: Some(timestamp(bucket.created_ms / 1_000 * 1_000)),
                bucket_region: Some(bucket.scope.region),
            })
            .collect();
        let last = listed.last().and_then(|bucket| bucket.name.clone());
        Ok(S3Response::new(ListBucketsOutput {
            continuation_token: last.filter(|_| own.next().is_some()),
            buckets: Some(listed),
            owner: Some(owner(account)),
            prefix: input.prefix,
        }))
    }

    pub(crate) async fn delete_bucket(&self, asking: &Asking, input: &DeleteBucketInput) -> S3Result<()> {
        // Whatever is being put into it comes before, or finds it gone.
        let _alone = self.buckets.write().await;
        self.bucket_of(&input.bucket, input.expected_bucket_owner.as_deref(), &asking.visitor).await?;
        let Versioned { key, value: bucket, revision } = self.bucket(&input.bucket).await?;
        let objects = self.list::<Version>(&keys::objects(bucket.id), None, 1).await?;
        if !objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        for upload in self.all::<Upload>(&keys::uploads(bucket.id)).await? {
            self.drop_upload(upload).await?;
        }
        let change = Change::default().delete(key, Precondition::Revision(revision));
        match self.commit(change, Vec::new()).await? {
            Committed::Done => Ok(()),
            Committed::Conflict { .. } => Err(s3_error!(
                OperationAborted,
                "A conflicting conditional operation is currently in progress against this resource. Please try again."
            )),
        }
    }
}

/// Where a new bucket is to be: where the request says, or where it was sent to.
fn region(input: &CreateBucketInput, scope: &Scope) -> S3Result<String> {
    let asked = input.create_bucket_configuration.as_ref().and_then(|asked| asked.location_constraint.as_ref());
    match asked.map(BucketLocationConstraint::as_str).filter(|asked| !asked.is_empty()) {
        None => Ok(scope.region.clone()),
        Some("EU") => Ok("eu-west-1".to_owned()),
        Some(FIRST_REGION) => {
            Err(s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid"))
        }
        Some(asked) if scope.region != FIRST_REGION && asked != scope.region => Err(s3_error!(
            IllegalLocationConstraintException,
            "The {asked} location constraint is incompatible for the region specific endpoint this request was sent to."
        )),
        Some(asked) => Ok(asked.to_owned()),
    }
}
