//! CreateRestApi, GetRestApi, GetRestApis, UpdateRestApi and DeleteRestApi.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, Precondition, Versioned};

use super::changes::{all, keys};
use super::page::PageRequest;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{
    Api, ApiKeySource, Content, DEPLOYMENT_PREFIX, Named, Resource, STAGE_PREFIX, Settings, key, seconds,
};
use super::usage_plans::{PLAN_PREFIX, Plan};
use super::{ApiNamed, RestApiError, RestApiService, ids, models, tags};

/// Bytes above which an answer may be asked to be packed (AWS: up to 10 MiB).
const COMPRESSION_BYTES_MAX: u32 = 10 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    name: String,
    description: Option<String>,
    version: Option<String>,
    clone_from: Option<String>,
    binary_media_types: Option<Vec<String>>,
    minimum_compression_size: Option<i64>,
    api_key_source: Option<ApiKeySource>,
    endpoint_configuration: Option<EndpointConfiguration>,
    policy: Option<String>,
    tags: Option<Named<String>>,
    disable_execute_api_endpoint: Option<bool>,
    security_policy: Option<String>,
    endpoint_access_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointConfiguration {
    pub(super) types: Option<Vec<String>>,
    pub(super) ip_address_type: Option<String>,
    pub(super) vpc_endpoint_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRequest {
    rest_api_id: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

impl RestApiService {
    pub(super) async fn create_api(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let settings = request.settings()?;
        let content = match &request.clone_from {
            Some(id) => self.api(scope, id).await?.value.content,
            None => empty_content()?,
        };
        let mut api = Api {
            id: ids::long()?,
            created_ms: self.clock.unix_ms(),
            tags: tags::checked(request.tags.clone().unwrap_or_default())?,
            settings,
            content,
        };
        request.apply(&mut api.content)?;
        self.put_new(scope, &api).await?;
        Ok(shown_new(&api))
    }

    /// Writes an API that is not there yet.
    pub(super) async fn put_new(&self, scope: &Scope, api: &Api) -> Result<(), RestApiError> {
        if self.apis(scope).await?.len() >= limits::REST_APIS_MAX {
            return Err(RestApiError::limit(format!(
                "Maximum number of REST APIs ({}) has been reached.",
                limits::REST_APIS_MAX
            )));
        }
        let batch = Batch::default().put_json(Api::key(scope, &api.id), Precondition::Absent, api)?;
        self.store.metadata.commit(batch).await?;
        Ok(())
    }

    pub(super) async fn get_api(&self, scope: &Scope, request: ApiNamed) -> Result<Value, RestApiError> {
        Ok(shown_whole(&self.api(scope, &request.rest_api_id).await?.value))
    }

    /// The oldest first.
    pub(super) async fn get_apis(&self, scope: &Scope, request: PageRequest) -> Result<Value, RestApiError> {
        let mut apis = self.apis(scope).await?;
        apis.sort_by_key(|api| order(&api.value));
        request.cut(apis.iter().map(|api| (order(&api.value), shown_new(&api.value))))
    }

    pub(super) async fn update_api(&self, scope: &Scope, request: UpdateRequest) -> Result<Value, RestApiError> {
        let edit = |api: &mut Api| {
            apply_all(request.patch_operations.as_deref(), |patch| change(api, patch))?;
            Ok(shown_whole(api))
        };
        self.change_api(scope, &request.rest_api_id, edit).await
    }

    /// With its deployments and stages, and out of the usage plans.
    pub(super) async fn delete_api(&self, scope: &Scope, request: ApiNamed) -> Result<Value, RestApiError> {
        let id = request.rest_api_id.as_str();
        self.commit(|| async {
            let api = self.api(scope, id).await?;
            let mut batch = Batch::default().delete(api.key, Precondition::Revision(api.revision));
            for prefix in [DEPLOYMENT_PREFIX, STAGE_PREFIX] {
                for key in keys(&self.store, &key(prefix, scope, &[id, ""])).await? {
                    batch = batch.delete(key, Precondition::None);
                }
            }
            Ok((self.without_stages(batch, scope, |stage| stage.api_id == id).await?, json!({})))
        })
        .await
    }

    /// Takes stages that go out of the usage plans that name them.
    pub(super) async fn without_stages(
        &self,
        mut batch: Batch,
        scope: &Scope,
        goes: impl Fn(&super::usage_plans::ApiStage) -> bool,
    ) -> Result<Batch, RestApiError> {
        let plans: Vec<Versioned<Plan>> = all(&self.store, &key(PLAN_PREFIX, scope, &[""])).await?;
        for mut plan in plans {
            if plan.value.stages.iter().any(&goes) {
                plan.value.stages.retain(|stage| !goes(stage));
                batch = batch.put_json(plan.key, Precondition::Revision(plan.revision), &plan.value)?;
            }
        }
        Ok(batch)
    }
}

/// What APIs are listed by.
fn order(api: &Api) -> String {
    format!("{:020}/{}", api.created_ms, api.id)
}

/// The content of an API with nothing but its root.
pub(super) fn empty_content() -> Result<Content, RestApiError> {
    let root_id = ids::long()?;
    let root = Resource { id: root_id.clone(), path: "/".to_owned(), ..Resource::default() };
    let resources = Named::from([(root_id.clone(), root)]);
    Ok(Content { root_id, resources, models: models::defaults()?, ..Content::default() })
}

impl CreateRequest {
    fn settings(&self) -> Result<Settings, RestApiError> {
        let refused = [
            ("resource policies of REST APIs are", self.policy.as_deref()),
            ("security policies of REST APIs are", self.security_policy.as_deref()),
            ("endpoint access modes are", self.endpoint_access_mode.as_deref()),
        ];
        if let Some((what, _)) = refused.iter().find(|(_, value)| value.is_some_and(|value| !value.is_empty())) {
            return Err(RestApiError::unsupported(what));
        }
        if self.description.as_deref() == Some("") {
            return Err(RestApiError::bad("Description cannot be an empty string"));
        }
        let endpoint = self.endpoint_configuration.as_ref();
        let types = endpoint.and_then(|endpoint| endpoint.types.clone()).unwrap_or_else(|| vec!["EDGE".to_owned()]);
        if endpoint.and_then(|endpoint| endpoint.vpc_endpoint_ids.as_ref()).is_some_and(|ids| !ids.is_empty()) {
            return Err(RestApiError::unsupported("VPC endpoints of REST APIs are"));
        }
        let [endpoint_type] = types.as_slice() else {
            return Err(RestApiError::bad("Cannot create an api with multiple Endpoint Types."));
        };
        Ok(Settings {
            name: checked_name(&self.name)?,
            description: self.description.clone(),
            version: self.version.clone(),
            endpoint_type: checked_endpoint_type(endpoint_type)?,
            ip_address_type: endpoint.and_then(|one| one.ip_address_type.clone()).unwrap_or_else(|| "ipv4".to_owned()),
        })
    }

    fn apply(&self, content: &mut Content) -> Result<(), RestApiError> {
        if let Some(types) = &self.binary_media_types {
            content.binary_media_types.clone_from(types);
        }
        if let Some(size) = self.minimum_compression_size {
            content.minimum_compression_bytes = Some(checked_compression(&size.to_string())?);
        }
        content.api_key_source = self.api_key_source.unwrap_or(content.api_key_source);
        content.is_endpoint_disabled = self.disable_execute_api_endpoint.unwrap_or(content.is_endpoint_disabled);
        Ok(())
    }
}

pub(super) fn checked_name(name: &str) -> Result<String, RestApiError> {
    match name.trim().is_empty() || name.chars().count() > 1_024 {
        true => Err(RestApiError::bad("The name of an API must have 1 to 1024 characters.")),
        false => Ok(name.to_owned()),
    }
}

pub(super) fn checked_endpoint_type(text: &str) -> Result<String, RestApiError> {
    match text {
        "EDGE" | "REGIONAL" => Ok(text.to_owned()),
        "PRIVATE" => Err(RestApiError::unsupported("private REST APIs, which need VPC endpoints, are")),
        _ => Err(RestApiError::bad(format!(
            "Invalid endpoint type specified: {text}. Must be one of: [EDGE, PRIVATE, REGIONAL]"
        ))),
    }
}

fn checked_compression(text: &str) -> Result<u32, RestApiError> {
    text.parse().ok().filter(|size| *size <= COMPRESSION_BYTES_MAX).ok_or_else(|| {
        RestApiError::bad(format!("Invalid minimum compression size, must be between 0 and {COMPRESSION_BYTES_MAX}"))
    })
}

/// Applies one patch operation of UpdateRestApi.
fn change(api: &mut Api, patch: &Patch<'_>) -> Result<(), RestApiError> {
    let (settings, content) = (&mut api.settings, &mut api.content);
    match patch.at().as_slice() {
        ["name"] => {
            patch.replaces()?;
            settings.name = checked_name(patch.text())?;
        }
        ["description"] => settings.description = patch.optional().filter(|_| patch.op != Op::Remove),
        ["version"] => settings.version = patch.optional().filter(|_| patch.op != Op::Remove),
        ["minimumCompressionSize"] => {
            patch.replaces()?;
            content.minimum_compression_bytes = patch.optional().as_deref().map(checked_compression).transpose()?;
        }
        ["apiKeySource"] => {
            patch.replaces()?;
            content.api_key_source = match patch.text() {
                "HEADER" => ApiKeySource::Header,
                "AUTHORIZER" => ApiKeySource::Authorizer,
                _ => return Err(RestApiError::bad("Invalid API key source. Must be one of: [HEADER, AUTHORIZER]")),
            };
        }
        ["disableExecuteApiEndpoint"] => {
            patch.replaces()?;
            content.is_endpoint_disabled = patch.flag();
        }
        ["endpointConfiguration", "ipAddressType"] if matches!(patch.text(), "ipv4" | "dualstack") => {
            patch.replaces()?;
            settings.ip_address_type = patch.text().to_owned();
        }
        ["endpointConfiguration", "types", _] => {
            patch.replaces()?;
            settings.endpoint_type = checked_endpoint_type(patch.text())?;
        }
        ["binaryMediaTypes", media_type] => change_media_types(content, media_type, patch)?,
        ["policy"] if patch.text().is_empty() => {}
        ["policy"] | ["endpointConfiguration", "vpcEndpointIds", ..] => return Err(patch.unsupported()),
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

fn change_media_types(content: &mut Content, media_type: &str, patch: &Patch<'_>) -> Result<(), RestApiError> {
    let types = &mut content.binary_media_types;
    let without = |types: &mut Vec<String>| types.retain(|known| known != media_type);
    match patch.op {
        Op::Add => {
            without(types);
            types.push(media_type.to_owned());
        }
        Op::Remove => without(types),
        Op::Replace => {
            without(types);
            types.push(patch.text().to_owned());
        }
        _ => {
            return Err(RestApiError::bad("Invalid patch operation specified. Must be one of: [add, remove, replace]"));
        }
    }
    Ok(())
}

/// An API as it is told when it is made, and in lists.
pub(super) fn shown_new(api: &Api) -> Value {
    let (settings, content) = (&api.settings, &api.content);
    let mut shown = json!({
        "id": api.id,
        "name": settings.name,
        "createdDate": seconds(api.created_ms),
        "apiKeySource": content.api_key_source,
        "endpointConfiguration": { "types": [settings.endpoint_type], "ipAddressType": settings.ip_address_type },
        "disableExecuteApiEndpoint": content.is_endpoint_disabled,
        "rootResourceId": content.root_id,
    });
    let types = &content.binary_media_types;
    let members = [
        ("description", settings.description.as_deref().map(Value::from)),
        ("version", settings.version.as_deref().map(Value::from)),
        ("minimumCompressionSize", content.minimum_compression_bytes.map(Value::from)),
        ("binaryMediaTypes", (!types.is_empty()).then(|| types.clone().into())),
        ("tags", (!api.tags.is_empty()).then(|| json!(api.tags))),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            shown[member] = value;
        }
    }
    shown
}

/// An API as it is told by itself.
pub(super) fn shown_whole(api: &Api) -> Value {
    let mut shown = shown_new(api);
    shown["tags"] = json!(api.tags);
    shown
}
