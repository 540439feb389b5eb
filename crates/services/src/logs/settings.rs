//! Tags and retention of log groups: ListTagsForResource, TagResource, UntagResource, PutRetentionPolicy,
//! DeleteRetentionPolicy, and the removal of what is too old.
//!
//! They lie in a record beside the group. Expired events go in whole segments: a segment goes once all of its
//! events are too old, which is looked after every hour (AWS takes up to three days).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use super::names::{group_arn, store_scope};
use super::{LogsError, LogsService};

/// How often expired events are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(3_600);
/// What the keys of the records begin with.
const PREFIX: &str = "log-group/";
/// Records read at once.
const PAGE: usize = 256;
/// Tags of one group (AWS).
const TAGS_MAX: usize = 50;
/// `retentionInDays` (AWS).
const DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653];
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What is set for a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    scope: String,
    group: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) retention_days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagsRequest {
    resource_arn: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetentionRequest {
    log_group_name: String,
    retention_in_days: Option<u32>,
}

fn key(scope: &Scope, group: &str) -> String {
    format!("{PREFIX}{}/{group}", store_scope(scope))
}

impl LogsService {
    pub(super) async fn list_tags(&self, scope: &Scope, request: TagsRequest) -> Result<Value, LogsError> {
        let group = self.named_group(scope, &request.resource_arn).await?;
        Ok(json!({ "tags": self.settings(scope, &group).await?.tags }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: TagsRequest) -> Result<(), LogsError> {
        let group = self.named_group(scope, &request.resource_arn).await?;
        self.add_tags(scope, &group, &request.tags).await
    }

    pub(super) async fn add_tags(
        &self,
        scope: &Scope,
        group: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), LogsError> {
        self.change(scope, group, |settings| {
            settings.tags.extend(tags.clone());
            check_tags(&settings.tags)
        })
        .await
    }

    pub(super) async fn untag(&self, scope: &Scope, request: TagsRequest) -> Result<(), LogsError> {
        let group = self.named_group(scope, &request.resource_arn).await?;
        self.remove_tags(scope, &group, &request.tag_keys).await
    }

    pub(super) async fn remove_tags(&self, scope: &Scope, group: &str, names: &[String]) -> Result<(), LogsError> {
        self.change(scope, group, |settings| {
            settings.tags.retain(|name, _| !names.contains(name));
            Ok(())
        })
        .await
    }

    pub(super) async fn put_retention(&self, scope: &Scope, request: RetentionRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        let days = request.retention_in_days.filter(|days| DAYS.contains(days));
        let Some(days) = days else {
            let days: Vec<String> = DAYS.iter().map(ToString::to_string).collect();
            return Err(LogsError::invalid(format!("retentionInDays must be one of {}.", days.join(", "))));
        };
        self.set_retention(scope, &request.log_group_name, Some(days)).await
    }

    pub(super) async fn delete_retention(&self, scope: &Scope, request: RetentionRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        self.set_retention(scope, &request.log_group_name, None).await
    }

    async fn set_retention(&self, scope: &Scope, group: &str, days: Option<u32>) -> Result<(), LogsError> {
        self.change(scope, group, |settings| {
            settings.retention_days = days;
            Ok(())
        })
        .await
    }

    /// What is set for a group; nothing when nothing was.
    pub(super) async fn settings(&self, scope: &Scope, group: &str) -> Result<Settings, LogsError> {
        let record: Option<Versioned<Settings>> = self.store.metadata.get_json(&key(scope, group)).await?;
        Ok(record.map(|record| record.value).unwrap_or_default())
    }

    /// Sets the tags of a new group.
    pub(super) async fn set_tags(
        &self,
        scope: &Scope,
        group: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogsError> {
        check_tags(&tags)?;
        self.change(scope, group, |settings| {
            *settings = Settings { tags: tags.clone(), ..Settings::default() };
            Ok(())
        })
        .await
    }

    /// Forgets what was set for a group.
    pub(super) async fn forget_settings(&self, scope: &Scope, group: &str) -> Result<(), LogsError> {
        self.store.metadata.commit(Batch::default().delete(key(scope, group), Precondition::None)).await?;
        Ok(())
    }

    async fn change(
        &self,
        scope: &Scope,
        group: &str,
        edit: impl Fn(&mut Settings) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let key = key(scope, group);
        loop {
            let record: Option<Versioned<Settings>> = self.store.metadata.get_json(&key).await?;
            let precondition =
                record.as_ref().map_or(Precondition::Absent, |record| Precondition::Revision(record.revision));
            let mut settings = record.map(|record| record.value).unwrap_or_default();
            edit(&mut settings)?;
            (settings.scope, settings.group) = (store_scope(scope), group.to_owned());
            let batch = Batch::default().put_json(&*key, precondition, &settings)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The group that an ARN names.
    async fn named_group(&self, scope: &Scope, arn: &str) -> Result<String, LogsError> {
        let group = arn.strip_prefix(&group_arn(scope, "")).ok_or_else(LogsError::no_group)?;
        let group = group.strip_suffix(":*").unwrap_or(group);
        self.check_group(scope, group).await?;
        Ok(group.to_owned())
    }

    pub(super) async fn check_group(&self, scope: &Scope, group: &str) -> Result<(), LogsError> {
        let streams = self.store.logs.streams(&store_scope(scope), group).await?;
        streams.map(|_| ()).ok_or_else(LogsError::no_group)
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), LogsError> {
    if tags.len() > TAGS_MAX {
        return Err(LogsError::new("TooManyTagsException", format!("A log group can have at most {TAGS_MAX} tags.")));
    }
    Ok(())
}

/// Removes what is too old, again and again.
pub(super) async fn expire_for_ever(store: Store, clock: std::sync::Arc<dyn tindra_core::clock::Clock>) {
    let mut ticks = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = expire(&store, clock.unix_ms()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "expired log events could not be removed");
        }
    }
}

/// Removes the events that are older than their group's retention.
pub(super) async fn expire(store: &Store, now_ms: u64) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page = store.metadata.list_json::<Settings>(PREFIX, after.as_deref(), PAGE).await?;
        for settings in page.iter().map(|record| &record.value) {
            if let Some(days) = settings.retention_days {
                let before_ms = now_ms.saturating_sub(u64::from(days) * DAY_MS);
                store.logs.expire(&settings.scope, &settings.group, before_ms).await?;
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}
