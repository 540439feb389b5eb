//! Roles that belong to a service: made by its name, changed by nobody.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, Precondition};
use uuid::Uuid;

use super::entities::Beginning;
use super::output::{self, Detail};
use super::records::{Entity, Kind, RoleMembers};
use super::{IamError, IamService};

const PATH: &str = "/aws-service-role/";
/// Services whose roles are not called like their host.
const NAMES: [(&str, &str); 10] = [
    ("autoscaling.amazonaws.com", "AutoScaling"),
    ("ecs.amazonaws.com", "ECS"),
    ("elasticache.amazonaws.com", "ElastiCache"),
    ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing"),
    ("events.amazonaws.com", "CloudWatchEvents"),
    ("lambda.amazonaws.com", "Lambda"),
    ("lambda.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_LambdaConcurrency"),
    ("ops.apigateway.amazonaws.com", "APIGateway"),
    ("rds.amazonaws.com", "RDS"),
    ("replicator.lambda.amazonaws.com", "LambdaReplicator"),
];

#[derive(Debug, Deserialize)]
pub(super) struct CreateRequest {
    #[serde(rename = "AWSServiceName")]
    service: String,
    #[serde(rename = "Description")]
    description: Option<String>,
    #[serde(rename = "CustomSuffix")]
    suffix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteRequest {
    role_name: String,
}

impl IamService {
    /// Makes sure that a service has its role, which AWS makes when the service is first used.
    ///
    /// # Errors
    /// When the identities cannot be read or written.
    pub async fn ensure_service_linked_role(&self, account: &str, service: &str) -> Result<(), IamError> {
        let name = role_name(service, None)?;
        let is_there = self.store.metadata.get(&Entity::key(account, Kind::Role, &name)).await?.is_some();
        if is_there {
            return Ok(());
        }
        let request = CreateRequest { service: service.to_owned(), description: None, suffix: None };
        match self.create_service_linked_role(account, request).await {
            // Somebody else was faster.
            Err(error) if error.is_conflict() || error.code == "InvalidInputException" => Ok(()),
            created => created.map(drop),
        }
    }

    pub(super) async fn create_service_linked_role(
        &self,
        account: &str,
        request: CreateRequest,
    ) -> Result<Value, IamError> {
        let name = role_name(&request.service, request.suffix.as_deref())?;
        let path = Some(format!("{PATH}{}/", request.service));
        let beginning = Beginning { kind: Kind::Role, name: name.clone(), path, tags: Vec::new(), boundary: None };
        let mut role = self.begin(account, beginning).await.map_err(|error| match error.code {
            "EntityAlreadyExistsException" => IamError::invalid_input(format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            )),
            _ => error,
        })?;
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": [request.service] },
            "Action": ["sts:AssumeRole"],
        });
        let trust = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        role.role = Some(RoleMembers { trust, description: request.description, max_session_s: 3_600 });
        self.create_entity(account, &role).await?;
        Ok(json!({ "Role": output::entity(&role, account, Detail::All) }))
    }

    /// Nothing here uses such a role, so it is gone at once; the task is always a finished one.
    pub(super) async fn delete_service_linked_role(
        &self,
        account: &str,
        request: DeleteRequest,
    ) -> Result<Value, IamError> {
        let role = self.entity(account, Kind::Role, &request.role_name).await?;
        if !is_protected(&role.value) {
            let message = format!("{} is not a service-linked role.", request.role_name);
            return Err(IamError::invalid_input(message));
        }
        let task = format!("task{}{}/{}", role.value.path, role.value.name, Uuid::new_v4());
        self.commit(Batch::default().delete(role.key, Precondition::Revision(role.revision))).await?;
        Ok(json!({ "DeletionTaskId": task }))
    }
}

/// `AWSServiceRoleFor` with the service's name, and with the suffix that the caller chose.
fn role_name(service: &str, suffix: Option<&str>) -> Result<String, IamError> {
    let host = service.strip_suffix(".amazonaws.com").filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| IamError::invalid_input(format!("Invalid service name: {service}")))?;
    let known = NAMES.iter().find(|(name, _)| *name == service).map(|(_, title)| (*title).to_owned());
    let title = known.unwrap_or_else(|| host.split(['.', '-']).rev().map(capitalised).collect());
    let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
    Ok(format!("AWSServiceRoleFor{title}{suffix}"))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn is_protected(entity: &Entity) -> bool {
    entity.kind == Kind::Role && entity.path.starts_with(PATH)
}

/// Refuses to change what belongs to a service.
pub(super) fn refuse_protected(entity: &Entity) -> Result<(), IamError> {
    if !is_protected(entity) {
        return Ok(());
    }
    let name = &entity.name;
    Err(IamError::new(
        "UnmodifiableEntityException",
        format!("Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"),
    ))
}
