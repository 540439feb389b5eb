//! What lies in the store: an API with everything that is edited, its deployments and its stages.
//!
//! The parts have the members and names that answers have, so that what is stored is what is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;

/// What all keys begin with, so that one watch sees every change.
pub(super) const PREFIX: &str = "restapi/";
pub(super) const API_PREFIX: &str = "restapi/api/";
pub(super) const DEPLOYMENT_PREFIX: &str = "restapi/deployment/";
pub(super) const STAGE_PREFIX: &str = "restapi/stage/";

/// Names by names, in the order of the names.
pub(super) type Named<T> = BTreeMap<String, T>;

/// The key of a record: what it is, whose it is, and its ids from the outer to the inner.
pub(super) fn key(prefix: &str, scope: &Scope, ids: &[&str]) -> String {
    format!("{prefix}{}/{}/{}", scope.account, scope.region, ids.join("/"))
}

/// Account and region of a key.
pub(super) fn scope_of<'a>(prefix: &str, key: &'a str) -> Option<(Scope, &'a str)> {
    let mut parts = key.strip_prefix(prefix)?.splitn(3, '/');
    let scope = Scope { account: parts.next()?.to_owned(), region: parts.next()?.to_owned() };
    Some((scope, parts.next()?))
}

/// An API as it is edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Api {
    pub(super) id: String,
    pub(super) created_ms: UnixMs,
    pub(super) tags: Named<String>,
    pub(super) settings: Settings,
    pub(super) content: Content,
}

/// What is said of an API and changes nothing of what it answers, but for the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) version: Option<String>,
    /// `EDGE` or `REGIONAL`: on one's own machines both are the same place.
    pub(super) endpoint_type: String,
    pub(super) ip_address_type: String,
}

/// What a deployment takes a picture of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) root_id: String,
    /// By their ids.
    pub(super) resources: Named<Resource>,
    /// By their ids.
    pub(super) authorizers: Named<Authorizer>,
    /// By their types.
    pub(super) gateway_responses: Named<GatewayResponse>,
    /// By their ids.
    pub(super) validators: Named<RequestValidator>,
    /// By their names.
    pub(super) models: Named<Model>,
    pub(super) binary_media_types: Vec<String>,
    pub(super) minimum_compression_bytes: Option<u32>,
    pub(super) api_key_source: ApiKeySource,
    pub(super) is_endpoint_disabled: bool,
}

/// `apiKeySource`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ApiKeySource {
    #[default]
    Header,
    Authorizer,
}

/// One part of the tree of paths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) id: String,
    /// None of the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_part: Option<String>,
    pub(super) path: String,
    /// By their names, `ANY` among them.
    #[serde(rename = "resourceMethods", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) methods: Named<Method>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Method {
    pub(super) http_method: String,
    /// `NONE` or `CUSTOM`.
    pub(super) authorization_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorizer_id: Option<String>,
    pub(super) api_key_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_validator_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation_name: Option<String>,
    /// `method.request.header.NAME` and the like, and whether it is required.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) request_parameters: Named<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) request_models: Named<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) method_responses: Named<MethodResponse>,
    #[serde(rename = "methodIntegration", skip_serializing_if = "Option::is_none")]
    pub(super) integration: Option<Integration>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodResponse {
    pub(super) status_code: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) response_parameters: Named<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) response_models: Named<String>,
}

/// `AWS_PROXY` of a Lambda function, or `MOCK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IntegrationType {
    #[serde(rename = "AWS_PROXY")]
    AwsProxy,
    #[serde(rename = "MOCK")]
    Mock,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    #[serde(rename = "type")]
    pub(super) kind: IntegrationType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) request_templates: Named<String>,
    pub(super) passthrough_behavior: PassthroughBehavior,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_handling: Option<String>,
    #[serde(rename = "timeoutInMillis")]
    pub(super) timeout_ms: u32,
    /// The resource, because nothing is cached.
    pub(super) cache_namespace: String,
    pub(super) cache_key_parameters: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) integration_responses: Named<IntegrationResponse>,
}

/// What happens to a body of which no template knows the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PassthroughBehavior {
    #[default]
    #[serde(rename = "WHEN_NO_MATCH")]
    WhenNoMatch,
    #[serde(rename = "WHEN_NO_TEMPLATES")]
    WhenNoTemplates,
    #[serde(rename = "NEVER")]
    Never,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IntegrationResponse {
    pub(super) status_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) selection_pattern: Option<String>,
    /// `method.response.header.NAME`, and its text in quotes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) response_parameters: Named<String>,
    /// Texts without expressions, by their media types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) response_templates: Named<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_handling: Option<String>,
}

/// `TOKEN` or `REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum AuthorizerType {
    Token,
    Request,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorizer {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: AuthorizerType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_type: Option<String>,
    pub(super) authorizer_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity_validation_expression: Option<String>,
    #[serde(rename = "authorizerResultTtlInSeconds", skip_serializing_if = "Option::is_none")]
    pub(super) ttl_s: Option<u32>,
}

/// How one of the gateway's own refusals looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_code: Option<String>,
    #[serde(default)]
    pub(super) response_parameters: Named<String>,
    #[serde(default)]
    pub(super) response_templates: Named<String>,
}

/// Checks the parameters of a request before the function sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestValidator {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) validate_request_body: bool,
    pub(super) validate_request_parameters: bool,
}

/// A schema with a name, for those who make clients out of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) schema: String,
    pub(super) content_type: String,
}

/// A picture of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) description: Option<String>,
    pub(super) created_ms: UnixMs,
    pub(super) content: Content,
}

/// A name under which a deployment is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) deployment_id: String,
    pub(super) description: Option<String>,
    pub(super) variables: Named<String>,
    /// By `*/*` or by path and method, `~1pets~1{id}/GET` or `pets~1{id}/GET`.
    pub(super) method_settings: Named<MethodSetting>,
    pub(super) tags: Named<String>,
    pub(super) created_ms: UnixMs,
    pub(super) updated_ms: UnixMs,
    /// Grows when what authorizers decided is to be forgotten.
    pub(super) authorizer_epoch: u64,
}

/// How fast a method may be asked; a limit that is not set is the account's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MethodSetting {
    pub(super) burst: Option<u32>,
    pub(super) rate_per_s: Option<f64>,
}

impl Api {
    pub(super) fn key(scope: &Scope, id: &str) -> String {
        key(API_PREFIX, scope, &[id])
    }
}

impl Deployment {
    pub(super) fn key(scope: &Scope, api: &str, id: &str) -> String {
        key(DEPLOYMENT_PREFIX, scope, &[api, id])
    }
}

impl Stage {
    pub(super) fn key(scope: &Scope, api: &str, name: &str) -> String {
        key(STAGE_PREFIX, scope, &[api, name])
    }
}

/// Seconds since 1970, as answers have times.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any year of a calendar fit")]
pub(super) fn seconds(time_ms: UnixMs) -> f64 {
    // AWS has whole seconds here.
    (time_ms / 1_000) as f64
}

/// A part as answers have it.
pub(super) fn shown<T: Serialize>(part: &T) -> Value {
    // The parts have string keys, so they always serialise.
    serde_json::to_value(part).unwrap_or_default()
}
