//! CreateUser, GetUser and UpdateUser.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, Precondition};

use super::entities::Beginning;
use super::identity::{Identity, Who};
use super::output::{self, Detail};
use super::records::{AccessKey, Entity, Kind, Tag};
use super::{IamError, IamService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    path: Option<String>,
    user_name: String,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRequest {
    user_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateRequest {
    user_name: String,
    new_path: Option<String>,
    new_user_name: Option<String>,
}

impl IamService {
    pub(super) async fn create_user(&self, account: &str, request: CreateRequest) -> Result<Value, IamError> {
        let CreateRequest { path, user_name: name, permissions_boundary: boundary, tags } = request;
        let user = self.begin(account, Beginning { kind: Kind::User, name, path, tags, boundary }).await?;
        self.create_entity(account, &user).await
    }

    /// Without a name it is the caller; the account itself is shown as AWS shows its root user.
    pub(super) async fn get_user(&self, caller: &Identity, request: GetRequest) -> Result<Value, IamError> {
        let account = &caller.account;
        if request.user_name.is_none() && caller.who == Who::Root {
            let root = json!({ "Path": "/", "UserId": account, "Arn": caller.arn(), "CreateDate": 0 });
            return Ok(json!({ "User": root }));
        }
        let name = caller_or(caller, request.user_name)?;
        let user = self.entity(account, Kind::User, &name).await?.value;
        Ok(json!({ "User": output::entity(&user, account, Detail::All) }))
    }

    /// Moves the record when the name changes; the id and the keys stay.
    pub(super) async fn update_user(&self, account: &str, request: UpdateRequest) -> Result<Value, IamError> {
        let mut user = self.entity(account, Kind::User, &request.user_name).await?;
        if let Some(path) = request.new_path {
            user.value.path = path;
        }
        let precondition = Precondition::Revision(user.revision);
        let Some(name) = request.new_user_name.filter(|name| *name != request.user_name) else {
            return self.commit(Batch::default().put_json(user.key, precondition, &user.value)?).await;
        };
        let key = Entity::key(account, Kind::User, &name);
        user.value.name.clone_from(&name);
        let mut batch = if key == user.key {
            Batch::default().put_json(key, precondition, &user.value)?
        } else {
            if self.store.metadata.get(&key).await?.is_some() {
                return Err(IamError::exists(format!("User with name {name} already exists.")));
            }
            let batch = Batch::default().delete(user.key, precondition);
            batch.put_json(key, Precondition::Absent, &user.value)?
        };
        for id in &user.value.access_keys {
            if let Some(mut key) = self.access_key(id).await? {
                key.value.user.clone_from(&name);
                batch = batch.put_json(AccessKey::key(id), Precondition::Revision(key.revision), &key.value)?;
            }
        }
        self.commit(batch).await
    }
}

/// The user that a request means: the one it names, or the caller.
pub(super) fn caller_or(caller: &Identity, name: Option<String>) -> Result<String, IamError> {
    match (name, &caller.who) {
        (Some(name), _) => Ok(name),
        (None, Who::User(name)) => Ok(name.clone()),
        (None, Who::Root | Who::Role { .. }) => {
            Err(IamError::invalid("Must specify userName when calling with non-User credentials"))
        }
    }
}
