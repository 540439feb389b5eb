//! TagResource, UntagResource and GetTags, of APIs, stages and custom domain names.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::tags::{GetTagsRequest, TagResourceRequest, UntagResourceRequest};

use super::records::{Api, DomainName};
use super::{HttpApiError, HttpApis, parse};

/// What has tags.
#[derive(Debug)]
enum Tagged {
    Api(String),
    Stage { api: String, stage: String },
    DomainName(String),
}

impl HttpApis {
    pub(super) async fn answer_tags(
        &self,
        scope: &Scope,
        operation: &str,
        input: Value,
    ) -> Result<Value, HttpApiError> {
        match operation {
            "TagResource" => {
                let request: TagResourceRequest = parse(input)?;
                let added = request.tags.unwrap_or_default();
                self.change_tags(scope, &request.resource_arn, |tags| add(tags, added.clone())).await
            }
            "UntagResource" => {
                let request: UntagResourceRequest = parse(input)?;
                let remove = |tags: &mut BTreeMap<String, String>| {
                    tags.retain(|key, _| !request.tag_keys.contains(key));
                    Ok(())
                };
                self.change_tags(scope, &request.resource_arn, remove).await
            }
            _ => self.get_tags(scope, parse(input)?).await,
        }
    }

    async fn get_tags(&self, scope: &Scope, request: GetTagsRequest) -> Result<Value, HttpApiError> {
        let tags = match Tagged::read(&request.resource_arn, scope)? {
            Tagged::Api(id) => self.api(scope, &id).await?.value.tags,
            Tagged::Stage { api, stage } => {
                let api = self.api(scope, &api).await?.value;
                api.stages.get(&stage).ok_or_else(|| HttpApiError::unknown("Stage", &stage))?.tags.clone()
            }
            Tagged::DomainName(name) => self.domain(scope, &name).await?.value.tags,
        };
        Ok(json!({ "Tags": tags }))
    }

    async fn change_tags(
        &self,
        scope: &Scope,
        arn: &str,
        edit: impl Fn(&mut BTreeMap<String, String>) -> Result<(), HttpApiError>,
    ) -> Result<Value, HttpApiError> {
        match Tagged::read(arn, scope)? {
            Tagged::Api(id) => {
                self.change(scope, &id, |api: &mut Api| edit(&mut api.tags)).await?;
            }
            Tagged::Stage { api, stage } => {
                let unknown = || HttpApiError::unknown("Stage", &stage);
                let edit = |api: &mut Api| edit(&mut api.stages.get_mut(&stage).ok_or_else(unknown)?.tags);
                self.change(scope, &api, edit).await?;
            }
            Tagged::DomainName(name) => {
                self.change_domain(scope, &name, |domain: &mut DomainName| edit(&mut domain.tags)).await?;
            }
        }
        Ok(json!({}))
    }
}

impl Tagged {
    /// Reads `arn:aws:apigateway:REGION::/apis/ID`, `.../apis/ID/stages/NAME` and `.../domainnames/NAME`.
    fn read(arn: &str, scope: &Scope) -> Result<Self, HttpApiError> {
        let invalid = || HttpApiError::invalid(format!("Invalid resource ARN: '{arn}'."));
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "apigateway", region, account, path] = parts.as_slice() else { return Err(invalid()) };
        if *region != scope.region || !(account.is_empty() || *account == scope.account) {
            return Err(invalid());
        }
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let text = |text: &&str| (*text).to_owned();
        match segments.strip_prefix(&["v2"]).unwrap_or(&segments) {
            ["apis", id] => Ok(Self::Api(text(id))),
            ["apis", id, "stages", stage] => Ok(Self::Stage { api: text(id), stage: text(stage) }),
            ["domainnames", name] => Ok(Self::DomainName(text(name))),
            _ => Err(invalid()),
        }
    }
}

/// Adds tags to those that there are.
pub(super) fn add(tags: &mut BTreeMap<String, String>, more: BTreeMap<String, String>) -> Result<(), HttpApiError> {
    for (key, value) in &more {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(HttpApiError::invalid(format!("Invalid tag key {key}: aws: is reserved.")));
        }
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(HttpApiError::invalid(format!(
                "Invalid tag {key}: a key has 1 to 128 characters and a value at most 256."
            )));
        }
    }
    tags.extend(more);
    match tags.len() > limits::HTTP_API_TAGS_MAX {
        true => Err(HttpApiError::invalid(format!("A resource can have at most {} tags.", limits::HTTP_API_TAGS_MAX))),
        false => Ok(()),
    }
}
