//! CreateRoute, GetRoute, GetRoutes, UpdateRoute and DeleteRoute.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::records::{Api, Authorization, AuthorizerKind, Protocol, Route};
use super::shown::members;
use super::websocket::rules;
use super::{HttpApiError, HttpApis, Named, check_text, ids, route_key, unserved};

/// What a route's `Target` begins with.
const TARGET_PREFIX: &str = "integrations/";

/// The members of CreateRoute and UpdateRoute.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Asked {
    api_id: String,
    route_id: String,
    route_key: Option<String>,
    authorization_type: Option<String>,
    authorizer_id: Option<String>,
    authorization_scopes: Option<Vec<String>>,
    operation_name: Option<String>,
    target: Option<String>,
    api_key_required: Option<bool>,
    model_selection_expression: Option<String>,
    request_models: Map<String, Value>,
    request_parameters: Map<String, Value>,
    route_response_selection_expression: Option<String>,
}

impl HttpApis {
    pub(super) async fn create_route(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = ids::new(ids::ROUTE);
        let edit = |api: &mut Api| {
            if api.definition.routes.len() >= limits::HTTP_API_ROUTES_MAX {
                return Err(HttpApiError::limit("Routes", "API", limits::HTTP_API_ROUTES_MAX));
            }
            let mut route = Route {
                key: String::new(),
                authorization: Authorization::Open,
                operation_name: None,
                integration: None,
                is_managed: false,
                response_selection: None,
                responses: BTreeMap::new(),
            };
            asked.apply(&mut route, api, None)?;
            api.definition.routes.insert(id.clone(), route.clone());
            Ok(route)
        };
        let (route, _) = self.change(scope, &asked.api_id, edit).await?;
        Ok(shown(&id, &route))
    }

    pub(super) async fn get_route(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        let route = api.definition.routes.get(&named.route_id);
        Ok(shown(&named.route_id, route.ok_or_else(|| unknown(&named.route_id))?))
    }

    pub(super) async fn get_routes(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        named.page.cut(api.definition.routes.iter().map(|(id, route)| (id.clone(), shown(id, route))))
    }

    pub(super) async fn update_route(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = &asked.route_id;
        let edit = |api: &mut Api| {
            let mut route = api.definition.routes.get(id).ok_or_else(|| unknown(id))?.clone();
            if route.is_managed && asked.route_key.as_ref().is_some_and(|key| *key != route.key) {
                return Err(HttpApiError::invalid(
                    "The route key of the route that quick create made is changed by UpdateApi.",
                ));
            }
            asked.apply(&mut route, api, Some(id))?;
            api.definition.routes.insert(id.clone(), route.clone());
            Ok(route)
        };
        let (route, _) = self.change(scope, &asked.api_id, edit).await?;
        Ok(shown(id, &route))
    }

    pub(super) async fn delete_route(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let edit =
            |api: &mut Api| api.definition.routes.remove(&named.route_id).ok_or_else(|| unknown(&named.route_id));
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }
}

impl Asked {
    /// Makes a route what is asked for; `id` is its own when it is there already.
    pub(super) fn apply(&self, route: &mut Route, api: &Api, id: Option<&str>) -> Result<(), HttpApiError> {
        unserved::members(
            &[
                ("ApiKeyRequired", self.api_key_required == Some(true)),
                ("ModelSelectionExpression", self.model_selection_expression.is_some()),
                ("RequestModels", !self.request_models.is_empty()),
                ("RequestParameters", !self.request_parameters.is_empty()),
            ],
            unserved::WEB_SOCKET,
        )?;
        if let Some(key) = &self.route_key {
            match api.protocol {
                Protocol::Http => route_key::check(key)?,
                Protocol::WebSocket => rules::check_key(key)?,
            }
            let others = api.definition.routes.iter().filter(|(other, _)| Some(other.as_str()) != id);
            route_key::check_among(key, others.map(|(_, route)| route.key.as_str()))?;
            route.key.clone_from(key);
        }
        check_text("OperationName", self.operation_name.as_deref())?;
        if self.operation_name.is_some() {
            route.operation_name.clone_from(&self.operation_name);
        }
        if let Some(target) = &self.target {
            route.integration = integration(target, api)?;
        }
        if let Some(selection) = &self.route_response_selection_expression {
            route.response_selection = rules::response_selection(selection, api.protocol)?;
        }
        route.authorization = self.authorization(&route.authorization, api)?;
        match api.protocol {
            Protocol::Http => Ok(()),
            Protocol::WebSocket => rules::check_authorization(route),
        }
    }

    fn authorization(&self, before: &Authorization, api: &Api) -> Result<Authorization, HttpApiError> {
        let kind = self.authorization_type.as_deref().unwrap_or_else(|| before.text());
        let scopes = match (&self.authorization_scopes, before) {
            (Some(scopes), _) => scopes.clone(),
            (None, Authorization::Jwt { scopes, .. }) if kind == "JWT" => scopes.clone(),
            _ => Vec::new(),
        };
        if scopes.len() > limits::HTTP_API_SCOPES_MAX {
            return Err(HttpApiError::limit("AuthorizationScopes", "route", limits::HTTP_API_SCOPES_MAX));
        }
        if !scopes.is_empty() && kind != "JWT" {
            return Err(HttpApiError::invalid("AuthorizationScopes need the AuthorizationType JWT."));
        }
        if kind == "AWS_IAM" {
            return Err(HttpApiError::unserved(
                "AuthorizationType AWS_IAM",
                "use a JWT or a Lambda authorizer, or the function's own URL",
            ));
        }
        let named = self.authorizer_id.as_deref().filter(|id| !id.is_empty());
        if kind == Authorization::Open.text() {
            return match named {
                Some(_) => Err(HttpApiError::invalid("AuthorizerId needs the AuthorizationType JWT or CUSTOM.")),
                None => Ok(Authorization::Open),
            };
        }
        let kept = before.authorizer().filter(|_| before.text() == kind);
        let id = named.or(kept).ok_or_else(|| {
            HttpApiError::invalid(format!("AuthorizerId is required with the AuthorizationType {kind}."))
        })?;
        let found = api.definition.authorizers.get(id).ok_or_else(|| HttpApiError::unknown("Authorizer", id))?;
        let authorizer = id.to_owned();
        match (&found.kind, kind) {
            (AuthorizerKind::Jwt { .. }, "JWT") => Ok(Authorization::Jwt { authorizer, scopes }),
            (AuthorizerKind::Lambda { .. }, "CUSTOM") => Ok(Authorization::Lambda { authorizer }),
            _ => Err(HttpApiError::invalid(format!(
                "The authorizer {id} does not fit the AuthorizationType {kind}: JWT is for authorizers of type JWT, CUSTOM for those of type REQUEST."
            ))),
        }
    }
}

/// The integration of a `Target`; an empty one takes it away.
fn integration(target: &str, api: &Api) -> Result<Option<String>, HttpApiError> {
    if target.is_empty() {
        return Ok(None);
    }
    let id = target.strip_prefix(TARGET_PREFIX).ok_or_else(|| {
        HttpApiError::invalid(format!(
            "Invalid target {target}: the target of a route is {TARGET_PREFIX}INTEGRATION_ID."
        ))
    })?;
    match api.definition.integrations.contains_key(id) {
        true => Ok(Some(id.to_owned())),
        false => Err(HttpApiError::unknown("Integration", id)),
    }
}

fn unknown(id: &str) -> HttpApiError {
    HttpApiError::unknown("Route", id)
}

pub(super) fn shown(id: &str, route: &Route) -> Value {
    let scopes = match &route.authorization {
        Authorization::Jwt { scopes, .. } if !scopes.is_empty() => Some(scopes),
        _ => None,
    };
    members(json!({
        "ApiGatewayManaged": route.is_managed.then_some(true),
        "ApiKeyRequired": false,
        "AuthorizationScopes": scopes,
        "AuthorizationType": route.authorization.text(),
        "AuthorizerId": route.authorization.authorizer(),
        "OperationName": route.operation_name,
        "RouteId": id,
        "RouteKey": route.key,
        "RouteResponseSelectionExpression": route.response_selection,
        "Target": route.integration.as_ref().map(|id| format!("{TARGET_PREFIX}{id}")),
    }))
}
