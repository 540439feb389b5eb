//! API Gateway's HTTP and WebSocket APIs: the control plane that keeps them, and the door that serves them.
//!
//! [`HttpApis::call`] answers the operations of `apigatewayv2`. An API is one record with everything that belongs to it
//! (`records`); every change is one batch (`changes`), which deploys it where stages do that by themselves.
//!
//! [`HttpApis::find`] says whether a request is for an API, out of a `table` in memory that follows the records, and
//! [`HttpApis::answer_request`] takes it through: stage, preflight, route, throttling, authorizer, function. Events,
//! answers, CORS and the choice of a route are rules of [`tindra_core::door`]. WebSocket APIs share all but the door,
//! which is in [`websocket`].

mod answer;
mod api_mappings;
mod apis;
mod authorize;
mod authorizer_cache;
mod authorizers;
mod changes;
mod cors;
mod deployments;
mod domain_names;
mod error;
mod find;
mod function_uri;
mod ids;
mod import;
mod integrations;
mod jwks;
mod jwt;
mod lambda;
mod openapi;
mod page;
mod quick_create;
mod records;
mod refusal;
mod route_key;
mod routes;
mod serving;
mod settings;
mod shown;
mod stages;
mod table;
mod tags;
#[cfg(test)]
mod tests;
mod throttle;
mod unserved;
mod variables;
mod websocket;

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::{ApiError, Call, Reply};
use tindra_outside::anywhere::Reach;
use tindra_store::{Store, StoreError};

pub use error::HttpApiError;
pub use find::Found;
pub use lambda::Roles;
pub use refusal::{too_large, unknown};
pub use websocket::{Connected, Connections, Handshake, Managed, payload_too_large};

use page::PageRequest;
use table::Table;

use crate::front_door::Functions;

/// The HTTP APIs of every account and region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpApis {
    store: Store,
    clock: Arc<dyn Clock>,
    table: Arc<Table>,
    functions: Arc<dyn Functions>,
    roles: Arc<dyn Roles>,
    reach: Arc<dyn Reach>,
    connections: Arc<Connections>,
}

/// What APIs need of the rest of the server.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The functions behind them.
    pub functions: Arc<dyn Functions>,
    /// The roles on whose behalf they run functions.
    pub roles: Arc<dyn Roles>,
    /// Where the issuers of tokens may be.
    pub reach: Arc<dyn Reach>,
}

/// Who asks, and by which address they reached us.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Account and region.
    pub scope: &'a Scope,
    /// For links in answers: scheme, host and port.
    pub endpoint: &'a str,
}

/// The members that name one thing of an API, and a page of a list of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    #[serde(default)]
    api_id: String,
    #[serde(alias = "IntegrationId", alias = "AuthorizerId", alias = "DeploymentId", alias = "StageName")]
    #[serde(alias = "ApiMappingId", default)]
    route_id: String,
    #[serde(default)]
    domain_name: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl HttpApis {
    /// Follows the store from now on, so it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn start(store: Store, clock: Arc<dyn Clock>, around: Surroundings) -> Result<Self, StoreError> {
        let table = Arc::new(Table::start(store.clone()).await?);
        let Surroundings { functions, roles, reach } = around;
        Ok(Self { store, clock, table, functions, roles, reach, connections: Arc::default() })
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    /// Answers one operation, told by its name in the service model, with the members of its output.
    ///
    /// # Errors
    /// As the API has them; see [`HttpApiError`].
    pub async fn answer(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, HttpApiError> {
        unserved::check(operation)?;
        let scope = asker.scope;
        match operation {
            "CreateApi" => self.create_api(asker, parse(input)?).await,
            "GetApi" => self.get_api(asker, parse(input)?).await,
            "GetApis" => self.get_apis(asker, parse(input)?).await,
            "UpdateApi" => self.update_api(asker, parse(input)?).await,
            "DeleteApi" => self.delete_api(scope, parse(input)?).await,
            "ImportApi" => self.import_api(asker, parse(input)?).await,
            "ReimportApi" => self.reimport_api(asker, parse(input)?).await,
            "DeleteCorsConfiguration" => self.delete_cors(scope, parse(input)?).await,
            _ if operation.contains("RouteResponse") => self.answer_route_responses(scope, operation, input).await,
            "TagResource" | "UntagResource" | "GetTags" => self.answer_tags(scope, operation, input).await,
            _ if operation.contains("DomainName") => self.answer_domain_names(scope, operation, input).await,
            _ if operation.contains("ApiMapping") => self.answer_api_mappings(scope, operation, input).await,
            _ => self.answer_of_api(scope, operation, input).await,
        }
    }

    /// The operations on what belongs to one API.
    async fn answer_of_api(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, HttpApiError> {
        match operation {
            "CreateRoute" => self.create_route(scope, parse(input)?).await,
            "GetRoute" => self.get_route(scope, parse(input)?).await,
            "GetRoutes" => self.get_routes(scope, parse(input)?).await,
            "UpdateRoute" => self.update_route(scope, parse(input)?).await,
            "DeleteRoute" => self.delete_route(scope, parse(input)?).await,
            "CreateIntegration" => self.create_integration(scope, parse(input)?).await,
            "GetIntegration" => self.get_integration(scope, parse(input)?).await,
            "GetIntegrations" => self.get_integrations(scope, parse(input)?).await,
            "UpdateIntegration" => self.update_integration(scope, parse(input)?).await,
            "DeleteIntegration" => self.delete_integration(scope, parse(input)?).await,
            "CreateAuthorizer" => self.create_authorizer(scope, parse(input)?).await,
            "GetAuthorizer" => self.get_authorizer(scope, parse(input)?).await,
            "GetAuthorizers" => self.get_authorizers(scope, parse(input)?).await,
            "UpdateAuthorizer" => self.update_authorizer(scope, parse(input)?).await,
            "DeleteAuthorizer" => self.delete_authorizer(scope, parse(input)?).await,
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
            "DeleteRouteSettings" => self.delete_route_settings(scope, parse(input)?).await,
            "ResetAuthorizersCache" => self.reset_authorizers_cache(scope, parse(input)?).await,
            _ => Err(unserved::operation(operation)),
        }
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, HttpApiError> {
    serde_json::from_value(input).map_err(|error| HttpApiError::invalid(error.to_string()))
}

/// Refuses a text that is longer than any needs to be.
fn check_text(member: &str, text: Option<&str>) -> Result<(), HttpApiError> {
    match text.is_some_and(|text| text.chars().count() > limits::HTTP_API_TEXT_MAX) {
        true => {
            Err(HttpApiError::invalid(format!("{member} must have at most {} characters.", limits::HTTP_API_TEXT_MAX)))
        }
        false => Ok(()),
    }
}
