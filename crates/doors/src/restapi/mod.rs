//! API Gateway's REST APIs: trees of paths whose methods Lambda functions answer.
//!
//! [`RestApiService`] answers the API: an API with all that is edited is one record, a deployment is a picture of it, and
//! a stage names the deployment that it serves. `import` makes an API out of a Swagger or OpenAPI document. What is not
//! done here (integrations other than Lambda proxies and mocks, templates with expressions, caches, canaries, …) is
//! refused when it is put and never kept without acting.

mod account;
mod api_keys;
mod apis;
mod authorizers;
mod changes;
mod deployments;
mod error;
mod gateway_responses;
mod ids;
mod import;
mod integrations;
mod invoke_uri;
mod methods;
mod models;
mod page;
mod patch;
mod plan_keys;
mod records;
mod resources;
mod serve;
mod stages;
mod tags;
mod templates;
#[cfg(test)]
mod tests;
mod usage;
mod usage_plans;
mod validators;

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::Store;

pub use error::RestApiError;
pub use serve::{RestApis, too_large, unknown};

/// The control plane of REST APIs, of every account and region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RestApiService {
    store: Store,
    clock: Arc<dyn Clock>,
}

/// The member that names an API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiNamed {
    rest_api_id: String,
}

impl RestApiService {
    /// A service over a store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        let name = call.operation.name();
        let output = match name {
            "ImportRestApi" | "PutRestApi" => {
                let body = call.payload.unwrap_or_default();
                self.import(scope, name, &body, parse(call.input)?).await?
            }
            _ => self.answer(scope, name, call.input).await?,
        };
        Ok(Reply::new(output))
    }

    /// Answers one operation, told by its name in the service model, with the members of its output as they are called on
    /// the wire. The document of an import is the text `body` here.
    ///
    /// # Errors
    /// As the API has them; see [`RestApiError`].
    pub async fn answer(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, RestApiError> {
        match operation {
            "CreateRestApi" => self.create_api(scope, parse(input)?).await,
            "GetRestApi" => self.get_api(scope, parse(input)?).await,
            "GetRestApis" => self.get_apis(scope, parse(input)?).await,
            "UpdateRestApi" => self.update_api(scope, parse(input)?).await,
            "DeleteRestApi" => self.delete_api(scope, parse(input)?).await,
            "CreateResource" => self.create_resource(scope, parse(input)?).await,
            "GetResource" => self.get_resource(scope, parse(input)?).await,
            "GetResources" => self.get_resources(scope, parse(input)?).await,
            "UpdateResource" => self.update_resource(scope, parse(input)?).await,
            "DeleteResource" => self.delete_resource(scope, parse(input)?).await,
            "GetTags" => self.get_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await,
            "UntagResource" => self.untag(scope, parse(input)?).await,
            "ImportRestApi" | "PutRestApi" => {
                let body = input.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.import(scope, operation, body.as_bytes(), parse(input)?).await
            }
            "GetAccount" => Ok(self.get_account()),
            "UpdateAccount" => self.update_account(&parse(input)?),
            _ => self.answer_for_methods(scope, operation, input).await,
        }
    }

    async fn answer_for_methods(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, RestApiError> {
        match operation {
            "PutMethod" => self.put_method(scope, parse(input)?).await,
            "GetMethod" => self.get_method(scope, parse(input)?).await,
            "UpdateMethod" => self.update_method(scope, parse(input)?).await,
            "DeleteMethod" => self.delete_method(scope, parse(input)?).await,
            "PutMethodResponse" => self.put_method_response(scope, parse(input)?).await,
            "GetMethodResponse" => self.get_method_response(scope, parse(input)?).await,
            "UpdateMethodResponse" => self.update_method_response(scope, parse(input)?).await,
            "DeleteMethodResponse" => self.delete_method_response(scope, parse(input)?).await,
            "PutIntegration" => self.put_integration(scope, parse(input)?).await,
            "GetIntegration" => self.get_integration(scope, parse(input)?).await,
            "UpdateIntegration" => self.update_integration(scope, parse(input)?).await,
            "DeleteIntegration" => self.delete_integration(scope, parse(input)?).await,
            "PutIntegrationResponse" => self.put_integration_response(scope, parse(input)?).await,
            "GetIntegrationResponse" => self.get_integration_response(scope, parse(input)?).await,
            "UpdateIntegrationResponse" => self.update_integration_response(scope, parse(input)?).await,
            "DeleteIntegrationResponse" => self.delete_integration_response(scope, parse(input)?).await,
            "CreateModel" => self.create_model(scope, parse(input)?).await,
            "GetModel" => self.get_model(scope, parse(input)?).await,
            "GetModels" => self.get_models(scope, parse(input)?).await,
            "UpdateModel" => self.update_model(scope, parse(input)?).await,
            "DeleteModel" => self.delete_model(scope, parse(input)?).await,
            "CreateRequestValidator" => self.create_validator(scope, parse(input)?).await,
            "GetRequestValidator" => self.get_validator(scope, parse(input)?).await,
            "GetRequestValidators" => self.get_validators(scope, parse(input)?).await,
            "UpdateRequestValidator" => self.update_validator(scope, parse(input)?).await,
            "DeleteRequestValidator" => self.delete_validator(scope, parse(input)?).await,
            _ => self.answer_for_stages(scope, operation, input).await,
        }
    }

    async fn answer_for_stages(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, RestApiError> {
        match operation {
            "CreateDeployment" => self.create_deployment(scope, parse(input)?).await,
            "GetDeployment" => self.get_deployment(scope, parse(input)?).await,
            "GetDeployments" => self.get_deployments(scope, parse(input)?).await,
            "UpdateDeployment" => self.update_deployment(scope, parse(input)?).await,
            "DeleteDeployment" => self.delete_deployment(scope, parse(input)?).await,
            "CreateStage" => self.create_stage(scope, parse(input)?).await,
            "GetStage" => self.get_stage(scope, parse(input)?).await,
            "GetStages" => self.get_stages(scope, parse(input)?).await,
            "UpdateStage" => self.update_stage(scope, parse(input)?).await,
            "DeleteStage" => self.delete_stage(scope, parse(input)?).await,
            "FlushStageAuthorizersCache" => self.flush_authorizers(scope, parse(input)?).await,
            "PutGatewayResponse" => self.put_gateway_response(scope, parse(input)?).await,
            "GetGatewayResponse" => self.get_gateway_response(scope, parse(input)?).await,
            "GetGatewayResponses" => self.get_gateway_responses(scope, parse(input)?).await,
            "UpdateGatewayResponse" => self.update_gateway_response(scope, parse(input)?).await,
            "DeleteGatewayResponse" => self.delete_gateway_response(scope, parse(input)?).await,
            _ => self.answer_for_callers(scope, operation, input).await,
        }
    }

    async fn answer_for_callers(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, RestApiError> {
        match operation {
            "CreateAuthorizer" => self.create_authorizer(scope, parse(input)?).await,
            "GetAuthorizer" => self.get_authorizer(scope, parse(input)?).await,
            "GetAuthorizers" => self.get_authorizers(scope, parse(input)?).await,
            "UpdateAuthorizer" => self.update_authorizer(scope, parse(input)?).await,
            "DeleteAuthorizer" => self.delete_authorizer(scope, parse(input)?).await,
            "CreateApiKey" => self.create_key(scope, parse(input)?).await,
            "GetApiKey" => self.get_key(scope, parse(input)?).await,
            "GetApiKeys" => self.get_keys(scope, parse(input)?).await,
            "UpdateApiKey" => self.update_key(scope, parse(input)?).await,
            "DeleteApiKey" => self.delete_key(scope, parse(input)?).await,
            "CreateUsagePlan" => self.create_plan(scope, parse(input)?).await,
            "GetUsagePlan" => self.get_plan(scope, parse(input)?).await,
            "GetUsagePlans" => self.get_plans(scope, parse(input)?).await,
            "UpdateUsagePlan" => self.update_plan(scope, parse(input)?).await,
            "DeleteUsagePlan" => self.delete_plan(scope, parse(input)?).await,
            "CreateUsagePlanKey" => self.create_plan_key(scope, parse(input)?).await,
            "GetUsagePlanKey" => self.get_plan_key(scope, parse(input)?).await,
            "GetUsagePlanKeys" => self.get_plan_keys(scope, parse(input)?).await,
            "DeleteUsagePlanKey" => self.delete_plan_key(scope, parse(input)?).await,
            "GetUsage" => self.get_usage(scope, parse(input)?).await,
            "UpdateUsage" => self.update_usage(scope, parse(input)?).await,
            _ => Err(RestApiError::unserved(operation)),
        }
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, RestApiError> {
    serde_json::from_value(input).map_err(|error| RestApiError::new("SerializationException", error.to_string()))
}
