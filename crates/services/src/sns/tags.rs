//! TagResource, UntagResource and ListTagsForResource.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_model::ApiError;

use super::error::{invalid, no_resource};
use super::{SnsService, parse};
use crate::Asker;

/// Of one topic (AWS).
const TAGS_MAX: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// Tags by their keys.
pub(super) fn to_map(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, ApiError> {
    let count = tags.len();
    let map: BTreeMap<String, String> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if map.len() < count {
        return Err(invalid("Duplicated keys are not allowed."));
    }
    if map.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid("Tag keys can not begin with aws:"));
    }
    check(&map)?;
    Ok(map)
}

fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > TAGS_MAX {
        let message = format!("Could not complete request: tag quota of {TAGS_MAX} per resource exceeded");
        return Err(ApiError::new("TagLimitExceededException", message));
    }
    Ok(())
}

impl SnsService {
    pub(super) async fn tag(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let new = to_map(request.tags)?;
        let change = self.change_topic(asker, &request.resource_arn, |topic| {
            topic.tags.extend(new.clone());
            check(&topic.tags)
        });
        change.await.map_err(of_resource)?;
        Ok(json!({}))
    }

    pub(super) async fn untag(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let change = self.change_topic(asker, &request.resource_arn, |topic| {
            topic.tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        });
        change.await.map_err(of_resource)?;
        Ok(json!({}))
    }

    pub(super) async fn list_tags(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let known = self.known_topic(asker.scope, &request.resource_arn).await.map_err(of_resource)?;
        let tags = known.topic.tags.iter();
        let tags: Vec<Value> = tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    }
}

/// These operations know resources, not topics.
fn of_resource(error: ApiError) -> ApiError {
    if error.code() == "NotFoundException" { no_resource() } else { error }
}
