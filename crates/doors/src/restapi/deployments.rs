//! CreateDeployment, GetDeployment, GetDeployments, UpdateDeployment and DeleteDeployment: pictures of an API.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, Precondition, Versioned};

use super::changes::all;
use super::page::PageRequest;
use super::patch::{Op, PatchOperation, apply_all};
use super::records::{Content, DEPLOYMENT_PREFIX, Deployment, Named, Stage, key, seconds};
use super::stages::{check_room, checked_name, checked_variables};
use super::{RestApiError, RestApiService, ids};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    stage_name: Option<String>,
    stage_description: Option<String>,
    description: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    variables: Option<Named<String>>,
    canary_settings: Option<Value>,
    tracing_enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentRequest {
    rest_api_id: String,
    deployment_id: String,
    #[serde(default)]
    embed: Vec<String>,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    rest_api_id: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    /// Takes the picture, and hangs it in a stage where one is named.
    pub(super) async fn create_deployment(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        request.refuse()?;
        let id = ids::short()?;
        self.commit(|| async {
            let api = self.api(scope, &request.rest_api_id).await?;
            check_deployable(&api.value.content)?;
            let deployment = Deployment {
                id: id.clone(),
                description: request.description.clone(),
                created_ms: self.clock.unix_ms(),
                content: api.value.content,
            };
            let mut batch = Batch::default()
                .put(api.key.clone(), Precondition::Revision(api.revision), self.raw(&api.key).await?)
                .put_json(Deployment::key(scope, &request.rest_api_id, &id), Precondition::Absent, &deployment)?;
            if let Some(name) = request.stage_name.as_deref().filter(|name| !name.is_empty()) {
                batch = self.hang(batch, scope, &request, name, &id).await?;
            }
            Ok((batch, shown(&deployment)))
        })
        .await
    }

    /// The API's record as it is: writing it again lets the batch fail when the API has changed or gone meanwhile.
    async fn raw(&self, key: &str) -> Result<bytes::Bytes, RestApiError> {
        let record = self.store.metadata.get(key).await?;
        record.map(|record| record.value).ok_or_else(RestApiError::concurrent)
    }

    /// Lets a stage serve the deployment; makes it when there is none.
    async fn hang(
        &self,
        batch: Batch,
        scope: &Scope,
        request: &CreateRequest,
        name: &str,
        deployment_id: &str,
    ) -> Result<Batch, RestApiError> {
        let stages = self.stages(scope, &request.rest_api_id).await?;
        let now_ms = self.clock.unix_ms();
        let found = stages.iter().find(|stage| stage.value.name == name);
        let (precondition, mut stage) = match found {
            Some(found) => (Precondition::Revision(found.revision), found.value.clone()),
            None => {
                check_room(stages.len())?;
                (Precondition::Absent, Stage::new(checked_name(name)?, deployment_id, now_ms))
            }
        };
        stage.deployment_id = deployment_id.to_owned();
        stage.updated_ms = now_ms;
        if let Some(variables) = &request.variables {
            stage.variables = checked_variables(variables.clone())?;
        }
        if request.stage_description.is_some() {
            stage.description.clone_from(&request.stage_description);
        }
        Ok(batch.put_json(Stage::key(scope, &request.rest_api_id, name), precondition, &stage)?)
    }

    pub(super) async fn get_deployment(
        &self,
        scope: &Scope,
        request: DeploymentRequest,
    ) -> Result<Value, RestApiError> {
        let found = self.deployment(scope, &request.rest_api_id, &request.deployment_id).await?;
        let deployment = found.ok_or_else(no_deployment)?.value;
        let mut told = shown(&deployment);
        match request.embed.iter().find(|what| *what != "apisummary") {
            Some(what) => {
                return Err(RestApiError::bad(format!(
                    "Invalid embed parameter: {what}. Must be one of: [apisummary]"
                )));
            }
            None if !request.embed.is_empty() => told["apiSummary"] = summary(&deployment.content),
            None => {}
        }
        Ok(told)
    }

    /// The newest first.
    pub(super) async fn get_deployments(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        self.api(scope, &request.rest_api_id).await?;
        let prefix = key(DEPLOYMENT_PREFIX, scope, &[&request.rest_api_id, ""]);
        let deployments: Vec<Versioned<Deployment>> = all(&self.store, &prefix).await?;
        let mut items: Vec<(String, Value)> = deployments
            .iter()
            .map(|found| (format!("{:020}/{}", u64::MAX - found.value.created_ms, found.value.id), shown(&found.value)))
            .collect();
        items.sort_by(|one, other| one.0.cmp(&other.0));
        request.page.cut(items)
    }

    pub(super) async fn update_deployment(
        &self,
        scope: &Scope,
        request: DeploymentRequest,
    ) -> Result<Value, RestApiError> {
        let key = Deployment::key(scope, &request.rest_api_id, &request.deployment_id);
        self.change(&key, no_deployment, |deployment: &mut Deployment| {
            apply_all(request.patch_operations.as_deref(), |patch| match (patch.op, patch.at().as_slice()) {
                (Op::Replace, ["description"]) => {
                    deployment.description = patch.optional();
                    Ok(())
                }
                _ => Err(patch.unknown("/description")),
            })?;
            Ok(shown(deployment))
        })
        .await
    }

    pub(super) async fn delete_deployment(
        &self,
        scope: &Scope,
        request: DeploymentRequest,
    ) -> Result<Value, RestApiError> {
        let (api, id) = (request.rest_api_id.as_str(), request.deployment_id.as_str());
        self.commit(|| async {
            let found = self.deployment(scope, api, id).await?.ok_or_else(no_deployment)?;
            if self.stages(scope, api).await?.iter().any(|stage| stage.value.deployment_id == id) {
                return Err(RestApiError::bad("Active stages pointing to this deployment must be moved or deleted"));
            }
            Ok((Batch::default().delete(found.key, Precondition::Revision(found.revision)), json!({})))
        })
        .await
    }
}

pub(super) fn no_deployment() -> RestApiError {
    RestApiError::not_found("Invalid Deployment identifier specified")
}

impl CreateRequest {
    /// Refuses what would otherwise be ignored.
    fn refuse(&self) -> Result<(), RestApiError> {
        super::stages::refuse(
            self.cache_cluster_enabled,
            self.cache_cluster_size.as_deref(),
            self.tracing_enabled,
            self.canary_settings.as_ref(),
            None,
        )
    }
}

/// An API can be deployed when each of its methods is answered by something.
fn check_deployable(content: &Content) -> Result<(), RestApiError> {
    let mut methods = content.resources.values().flat_map(|resource| resource.methods.values()).peekable();
    if methods.peek().is_none() {
        return Err(RestApiError::bad("The REST API doesn't contain any methods"));
    }
    match methods.any(|method| method.integration.is_none()) {
        true => Err(RestApiError::bad("No integration defined for method")),
        false => Ok(()),
    }
}

fn shown(deployment: &Deployment) -> Value {
    let mut shown = json!({ "id": deployment.id, "createdDate": seconds(deployment.created_ms) });
    if let Some(description) = &deployment.description {
        shown["description"] = description.as_str().into();
    }
    shown
}

/// Paths with their methods and how they are guarded.
fn summary(content: &Content) -> Value {
    let mut summary = Map::new();
    for resource in content.resources.values().filter(|resource| !resource.methods.is_empty()) {
        let methods = resource.methods.iter().map(|(name, method)| {
            let guards = json!({
                "authorizationType": method.authorization_type,
                "apiKeyRequired": method.api_key_required,
            });
            (name.clone(), guards)
        });
        summary.insert(resource.path.clone(), Value::Object(methods.collect()));
    }
    Value::Object(summary)
}
