//! What users and roles have in common: being listed, tagged, bounded and deleted.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, Precondition};

use super::output::{self, Detail};
use super::page::PageRequest;
use super::records::{Entity, Kind, Tag};
use super::{IamError, IamService, ids, tags};

/// Users, and roles, of an account (AWS quotas: 5000 and 1000).
const fn count_max(kind: Kind) -> usize {
    match kind {
        Kind::User => 5_000,
        Kind::Role => 1_000,
    }
}

/// A request that names a user or role and nothing else.
#[derive(Debug, Deserialize)]
pub(super) struct NameRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    path_prefix: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTagsRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BoundaryRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    permissions_boundary: String,
}

/// What a new user or role begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) path: Option<String>,
    pub(super) tags: Vec<Tag>,
    pub(super) boundary: Option<String>,
}

impl IamService {
    /// A user or role that is not in the store yet.
    pub(super) async fn begin(&self, account: &str, beginning: Beginning) -> Result<Entity, IamError> {
        let Beginning { kind, name, path, tags, boundary } = beginning;
        tags::check(&tags)?;
        if self.store.metadata.get(&Entity::key(account, kind, &name)).await?.is_some() {
            return Err(IamError::exists(format!("{} with name {name} already exists.", kind.title())));
        }
        let present = self.store.metadata.list(&Entity::prefix(account, kind), None, count_max(kind)).await?.len();
        if present >= count_max(kind) {
            let title = kind.title();
            return Err(IamError::limit(format!("Cannot exceed quota for {title}sPerAccount: {}", count_max(kind))));
        }
        Ok(Entity {
            kind,
            name,
            path: path.unwrap_or_else(|| "/".to_owned()),
            id: ids::entity(kind.id_prefix())?,
            created_ms: self.clock.unix_ms(),
            tags,
            inline: std::collections::BTreeMap::new(),
            attached: Vec::new(),
            boundary,
            access_keys: Vec::new(),
            role: None,
        })
    }

    /// Stores a new user or role.
    pub(super) async fn create_entity(&self, account: &str, entity: &Entity) -> Result<Value, IamError> {
        let key = Entity::key(account, entity.kind, &entity.name);
        let batch = Batch::default().put_json(key, Precondition::Absent, entity)?;
        let batch = match &entity.boundary {
            Some(arn) => self.with_usage(batch, account, arn, |policy| policy.boundaries += 1).await?,
            None => batch,
        };
        self.commit(batch).await?;
        Ok(json!({ entity.kind.title(): output::entity(entity, account, Detail::All) }))
    }

    /// Changes one record and nothing else.
    pub(super) async fn change_entity(
        &self,
        account: &str,
        kind: Kind,
        name: &str,
        change: impl FnOnce(&mut Entity) -> Result<(), IamError> + Send,
    ) -> Result<Value, IamError> {
        let mut entity = self.entity(account, kind, name).await?;
        change(&mut entity.value)?;
        let precondition = Precondition::Revision(entity.revision);
        self.commit(Batch::default().put_json(entity.key, precondition, &entity.value)?).await
    }

    pub(super) async fn list_entities(
        &self,
        account: &str,
        kind: Kind,
        request: ListRequest,
    ) -> Result<Value, IamError> {
        let prefix = request.path_prefix.unwrap_or_default();
        let entities = self.all::<Entity>(&Entity::prefix(account, kind)).await?;
        let shown: Vec<Value> = entities
            .iter()
            .filter(|entity| entity.path.starts_with(&prefix))
            .map(|entity| output::entity(entity, account, Detail::Listed))
            .collect();
        let name = format!("{}Name", kind.title());
        request.page.cut(&format!("{}s", kind.title()), shown, |shown| {
            shown[&name].as_str().unwrap_or_default().to_ascii_lowercase()
        })
    }

    /// Deletes a user or role that nothing depends on.
    pub(super) async fn delete_entity(
        &self,
        account: &str,
        kind: Kind,
        request: NameRequest,
    ) -> Result<Value, IamError> {
        let entity = self.entity(account, kind, &request.name).await?;
        super::service_linked::refuse_protected(&entity.value)?;
        let first = |what: &str| Err(IamError::in_use(format!("Cannot delete entity, must {what} first.")));
        if !entity.value.attached.is_empty() {
            return first("detach all policies");
        }
        if !entity.value.inline.is_empty() {
            return first("delete policies");
        }
        if !entity.value.access_keys.is_empty() {
            return first("delete access keys");
        }
        let batch = Batch::default().delete(entity.key, Precondition::Revision(entity.revision));
        let batch = match &entity.value.boundary {
            Some(arn) => {
                self.with_usage(batch, account, arn, |policy| policy.boundaries = policy.boundaries.saturating_sub(1))
                    .await?
            }
            None => batch,
        };
        self.commit(batch).await
    }

    pub(super) async fn tag_entity(&self, account: &str, kind: Kind, request: TagRequest) -> Result<Value, IamError> {
        self.change_entity(account, kind, &request.name, |entity| tags::add(&mut entity.tags, request.tags)).await
    }

    pub(super) async fn untag_entity(
        &self,
        account: &str,
        kind: Kind,
        request: UntagRequest,
    ) -> Result<Value, IamError> {
        let remove = |entity: &mut Entity| {
            tags::remove(&mut entity.tags, &request.tag_keys);
            Ok(())
        };
        self.change_entity(account, kind, &request.name, remove).await
    }

    pub(super) async fn list_entity_tags(
        &self,
        account: &str,
        kind: Kind,
        request: ListTagsRequest,
    ) -> Result<Value, IamError> {
        let mut tags = self.entity(account, kind, &request.name).await?.value.tags;
        tags.sort_by(|one, other| one.key.cmp(&other.key));
        request.page.cut("Tags", tags, |tag| tag.key.clone())
    }

    pub(super) async fn put_boundary(
        &self,
        account: &str,
        kind: Kind,
        request: BoundaryRequest,
    ) -> Result<Value, IamError> {
        let arn = request.permissions_boundary;
        self.move_boundary(account, kind, &request.name, Some(arn)).await
    }

    pub(super) async fn delete_boundary(
        &self,
        account: &str,
        kind: Kind,
        request: NameRequest,
    ) -> Result<Value, IamError> {
        self.move_boundary(account, kind, &request.name, None).await
    }

    async fn move_boundary(
        &self,
        account: &str,
        kind: Kind,
        name: &str,
        new: Option<String>,
    ) -> Result<Value, IamError> {
        let mut entity = self.entity(account, kind, name).await?;
        if entity.value.boundary == new {
            return Ok(json!({}));
        }
        let old = std::mem::replace(&mut entity.value.boundary, new.clone());
        let precondition = Precondition::Revision(entity.revision);
        let mut batch = Batch::default().put_json(entity.key, precondition, &entity.value)?;
        if let Some(old) = old {
            batch = self
                .with_usage(batch, account, &old, |policy| policy.boundaries = policy.boundaries.saturating_sub(1))
                .await?;
        }
        if let Some(new) = new {
            batch = self.with_usage(batch, account, &new, |policy| policy.boundaries += 1).await?;
        }
        self.commit(batch).await
    }
}
