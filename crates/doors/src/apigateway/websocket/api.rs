//! CreateApi and UpdateApi of WebSocket APIs.

use serde_json::Value;
use tindra_core::door::SelectionExpression;
use tindra_model::apigatewayv2::apis::{CreateApiRequest, UpdateApiRequest};

use super::rules;
use crate::apigateway::apis::{check_texts, new_api, shown};
use crate::apigateway::records::{Api, Protocol};
use crate::apigateway::{Asker, HttpApiError, HttpApis, tags, unserved};

const API_KEY_SELECTION: &str = "$request.header.x-api-key";
const IP_ADDRESS_TYPE: &str = "ipv4";

impl HttpApis {
    pub(in crate::apigateway) async fn create_websocket_api(
        &self,
        asker: Asker<'_>,
        request: CreateApiRequest,
    ) -> Result<Value, HttpApiError> {
        rules::check_only_http(&[
            ("CorsConfiguration", request.cors_configuration.is_some()),
            ("Target", request.target.is_some()),
            ("RouteKey", request.route_key.is_some()),
            ("CredentialsArn", request.credentials_arn.is_some()),
        ])?;
        check_fixed(
            request.api_key_selection_expression.as_deref(),
            request.ip_address_type.as_deref(),
            request.disable_schema_validation,
        )?;
        let expression = request.route_selection_expression.unwrap_or_default();
        check_expression(&expression)?;
        self.check_room(asker.scope).await?;
        let mut api = new_api(asker.scope, request.name, self.clock.unix_ms());
        api.protocol = Protocol::WebSocket;
        api.route_selection_expression = expression;
        api.description = request.description;
        api.version = request.version;
        api.is_endpoint_disabled = request.disable_execute_api_endpoint.unwrap_or(false);
        tags::add(&mut api.tags, request.tags.unwrap_or_default())?;
        check_texts(&api)?;
        Ok(shown(&self.create(api).await?, asker))
    }

    pub(in crate::apigateway) async fn update_websocket_api(
        &self,
        asker: Asker<'_>,
        request: UpdateApiRequest,
    ) -> Result<Value, HttpApiError> {
        rules::check_only_http(&[
            ("CorsConfiguration", request.cors_configuration.is_some()),
            ("Target", request.target.is_some()),
            ("RouteKey", request.route_key.is_some()),
            ("CredentialsArn", request.credentials_arn.is_some()),
        ])?;
        check_fixed(
            request.api_key_selection_expression.as_deref(),
            request.ip_address_type.as_deref(),
            request.disable_schema_validation,
        )?;
        request.route_selection_expression.as_deref().map(check_expression).transpose()?;
        let edit = |api: &mut Api| {
            if let Some(name) = &request.name {
                api.name.clone_from(name);
            }
            if request.description.is_some() {
                api.description.clone_from(&request.description);
            }
            if request.version.is_some() {
                api.version.clone_from(&request.version);
            }
            if let Some(expression) = &request.route_selection_expression {
                api.route_selection_expression.clone_from(expression);
            }
            api.is_endpoint_disabled = request.disable_execute_api_endpoint.unwrap_or(api.is_endpoint_disabled);
            check_texts(api)
        };
        let ((), api) = self.change(asker.scope, &request.api_id, edit).await?;
        Ok(shown(&api, asker))
    }
}

fn check_expression(expression: &str) -> Result<(), HttpApiError> {
    if expression.is_empty() {
        return Err(HttpApiError::invalid(
            "RouteSelectionExpression is required for WEBSOCKET protocol APIs, for example $request.body.action.",
        ));
    }
    let parsed = expression.parse::<SelectionExpression>();
    parsed.map(|_| ()).map_err(|error| HttpApiError::invalid(format!("Invalid expression specified: {error}.")))
}

/// Members that can have but one value here.
fn check_fixed(
    api_key_selection: Option<&str>,
    address_type: Option<&str>,
    skips_schemas: Option<bool>,
) -> Result<(), HttpApiError> {
    unserved::members(
        &[
            ("ApiKeySelectionExpression", api_key_selection.is_some_and(|asked| asked != API_KEY_SELECTION)),
            ("DisableSchemaValidation", skips_schemas == Some(true)),
        ],
        unserved::WEB_SOCKET,
    )?;
    unserved::members(
        &[("IpAddressType dualstack", address_type.is_some_and(|asked| asked != IP_ADDRESS_TYPE))],
        "APIs are reached by the addresses that the server listens on",
    )
}
