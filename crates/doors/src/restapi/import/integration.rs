//! `x-amazon-apigateway-integration`: what answers a method.

use serde_json::Value;

use super::document::{entries, text, text_of};
use crate::restapi::RestApiError;
use crate::restapi::integrations::IntegrationDraft;
use crate::restapi::records::{Integration, IntegrationResponse, Named};

/// Members that are read; another one is told of.
const KNOWN: [&str; 16] = [
    "type",
    "httpMethod",
    "uri",
    "credentials",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "connectionType",
    "connectionId",
    "tlsConfig",
    "responseTransferMode",
    "responses",
];

/// The integration, and the members that mean nothing.
pub(super) fn read(value: &Value, resource_id: &str) -> Result<(Integration, Vec<String>), RestApiError> {
    let upper = |member: &str| text(value, member).map(str::to_ascii_uppercase);
    let plain = |member: &str| text(value, member).map(str::to_owned);
    if value.get("uri").is_some_and(|uri| !uri.is_string()) {
        return Err(RestApiError::bad("The uri of an integration must be text"));
    }
    let timeout_ms = value.get("timeoutInMillis").and_then(text_of);
    let draft = IntegrationDraft {
        kind: upper("type").unwrap_or_default(),
        integration_http_method: upper("httpMethod"),
        uri: plain("uri"),
        connection_type: upper("connectionType"),
        connection_id: plain("connectionId"),
        credentials: plain("credentials"),
        request_parameters: Some(texts(value, "requestParameters")),
        request_templates: Some(texts(value, "requestTemplates")),
        passthrough_behavior: upper("passthroughBehavior"),
        cache_namespace: plain("cacheNamespace"),
        cache_key_parameters: value
            .get("cacheKeyParameters")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        content_handling: upper("contentHandling"),
        timeout_in_millis: timeout_ms.and_then(|timeout_ms| timeout_ms.parse().ok()),
        tls_config: value.get("tlsConfig").cloned(),
        response_transfer_mode: upper("responseTransferMode"),
        integration_target: None,
    };
    let mut integration = draft.integration(resource_id)?;
    for (pattern, response) in entries(value, "responses") {
        let response = response_of(pattern, response)?;
        integration.integration_responses.insert(response.status_code.clone(), response);
    }
    let members = value.as_object().into_iter().flat_map(|members| members.keys());
    let unknown = members.filter(|member| !KNOWN.contains(&member.as_str()) && *member != "$ref").cloned().collect();
    Ok((integration, unknown))
}

/// A response, by the pattern that selects it; `default` is the one without.
fn response_of(pattern: &str, value: &Value) -> Result<IntegrationResponse, RestApiError> {
    let status = value.get("statusCode").and_then(text_of);
    let status =
        status.ok_or_else(|| RestApiError::bad(format!("The integration response '{pattern}' has no statusCode")))?;
    if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RestApiError::bad(format!("The integration response '{pattern}' has no valid statusCode")));
    }
    let response = IntegrationResponse {
        status_code: status,
        selection_pattern: (pattern != "default").then(|| pattern.to_owned()),
        response_parameters: texts(value, "responseParameters"),
        response_templates: texts(value, "responseTemplates"),
        content_handling: text(value, "contentHandling").map(str::to_ascii_uppercase),
    };
    response.check()?;
    Ok(response)
}

/// A map of texts; a template that is written as an object is the text of that object.
fn texts(value: &Value, member: &str) -> Named<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    entries(value, member).map(|(name, value)| (name.clone(), text(value))).collect()
}
