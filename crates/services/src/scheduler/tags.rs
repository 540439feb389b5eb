//! Tags of schedule groups.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::SchedulerService;
use super::error::SchedulerError;

/// Tags of one group (AWS).
const TAGS_MAX: usize = 50;

/// One tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagRequest {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// Tags with some more.
pub(super) fn merged(
    mut tags: BTreeMap<String, String>,
    more: Vec<Tag>,
) -> Result<BTreeMap<String, String>, SchedulerError> {
    tags.extend(more.into_iter().map(|Tag { key, value }| (key, value)));
    match tags.len() > TAGS_MAX {
        true => {
            Err(SchedulerError::new("ServiceQuotaExceededException", format!("A group has at most {TAGS_MAX} tags.")))
        }
        false => Ok(tags),
    }
}

/// The group of an ARN.
fn group_of<'a>(scope: &Scope, arn: &'a str) -> Result<&'a str, SchedulerError> {
    let prefix = format!("arn:aws:scheduler:{}:{}:schedule-group/", scope.region, scope.account);
    arn.strip_prefix(&prefix).ok_or_else(|| SchedulerError::missing(format!("{arn} is no schedule group here.")))
}

impl SchedulerService {
    pub(super) async fn list_tags(&self, scope: &Scope, request: TagRequest) -> Result<Value, SchedulerError> {
        let group = self.group(scope, group_of(scope, &request.resource_arn)?).await?.value;
        let tags: Vec<Value> = group.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: TagRequest) -> Result<Value, SchedulerError> {
        self.edit_tags(scope, &request, |tags| merged(tags, request.tags.clone())).await
    }

    pub(super) async fn untag(&self, scope: &Scope, request: TagRequest) -> Result<Value, SchedulerError> {
        self.edit_tags(scope, &request, |mut tags| {
            tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(tags)
        })
        .await
    }

    async fn edit_tags(
        &self,
        scope: &Scope,
        request: &TagRequest,
        edit: impl Fn(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, SchedulerError>,
    ) -> Result<Value, SchedulerError> {
        loop {
            let mut group = self.group(scope, group_of(scope, &request.resource_arn)?).await?;
            group.value.tags = edit(std::mem::take(&mut group.value.tags))?;
            group.value.modified_ms = self.now_ms();
            let before = match group.revision {
                0 => Precondition::Absent,
                revision => Precondition::Revision(revision),
            };
            let batch = Batch::default().put_json(group.key, before, &group.value)?;
            match self.around.outbox.commit(batch, Vec::new()).await {
                Ok(_) => return Ok(json!({})),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
