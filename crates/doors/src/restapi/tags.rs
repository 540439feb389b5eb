//! GetTags, TagResource and UntagResource: of APIs, stages, API keys and usage plans, told by their ARNs.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::api_keys::ApiKey;
use super::records::{Api, Named, Stage};
use super::usage_plans::Plan;
use super::{RestApiError, RestApiService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagsRequest {
    resource_arn: String,
    #[serde(default)]
    tags: Named<String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl RestApiService {
    pub(super) async fn get_tags(&self, scope: &Scope, request: TagsRequest) -> Result<Value, RestApiError> {
        let tags = self.change_tags(scope, &request.resource_arn, |_| Ok(())).await?;
        Ok(json!({ "tags": tags }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: TagsRequest) -> Result<Value, RestApiError> {
        let edit = |tags: &mut Named<String>| {
            tags.extend(request.tags.clone());
            *tags = checked(std::mem::take(tags))?;
            Ok(())
        };
        self.change_tags(scope, &request.resource_arn, edit).await?;
        Ok(json!({}))
    }

    pub(super) async fn untag(&self, scope: &Scope, request: TagsRequest) -> Result<Value, RestApiError> {
        let edit = |tags: &mut Named<String>| {
            tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        };
        self.change_tags(scope, &request.resource_arn, edit).await?;
        Ok(json!({}))
    }

    /// Changes the tags of what an ARN names, and gives them as they are then.
    async fn change_tags(
        &self,
        scope: &Scope,
        arn: &str,
        edit: impl Fn(&mut Named<String>) -> Result<(), RestApiError>,
    ) -> Result<Named<String>, RestApiError> {
        let invalid = || RestApiError::bad("Invalid ARN specified in the request");
        let path = arn.strip_prefix(&format!("arn:aws:apigateway:{}::/", scope.region)).ok_or_else(invalid)?;
        let absent = || RestApiError::not_found("Invalid resource identifier specified");
        let apply = |tags: &mut Named<String>| {
            edit(tags)?;
            Ok(tags.clone())
        };
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["restapis", id] => self.change_api(scope, id, |api: &mut Api| apply(&mut api.tags)).await,
            ["restapis", id, "stages", name] => {
                self.change(&Stage::key(scope, id, name), absent, |stage: &mut Stage| apply(&mut stage.tags)).await
            }
            ["apikeys", id] => {
                self.change(&ApiKey::key(scope, id), absent, |key: &mut ApiKey| apply(&mut key.tags)).await
            }
            ["usageplans", id] => {
                self.change(&Plan::key(scope, id), absent, |plan: &mut Plan| apply(&mut plan.tags)).await
            }
            _ => Err(invalid()),
        }
    }
}

/// Tags within their limits.
pub(super) fn checked(tags: Named<String>) -> Result<Named<String>, RestApiError> {
    if let Some(key) = tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(RestApiError::bad(format!("The tag key {key} begins with aws:, which is reserved.")));
    }
    if tags.keys().any(|key| key.is_empty() || key.chars().count() > 128)
        || tags.values().any(|value| value.chars().count() > 256)
    {
        return Err(RestApiError::bad("A tag key has 1 to 128 characters, and a tag value up to 256."));
    }
    match tags.len() > limits::API_GATEWAY_TAGS_MAX {
        true => Err(RestApiError::bad(format!("At most {} tags are possible.", limits::API_GATEWAY_TAGS_MAX))),
        false => Ok(tags),
    }
}
