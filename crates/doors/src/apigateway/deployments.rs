//! CreateDeployment, GetDeployment, GetDeployments, UpdateDeployment and DeleteDeployment.

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::deployments::{CreateDeploymentRequest, UpdateDeploymentRequest};

use super::records::{Api, Deployment};
use super::shown::{members, time};
use super::websocket::rules;
use super::{HttpApiError, HttpApis, Named, check_text, ids};

impl HttpApis {
    /// Keeps a copy of how requests are answered now, and has a stage serve it when one is named.
    pub(super) async fn create_deployment(
        &self,
        scope: &Scope,
        request: CreateDeploymentRequest,
    ) -> Result<Value, HttpApiError> {
        check_text("Description", request.description.as_deref())?;
        let (id, now_ms) = (ids::new(ids::SHORT), self.clock.unix_ms());
        let edit = |api: &mut Api| {
            if api.deployments.len() >= limits::HTTP_API_DEPLOYMENTS_MAX {
                return Err(HttpApiError::limit("Deployments", "API", limits::HTTP_API_DEPLOYMENTS_MAX));
            }
            if api.definition.routes.is_empty() {
                return Err(HttpApiError::invalid("At least one route is required before deploying the API."));
            }
            rules::check_deployable(api)?;
            let deployment = Deployment {
                description: request.description.clone(),
                created_ms: now_ms,
                is_auto: false,
                is_kept: true,
            };
            api.deployments.insert(id.clone(), deployment.clone());
            if let Some(name) = &request.stage_name {
                serve(api, name, &id, now_ms)?;
            }
            Ok(deployment)
        };
        let (deployment, _) = self.change(scope, &request.api_id, edit).await?;
        Ok(shown(&id, &deployment))
    }

    pub(super) async fn get_deployment(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        let found = api.deployments.get(&named.route_id).ok_or_else(|| unknown(&named.route_id))?;
        Ok(shown(&named.route_id, found))
    }

    pub(super) async fn get_deployments(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        named.page.cut(api.deployments.iter().map(|(id, one)| (id.clone(), shown(id, one))))
    }

    pub(super) async fn update_deployment(
        &self,
        scope: &Scope,
        request: UpdateDeploymentRequest,
    ) -> Result<Value, HttpApiError> {
        check_text("Description", request.description.as_deref())?;
        let id = &request.deployment_id;
        let edit = |api: &mut Api| {
            let deployment = api.deployments.get_mut(id).ok_or_else(|| unknown(id))?;
            if request.description.is_some() {
                deployment.description.clone_from(&request.description);
            }
            Ok(deployment.clone())
        };
        let (deployment, _) = self.change(scope, &request.api_id, edit).await?;
        Ok(shown(id, &deployment))
    }

    pub(super) async fn delete_deployment(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let id = &named.route_id;
        let edit = |api: &mut Api| {
            if api.stages.values().any(|stage| stage.deployment.as_ref() == Some(id)) {
                return Err(HttpApiError::invalid(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            api.deployments.remove(id).map(|_| ()).ok_or_else(|| unknown(id))
        };
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }
}

/// Has a stage serve a deployment.
pub(super) fn serve(api: &mut Api, stage: &str, deployment: &str, now_ms: u64) -> Result<(), HttpApiError> {
    let found = api.stages.get_mut(stage).ok_or_else(|| HttpApiError::unknown("Stage", stage))?;
    if found.is_auto_deployed {
        return Err(HttpApiError::invalid(format!(
            "The stage {stage} deploys changes automatically (AutoDeploy), so no deployment can be chosen for it."
        )));
    }
    if !api.deployments.contains_key(deployment) {
        return Err(unknown(deployment));
    }
    found.deployment = Some(deployment.to_owned());
    found.status_message = None;
    found.updated_ms = now_ms;
    Ok(())
}

fn unknown(id: &str) -> HttpApiError {
    HttpApiError::unknown("Deployment", id)
}

fn shown(id: &str, deployment: &Deployment) -> Value {
    members(json!({
        "AutoDeployed": deployment.is_auto,
        "CreatedDate": time(deployment.created_ms),
        "DeploymentId": id,
        "DeploymentStatus": "DEPLOYED",
        "Description": deployment.description,
    }))
}
