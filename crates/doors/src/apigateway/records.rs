//! What lies in the store.
//!
//! An API is one record with its routes, integrations, authorizers and stages, so that each change is one
//! compare-and-set and what refers to one another cannot come apart; quotas bound its size. What a deployment serves is
//! a record of its own, written with the deployment and never changed. All keys share a prefix, so that one watch tells
//! of everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;

/// What all keys begin with.
pub(super) const PREFIX: &str = "http-api/";
/// Of the records of APIs. Ids are names of hosts and thus unique among all accounts.
pub(super) const API_PREFIX: &str = "http-api/api/";
/// Of the records of custom domain names, unique among all accounts as well.
pub(super) const DOMAIN_PREFIX: &str = "http-api/domain/";
/// Of what deployments serve.
const DEPLOYED_PREFIX: &str = "http-api/deployed/";

pub(super) fn api_key(id: &str) -> String {
    format!("{API_PREFIX}{id}")
}

pub(super) fn domain_key(name: &str) -> String {
    format!("{DOMAIN_PREFIX}{name}")
}

/// The key of what a deployment serves: a [`Definition`].
pub(super) fn deployed_key(api: &str, deployment: &str) -> String {
    format!("{}{deployment}", deployed_prefix(api))
}

pub(super) fn deployed_prefix(api: &str) -> String {
    format!("{DEPLOYED_PREFIX}{api}/")
}

/// An API with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Api {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) protocol: Protocol,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) version: Option<String>,
    pub(super) route_selection_expression: String,
    /// `DisableExecuteApiEndpoint`: it is served under custom domain names alone.
    pub(super) is_endpoint_disabled: bool,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created_ms: UnixMs,
    /// `ImportInfo`, of an API that came from an OpenAPI document.
    pub(super) import_info: Vec<String>,
    /// `Warnings` of that import.
    pub(super) warnings: Vec<String>,
    /// As it is edited.
    pub(super) definition: Definition,
    /// By their names.
    pub(super) stages: BTreeMap<String, Stage>,
    /// By their ids.
    pub(super) deployments: BTreeMap<String, Deployment>,
}

/// `ProtocolType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Protocol {
    Http,
    WebSocket,
}

impl Protocol {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::WebSocket => "WEBSOCKET",
        }
    }
}

/// What a deployment is a copy of: how requests are answered. Each map is by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) cors: Option<Cors>,
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) integrations: BTreeMap<String, Integration>,
    pub(super) authorizers: BTreeMap<String, Authorizer>,
}

/// `CorsConfiguration`. A list that was not given is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cors {
    pub(super) allow_credentials: Option<bool>,
    pub(super) allow_headers: Option<Vec<String>>,
    pub(super) allow_methods: Option<Vec<String>>,
    pub(super) allow_origins: Option<Vec<String>>,
    pub(super) expose_headers: Option<Vec<String>>,
    /// Seconds.
    pub(super) max_age: Option<i32>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Route {
    /// For example `GET /pets/{id}`, or `$default`.
    pub(super) key: String,
    pub(super) authorization: Authorization,
    pub(super) operation_name: Option<String>,
    /// Id of the integration; without one nothing can be answered.
    pub(super) integration: Option<String>,
    /// It belongs to a quick create.
    pub(super) is_managed: bool,
    /// `RouteResponseSelectionExpression` of a WebSocket API.
    #[serde(default)]
    pub(super) response_selection: Option<String>,
    /// Keys of route responses of a WebSocket API, by their ids.
    #[serde(default)]
    pub(super) responses: BTreeMap<String, String>,
}

/// How a route lets requests in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Authorization {
    /// `NONE`.
    #[default]
    Open,
    /// `JWT`, with the scopes of which a token needs one.
    Jwt { authorizer: String, scopes: Vec<String> },
    /// `CUSTOM`.
    Lambda { authorizer: String },
}

impl Authorization {
    /// `AuthorizationType`.
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Open => "NONE",
            Self::Jwt { .. } => "JWT",
            Self::Lambda { .. } => "CUSTOM",
        }
    }

    pub(super) fn authorizer(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Jwt { authorizer, .. } | Self::Lambda { authorizer } => Some(authorizer),
        }
    }
}

/// An integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Integration {
    pub(super) kind: IntegrationKind,
    /// As it was given.
    pub(super) uri: String,
    pub(super) method: Option<String>,
    pub(super) payload_format: PayloadFormat,
    pub(super) timeout_ms: u32,
    /// The role on whose behalf the function is invoked; without one the function's policy decides.
    pub(super) credentials: Option<String>,
    pub(super) description: Option<String>,
    pub(super) is_managed: bool,
}

/// `IntegrationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IntegrationKind {
    /// `AWS_PROXY` without a subtype: a function.
    Lambda,
    /// `HTTP_PROXY`.
    Http,
}

impl IntegrationKind {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Lambda => "AWS_PROXY",
            Self::Http => "HTTP_PROXY",
        }
    }
}

/// `PayloadFormatVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PayloadFormat {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
}

impl PayloadFormat {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|format| format.text() == text)
    }
}

/// An authorizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Authorizer {
    pub(super) name: String,
    /// For example `$request.header.Authorization`.
    pub(super) identity_sources: Vec<String>,
    pub(super) kind: AuthorizerKind,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AuthorizerKind {
    /// `JWT`.
    Jwt { issuer: String, audience: Vec<String> },
    /// `REQUEST`: a function.
    Lambda {
        uri: String,
        payload_format: PayloadFormat,
        /// It answers `isAuthorized` instead of a policy.
        is_simple: bool,
        /// How long an answer holds, in seconds; 0 for this request alone.
        ttl_s: u32,
        credentials: Option<String>,
    },
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stage {
    pub(super) description: Option<String>,
    /// It serves the definition as it is edited; otherwise what its deployment is a copy of.
    pub(super) is_auto_deployed: bool,
    pub(super) deployment: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) default_settings: RouteSettings,
    /// By the keys of routes.
    pub(super) route_settings: BTreeMap<String, RouteSettings>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created_ms: UnixMs,
    pub(super) updated_ms: UnixMs,
    /// `LastDeploymentStatusMessage`.
    pub(super) status_message: Option<String>,
    pub(super) is_managed: bool,
    /// Grows when what authorizers answered is to be forgotten.
    pub(super) authorizer_cache_epoch: u64,
}

/// Settings of a route in a stage. What is not set is left to the stage's default, then to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RouteSettings {
    /// `DetailedMetricsEnabled`: figures of each route.
    pub(super) has_detailed_metrics: Option<bool>,
    pub(super) throttling_burst: Option<u32>,
    /// Requests in a second.
    pub(super) throttling_rate: Option<f64>,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deployment {
    pub(super) description: Option<String>,
    pub(super) created_ms: UnixMs,
    /// Made for a stage that deploys each change by itself.
    pub(super) is_auto: bool,
    /// A copy of the definition lies under [`deployed_key`]. Without one it is what the API is now, and goes with the
    /// next change.
    pub(super) is_kept: bool,
}

/// A custom domain name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DomainName {
    pub(super) name: String,
    pub(super) scope: Scope,
    /// The name under `execute-api` that it would be an alias of.
    pub(super) target: String,
    pub(super) certificate: String,
    pub(super) tags: BTreeMap<String, String>,
    /// By their ids.
    pub(super) mappings: BTreeMap<String, ApiMapping>,
}

/// Which stage is served under which first segments of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ApiMapping {
    pub(super) api: String,
    pub(super) stage: String,
    /// Segments joined by slashes; empty for everything else.
    pub(super) key: String,
}
