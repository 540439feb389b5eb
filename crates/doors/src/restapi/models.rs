//! CreateModel, GetModel, GetModels, UpdateModel and DeleteModel: schemas that methods name.
//!
//! A model changes nothing of what an API answers, as on AWS without a validator of bodies: it is for those who make
//! clients out of the API.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::page::PageRequest;
use super::patch::{Op, PatchOperation, apply_all};
use super::records::{Content, Model, Named, shown};
use super::{RestApiError, RestApiService, ids};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    name: String,
    description: Option<String>,
    schema: Option<String>,
    content_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelRequest {
    rest_api_id: String,
    model_name: String,
    flatten: Option<bool>,
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
    pub(super) async fn create_model(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        if request.name.is_empty() {
            return Err(RestApiError::bad("Model name must be non-empty"));
        }
        if !request.name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(RestApiError::bad(format!("Model name must be alphanumeric: {}", request.name)));
        }
        let model = Model {
            id: ids::short()?,
            name: request.name,
            description: request.description,
            schema: checked_schema(request.schema.as_deref().unwrap_or_default())?,
            content_type: request.content_type,
        };
        self.change_content(scope, &request.rest_api_id, |content| {
            if content.models.contains_key(&model.name) {
                return Err(RestApiError::conflict("Model name already exists for this REST API"));
            }
            content.models.insert(model.name.clone(), model.clone());
            Ok(shown(&model))
        })
        .await
    }

    pub(super) async fn get_model(&self, scope: &Scope, request: ModelRequest) -> Result<Value, RestApiError> {
        if request.flatten == Some(true) {
            return Err(RestApiError::unsupported("Flattened models are"));
        }
        let api = self.api(scope, &request.rest_api_id).await?.value;
        api.content.models.get(&request.model_name).map(shown).ok_or_else(|| no_model(&request.model_name))
    }

    pub(super) async fn get_models(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        request.page.cut(api.content.models.iter().map(|(name, model)| (name.clone(), shown(model))))
    }

    pub(super) async fn update_model(&self, scope: &Scope, request: ModelRequest) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let found = content.models.get_mut(&request.model_name).ok_or_else(|| no_model(&request.model_name))?;
            let mut model = found.clone();
            apply_all(request.patch_operations.as_deref(), |patch| {
                match (patch.op, patch.at().as_slice()) {
                    (Op::Replace, ["description"]) => model.description = patch.optional(),
                    (Op::Replace, ["schema"]) => model.schema = checked_schema(patch.text())?,
                    _ => return Err(patch.unknown("/description, /schema")),
                }
                Ok(())
            })?;
            *found = model;
            Ok(shown(found))
        })
        .await
    }

    pub(super) async fn delete_model(&self, scope: &Scope, request: ModelRequest) -> Result<Value, RestApiError> {
        let name = &request.model_name;
        self.change_content(scope, &request.rest_api_id, |content| {
            if let Some(place) = content.place_of_model(name) {
                return Err(RestApiError::conflict(format!("Cannot delete model '{name}', is referenced in {place}")));
            }
            content.models.remove(name).map(|_| json!({})).ok_or_else(|| no_model(name))
        })
        .await
    }
}

impl Content {
    fn place_of_model(&self, model: &str) -> Option<String> {
        let methods = self.resources.values().flat_map(|resource| {
            resource.methods.iter().map(move |(name, method)| (format!("{}/{name}", resource.path), method))
        });
        let names = |models: &Named<String>| models.values().any(|name| name == model);
        methods.into_iter().find_map(|(place, method)| {
            if names(&method.request_models) {
                return Some(format!("method request: {place}"));
            }
            let is_answered = method.method_responses.values().any(|response| names(&response.response_models));
            is_answered.then(|| format!("method response: {place}"))
        })
    }
}

fn no_model(name: &str) -> RestApiError {
    RestApiError::not_found(format!("Invalid model name specified: {name}"))
}

fn checked_schema(schema: &str) -> Result<String, RestApiError> {
    match serde_json::from_str::<Value>(schema) {
        Ok(Value::Object(members)) if !members.is_empty() => Ok(schema.to_owned()),
        _ => Err(RestApiError::bad("Model schema must have at least 1 property or array items defined")),
    }
}

/// What every API begins with (AWS).
pub(super) fn defaults() -> Result<Named<Model>, RestApiError> {
    let texts = [
        (
            "Empty",
            "This is a default empty schema model",
            "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}",
        ),
        (
            "Error",
            "This is a default error schema model",
            "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}",
        ),
    ];
    let models = texts.into_iter().map(|(name, description, schema)| {
        let model = Model {
            id: ids::short()?,
            name: name.to_owned(),
            description: Some(description.to_owned()),
            schema: schema.to_owned(),
            content_type: "application/json".to_owned(),
        };
        Ok((name.to_owned(), model))
    });
    models.collect()
}
