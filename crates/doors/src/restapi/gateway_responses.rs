//! PutGatewayResponse, GetGatewayResponse(s), UpdateGatewayResponse and DeleteGatewayResponse: how the gateway's own
//! refusals look.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::page::PageRequest;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{GatewayResponse, Named};
use super::{RestApiError, RestApiService, templates};

/// The template that every refusal has by default, and the one template with an expression that is known.
pub(super) const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";

/// Every type with the status that it has by default; none of the two that stand for all others.
pub(super) const TYPES: [(&str, Option<u16>); 21] = [
    ("ACCESS_DENIED", Some(403)),
    ("API_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_FAILURE", Some(500)),
    ("BAD_REQUEST_BODY", Some(400)),
    ("BAD_REQUEST_PARAMETERS", Some(400)),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some(403)),
    ("INTEGRATION_FAILURE", Some(504)),
    ("INTEGRATION_TIMEOUT", Some(504)),
    ("INVALID_API_KEY", Some(403)),
    ("INVALID_SIGNATURE", Some(403)),
    ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
    ("QUOTA_EXCEEDED", Some(429)),
    ("REQUEST_TOO_LARGE", Some(413)),
    ("RESOURCE_NOT_FOUND", Some(404)),
    ("THROTTLED", Some(429)),
    ("UNAUTHORIZED", Some(401)),
    ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
    ("WAF_FILTERED", Some(403)),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseRequest {
    rest_api_id: String,
    response_type: String,
    status_code: Option<String>,
    response_parameters: Option<Named<String>>,
    response_templates: Option<Named<String>>,
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
    pub(super) async fn put_gateway_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        let response = GatewayResponse {
            status_code: request.status_code,
            response_parameters: request.response_parameters.unwrap_or_default(),
            response_templates: request.response_templates.unwrap_or_default(),
        };
        response.check()?;
        self.change_content(scope, &request.rest_api_id, |content| {
            content.gateway_responses.insert(request.response_type.clone(), response.clone());
            Ok(shown(&request.response_type, Some(&response)))
        })
        .await
    }

    pub(super) async fn get_gateway_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        Ok(shown(&request.response_type, api.content.gateway_responses.get(&request.response_type)))
    }

    pub(super) async fn get_gateway_responses(
        &self,
        scope: &Scope,
        request: ListRequest,
    ) -> Result<Value, RestApiError> {
        let responses = self.api(scope, &request.rest_api_id).await?.value.content.gateway_responses;
        request.page.cut(TYPES.iter().map(|(name, _)| ((*name).to_owned(), shown(name, responses.get(*name)))))
    }

    pub(super) async fn update_gateway_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let mut response = content.gateway_responses.get(&request.response_type).cloned().unwrap_or_default();
            apply_all(request.patch_operations.as_deref(), |patch| change(&mut response, patch))?;
            response.check()?;
            content.gateway_responses.insert(request.response_type.clone(), response.clone());
            Ok(shown(&request.response_type, Some(&response)))
        })
        .await
    }

    pub(super) async fn delete_gateway_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let gone = content.gateway_responses.remove(&request.response_type);
            gone.map(|_| json!({})).ok_or_else(|| RestApiError::not_found("Gateway response type not defined on api"))
        })
        .await
    }
}

impl GatewayResponse {
    /// Headers are constants, and a template is text or the one that there is by default.
    pub(super) fn check(&self) -> Result<(), RestApiError> {
        for (name, mapping) in &self.response_parameters {
            let header = name.strip_prefix("gatewayresponse.header.").unwrap_or_default();
            if http::HeaderName::try_from(header).is_err() {
                return Err(RestApiError::bad(format!("Invalid mapping expression parameter specified: {name}")));
            }
            templates::constant(mapping)?;
        }
        let own = self.response_templates.values().filter(|template| !is_default(template));
        own.into_iter().try_for_each(|template| templates::check_static(template))
    }
}

/// Whether a template says what every refusal says.
pub(super) fn is_default(template: &str) -> bool {
    template.split_whitespace().collect::<String>() == DEFAULT_TEMPLATE
}

fn change(response: &mut GatewayResponse, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["statusCode"]) => response.status_code = patch.optional(),
        (Op::Remove, ["responseParameters", name]) => drop(response.response_parameters.remove(*name)),
        (Op::Add | Op::Replace, ["responseParameters", name]) => {
            response.response_parameters.insert((*name).to_owned(), patch.text().to_owned());
        }
        (Op::Remove, ["responseTemplates", media_type]) => drop(response.response_templates.remove(*media_type)),
        (Op::Add | Op::Replace, ["responseTemplates", media_type]) => {
            response.response_templates.insert((*media_type).to_owned(), patch.text().to_owned());
        }
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

fn shown(name: &str, own: Option<&GatewayResponse>) -> Value {
    let usual = TYPES.iter().find(|(known, _)| *known == name).and_then(|(_, status)| *status);
    let status = own.and_then(|own| own.status_code.clone()).or_else(|| usual.map(|status| status.to_string()));
    let default = || Named::from([("application/json".to_owned(), DEFAULT_TEMPLATE.to_owned())]);
    let templates = own.map_or_else(default, |own| own.response_templates.clone());
    let mut shown = json!({
        "responseType": name,
        "responseParameters": own.map(|own| own.response_parameters.clone()).unwrap_or_default(),
        "responseTemplates": templates,
        "defaultResponse": own.is_none(),
    });
    if let Some(status) = status {
        shown["statusCode"] = status.into();
    }
    shown
}
