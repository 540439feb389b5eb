//! TagLogGroup, UntagLogGroup and ListTagsLogGroup: tags as older clients name them, by the group's name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::{LogsError, LogsService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagRequest {
    log_group_name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UntagRequest {
    log_group_name: String,
    tags: Vec<String>,
}

impl LogsService {
    pub(super) async fn list_tags_of_group(&self, scope: &Scope, request: TagRequest) -> Result<Value, LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        Ok(json!({ "tags": self.settings(scope, &request.log_group_name).await?.tags }))
    }

    pub(super) async fn tag_group(&self, scope: &Scope, request: TagRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        self.add_tags(scope, &request.log_group_name, &request.tags).await
    }

    pub(super) async fn untag_group(&self, scope: &Scope, request: UntagRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        self.remove_tags(scope, &request.log_group_name, &request.tags).await
    }
}
