//! CreateRouteResponse, GetRouteResponse, GetRouteResponses, UpdateRouteResponse and DeleteRouteResponse: which routes
//! answer their clients.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;

use super::rules::DEFAULT;
use crate::apigateway::page::PageRequest;
use crate::apigateway::records::{Api, Protocol, Route};
use crate::apigateway::{HttpApiError, HttpApis, ids, parse, unserved};

/// The members of all operations on route responses.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Asked {
    api_id: String,
    route_id: String,
    route_response_id: String,
    route_response_key: Option<String>,
    model_selection_expression: Option<String>,
    response_models: Map<String, Value>,
    response_parameters: Map<String, Value>,
    #[serde(flatten)]
    page: PageRequest,
}

impl HttpApis {
    pub(in crate::apigateway) async fn answer_route_responses(
        &self,
        scope: &Scope,
        operation: &str,
        input: Value,
    ) -> Result<Value, HttpApiError> {
        match operation {
            "CreateRouteResponse" => self.create_route_response(scope, parse(input)?).await,
            "GetRouteResponse" => {
                let named: Asked = parse(input)?;
                let api = self.api(scope, &named.api_id).await?.value;
                let id = named.route_response_id.as_str();
                Ok(shown(id, route(&api, &named.route_id)?.responses.get(id).ok_or_else(|| unknown(id))?))
            }
            "GetRouteResponses" => {
                let named: Asked = parse(input)?;
                let api = self.api(scope, &named.api_id).await?.value;
                let all = route(&api, &named.route_id)?.responses.iter();
                named.page.cut(all.map(|(id, key)| (id.clone(), shown(id, key))))
            }
            "UpdateRouteResponse" => self.update_route_response(scope, parse(input)?).await,
            "DeleteRouteResponse" => self.delete_route_response(scope, parse(input)?).await,
            _ => Err(unserved::operation(operation)),
        }
    }

    async fn create_route_response(&self, scope: &Scope, request: Asked) -> Result<Value, HttpApiError> {
        request.refuse()?;
        let key = request.route_response_key.unwrap_or_default();
        check_key(&key)?;
        let id = ids::new(ids::SHORT);
        let edit = |api: &mut Api| {
            let route = route_mut(api, &request.route_id)?;
            if !route.responses.is_empty() {
                return Err(HttpApiError::conflict(format!(
                    "RouteResponse with key {key} already exists for this route"
                )));
            }
            route.responses.insert(id.clone(), key.clone());
            Ok(())
        };
        self.change(scope, &request.api_id, edit).await?;
        Ok(shown(&id, &key))
    }

    async fn update_route_response(&self, scope: &Scope, request: Asked) -> Result<Value, HttpApiError> {
        request.refuse()?;
        request.route_response_key.as_deref().map(check_key).transpose()?;
        let id = request.route_response_id.as_str();
        let edit = |api: &mut Api| {
            let found = route_mut(api, &request.route_id)?.responses.get(id);
            found.cloned().ok_or_else(|| unknown(id))
        };
        let (key, _) = self.change(scope, &request.api_id, edit).await?;
        Ok(shown(id, &key))
    }

    async fn delete_route_response(&self, scope: &Scope, named: Asked) -> Result<Value, HttpApiError> {
        let id = named.route_response_id.as_str();
        let edit = |api: &mut Api| {
            let removed = route_mut(api, &named.route_id)?.responses.remove(id);
            removed.map(|_| ()).ok_or_else(|| unknown(id))
        };
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }
}

fn route<'a>(api: &'a Api, id: &str) -> Result<&'a Route, HttpApiError> {
    api.definition.routes.get(id).ok_or_else(|| HttpApiError::unknown("Route", id))
}

fn route_mut<'a>(api: &'a mut Api, id: &str) -> Result<&'a mut Route, HttpApiError> {
    if api.protocol == Protocol::Http {
        return Err(HttpApiError::invalid("Route responses are for WebSocket APIs."));
    }
    api.definition.routes.get_mut(id).ok_or_else(|| HttpApiError::unknown("Route", id))
}

fn check_key(key: &str) -> Result<(), HttpApiError> {
    match key == DEFAULT {
        true => Ok(()),
        false => Err(HttpApiError::invalid(format!("RouteResponseKey must be {DEFAULT}; no other can be chosen."))),
    }
}

impl Asked {
    fn refuse(&self) -> Result<(), HttpApiError> {
        unserved::members(
            &[
                ("ModelSelectionExpression", self.model_selection_expression.is_some()),
                ("ResponseModels", !self.response_models.is_empty()),
                ("ResponseParameters", !self.response_parameters.is_empty()),
            ],
            "the answers of functions go to the client as they are",
        )
    }
}

fn unknown(id: &str) -> HttpApiError {
    HttpApiError::unknown("RouteResponse", id)
}

fn shown(id: &str, key: &str) -> Value {
    json!({ "RouteResponseId": id, "RouteResponseKey": key })
}
