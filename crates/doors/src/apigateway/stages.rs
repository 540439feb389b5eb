//! CreateStage, GetStage, GetStages, UpdateStage, DeleteStage, DeleteRouteSettings and ResetAuthorizersCache.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::stages::{
    AccessLogSettings, DeleteRouteSettingsRequest, ResetAuthorizersCacheRequest, RouteSettings as AskedSettings,
};

use super::records::{Api, RouteSettings, Stage};
use super::shown::{members, time};
use super::websocket::rules;
use super::{
    HttpApiError, HttpApis, Named, check_text, deployments, quick_create, settings, tags, unserved, variables,
};

/// The members of CreateStage and UpdateStage.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Asked {
    api_id: String,
    stage_name: String,
    auto_deploy: Option<bool>,
    deployment_id: Option<String>,
    description: Option<String>,
    default_route_settings: Option<AskedSettings>,
    route_settings: BTreeMap<String, AskedSettings>,
    stage_variables: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    access_log_settings: Option<AccessLogSettings>,
    client_certificate_id: Option<String>,
}

impl HttpApis {
    pub(super) async fn create_stage(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let name = &asked.stage_name;
        check_name(name)?;
        let now_ms = self.clock.unix_ms();
        let edit = |api: &mut Api| {
            rules::check_stage(name, api.protocol)?;
            if api.stages.contains_key(name) {
                return Err(HttpApiError::conflict("Stage already exists"));
            }
            if api.stages.len() >= limits::HTTP_API_STAGES_MAX {
                return Err(HttpApiError::limit("Stages", "API", limits::HTTP_API_STAGES_MAX));
            }
            let mut stage = Stage {
                description: None,
                is_auto_deployed: false,
                deployment: None,
                variables: BTreeMap::new(),
                default_settings: RouteSettings::default(),
                route_settings: BTreeMap::new(),
                tags: BTreeMap::new(),
                created_ms: now_ms,
                updated_ms: now_ms,
                status_message: None,
                is_managed: false,
                authorizer_cache_epoch: 0,
            };
            tags::add(&mut stage.tags, asked.tags.clone())?;
            api.stages.insert(name.clone(), stage);
            asked.apply(api, name, now_ms)
        };
        let ((), api) = self.change(scope, &asked.api_id, edit).await?;
        shown_of(&api, name)
    }

    pub(super) async fn get_stage(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        shown_of(&self.api(scope, &named.api_id).await?.value, &named.route_id)
    }

    pub(super) async fn get_stages(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        named.page.cut(api.stages.iter().map(|(name, stage)| (name.clone(), shown(name, stage))))
    }

    pub(super) async fn update_stage(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let name = &asked.stage_name;
        let now_ms = self.clock.unix_ms();
        let edit = |api: &mut Api| {
            if api.stages.get(name).ok_or_else(|| unknown(name))?.is_managed {
                return Err(HttpApiError::invalid(format!(
                    "The stage {} that quick create made cannot be modified.",
                    quick_create::STAGE
                )));
            }
            asked.apply(api, name, now_ms)
        };
        let ((), api) = self.change(scope, &asked.api_id, edit).await?;
        shown_of(&api, name)
    }

    pub(super) async fn delete_stage(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        self.api(scope, &named.api_id).await?;
        self.check_unmapped(&named.api_id, Some(&named.route_id)).await?;
        let edit =
            |api: &mut Api| api.stages.remove(&named.route_id).map(|_| ()).ok_or_else(|| unknown(&named.route_id));
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }

    pub(super) async fn delete_route_settings(
        &self,
        scope: &Scope,
        request: DeleteRouteSettingsRequest,
    ) -> Result<Value, HttpApiError> {
        let key = &request.route_key;
        let now_ms = self.clock.unix_ms();
        let edit = |api: &mut Api| {
            let stage = stage_of(api, &request.stage_name)?;
            stage.updated_ms = now_ms;
            stage.route_settings.remove(key).map(|_| ()).ok_or_else(|| {
                HttpApiError::not_found(format!("Unable to find RouteSettings by key {key} within the Stage"))
            })
        };
        self.change(scope, &request.api_id, edit).await?;
        Ok(json!({}))
    }

    /// What authorizers answered is forgotten everywhere once the stage's epoch is known.
    pub(super) async fn reset_authorizers_cache(
        &self,
        scope: &Scope,
        request: ResetAuthorizersCacheRequest,
    ) -> Result<Value, HttpApiError> {
        let edit = |api: &mut Api| {
            stage_of(api, &request.stage_name)?.authorizer_cache_epoch += 1;
            Ok(())
        };
        self.change(scope, &request.api_id, edit).await?;
        Ok(json!({}))
    }
}

impl Asked {
    fn apply(&self, api: &mut Api, name: &str, now_ms: u64) -> Result<(), HttpApiError> {
        refuse(self.access_log_settings.as_ref(), self.client_certificate_id.as_deref())?;
        check_text("Description", self.description.as_deref())?;
        let definition = api.definition.clone();
        let stage = stage_of(api, name)?;
        stage.updated_ms = now_ms;
        if self.description.is_some() {
            stage.description.clone_from(&self.description);
        }
        if let Some(asked) = &self.default_route_settings {
            settings::set(&mut stage.default_settings, asked)?;
        }
        settings::set_of_routes(&mut stage.route_settings, &self.route_settings, &definition)?;
        variables::set(&mut stage.variables, &self.stage_variables)?;
        if self.auto_deploy == Some(true) && self.deployment_id.is_some() {
            return Err(HttpApiError::invalid("DeploymentId and AutoDeploy exclude one another."));
        }
        stage.is_auto_deployed = self.auto_deploy.unwrap_or(stage.is_auto_deployed);
        match &self.deployment_id {
            Some(deployment) => deployments::serve(api, name, deployment, now_ms),
            None => Ok(()),
        }
    }
}

fn stage_of<'a>(api: &'a mut Api, name: &str) -> Result<&'a mut Stage, HttpApiError> {
    api.stages.get_mut(name).ok_or_else(|| unknown(name))
}

fn check_name(name: &str) -> Result<(), HttpApiError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match name == quick_create::STAGE || ((1..=128).contains(&name.len()) && name.bytes().all(is_plain)) {
        true => Ok(()),
        false => Err(HttpApiError::invalid(
            "Invalid stage name: it must be $default, or have 1 to 128 characters, all of [A-Za-z0-9-_].",
        )),
    }
}

fn refuse(logs: Option<&AccessLogSettings>, certificate: Option<&str>) -> Result<(), HttpApiError> {
    let has_logs = logs.is_some_and(|logs| logs.destination_arn.is_some() || logs.format.is_some());
    unserved::members(&[("AccessLogSettings", has_logs)], "requests are counted in the server's metrics")?;
    unserved::members(&[("ClientCertificateId", certificate.is_some())], unserved::WEB_SOCKET)
}

fn unknown(name: &str) -> HttpApiError {
    HttpApiError::unknown("Stage", name)
}

fn shown_of(api: &Api, name: &str) -> Result<Value, HttpApiError> {
    Ok(shown(name, api.stages.get(name).ok_or_else(|| unknown(name))?))
}

fn shown(name: &str, stage: &Stage) -> Value {
    let route_settings: Map<String, Value> =
        stage.route_settings.iter().map(|(key, one)| (key.clone(), settings::shown(one))).collect();
    members(json!({
        "ApiGatewayManaged": stage.is_managed.then_some(true),
        "AutoDeploy": stage.is_auto_deployed,
        "CreatedDate": time(stage.created_ms),
        "DefaultRouteSettings": settings::shown(&stage.default_settings),
        "DeploymentId": stage.deployment,
        "Description": stage.description,
        "LastDeploymentStatusMessage": stage.status_message,
        "LastUpdatedDate": time(stage.updated_ms),
        "RouteSettings": route_settings,
        "StageName": name,
        "StageVariables": stage.variables,
        "Tags": stage.tags,
    }))
}
