//! CreateStage, GetStage, GetStages, UpdateStage, DeleteStage and FlushStageAuthorizersCache: the names under which
//! deployments are served.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, Precondition};

use super::deployments::no_deployment;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{MethodSetting, Named, Stage, seconds};
use super::{RestApiError, RestApiService, tags};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    stage_name: String,
    deployment_id: String,
    description: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    variables: Option<Named<String>>,
    documentation_version: Option<String>,
    canary_settings: Option<Value>,
    tracing_enabled: Option<bool>,
    tags: Option<Named<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageRequest {
    rest_api_id: String,
    stage_name: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    rest_api_id: String,
    deployment_id: Option<String>,
}

impl RestApiService {
    pub(super) async fn create_stage(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        refuse(
            request.cache_cluster_enabled,
            request.cache_cluster_size.as_deref(),
            request.tracing_enabled,
            request.canary_settings.as_ref(),
            request.documentation_version.as_deref(),
        )?;
        let now_ms = self.clock.unix_ms();
        let mut stage = Stage::new(checked_name(&request.stage_name)?, &request.deployment_id, now_ms);
        stage.description.clone_from(&request.description);
        stage.variables = checked_variables(request.variables.clone().unwrap_or_default())?;
        stage.tags = tags::checked(request.tags.clone().unwrap_or_default())?;
        let api = request.rest_api_id.as_str();
        self.commit(|| async {
            self.api(scope, api).await?;
            let stages = self.stages(scope, api).await?;
            if stages.iter().any(|known| known.value.name == stage.name) {
                return Err(RestApiError::conflict("Stage already exists"));
            }
            check_room(stages.len())?;
            self.check_deployment(scope, api, &stage.deployment_id).await?;
            let key = Stage::key(scope, api, &stage.name);
            Ok((Batch::default().put_json(key, Precondition::Absent, &stage)?, shown(&stage)))
        })
        .await
    }

    async fn check_deployment(&self, scope: &Scope, api: &str, id: &str) -> Result<(), RestApiError> {
        self.deployment(scope, api, id).await?.map(drop).ok_or_else(no_deployment)
    }

    pub(super) async fn get_stage(&self, scope: &Scope, request: StageRequest) -> Result<Value, RestApiError> {
        let stages = self.stages(scope, &request.rest_api_id).await?;
        let found = stages.iter().find(|stage| stage.value.name == request.stage_name);
        found.map(|stage| shown(&stage.value)).ok_or_else(no_stage)
    }

    pub(super) async fn get_stages(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        self.api(scope, &request.rest_api_id).await?;
        let stages = self.stages(scope, &request.rest_api_id).await?;
        let asked = |id: &str| request.deployment_id.as_deref().is_none_or(|asked| asked == id);
        let stages = stages.iter().filter(|stage| asked(&stage.value.deployment_id));
        Ok(json!({ "item": stages.map(|stage| shown(&stage.value)).collect::<Vec<_>>() }))
    }

    pub(super) async fn update_stage(&self, scope: &Scope, request: StageRequest) -> Result<Value, RestApiError> {
        let api = request.rest_api_id.as_str();
        let operations = request.patch_operations.as_deref();
        for operation in operations.unwrap_or_default() {
            let patch = operation.read()?;
            if patch.op == Op::Replace && patch.at() == ["deploymentId"] {
                self.check_deployment(scope, api, patch.text()).await?;
            }
        }
        let now_ms = self.clock.unix_ms();
        self.change(&Stage::key(scope, api, &request.stage_name), no_stage, |stage: &mut Stage| {
            apply_all(operations, |patch| change(stage, patch))?;
            stage.variables = checked_variables(std::mem::take(&mut stage.variables))?;
            stage.updated_ms = now_ms;
            Ok(shown(stage))
        })
        .await
    }

    pub(super) async fn delete_stage(&self, scope: &Scope, request: StageRequest) -> Result<Value, RestApiError> {
        let (api, name) = (request.rest_api_id.as_str(), request.stage_name.as_str());
        self.commit(|| async {
            let stages = self.stages(scope, api).await?;
            let found = stages.into_iter().find(|stage| stage.value.name == name).ok_or_else(no_stage)?;
            let batch = Batch::default().delete(found.key, Precondition::Revision(found.revision));
            let batch = self.without_stages(batch, scope, |stage| stage.api_id == api && stage.stage == name).await?;
            Ok((batch, json!({})))
        })
        .await
    }

    /// Lets the next request of everybody be decided on anew.
    pub(super) async fn flush_authorizers(&self, scope: &Scope, request: StageRequest) -> Result<Value, RestApiError> {
        let key = Stage::key(scope, &request.rest_api_id, &request.stage_name);
        self.change(&key, no_stage, |stage: &mut Stage| {
            stage.authorizer_epoch += 1;
            Ok(json!({}))
        })
        .await
    }
}

fn no_stage() -> RestApiError {
    RestApiError::not_found("Invalid stage identifier specified")
}

impl Stage {
    pub(super) fn new(name: String, deployment_id: &str, now_ms: UnixMs) -> Self {
        Self {
            name,
            deployment_id: deployment_id.to_owned(),
            description: None,
            variables: Named::new(),
            method_settings: Named::new(),
            tags: Named::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
            authorizer_epoch: 0,
        }
    }
}

/// Refuses what would otherwise be ignored.
pub(super) fn refuse(
    cache: Option<bool>,
    cache_size: Option<&str>,
    tracing: Option<bool>,
    canary: Option<&Value>,
    documentation: Option<&str>,
) -> Result<(), RestApiError> {
    let refused = [
        ("Cache clusters are", cache == Some(true) || cache_size.is_some()),
        ("Tracing of REST APIs by X-Ray is", tracing == Some(true)),
        ("Canary settings are", canary.is_some()),
        ("Documentation versions are", documentation.is_some_and(|version| !version.is_empty())),
    ];
    match refused.iter().find(|(_, is_given)| *is_given) {
        Some((what, _)) => Err(RestApiError::unsupported(what)),
        None => Ok(()),
    }
}

pub(super) fn checked_name(name: &str) -> Result<String, RestApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match (1..=128).contains(&name.len()) && name.bytes().all(is_allowed) {
        true => Ok(name.to_owned()),
        false => Err(RestApiError::bad("Stage name only allows a-zA-Z0-9_-")),
    }
}

pub(super) fn check_room(stages: usize) -> Result<(), RestApiError> {
    match stages >= limits::REST_API_STAGES_MAX {
        true => Err(RestApiError::limit(format!(
            "Maximum number of stages for this API has been reached ({}).",
            limits::REST_API_STAGES_MAX
        ))),
        false => Ok(()),
    }
}

/// Variables within their limits (developer guide: letters, digits and a few signs).
pub(super) fn checked_variables(variables: Named<String>) -> Result<Named<String>, RestApiError> {
    for (name, value) in &variables {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_value = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
        if !(1..=limits::STAGE_VARIABLE_NAME_MAX).contains(&name.len())
            || value.len() > limits::STAGE_VARIABLE_VALUE_MAX
            || !name.bytes().all(is_name)
            || !value.bytes().all(is_value)
        {
            return Err(RestApiError::bad(format!(
                "Invalid stage variable value: {value}. Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."
            )));
        }
    }
    match variables.len() > limits::STAGE_VARIABLES_MAX {
        true => Err(RestApiError::bad(format!("A stage can have at most {} variables.", limits::STAGE_VARIABLES_MAX))),
        false => Ok(variables),
    }
}

fn change(stage: &mut Stage, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["deploymentId"]) => stage.deployment_id = patch.text().to_owned(),
        (Op::Replace, ["description"]) => stage.description = patch.optional(),
        (Op::Remove, ["variables", name]) => drop(stage.variables.remove(*name)),
        (Op::Add | Op::Replace, ["variables", name]) => {
            stage.variables.insert((*name).to_owned(), patch.text().to_owned());
        }
        (Op::Replace, ["cacheClusterEnabled" | "tracingEnabled"]) if !patch.flag() => {}
        (Op::Replace, ["cacheClusterSize" | "clientCertificateId" | "documentationVersion"])
            if patch.text().is_empty() => {}
        (Op::Remove, ["accessLogSettings" | "canarySettings"]) => {}
        (
            _,
            [
                "cacheClusterEnabled"
                | "tracingEnabled"
                | "cacheClusterSize"
                | "clientCertificateId"
                | "documentationVersion"
                | "accessLogSettings"
                | "canarySettings"
                | "webAclArn",
                ..,
            ],
        ) => return Err(patch.unsupported()),
        (Op::Remove, [path, method]) => drop(stage.method_settings.remove(&setting_key(patch, path, method)?)),
        (Op::Replace | Op::Add, [path, method, group, setting]) => {
            let key = setting_key(patch, path, method)?;
            let mut changed = stage.method_settings.get(&key).copied().unwrap_or_default();
            change_setting(&mut changed, group, setting, patch)?;
            stage.method_settings.insert(key, changed);
        }
        _ => {
            return Err(RestApiError::bad(format!(
                "Invalid method setting path: {}. Must be one of: [/deploymentId, /description, /variables/{{variable_name}}, /{{resourcePath}}/{{httpMethod}}/throttling/burstLimit, /{{resourcePath}}/{{httpMethod}}/throttling/rateLimit, /*/*/throttling/burstLimit, /*/*/throttling/rateLimit]",
                patch.path
            )));
        }
    }
    Ok(())
}

/// `*/*`, or a path with its slashes escaped and a method. It is kept as it came, with the slash that a path begins with
/// or without, because answers have it so.
fn setting_key(patch: &Patch<'_>, path: &str, method: &str) -> Result<String, RestApiError> {
    let is_method = method == "*" || super::methods::HTTP_METHODS.contains(&method);
    match is_method && !path.is_empty() {
        true => Ok(patch.raw(2)),
        false => Err(RestApiError::bad(format!("Invalid method setting path: {}", patch.path))),
    }
}

/// One setting of a method: limits are kept, and everything else may only be what it is without being set.
fn change_setting(
    settings: &mut MethodSetting,
    group: &str,
    setting: &str,
    patch: &Patch<'_>,
) -> Result<(), RestApiError> {
    match (group, setting) {
        ("throttling", "burstLimit") => {
            let burst: i64 = patch.number()?;
            settings.burst = u32::try_from(burst).ok();
        }
        ("throttling", "rateLimit") => {
            let rate: f64 = patch.number()?;
            settings.rate_per_s = Some(rate).filter(|rate| rate.is_finite() && *rate >= 0.0);
        }
        ("metrics", "enabled") | ("logging", "dataTrace") | ("caching", "enabled" | "dataEncrypted")
            if !patch.flag() => {}
        ("logging", "loglevel") if patch.text().eq_ignore_ascii_case("off") => {}
        (
            "caching",
            "ttlInSeconds" | "requireAuthorizationForCacheControl" | "unauthorizedCacheControlHeaderStrategy",
        ) => {
            return Err(RestApiError::unsupported(format!("Nothing is cached, so {} is", patch.path)));
        }
        ("metrics", "enabled") | ("logging", "dataTrace" | "loglevel") | ("caching", "enabled" | "dataEncrypted") => {
            return Err(patch.unsupported());
        }
        _ => return Err(RestApiError::bad(format!("Invalid method setting path: {}", patch.path))),
    }
    Ok(())
}

fn shown(stage: &Stage) -> Value {
    let settings: Map<String, Value> =
        stage.method_settings.iter().map(|(key, setting)| (key.clone(), shown_setting(*setting))).collect();
    let mut shown = json!({
        "deploymentId": stage.deployment_id,
        "stageName": stage.name,
        "cacheClusterEnabled": false,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": settings,
        "tracingEnabled": false,
        "createdDate": seconds(stage.created_ms),
        "lastUpdatedDate": seconds(stage.updated_ms),
    });
    let members = [
        ("description", stage.description.as_deref().map(Value::from)),
        ("variables", (!stage.variables.is_empty()).then(|| json!(stage.variables))),
        ("tags", (!stage.tags.is_empty()).then(|| json!(stage.tags))),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            shown[member] = value;
        }
    }
    shown
}

fn shown_setting(setting: MethodSetting) -> Value {
    // What is not set is -1 (AWS).
    json!({
        "metricsEnabled": false,
        "dataTraceEnabled": false,
        "throttlingBurstLimit": setting.burst.map_or(-1, i64::from),
        "throttlingRateLimit": setting.rate_per_s.unwrap_or(-1.0),
        "cachingEnabled": false,
        "cacheTtlInSeconds": 300,
        "cacheDataEncrypted": false,
        "requireAuthorizationForCacheControl": true,
        "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
    })
}
