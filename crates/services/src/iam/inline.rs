//! Policies that lie inside a user or role.

use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{self, Purpose};
use super::page::PageRequest;
use super::records::{Entity, Kind};
use super::service_linked::refuse_protected;
use super::{IamError, IamService};

/// Characters of all inline policies of a user or role together (AWS quotas).
const fn size_max(kind: Kind) -> usize {
    match kind {
        Kind::User => 2_048,
        Kind::Role => 10_240,
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    policy_name: String,
    policy_document: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PolicyRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    policy_name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListRequest {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl IamService {
    pub(super) async fn put_inline(&self, account: &str, kind: Kind, request: PutRequest) -> Result<Value, IamError> {
        documents::check(&request.policy_document, Purpose::Identity)?;
        let put = |entity: &mut Entity| {
            refuse_protected(entity)?;
            entity.inline.insert(request.policy_name, request.policy_document);
            let size: usize = entity.inline.values().map(|document| documents::size(document)).sum();
            if size > size_max(kind) {
                let (word, max) = (kind.word(), size_max(kind));
                let message = format!("Maximum policy size of {max} bytes exceeded for {word} {}", entity.name);
                return Err(IamError::limit(message));
            }
            Ok(())
        };
        self.change_entity(account, kind, &request.name, put).await
    }

    pub(super) async fn get_inline(
        &self,
        account: &str,
        kind: Kind,
        request: PolicyRequest,
    ) -> Result<Value, IamError> {
        let entity = self.entity(account, kind, &request.name).await?.value;
        let name = request.policy_name;
        let document = entity.inline.get(&name).ok_or_else(|| no_policy(kind, &name))?;
        Ok(json!({
            format!("{}Name", kind.title()): entity.name,
            "PolicyName": name,
            "PolicyDocument": documents::encoded(document),
        }))
    }

    pub(super) async fn delete_inline(
        &self,
        account: &str,
        kind: Kind,
        request: PolicyRequest,
    ) -> Result<Value, IamError> {
        let name = request.policy_name;
        let delete = |entity: &mut Entity| {
            refuse_protected(entity)?;
            entity.inline.remove(&name).map(|_| ()).ok_or_else(|| no_policy(kind, &name))
        };
        self.change_entity(account, kind, &request.name, delete).await
    }

    pub(super) async fn list_inline(&self, account: &str, kind: Kind, request: ListRequest) -> Result<Value, IamError> {
        let entity = self.entity(account, kind, &request.name).await?.value;
        request.page.cut("PolicyNames", entity.inline.into_keys(), String::clone)
    }
}

fn no_policy(kind: Kind, name: &str) -> IamError {
    IamError::missing(format!("The {} policy with name {name} cannot be found.", kind.word()))
}
