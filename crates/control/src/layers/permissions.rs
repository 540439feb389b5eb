//! `AddLayerVersionPermission`, `GetLayerVersionPolicy`, `RemoveLayerVersionPermission`, and what they decide.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::layer::{LayerName, LayerVersion};
use tindra_core::policy::{Comparison, Context, Decision, Policy, Request, Requester, evaluate};
use tindra_model::Reply;
use tindra_model::lambda::layers::{
    AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse, GetLayerVersionPolicyResponse,
    GetLayerVersionRequest, RemoveLayerVersionPermissionRequest,
};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use crate::error::ControlError;
use crate::policies::{grant, require, with_statement, without_statement};
use crate::{Caller, Control, read, reply};

/// What a layer's permission can allow.
const ACTION: &str = "lambda:GetLayerVersion";

/// The policy of a version of a layer as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct PolicyRecord {
    revision_id: Uuid,
    /// As it is printed.
    document: String,
}

/// The key of the record.
pub(super) fn policy_key(layer: &LayerName, version: u64) -> String {
    format!("layer-policy/{}/{}/{}/{version:020}", layer.scope.account, layer.scope.region, layer.name)
}

fn no_layer_policy() -> ControlError {
    ControlError::Missing("No policy is associated with the given resource.".to_owned())
}

impl Control {
    pub(crate) async fn add_layer_version_permission(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: AddLayerVersionPermissionRequest = read(input)?;
        let version = self.own_layer_version(caller, &request.layer_name, request.version_number).await?;
        let resource = version.layer().version_arn(version.version);
        let mut statement = grant(&request.statement_id, &request.principal, &request.action, &resource)?;
        let organization = request.organization_id.as_deref();
        require(&mut statement, Comparison::StringEquals, "aws:PrincipalOrgID", organization);
        let revision_id = self
            .change_layer_policy(&version, request.revision_id.as_deref(), |policy| {
                with_statement(policy, statement.clone()).map(Some)
            })
            .await?;
        reply(AddLayerVersionPermissionResponse {
            statement: Some(statement.to_string()),
            revision_id: Some(revision_id.to_string()),
        })
    }

    pub(crate) async fn get_layer_version_policy(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetLayerVersionRequest = read(input)?;
        let version = self.own_layer_version(caller, &request.layer_name, request.version_number).await?;
        let key = policy_key(&version.layer(), version.version);
        let record: Option<Versioned<PolicyRecord>> = self.store.metadata.get_json(&key).await?;
        let record = record.ok_or_else(no_layer_policy)?.value;
        reply(GetLayerVersionPolicyResponse {
            policy: Some(record.document),
            revision_id: Some(record.revision_id.to_string()),
        })
    }

    pub(crate) async fn remove_layer_version_permission(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: RemoveLayerVersionPermissionRequest = read(input)?;
        let version = self.own_layer_version(caller, &request.layer_name, request.version_number).await?;
        self.change_layer_policy(&version, request.revision_id.as_deref(), |policy| {
            without_statement(policy, &request.statement_id)
        })
        .await?;
        Ok(Reply::default())
    }

    async fn change_layer_policy(
        &self,
        version: &LayerVersion,
        seen: Option<&str>,
        edit: impl Fn(Option<Policy>) -> Result<Option<Policy>, ControlError>,
    ) -> Result<Uuid, ControlError> {
        let layer = version.layer();
        let key = policy_key(&layer, version.version);
        loop {
            let record: Option<Versioned<PolicyRecord>> = self.store.metadata.get_json(&key).await?;
            let known = record.as_ref().map(|record| record.value.revision_id.to_string());
            let before = record.as_ref().and_then(|record| Policy::parse(&record.value.document).ok());
            let after = edit(before)?;
            if seen.filter(|seen| !seen.is_empty()).is_some_and(|seen| known.as_deref() != Some(seen)) {
                return Err(ControlError::Refused {
                    code: "PreconditionFailedException",
                    message: "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id".to_owned(),
                });
            }
            let precondition =
                record.as_ref().map_or(Precondition::Absent, |record| Precondition::Revision(record.revision));
            let revision_id = Uuid::new_v4();
            // Writing the version as it is brings the policy back to life when both are being deleted; so it is
            // made a condition that the version is still there.
            let Some(layer_record) = self.store.metadata.get(&layer.key(version.version)).await? else {
                return Err(super::not_found());
            };
            let still_there = Precondition::Revision(layer_record.revision);
            let batch = Batch::default().put(layer_record.key, still_there, layer_record.value);
            let batch = match after {
                Some(policy) => {
                    batch.put_json(&*key, precondition, &PolicyRecord { revision_id, document: policy.to_string() })?
                }
                None => batch.delete(&*key, precondition),
            };
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(revision_id),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether an account may use a version of a layer: its own, or one that is shared with it.
    pub(super) async fn may_use_layer(
        &self,
        scope: &Scope,
        layer: &LayerName,
        version: u64,
    ) -> Result<bool, ControlError> {
        if layer.scope.account == scope.account {
            return Ok(true);
        }
        let key = policy_key(layer, version);
        let record: Option<Versioned<PolicyRecord>> = self.store.metadata.get_json(&key).await?;
        let Some(policy) = record.and_then(|record| Policy::parse(&record.value.document).ok()) else {
            return Ok(false);
        };
        let requester = Requester::Root { account: scope.account.clone() };
        let (resource, context) = (layer.version_arn(version), Context::default());
        let request = Request { requester: &requester, action: ACTION, resource: &resource, context: &context };
        Ok(evaluate(request, [&policy]) == Decision::Allowed)
    }
}
