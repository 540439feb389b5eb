//! CreateIntegration, GetIntegration, GetIntegrations, UpdateIntegration and DeleteIntegration.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::records::{Api, Integration, IntegrationKind, PayloadFormat, Protocol};
use super::shown::members;
use super::websocket::rules;
use super::{HttpApiError, HttpApis, Named, check_text, function_uri, ids, unserved};

/// The usual and longest time that an integration may take.
pub(super) const TIMEOUT_MS_DEFAULT: u32 = *limits::HTTP_API_TIMEOUT_MS.end();
const PASSTHROUGH: &str = "WHEN_NO_MATCH";

/// The members of CreateIntegration and UpdateIntegration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Asked {
    api_id: String,
    integration_id: String,
    integration_type: Option<String>,
    integration_subtype: Option<String>,
    integration_uri: Option<String>,
    integration_method: Option<String>,
    payload_format_version: Option<String>,
    timeout_in_millis: Option<i64>,
    credentials_arn: Option<String>,
    description: Option<String>,
    connection_type: Option<String>,
    passthrough_behavior: Option<String>,
    connection_id: Option<String>,
    content_handling_strategy: Option<String>,
    request_parameters: Map<String, Value>,
    request_templates: Map<String, Value>,
    response_parameters: Map<String, Value>,
    template_selection_expression: Option<String>,
    tls_config: Option<Value>,
}

impl HttpApis {
    pub(super) async fn create_integration(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = ids::new(ids::ROUTE);
        let edit = |api: &mut Api| {
            if api.definition.integrations.len() >= limits::HTTP_API_INTEGRATIONS_MAX {
                return Err(HttpApiError::limit("Integrations", "API", limits::HTTP_API_INTEGRATIONS_MAX));
            }
            let integration = asked.of(api.protocol)?.apply(None, scope)?;
            api.definition.integrations.insert(id.clone(), integration.clone());
            Ok(integration)
        };
        let (integration, api) = self.change(scope, &asked.api_id, edit).await?;
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

    pub(super) async fn update_integration(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = &asked.integration_id;
        let edit = |api: &mut Api| {
            let before = api.definition.integrations.get(id).ok_or_else(|| unknown(id))?;
            let integration = asked.of(api.protocol)?.apply(Some(before), scope)?;
            api.definition.integrations.insert(id.clone(), integration.clone());
            Ok(integration)
        };
        let (integration, api) = self.change(scope, &asked.api_id, edit).await?;
        Ok(shown(id, &integration, api.protocol))
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
            let (kind, format) = (asked.integration_type.as_deref(), asked.payload_format_version.as_deref());
            rules::check_integration(kind, format, asked.timeout_in_millis)?;
            // A new one names its type.
            let usual = asked.integration_type.is_some().then_some(rules::TIMEOUT_MS_DEFAULT);
            asked.timeout_in_millis = asked.timeout_in_millis.or(usual);
            asked.payload_format_version = Some(PayloadFormat::V1.text().to_owned());
        }
        Ok(asked)
    }

    /// The integration that is asked for; what is not named stays as it was before.
    pub(super) fn apply(&self, before: Option<&Integration>, scope: &Scope) -> Result<Integration, HttpApiError> {
        self.refuse()?;
        let kind = match self.integration_type.as_deref() {
            Some("AWS_PROXY") => IntegrationKind::Lambda,
            Some("HTTP_PROXY") => IntegrationKind::Http,
            Some(kind) => return Err(HttpApiError::unserved(&format!("IntegrationType {kind}"), unserved::WEB_SOCKET)),
            None => before.map_or(IntegrationKind::Lambda, |before| before.kind),
        };
        let given = |asked: &Option<String>, before: Option<&Option<String>>| {
            asked.clone().or_else(|| before.cloned().flatten()).filter(|text| !text.is_empty())
        };
        let uri = self.integration_uri.clone().or_else(|| before.map(|before| before.uri.clone()));
        let integration = Integration {
            kind,
            uri: uri.ok_or_else(|| HttpApiError::invalid("IntegrationUri is required."))?,
            method: given(&self.integration_method, before.map(|before| &before.method)),
            payload_format: self.payload_format(before, kind)?,
            timeout_ms: match self.timeout_in_millis {
                Some(timeout_ms) => read_timeout(timeout_ms)?,
                None => before.map_or(TIMEOUT_MS_DEFAULT, |before| before.timeout_ms),
            },
            credentials: given(&self.credentials_arn, before.map(|before| &before.credentials)),
            description: given(&self.description, before.map(|before| &before.description)),
            is_managed: before.is_some_and(|before| before.is_managed),
        };
        check(&integration, scope, "IntegrationUri")?;
        Ok(integration)
    }

    /// Refuses what would have to be ignored.
    fn refuse(&self) -> Result<(), HttpApiError> {
        unserved::members(
            &[
                ("ConnectionId", self.connection_id.is_some()),
                ("ConnectionType VPC_LINK", self.connection_type.as_deref() == Some("VPC_LINK")),
                ("TlsConfig", self.tls_config.is_some()),
            ],
            "functions are reached without a VPC link",
        )?;
        let is_subtype = self.integration_subtype.is_some();
        unserved::members(&[("IntegrationSubtype", is_subtype)], "let a function call the service")?;
        unserved::members(
            &[
                ("ContentHandlingStrategy", self.content_handling_strategy.is_some()),
                ("PassthroughBehavior", self.passthrough_behavior.as_deref().is_some_and(|how| how != PASSTHROUGH)),
                ("RequestTemplates", !self.request_templates.is_empty()),
                ("TemplateSelectionExpression", self.template_selection_expression.is_some()),
            ],
            unserved::WEB_SOCKET,
        )?;
        unserved::members(
            &[
                ("RequestParameters", !self.request_parameters.is_empty()),
                ("ResponseParameters", !self.response_parameters.is_empty()),
            ],
            "functions get requests as they come, and their answers go back as they are",
        )
    }

    fn payload_format(
        &self,
        before: Option<&Integration>,
        kind: IntegrationKind,
    ) -> Result<PayloadFormat, HttpApiError> {
        match (&self.payload_format_version, before) {
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

fn read_timeout(timeout_ms: i64) -> Result<u32, HttpApiError> {
    let bounds = limits::HTTP_API_TIMEOUT_MS;
    u32::try_from(timeout_ms).ok().filter(|timeout_ms| bounds.contains(timeout_ms)).ok_or_else(|| {
        HttpApiError::invalid(format!(
            "Timeout should be between {} ms and {} ms",
            limits::HTTP_API_TIMEOUT_MS.start(),
            limits::HTTP_API_TIMEOUT_MS.end()
        ))
    })
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
