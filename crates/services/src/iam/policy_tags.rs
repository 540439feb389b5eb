//! Tags of managed policies.

use serde::Deserialize;
use serde_json::Value;

use super::page::PageRequest;
use super::records::Tag;
use super::{IamError, IamService, tags};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagRequest {
    policy_arn: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagRequest {
    policy_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    policy_arn: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl IamService {
    pub(super) async fn tag_policy(&self, account: &str, request: TagRequest) -> Result<Value, IamError> {
        let mut policy = self.changeable_policy(account, &request.policy_arn, "TagPolicy").await?;
        tags::add(&mut policy.value.tags, request.tags)?;
        self.replace_policy(policy).await
    }

    pub(super) async fn untag_policy(&self, account: &str, request: UntagRequest) -> Result<Value, IamError> {
        let mut policy = self.changeable_policy(account, &request.policy_arn, "UntagPolicy").await?;
        tags::remove(&mut policy.value.tags, &request.tag_keys);
        self.replace_policy(policy).await
    }

    pub(super) async fn list_policy_tags(&self, account: &str, request: ListRequest) -> Result<Value, IamError> {
        let mut tags = self.find_policy(account, &request.policy_arn).await?.0.tags;
        tags.sort_by(|one, other| one.key.cmp(&other.key));
        request.page.cut("Tags", tags, |tag| tag.key.clone())
    }
}
