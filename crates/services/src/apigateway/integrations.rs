//! CreateIntegration, GetIntegration, GetIntegrations, UpdateIntegration and DeleteIntegration.

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::integrations::{CreateIntegrationRequest, UpdateIntegrationRequest};

use super::records::{Api, Integration, IntegrationKind, PayloadFormat, Protocol};
use super::shown::members;
use super::websocket::rules;
use super::{HttpApiError, HttpApis, Named, check_text, function_uri, ids, unserved};

/// The usual and longest time that an integration may take.
pub(super) const TIMEOUT_MS_DEFAULT: u32 = *limits::HTTP_API_TIMEOUT_MS.end();
const PASSTHROUGH: &str = "WHEN_NO_MATCH";

/// The members that CreateIntegration and UpdateIntegration share.
#[derive(Clone, Debug, Default)]
struct Asked {
    kind: Option<String>,
    subtype: Option<String>,
    uri: Option<String>,
    method: Option<String>,
    payload_format: Option<String>,
    timeout_ms: Option<i32>,
    credentials: Option<String>,
    description: Option<String>,
    connection_type: Option<String>,
    passthrough: Option<String>,
}

impl HttpApis {
    pub(super) async fn create_integration(
        &self,
        scope: &Scope,
        request: CreateIntegrationRequest,
    ) -> Result<Value, HttpApiError> {
        refuse(&[
            ("ConnectionId", request.connection_id.is_some()),
            ("ContentHandlingStrategy", request.content_handling_strategy.is_some()),
            ("RequestParameters", request.request_parameters.is_some_and(|all| !all.is_empty())),
            ("RequestTemplates", request.request_templates.is_some_and(|all| !all.is_empty())),
            ("ResponseParameters", request.response_parameters.is_some_and(|all| !all.is_empty())),
            ("TemplateSelectionExpression", request.template_selection_expression.is_some()),
            ("TlsConfig", request.tls_config.is_some()),
        ])?;
        let asked = Asked {
            kind: Some(request.integration_type),
            subtype: request.integration_subtype,
            uri: request.integration_uri,
            method: request.integration_method,
            payload_format: request.payload_format_version,
            timeout_ms: request.timeout_in_millis,
            credentials: request.credentials_arn,
            description: request.description,
            connection_type: request.connection_type,
            passthrough: request.passthrough_behavior,
        };
        let id = ids::new(ids::ROUTE);
        let edit = |api: &mut Api| {
            if api.definition.integrations.len() >= limits::HTTP_API_INTEGRATIONS_MAX {
                return Err(HttpApiError::limit("Integrations", "API", limits::HTTP_API_INTEGRATIONS_MAX));
            }
            let integration = asked.of(api.protocol)?.apply(None, scope)?;
            api.definition.integrations.insert(id.clone(), integration.clone());
            Ok(integration)
        };
        let (integration, api) = self.change(scope, &request.api_id, edit).await?;
        Ok(shown(&id, &integration, api.protocol))
    }

    pub(super) async fn get_integration(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        let integration = api.definition.integrations.get(&named.route_id);
        Ok(shown(&named.route_id, integration.ok_or_else(|| unknown(&named.route_id))?, api.protocol))
    }

    pub(super) async fn get_integrations(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        let all = api.definition.integrations.iter();
        named.page.cut(all.map(|(id, one)| (id.clone(), shown(id, one, api.protocol))))
    }

    pub(super) async fn update_integration(
        &self,
        scope: &Scope,
        request: UpdateIntegrationRequest,
    ) -> Result<Value, HttpApiError> {
        refuse(&[
            ("ConnectionId", request.connection_id.is_some()),
            ("ContentHandlingStrategy", request.content_handling_strategy.is_some()),
            ("RequestParameters", request.request_parameters.is_some_and(|all| !all.is_empty())),
            ("RequestTemplates", request.request_templates.is_some_and(|all| !all.is_empty())),
            ("ResponseParameters", request.response_parameters.is_some_and(|all| !all.is_empty())),
            ("TemplateSelectionExpression", request.template_selection_expression.is_some()),
            ("TlsConfig", request.tls_config.is_some()),
        ])?;
        let asked = Asked {
            kind: request.integration_type,
            subtype: request.integration_subtype,
            uri: request.integration_uri,
            method: request.integration_method,
            payload_format: request.payload_format_version,
            timeout_ms: request.timeout_in_millis,
            credentials: request.credentials_arn,
            description: request.description,
            connection_type: request.connection_type,
            passthrough: request.passthrough_behavior,
        };
        let edit = |api: &mut Api| {
            let before = api.definition.integrations.get(&request.integration_id);
            let before = before.ok_or_else(|| unknown(&request.integration_id))?;
            let integration = asked.of(api.protocol)?.apply(Some(before), scope)?;
            api.definition.integrations.insert(request.integration_id.clone(), integration.clone());
            Ok(integration)
        };
        let (integration, api) = self.change(scope, &request.api_id, edit).await?;
        Ok(shown(&request.integration_id, &integration, api.protocol))
    }

    pub(super) async fn delete_integration(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let id = &named.route_id;
        let edit = |api: &mut Api| {
            let found = api.definition.integrations.get(id).ok_or_else(|| unknown(id))?;
            if found.is_managed {
                return Err(HttpApiError::invalid("The integration that quick create made goes with its API."));
            }
            let mut routes = api.definition.routes.iter();
            if let Some((route, _)) = routes.find(|(_, route)| route.integration.as_ref() == Some(id)) {
                return Err(HttpApiError::conflict(format!(
                    "Cannot delete Integration '{id}'. It is referenced by Route '{route}'."
                )));
            }
            api.definition.integrations.remove(id);
            Ok(())
        };
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }
}

impl Asked {
    /// With what is fixed in WebSocket APIs: the format 1.0, and a second less for the function.
    fn of(&self, protocol: Protocol) -> Result<Self, HttpApiError> {
        let mut asked = self.clone();
        if protocol == Protocol::WebSocket {
            rules::check_integration(asked.kind.as_deref(), asked.payload_format.as_deref(), asked.timeout_ms)?;
            asked.payload_format = Some(PayloadFormat::V1.text().to_owned());
            asked.timeout_ms = asked.timeout_ms.or(asked.kind.is_some().then_some(rules::TIMEOUT_MS_DEFAULT));
        }
        Ok(asked)
    }

    fn apply(&self, before: Option<&Integration>, scope: &Scope) -> Result<Integration, HttpApiError> {
        unserved::members(&[("IntegrationSubtype", self.subtype.is_some())], "let a function call the service")?;
        unserved::members(
            &[("ConnectionType VPC_LINK", self.connection_type.as_deref() == Some("VPC_LINK"))],
            "functions are reached without a VPC link",
        )?;
        let passthrough = self.passthrough.as_deref().filter(|behavior| *behavior != PASSTHROUGH);
        unserved::members(&[("PassthroughBehavior", passthrough.is_some())], unserved::WEB_SOCKET)?;
        let kind = match self.kind.as_deref() {
            Some("AWS_PROXY") => IntegrationKind::Lambda,
            Some("HTTP_PROXY") => IntegrationKind::Http,
            Some(kind) => return Err(HttpApiError::unserved(&format!("IntegrationType {kind}"), unserved::WEB_SOCKET)),
            None => before.map_or(IntegrationKind::Lambda, |before| before.kind),
        };
        let given = |asked: &Option<String>, before: Option<&Option<String>>| {
            asked.clone().or_else(|| before.cloned().flatten()).filter(|text| !text.is_empty())
        };
        let uri = self.uri.clone().or_else(|| before.map(|before| before.uri.clone()));
        let integration = Integration {
            kind,
            uri: uri.ok_or_else(|| HttpApiError::invalid("IntegrationUri is required."))?,
            method: given(&self.method, before.map(|before| &before.method)),
            payload_format: self.payload_format(before, kind)?,
            timeout_ms: match self.timeout_ms {
                // The model has the bounds.
                Some(timeout_ms) => u32::try_from(timeout_ms).unwrap_or(TIMEOUT_MS_DEFAULT),
                None => before.map_or(TIMEOUT_MS_DEFAULT, |before| before.timeout_ms),
            },
            credentials: given(&self.credentials, before.map(|before| &before.credentials)),
            description: given(&self.description, before.map(|before| &before.description)),
            is_managed: before.is_some_and(|before| before.is_managed),
        };
        check(&integration, scope, "IntegrationUri")?;
        Ok(integration)
    }

    fn payload_format(
        &self,
        before: Option<&Integration>,
        kind: IntegrationKind,
    ) -> Result<PayloadFormat, HttpApiError> {
        match (&self.payload_format, before) {
            (Some(text), _) => PayloadFormat::parse(text)
                .ok_or_else(|| HttpApiError::invalid("PayloadFormatVersion must be 1.0 or 2.0.")),
            (None, Some(before)) => Ok(before.payload_format),
            (None, None) if kind == IntegrationKind::Http => Ok(PayloadFormat::V1),
            (None, None) => Err(HttpApiError::invalid("PayloadFormatVersion is required: 1.0 or 2.0.")),
        }
    }
}

/// Refuses what no request could be answered with; `member` names the URI.
pub(super) fn check(integration: &Integration, scope: &Scope, member: &str) -> Result<(), HttpApiError> {
    check_text("Description", integration.description.as_deref())?;
    if integration.kind == IntegrationKind::Http {
        return Err(HttpApiError::unserved("IntegrationType HTTP_PROXY", "route requests to functions (AWS_PROXY)"));
    }
    function_uri::check(member, &integration.uri, scope)?;
    if integration.method.as_deref().is_some_and(|method| method != "POST") {
        return Err(HttpApiError::invalid("IntegrationMethod must be POST: functions are invoked by that method."));
    }
    check_role("CredentialsArn", integration.credentials.as_deref())
}

/// Refuses credentials that are no role.
pub(super) fn check_role(member: &str, credentials: Option<&str>) -> Result<(), HttpApiError> {
    let Some(arn) = credentials else { return Ok(()) };
    let mut parts = arn.split(':').skip(2);
    match (parts.next(), parts.nth(1), parts.next()) {
        (Some("iam"), Some(account), Some(role)) if account.len() == 12 && role.starts_with("role/") => Ok(()),
        _ => Err(HttpApiError::invalid(format!(
            "{member} must be the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME); the caller's own identity is not passed on."
        ))),
    }
}

fn refuse(given: &[(&str, bool)]) -> Result<(), HttpApiError> {
    unserved::members(given, "functions get requests as they come, and their answers go back as they are")
}

fn unknown(id: &str) -> HttpApiError {
    HttpApiError::unknown("Integration", id)
}

pub(super) fn shown(id: &str, integration: &Integration, protocol: Protocol) -> Value {
    members(json!({
        "ApiGatewayManaged": integration.is_managed.then_some(true),
        "ConnectionType": "INTERNET",
        "CredentialsArn": integration.credentials,
        "Description": integration.description,
        "IntegrationId": id,
        "IntegrationMethod": integration.method.as_deref().unwrap_or("POST"),
        "IntegrationType": integration.kind.text(),
        "IntegrationUri": integration.uri,
        "PassthroughBehavior": (protocol == Protocol::WebSocket).then_some(PASSTHROUGH),
        "PayloadFormatVersion": integration.payload_format.text(),
        "TimeoutInMillis": integration.timeout_ms,
    }))
}
