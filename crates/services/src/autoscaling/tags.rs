//! ListTagsForResource, TagResource and UntagResource: of scalable targets, by their ARNs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_core::scaling::target_arn;

use super::names::Scaled;
use super::{AutoscalingError, AutoscalingService};

#[derive(Debug, Deserialize)]
pub(super) struct TagsRequest {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    #[serde(rename = "Tags", default)]
    tags: BTreeMap<String, String>,
    #[serde(rename = "TagKeys", default)]
    tag_keys: Vec<String>,
}

impl AutoscalingService {
    pub(super) async fn list_tags(&self, scope: &Scope, request: TagsRequest) -> Result<Value, AutoscalingError> {
        let scaled = self.named(scope, &request.resource_arn).await?;
        let target = self.target(&scaled).await?;
        let target = target.ok_or_else(|| AutoscalingError::no_resource(&request.resource_arn))?;
        Ok(json!({ "Tags": target.value.tags }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: TagsRequest) -> Result<Value, AutoscalingError> {
        let (arn, scaled) = (&request.resource_arn, self.named(scope, &request.resource_arn).await?);
        let absent = || AutoscalingError::no_resource(arn);
        self.change(&scaled, absent, |target| add(&mut target.tags, &request.tags, arn)).await?;
        Ok(json!({}))
    }

    pub(super) async fn untag(&self, scope: &Scope, request: TagsRequest) -> Result<Value, AutoscalingError> {
        let (arn, scaled) = (&request.resource_arn, self.named(scope, &request.resource_arn).await?);
        let absent = || AutoscalingError::no_resource(arn);
        self.change(&scaled, absent, |target| {
            target.tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(json!({}))
    }

    /// What the target of an ARN scales.
    async fn named(&self, scope: &Scope, arn: &str) -> Result<Scaled, AutoscalingError> {
        let targets = self.targets(scope).await?;
        let found = targets.into_iter().map(|record| record.value.scaled);
        let mut found = found.filter(|scaled| target_arn(scope, &scaled.resource_id()) == arn);
        found.next().ok_or_else(|| AutoscalingError::no_resource(arn))
    }
}

/// Adds tags to those that there are.
pub(super) fn add(
    tags: &mut BTreeMap<String, String>,
    more: &BTreeMap<String, String>,
    arn: &str,
) -> Result<(), AutoscalingError> {
    if let Some(key) = more.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(AutoscalingError::invalid(format!("The tag key {key} begins with aws:, which is reserved.")));
    }
    tags.extend(more.clone());
    match tags.len() > limits::SCALABLE_TARGET_TAGS_MAX {
        true => Err(AutoscalingError::too_many_tags(arn, limits::SCALABLE_TARGET_TAGS_MAX)),
        false => Ok(()),
    }
}
