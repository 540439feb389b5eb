//! IAM: users, access keys, roles and policies of each account.
//!
//! [`IamService`] answers the API and tells the front door who holds an access key ([`IamService::find_key`]) and
//! which policies a user or role has ([`IamService::policies_of`]). Whether those policies allow something is
//! decided elsewhere.
//!
//! Every change is one compare-and-set batch. An operation that finds its records changed by another begins anew.

mod access_keys;
mod attachments;
mod cache;
mod documents;
mod entities;
mod error;
mod identity;
mod ids;
mod inline;
mod lookup;
mod managed;
mod output;
mod page;
mod policies;
mod policy_tags;
mod records;
mod roles;
mod service_linked;
mod tags;
#[cfg(test)]
pub(crate) mod tests;
mod users;
mod versions;
mod wire;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tindra_core::clock::Clock;
use tindra_store::{Batch, JsonRecords, Store, Versioned};
use tokio::sync::Mutex;

pub use error::IamError;
pub use identity::{Identity, Principal, Who};
pub use lookup::{FoundKey, Policies, PolicyDocument};
pub use records::{Kind, Tag};

pub(crate) use documents::{Purpose, check as check_document, size as document_size};
pub(crate) use ids::{access_key as new_access_key, secret as new_secret, session_token as new_session_token};
pub(crate) use records::{Holder, Session};

use cache::Cache;
use records::{AccessKey, Entity};

/// Attempts of an operation whose records others change at the same time.
const ATTEMPTS_MAX: usize = 32;
/// Records read at once from a list.
const RECORDS_PER_READ: usize = 512;

/// IAM of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IamService {
    store: Store,
    clock: Arc<dyn Clock>,
    cache: Arc<Cache>,
    /// Of the operations that have lost to others.
    turns: Arc<Mutex<()>>,
}

impl IamService {
    /// Over the records of this store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let cache = Arc::new(Cache::new(store.metadata.watch(records::PREFIX)));
        Self { store, clock, cache, turns: Arc::default() }
    }

    /// Answers one operation, told by its name in the service model, with the members of its output.
    ///
    /// # Errors
    /// As the API has them; see [`IamError`].
    pub async fn answer(&self, caller: &Identity, operation: &str, input: Value) -> Result<Value, IamError> {
        let mut answer = Box::pin(self.attempt(caller, operation, input.clone())).await;
        if !answer.as_ref().is_err_and(IamError::is_conflict) {
            return answer;
        }
        // Who has lost waits for its turn: then it meets those only that try for the first time.
        let _turn = self.turns.lock().await;
        for _ in 1..ATTEMPTS_MAX {
            answer = Box::pin(self.attempt(caller, operation, input.clone())).await;
            if !answer.as_ref().is_err_and(IamError::is_conflict) {
                break;
            }
        }
        answer
    }

    async fn attempt(&self, caller: &Identity, operation: &str, input: Value) -> Result<Value, IamError> {
        use Kind::{Role, User};
        let account = caller.account.as_str();
        match operation {
            "CreateUser" => self.create_user(account, parse(input)?).await,
            "GetUser" => self.get_user(caller, parse(input)?).await,
            "ListUsers" => self.list_entities(account, User, parse(input)?).await,
            "UpdateUser" => self.update_user(account, parse(input)?).await,
            "DeleteUser" => self.delete_entity(account, User, parse(input)?).await,
            "TagUser" => self.tag_entity(account, User, parse(input)?).await,
            "UntagUser" => self.untag_entity(account, User, parse(input)?).await,
            "ListUserTags" => self.list_entity_tags(account, User, parse(input)?).await,
            "CreateAccessKey" => self.create_access_key(caller, parse(input)?).await,
            "ListAccessKeys" => self.list_access_keys(caller, parse(input)?).await,
            "UpdateAccessKey" => self.update_access_key(caller, parse(input)?).await,
            "DeleteAccessKey" => self.delete_access_key(caller, parse(input)?).await,
            "GetAccessKeyLastUsed" => self.access_key_last_used(account, parse(input)?).await,
            "PutUserPolicy" => self.put_inline(account, User, parse(input)?).await,
            "GetUserPolicy" => self.get_inline(account, User, parse(input)?).await,
            "DeleteUserPolicy" => self.delete_inline(account, User, parse(input)?).await,
            "ListUserPolicies" => self.list_inline(account, User, parse(input)?).await,
            "AttachUserPolicy" => self.attach(account, User, parse(input)?).await,
            "DetachUserPolicy" => self.detach(account, User, parse(input)?).await,
            "ListAttachedUserPolicies" => self.list_attached(account, User, parse(input)?).await,
            "PutUserPermissionsBoundary" => self.put_boundary(account, User, parse(input)?).await,
            "DeleteUserPermissionsBoundary" => self.delete_boundary(account, User, parse(input)?).await,
            "CreateRole" => self.create_role(account, parse(input)?).await,
            "GetRole" => self.get_role(account, parse(input)?).await,
            "ListRoles" => self.list_entities(account, Role, parse(input)?).await,
            "UpdateRole" => self.update_role(account, parse(input)?).await,
            "UpdateRoleDescription" => self.update_role_description(account, parse(input)?).await,
            "UpdateAssumeRolePolicy" => self.update_trust(account, parse(input)?).await,
            "DeleteRole" => self.delete_entity(account, Role, parse(input)?).await,
            "TagRole" => self.tag_entity(account, Role, parse(input)?).await,
            "UntagRole" => self.untag_entity(account, Role, parse(input)?).await,
            "ListRoleTags" => self.list_entity_tags(account, Role, parse(input)?).await,
            "PutRolePolicy" => self.put_inline(account, Role, parse(input)?).await,
            "GetRolePolicy" => self.get_inline(account, Role, parse(input)?).await,
            "DeleteRolePolicy" => self.delete_inline(account, Role, parse(input)?).await,
            "ListRolePolicies" => self.list_inline(account, Role, parse(input)?).await,
            "AttachRolePolicy" => self.attach(account, Role, parse(input)?).await,
            "DetachRolePolicy" => self.detach(account, Role, parse(input)?).await,
            "ListAttachedRolePolicies" => self.list_attached(account, Role, parse(input)?).await,
            "PutRolePermissionsBoundary" => self.put_boundary(account, Role, parse(input)?).await,
            "DeleteRolePermissionsBoundary" => self.delete_boundary(account, Role, parse(input)?).await,
            "CreateServiceLinkedRole" => self.create_service_linked_role(account, parse(input)?).await,
            "DeleteServiceLinkedRole" => self.delete_service_linked_role(account, parse(input)?).await,
            "GetServiceLinkedRoleDeletionStatus" => Ok(json!({ "Status": "SUCCEEDED" })),
            "CreatePolicy" => self.create_policy(account, parse(input)?).await,
            "GetPolicy" => self.get_policy(account, parse(input)?).await,
            "ListPolicies" => self.list_policies(account, parse(input)?).await,
            "DeletePolicy" => self.delete_policy(account, parse(input)?).await,
            "ListEntitiesForPolicy" => self.list_entities_for_policy(account, parse(input)?).await,
            "TagPolicy" => self.tag_policy(account, parse(input)?).await,
            "UntagPolicy" => self.untag_policy(account, parse(input)?).await,
            "ListPolicyTags" => self.list_policy_tags(account, parse(input)?).await,
            "CreatePolicyVersion" => self.create_policy_version(account, parse(input)?).await,
            "GetPolicyVersion" => self.get_policy_version(account, parse(input)?).await,
            "ListPolicyVersions" => self.list_policy_versions(account, parse(input)?).await,
            "DeletePolicyVersion" => self.delete_policy_version(account, parse(input)?).await,
            "SetDefaultPolicyVersion" => self.set_default_policy_version(account, parse(input)?).await,
            _ => self.without_records(caller, operation, input).await,
        }
    }

    /// What there is none of here: groups, instance profiles, certificates, devices, passwords.
    async fn without_records(&self, caller: &Identity, operation: &str, input: Value) -> Result<Value, IamError> {
        let (list, kind) = match operation {
            "ListAccountAliases" => ("AccountAliases", None),
            "ListVirtualMFADevices" => ("VirtualMFADevices", None),
            "ListGroupsForUser" => ("Groups", Some(Kind::User)),
            "ListInstanceProfilesForRole" => ("InstanceProfiles", Some(Kind::Role)),
            "ListSigningCertificates" => ("Certificates", Some(Kind::User)),
            "ListSSHPublicKeys" => ("SSHPublicKeys", Some(Kind::User)),
            "ListMFADevices" => ("MFADevices", Some(Kind::User)),
            "ListServiceSpecificCredentials" => ("ServiceSpecificCredentials", Some(Kind::User)),
            "GetLoginProfile" | "DeleteLoginProfile" => {
                let name = name_of(&input, Kind::User).unwrap_or_default();
                return Err(IamError::missing(format!("Login Profile for User {name} cannot be found.")));
            }
            _ => return Err(IamError::unknown_operation(operation)),
        };
        if let Some(kind) = kind
            && let Some(name) = name_of(&input, kind)
        {
            self.entity(&caller.account, kind, name).await?;
        }
        Ok(json!({ list: [], "IsTruncated": false }))
    }

    /// A user or role as it is now.
    async fn entity(&self, account: &str, kind: Kind, name: &str) -> Result<Versioned<Entity>, IamError> {
        let found = self.store.metadata.get_json::<Entity>(&Entity::key(account, kind, name)).await?;
        found
            .filter(|entity| entity.value.name == name)
            .ok_or_else(|| IamError::missing(format!("The {} with name {name} cannot be found.", kind.word())))
    }

    async fn access_key(&self, id: &str) -> Result<Option<Versioned<AccessKey>>, IamError> {
        Ok(self.store.metadata.get_json(&AccessKey::key(id)).await?)
    }

    /// Every record under a prefix, in the order of the keys.
    async fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, IamError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let read = self.store.metadata.list_json::<T>(prefix, after.as_deref(), RECORDS_PER_READ).await?;
            after = read.last().map(|record| record.key.clone());
            let is_last = read.len() < RECORDS_PER_READ;
            found.extend(read.into_iter().map(|record| record.value));
            if is_last {
                return Ok(found);
            }
        }
    }

    async fn commit(&self, batch: Batch) -> Result<Value, IamError> {
        self.store.metadata.commit(batch).await?;
        Ok(json!({}))
    }
}

/// The value of `UserName` or `RoleName`.
fn name_of(input: &Value, kind: Kind) -> Option<&str> {
    input.get(format!("{}Name", kind.title()))?.as_str()
}

pub(crate) fn parse<T: DeserializeOwned>(input: Value) -> Result<T, IamError> {
    serde_json::from_value(input).map_err(|error| IamError::new("SerializationException", error.to_string()))
}
