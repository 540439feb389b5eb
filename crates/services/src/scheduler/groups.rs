//! Groups of schedules. Deleting one deletes its schedules, in steps that go on after a restart.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::SchedulerService;
use super::error::SchedulerError;
use super::firing::Alarm;
use super::page::PageRequest;
use super::records::{DEFAULT_GROUP, Group, Schedule};
use super::tags::{Tag, merged};
use crate::instant::to_seconds;
use crate::outbox::Rung;

/// Schedules that are deleted in one step.
const STEP: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    client_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    name_prefix: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl SchedulerService {
    pub(super) async fn create_group(&self, scope: &Scope, request: CreateRequest) -> Result<Value, SchedulerError> {
        let now_ms = self.now_ms();
        let group = Group {
            id: Uuid::new_v4(),
            name: request.name.clone(),
            is_deleting: false,
            tags: merged(std::collections::BTreeMap::new(), request.tags)?,
            created_ms: now_ms,
            modified_ms: now_ms,
            client_token: request.client_token,
        };
        let exists = || Err(SchedulerError::conflict(format!("Schedule group {} already exists.", group.name)));
        if group.name == DEFAULT_GROUP {
            return exists();
        }
        let output = json!({ "ScheduleGroupArn": group.arn(scope) });
        let key = Group::key(scope, &group.name);
        let batch = Batch::default().put_json(&*key, Precondition::Absent, &group)?;
        match self.around.outbox.commit(batch, Vec::new()).await {
            Ok(_) => Ok(output),
            Err(StoreError::Conflict { .. }) => {
                let there: Option<Versioned<Group>> = self.around.store.metadata.get_json(&key).await?;
                let is_again = there.is_some_and(|there| {
                    let there = there.value;
                    group.client_token.is_some()
                        && (&there.client_token, &there.tags) == (&group.client_token, &group.tags)
                });
                if is_again { Ok(output) } else { exists() }
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get_group(&self, scope: &Scope, request: NamedRequest) -> Result<Value, SchedulerError> {
        Ok(shown(scope, &self.group(scope, &request.name).await?.value))
    }

    pub(super) async fn list_groups(&self, scope: &Scope, request: ListRequest) -> Result<Value, SchedulerError> {
        self.keep_default(scope).await?;
        let prefix = request.name_prefix.unwrap_or_default();
        let listed = |group: &Group| group.name.starts_with(&prefix).then(|| shown(scope, group));
        self.page(&request.page, "ScheduleGroups", &Group::prefix(scope), listed).await
    }

    pub(super) async fn delete_group(&self, scope: &Scope, request: NamedRequest) -> Result<Value, SchedulerError> {
        if request.name == DEFAULT_GROUP {
            return Err(SchedulerError::invalid("The default schedule group cannot be deleted."));
        }
        loop {
            let mut group = self.group(scope, &request.name).await?;
            if group.value.is_deleting {
                return Ok(json!({}));
            }
            group.value.is_deleting = true;
            let batch = Batch::default().put_json(&*group.key, Precondition::Revision(group.revision), &group.value)?;
            let now_ms = self.now_ms();
            let alarm = Alarm::DeleteGroup { scope: scope.clone(), name: request.name.clone(), id: group.value.id };
            match self.around.outbox.commit(batch, vec![alarm.message(scope, now_ms, now_ms)]).await {
                Ok(_) => return Ok(json!({})),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next step of deleting a group.
    pub(super) async fn delete_on(
        &self,
        scope: &Scope,
        name: &str,
        id: Uuid,
        head: &Bytes,
    ) -> Result<Rung, StoreError> {
        let key = Group::key(scope, name);
        let group: Option<Versioned<Group>> = self.around.store.metadata.get_json(&key).await?;
        let Some(group) = group.filter(|group| group.value.id == id) else { return Ok(Rung::default()) };
        let prefix = Schedule::prefix(scope, Some(name));
        let schedules = self.around.store.metadata.list(&prefix, None, STEP).await?;
        let is_last = schedules.len() < STEP;
        let mut batch = Batch::default();
        for schedule in schedules {
            batch = batch.delete(schedule.key, Precondition::None);
        }
        if is_last {
            batch = batch.delete(key, Precondition::Revision(group.revision));
        }
        let again = (!is_last).then(|| (self.now_ms(), head.clone()));
        Ok(Rung { batch, again, ..Rung::default() })
    }

    /// A group that is there; the default one also without a record, then with revision 0.
    pub(super) async fn group(&self, scope: &Scope, name: &str) -> Result<Versioned<Group>, SchedulerError> {
        let key = Group::key(scope, name);
        match self.around.store.metadata.get_json(&key).await? {
            Some(group) => Ok(group),
            None if name == DEFAULT_GROUP => Ok(Versioned { key, value: Group::default_one(), revision: 0 }),
            None => Err(SchedulerError::missing(format!("Schedule group {name} does not exist."))),
        }
    }

    /// Gives the default group a record, so that lists have it in its place.
    async fn keep_default(&self, scope: &Scope) -> Result<(), SchedulerError> {
        let group = self.group(scope, DEFAULT_GROUP).await?;
        if group.revision > 0 {
            return Ok(());
        }
        let batch = Batch::default().put_json(group.key, Precondition::Absent, &group.value)?;
        match self.around.outbox.commit(batch, Vec::new()).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn shown(scope: &Scope, group: &Group) -> Value {
    json!({
        "Arn": group.arn(scope), "Name": group.name,
        "State": if group.is_deleting { "DELETING" } else { "ACTIVE" },
        "CreationDate": to_seconds(group.created_ms), "LastModificationDate": to_seconds(group.modified_ms),
    })
}
