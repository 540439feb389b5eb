//! CreateRole, GetRole and the updates of a role.

use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{self, Purpose};
use super::entities::{Beginning, NameRequest};
use super::output::{self, Detail};
use super::records::{Entity, Kind, RoleMembers, Tag};
use super::service_linked::refuse_protected;
use super::{IamError, IamService};

/// Longest session when a role does not say, in seconds (AWS).
const SESSION_S_DEFAULT: u32 = 3_600;
/// Characters of a trust policy (AWS quota).
const TRUST_MAX: usize = 2_048;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    path: Option<String>,
    role_name: String,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateRequest {
    role_name: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescriptionRequest {
    role_name: String,
    description: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TrustRequest {
    role_name: String,
    policy_document: String,
}

impl IamService {
    pub(super) async fn create_role(&self, account: &str, request: CreateRequest) -> Result<Value, IamError> {
        check_trust(&request.assume_role_policy_document)?;
        let CreateRequest { path, role_name: name, permissions_boundary: boundary, tags, .. } = request;
        let mut role = self.begin(account, Beginning { kind: Kind::Role, name, path, tags, boundary }).await?;
        role.role = Some(RoleMembers {
            trust: request.assume_role_policy_document,
            description: request.description,
            max_session_s: request.max_session_duration.unwrap_or(SESSION_S_DEFAULT),
        });
        self.create_entity(account, &role).await
    }

    pub(super) async fn get_role(&self, account: &str, request: NameRequest) -> Result<Value, IamError> {
        let role = self.entity(account, Kind::Role, &request.name).await?.value;
        Ok(json!({ "Role": output::entity(&role, account, Detail::All) }))
    }

    pub(super) async fn update_role(&self, account: &str, request: UpdateRequest) -> Result<Value, IamError> {
        self.change_role(account, &request.role_name, |role| {
            if let Some(description) = request.description {
                role.description = Some(description);
            }
            if let Some(seconds) = request.max_session_duration {
                role.max_session_s = seconds;
            }
        })
        .await
    }

    pub(super) async fn update_role_description(
        &self,
        account: &str,
        request: DescriptionRequest,
    ) -> Result<Value, IamError> {
        self.change_role(account, &request.role_name, |role| role.description = Some(request.description)).await?;
        self.get_role(account, NameRequest { name: request.role_name }).await
    }

    pub(super) async fn update_trust(&self, account: &str, request: TrustRequest) -> Result<Value, IamError> {
        check_trust(&request.policy_document)?;
        self.change_role(account, &request.role_name, |role| role.trust = request.policy_document).await
    }

    async fn change_role(
        &self,
        account: &str,
        name: &str,
        change: impl FnOnce(&mut RoleMembers) + Send,
    ) -> Result<Value, IamError> {
        let change = |entity: &mut Entity| {
            refuse_protected(entity)?;
            if let Some(role) = &mut entity.role {
                change(role);
            }
            Ok(())
        };
        self.change_entity(account, Kind::Role, name, change).await
    }
}

fn check_trust(document: &str) -> Result<(), IamError> {
    documents::check(document, Purpose::Trust)?;
    if documents::size(document) > TRUST_MAX {
        return Err(IamError::limit(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_MAX}")));
    }
    Ok(())
}
