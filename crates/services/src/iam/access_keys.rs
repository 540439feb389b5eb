//! Access keys of users.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, Precondition, Versioned};

use super::identity::Identity;
use super::output::time;
use super::page::PageRequest;
use super::records::{AccessKey, Kind};
use super::users::caller_or;
use super::{IamError, IamService, ids};

/// Keys of one user (AWS quota).
const KEYS_MAX: usize = 2;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    user_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    user_name: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateRequest {
    user_name: Option<String>,
    access_key_id: String,
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteRequest {
    user_name: Option<String>,
    access_key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LastUsedRequest {
    access_key_id: String,
}

impl IamService {
    /// The only answer that ever shows the secret.
    pub(super) async fn create_access_key(&self, caller: &Identity, request: CreateRequest) -> Result<Value, IamError> {
        let name = caller_or(caller, request.user_name)?;
        let mut user = self.entity(&caller.account, Kind::User, &name).await?;
        if user.value.access_keys.len() >= KEYS_MAX {
            return Err(IamError::limit(format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")));
        }
        let (id, secret, created_ms) = (ids::access_key("AKIA")?, ids::secret()?, self.clock.unix_ms());
        let key = AccessKey { account: caller.account.clone(), user: name, secret, is_active: true, created_ms };
        user.value.access_keys.push(id.clone());
        let batch = Batch::default().put_json(user.key, Precondition::Revision(user.revision), &user.value)?.put_json(
            AccessKey::key(&id),
            Precondition::Absent,
            &key,
        )?;
        self.commit(batch).await?;
        let mut shown = shown(&id, &key);
        shown["SecretAccessKey"] = key.secret.into();
        Ok(json!({ "AccessKey": shown }))
    }

    pub(super) async fn list_access_keys(&self, caller: &Identity, request: ListRequest) -> Result<Value, IamError> {
        let name = caller_or(caller, request.user_name)?;
        let mut ids = self.entity(&caller.account, Kind::User, &name).await?.value.access_keys;
        ids.sort_unstable();
        let mut keys = Vec::new();
        for id in ids {
            if let Some(key) = self.access_key(&id).await? {
                keys.push(shown(&id, &key.value));
            }
        }
        request.page.cut("AccessKeyMetadata", keys, |key| key["AccessKeyId"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) async fn update_access_key(&self, caller: &Identity, request: UpdateRequest) -> Result<Value, IamError> {
        let (_, mut key) = self.key_of(caller, request.user_name, &request.access_key_id).await?;
        key.value.is_active = match request.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            _ => return Err(IamError::invalid("An access key can be made Active or Inactive.")),
        };
        let batch = Batch::default().put_json(key.key, Precondition::Revision(key.revision), &key.value)?;
        self.commit(batch).await
    }

    pub(super) async fn delete_access_key(&self, caller: &Identity, request: DeleteRequest) -> Result<Value, IamError> {
        let (name, key) = self.key_of(caller, request.user_name, &request.access_key_id).await?;
        let mut user = self.entity(&caller.account, Kind::User, &name).await?;
        user.value.access_keys.retain(|id| *id != request.access_key_id);
        let batch = Batch::default()
            .put_json(user.key, Precondition::Revision(user.revision), &user.value)?
            .delete(key.key, Precondition::Revision(key.revision));
        self.commit(batch).await
    }

    /// Uses are remembered since the start of the server.
    pub(super) async fn access_key_last_used(
        &self,
        account: &str,
        request: LastUsedRequest,
    ) -> Result<Value, IamError> {
        let id = &request.access_key_id;
        let key = self.access_key(id).await?.filter(|key| key.value.account == account);
        let key = key.ok_or_else(|| no_key(id))?;
        let used = match self.cache.last_use(id) {
            Some(used) => {
                json!({ "LastUsedDate": time(used.at_ms), "ServiceName": used.service, "Region": used.region })
            }
            None => json!({ "ServiceName": "N/A", "Region": "N/A" }),
        };
        Ok(json!({ "UserName": key.value.user, "AccessKeyLastUsed": used }))
    }

    /// A key with the name of its user, who is the one named or the caller; else whoever's key it is.
    async fn key_of(
        &self,
        caller: &Identity,
        name: Option<String>,
        id: &str,
    ) -> Result<(String, Versioned<AccessKey>), IamError> {
        let key = self.access_key(id).await?.filter(|key| key.value.account == caller.account);
        if let Some(name) = &name {
            self.entity(&caller.account, Kind::User, name).await?;
        }
        let key = key.ok_or_else(|| no_key(id))?;
        let name = name.or_else(|| caller_or(caller, None).ok()).unwrap_or_else(|| key.value.user.clone());
        if key.value.user == name { Ok((name, key)) } else { Err(no_key(id)) }
    }
}

fn no_key(id: &str) -> IamError {
    IamError::missing(format!("The Access Key with id {id} cannot be found."))
}

fn shown(id: &str, key: &AccessKey) -> Value {
    json!({
        "UserName": key.user,
        "AccessKeyId": id,
        "Status": if key.is_active { "Active" } else { "Inactive" },
        "CreateDate": time(key.created_ms),
    })
}
