//! Integrations and their responses: Put, Get, Update and Delete of each.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::invoke_uri::InvokeUri;
use super::methods::{MethodRequest, checked_http_method, no_response};
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{
    Content, Integration, IntegrationResponse, IntegrationType, Method, Named, PassthroughBehavior, shown,
};
use super::{RestApiError, RestApiService, templates};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRequest {
    #[serde(flatten)]
    place: MethodRequest,
    #[serde(flatten)]
    draft: IntegrationDraft,
}

/// The members that make an integration, by whatever way they come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IntegrationDraft {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    pub(super) integration_http_method: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) connection_type: Option<String>,
    pub(super) connection_id: Option<String>,
    pub(super) credentials: Option<String>,
    pub(super) request_parameters: Option<Named<String>>,
    pub(super) request_templates: Option<Named<String>>,
    pub(super) passthrough_behavior: Option<String>,
    pub(super) cache_namespace: Option<String>,
    pub(super) cache_key_parameters: Option<Vec<String>>,
    pub(super) content_handling: Option<String>,
    pub(super) timeout_in_millis: Option<i64>,
    pub(super) tls_config: Option<Value>,
    pub(super) response_transfer_mode: Option<String>,
    pub(super) integration_target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRequest {
    #[serde(flatten)]
    place: MethodRequest,
    patch_operations: Option<Vec<PatchOperation>>,
}

/// Which response is meant, and what it is to become.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseRequest {
    rest_api_id: String,
    resource_id: String,
    http_method: String,
    status_code: String,
    selection_pattern: Option<String>,
    response_parameters: Option<Named<String>>,
    response_templates: Option<Named<String>>,
    content_handling: Option<String>,
    patch_operations: Option<Vec<PatchOperation>>,
}

impl RestApiService {
    pub(super) async fn put_integration(&self, scope: &Scope, request: PutRequest) -> Result<Value, RestApiError> {
        let place = &request.place;
        let integration = request.draft.integration(&place.resource_id)?;
        self.change_content(scope, &place.rest_api_id, |content| {
            let method = content.method_mut(&place.resource_id, &place.http_method)?;
            method.integration = Some(integration.clone());
            Ok(shown(&integration))
        })
        .await
    }

    pub(super) async fn get_integration(&self, scope: &Scope, request: MethodRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        Ok(shown(integration(api.content.method(&request.resource_id, &request.http_method)?)?))
    }

    pub(super) async fn update_integration(
        &self,
        scope: &Scope,
        request: UpdateRequest,
    ) -> Result<Value, RestApiError> {
        let place = &request.place;
        self.change_content(scope, &place.rest_api_id, |content| {
            let integration = content.integration_mut(&place.resource_id, &place.http_method)?;
            let mut changed = integration.clone();
            apply_all(request.patch_operations.as_deref(), |patch| change(&mut changed, patch))?;
            changed.check()?;
            *integration = changed;
            Ok(shown(integration))
        })
        .await
    }

    pub(super) async fn delete_integration(
        &self,
        scope: &Scope,
        request: MethodRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            method.integration.take().map(|_| json!({})).ok_or_else(no_integration)
        })
        .await
    }

    pub(super) async fn put_integration_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            let response = IntegrationResponse {
                status_code: request.status_code.clone(),
                selection_pattern: request.selection_pattern.clone(),
                response_parameters: request.response_parameters.clone().unwrap_or_default(),
                response_templates: request.response_templates.clone().unwrap_or_default(),
                content_handling: request.content_handling.clone(),
            };
            response.check()?;
            check_known(method, &response)?;
            let integration = method.integration.as_mut().ok_or_else(no_integration)?;
            let told = shown(&response);
            integration.integration_responses.insert(request.status_code.clone(), response);
            Ok(told)
        })
        .await
    }

    pub(super) async fn get_integration_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        let integration = integration(api.content.method(&request.resource_id, &request.http_method)?)?;
        integration.integration_responses.get(&request.status_code).map(shown).ok_or_else(no_response)
    }

    pub(super) async fn update_integration_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            let responses = &integration(method)?.integration_responses;
            let mut response = responses.get(&request.status_code).ok_or_else(no_response)?.clone();
            apply_all(request.patch_operations.as_deref(), |patch| change_response(&mut response, patch))?;
            response.check()?;
            check_known(method, &response)?;
            let integration = method.integration.as_mut().ok_or_else(no_integration)?;
            let told = shown(&response);
            integration.integration_responses.insert(request.status_code.clone(), response);
            Ok(told)
        })
        .await
    }

    pub(super) async fn delete_integration_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let integration = content.integration_mut(&request.resource_id, &request.http_method)?;
            let gone = integration.integration_responses.remove(&request.status_code);
            gone.map(|_| json!({})).ok_or_else(no_response)
        })
        .await
    }
}

fn no_integration() -> RestApiError {
    RestApiError::not_found("Invalid Integration identifier specified")
}

fn integration(method: &Method) -> Result<&Integration, RestApiError> {
    method.integration.as_ref().ok_or_else(no_integration)
}

impl Content {
    fn integration_mut(&mut self, resource: &str, name: &str) -> Result<&mut Integration, RestApiError> {
        self.method_mut(resource, name)?.integration.as_mut().ok_or_else(no_integration)
    }
}

impl IntegrationDraft {
    /// The integration, if it is one that is done here.
    pub(super) fn integration(&self, resource_id: &str) -> Result<Integration, RestApiError> {
        self.refuse()?;
        let kind = match self.kind.as_str() {
            "AWS_PROXY" => IntegrationType::AwsProxy,
            "MOCK" => IntegrationType::Mock,
            other => {
                return Err(RestApiError::unsupported(format!(
                    "Integrations of type {other} (AWS_PROXY with a Lambda function and MOCK are served) are"
                )));
            }
        };
        let timeout_ms = match self.timeout_in_millis {
            None => limits::REST_INTEGRATION_TIMEOUT_MS_MAX,
            Some(timeout_ms) => checked_timeout(timeout_ms)?,
        };
        let integration = Integration {
            kind,
            http_method: self.integration_http_method.clone(),
            uri: self.uri.clone(),
            request_templates: self.request_templates.clone().unwrap_or_default(),
            passthrough_behavior: match &self.passthrough_behavior {
                None => PassthroughBehavior::default(),
                Some(text) => passthrough_behavior(text)?,
            },
            content_handling: self.content_handling.clone(),
            timeout_ms,
            cache_namespace: self.cache_namespace.clone().unwrap_or_else(|| resource_id.to_owned()),
            cache_key_parameters: Vec::new(),
            integration_responses: Named::new(),
        };
        integration.check()?;
        Ok(integration)
    }

    /// Refuses what would otherwise be ignored.
    fn refuse(&self) -> Result<(), RestApiError> {
        let refused = [
            ("VPC links", self.connection_type.as_deref().is_some_and(|kind| kind != "INTERNET")),
            ("VPC links", self.connection_id.as_deref().is_some_and(|id| !id.is_empty())),
            ("integration targets", self.integration_target.is_some()),
            (
                "credentials of integrations (give API Gateway a permission on the function instead)",
                self.credentials.as_deref().is_some_and(|role| !role.is_empty()),
            ),
            (
                "mappings of request parameters",
                self.request_parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()),
            ),
            (
                "cache key parameters, because nothing is cached,",
                self.cache_key_parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()),
            ),
            ("TLS configurations of integrations", self.tls_config.is_some()),
            ("response streams", self.response_transfer_mode.as_deref().is_some_and(|mode| mode != "BUFFERED")),
        ];
        match refused.iter().find(|(_, is_given)| *is_given) {
            Some((what, _)) => {
                Err(RestApiError::unsupported(format!("The integration has what is not done here: {what} are")))
            }
            None => Ok(()),
        }
    }
}

impl Integration {
    fn check(&self) -> Result<(), RestApiError> {
        if self.content_handling.as_deref().is_some_and(|handling| handling != "CONVERT_TO_TEXT") {
            return Err(RestApiError::unsupported("The content handling CONVERT_TO_BINARY is"));
        }
        self.request_templates.values().try_for_each(|template| templates::check_static(template))?;
        if self.kind == IntegrationType::Mock {
            return Ok(());
        }
        if !self.request_templates.is_empty() {
            return Err(RestApiError::unsupported(
                "A proxy passes the request on as it came, so request templates of AWS_PROXY integrations, which would do nothing, are",
            ));
        }
        let http_method = self.http_method.as_deref().unwrap_or_default();
        if http_method.is_empty() {
            return Err(RestApiError::bad("Enumeration value for HttpMethod must be non-empty"));
        }
        checked_http_method(http_method)?;
        if http_method != "POST" {
            return Err(RestApiError::bad(format!(
                "A Lambda function is invoked with POST, so the integration's HTTP method cannot be {http_method}."
            )));
        }
        InvokeUri::parse(self.uri.as_deref().unwrap_or_default()).map(drop)
    }
}

impl IntegrationResponse {
    pub(super) fn check(&self) -> Result<(), RestApiError> {
        if self.content_handling.as_deref().is_some_and(|handling| handling != "CONVERT_TO_TEXT") {
            return Err(RestApiError::unsupported("The content handling CONVERT_TO_BINARY is"));
        }
        self.response_templates.values().try_for_each(|template| templates::check_static(template))?;
        for (name, mapping) in &self.response_parameters {
            let header = name.strip_prefix("method.response.header.").unwrap_or_default();
            if http::HeaderName::try_from(header).is_err() {
                return Err(RestApiError::bad(format!("Invalid mapping expression parameter specified: {name}")));
            }
            templates::constant(mapping)?;
        }
        let pattern = self.selection_pattern.as_deref().unwrap_or_default();
        match fancy_regex::Regex::new(pattern) {
            Ok(_) => Ok(()),
            Err(_) => Err(RestApiError::bad(format!("Invalid selection pattern specified: {pattern}"))),
        }
    }
}

/// Headers that an integration sets must be those of the method's response.
fn check_known(method: &Method, response: &IntegrationResponse) -> Result<(), RestApiError> {
    let known = method.method_responses.get(&response.status_code);
    let is_known = |name: &&String| known.is_some_and(|known| known.response_parameters.contains_key(*name));
    match response.response_parameters.keys().find(|name| !is_known(name)) {
        Some(name) => Err(RestApiError::bad(format!(
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {name}]"
        ))),
        None => Ok(()),
    }
}

fn checked_timeout(timeout_ms: i64) -> Result<u32, RestApiError> {
    let (min, max) = (limits::REST_INTEGRATION_TIMEOUT_MS_MIN, limits::REST_INTEGRATION_TIMEOUT_MS_MAX);
    let found = u32::try_from(timeout_ms).ok().filter(|timeout_ms| (min..=max).contains(timeout_ms));
    found.ok_or_else(|| RestApiError::bad(format!("Timeout should be between {min} ms and {max} ms")))
}

fn passthrough_behavior(text: &str) -> Result<PassthroughBehavior, RestApiError> {
    match text {
        "WHEN_NO_MATCH" => Ok(PassthroughBehavior::WhenNoMatch),
        "WHEN_NO_TEMPLATES" => Ok(PassthroughBehavior::WhenNoTemplates),
        "NEVER" => Ok(PassthroughBehavior::Never),
        _ => Err(RestApiError::bad(
            "Invalid passthroughBehavior specified. Must be one of: [WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER]",
        )),
    }
}

fn change(integration: &mut Integration, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["uri"]) => integration.uri = patch.optional(),
        (Op::Replace, ["httpMethod"]) => integration.http_method = patch.optional(),
        (Op::Replace, ["passthroughBehavior"]) => {
            integration.passthrough_behavior = passthrough_behavior(patch.text())?;
        }
        (Op::Replace, ["timeoutInMillis"]) => integration.timeout_ms = checked_timeout(patch.number()?)?,
        (Op::Replace, ["contentHandling"]) => integration.content_handling = patch.optional(),
        (Op::Remove, ["contentHandling"]) => integration.content_handling = None,
        (Op::Replace, ["cacheNamespace"]) => integration.cache_namespace = patch.text().to_owned(),
        (Op::Replace, ["connectionType"]) if patch.text() == "INTERNET" => {}
        (Op::Replace, ["credentials"]) if patch.text().is_empty() => {}
        (Op::Remove, ["requestTemplates", media_type]) => drop(integration.request_templates.remove(*media_type)),
        (Op::Add | Op::Replace, ["requestTemplates", media_type]) => {
            integration.request_templates.insert((*media_type).to_owned(), patch.text().to_owned());
        }
        (
            Op::Add | Op::Replace,
            [
                "requestParameters" | "cacheKeyParameters" | "credentials" | "connectionId" | "connectionType"
                | "tlsConfig",
                ..,
            ],
        ) => return Err(patch.unsupported()),
        (Op::Remove, ["requestParameters" | "cacheKeyParameters", _]) => {}
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

fn change_response(response: &mut IntegrationResponse, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["selectionPattern"]) => response.selection_pattern = patch.optional(),
        (Op::Replace, ["contentHandling"]) => response.content_handling = patch.optional(),
        (Op::Remove, ["contentHandling"]) => response.content_handling = None,
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
