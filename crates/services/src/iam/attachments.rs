//! Managed policies on users and roles.
//!
//! A policy counts its attachments in its own record, in the same batch as the user or role, so that none can be
//! attached while it is deleted.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, Precondition};

use super::page::PageRequest;
use super::records::{Entity, Kind, Policy};
use super::service_linked::refuse_protected;
use super::{IamError, IamService, managed};

/// Managed policies of one user or role (AWS quota).
const ATTACHED_MAX: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttachRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    policy_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    path_prefix: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EntitiesRequest {
    policy_arn: String,
    entity_filter: Option<String>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl IamService {
    /// What is attached already stays so, without an error.
    pub(super) async fn attach(&self, account: &str, kind: Kind, request: AttachRequest) -> Result<Value, IamError> {
        let AttachRequest { name, policy_arn: arn } = request;
        let mut entity = self.entity(account, kind, &name).await?;
        refuse_protected(&entity.value)?;
        if entity.value.attached.contains(&arn) {
            return Ok(json!({}));
        }
        if entity.value.attached.len() >= ATTACHED_MAX {
            let title = kind.title();
            return Err(IamError::limit(format!("Cannot exceed quota for PoliciesPer{title}: {ATTACHED_MAX}")));
        }
        entity.value.attached.push(arn.clone());
        let precondition = Precondition::Revision(entity.revision);
        let batch = Batch::default().put_json(entity.key, precondition, &entity.value)?;
        self.commit(self.with_usage(batch, account, &arn, |policy| policy.attachments += 1).await?).await
    }

    pub(super) async fn detach(&self, account: &str, kind: Kind, request: AttachRequest) -> Result<Value, IamError> {
        let AttachRequest { name, policy_arn: arn } = request;
        let mut entity = self.entity(account, kind, &name).await?;
        refuse_protected(&entity.value)?;
        if !entity.value.attached.contains(&arn) {
            return Err(IamError::missing(format!("Policy {arn} was not found.")));
        }
        entity.value.attached.retain(|attached| *attached != arn);
        let precondition = Precondition::Revision(entity.revision);
        let batch = Batch::default().put_json(entity.key, precondition, &entity.value)?;
        let release = |policy: &mut Policy| policy.attachments = policy.attachments.saturating_sub(1);
        self.commit(self.with_usage(batch, account, &arn, release).await?).await
    }

    pub(super) async fn list_attached(
        &self,
        account: &str,
        kind: Kind,
        request: ListRequest,
    ) -> Result<Value, IamError> {
        let mut attached = self.entity(account, kind, &request.name).await?.value.attached;
        let prefix = request.path_prefix.unwrap_or_default();
        attached.retain(|arn| path_of(arn).starts_with(&prefix));
        attached.sort_by(|one, other| name_of(one).cmp(name_of(other)));
        let shown = attached.iter().map(|arn| json!({ "PolicyName": name_of(arn), "PolicyArn": arn }));
        request.page.cut("AttachedPolicies", shown, |shown| shown["PolicyName"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) async fn list_entities_for_policy(
        &self,
        account: &str,
        request: EntitiesRequest,
    ) -> Result<Value, IamError> {
        let arn = &request.policy_arn;
        self.find_policy(account, arn).await?;
        let as_boundary = request.policy_usage_filter.as_deref() == Some("PermissionsBoundary");
        let prefix = request.path_prefix.as_deref().unwrap_or_default();
        let uses = |entity: &Entity| {
            let uses = if as_boundary { entity.boundary.as_ref() == Some(arn) } else { entity.attached.contains(arn) };
            uses && entity.path.starts_with(prefix)
        };
        let mut found = Vec::new();
        for (kind, filter) in [(Kind::Role, "Role"), (Kind::User, "User")] {
            if request.entity_filter.as_deref().is_none_or(|wanted| wanted == filter) {
                let entities = self.all::<Entity>(&Entity::prefix(account, kind)).await?;
                found.extend(entities.into_iter().filter(|entity| uses(entity)));
            }
        }
        let key = |entity: &Entity| Entity::key(account, entity.kind, &entity.name);
        let mut page = request.page.cut("Entities", found, key)?;
        let entities: Vec<Entity> = super::parse(page["Entities"].take())?;
        let of = |kind: Kind| -> Vec<Value> {
            let title = kind.title();
            let mine = entities.iter().filter(|entity| entity.kind == kind);
            mine.map(|entity| json!({ format!("{title}Name"): entity.name, format!("{title}Id"): entity.id })).collect()
        };
        page["PolicyGroups"] = json!([]);
        page["PolicyUsers"] = of(Kind::User).into();
        page["PolicyRoles"] = of(Kind::Role).into();
        Ok(page)
    }

    /// Adds the change of a policy's counts to a batch. A policy of AWS has none, and has only to exist.
    pub(super) async fn with_usage(
        &self,
        batch: Batch,
        account: &str,
        arn: &str,
        change: impl FnOnce(&mut Policy) + Send,
    ) -> Result<Batch, IamError> {
        if managed::find(arn).is_some() {
            return Ok(batch);
        }
        let not_attachable = || IamError::missing(format!("Policy {arn} does not exist or is not attachable."));
        let mut policy = self.own_policy(account, arn).await?.ok_or_else(not_attachable)?;
        change(&mut policy.value);
        Ok(batch.put_json(policy.key, Precondition::Revision(policy.revision), &policy.value)?)
    }
}

/// The name at the end of a policy's ARN.
pub(super) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The path in a policy's ARN, with its slashes.
fn path_of(arn: &str) -> &str {
    let path = arn.split_once(":policy").map_or("/", |(_, path)| path);
    &path[..path.len() - name_of(path).len()]
}
